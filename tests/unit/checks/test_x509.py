"""Certificates that Go refuses, and what it says of them: over every type of check that speaks TLS."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.checks import x509
from registry.checks.base import Result
from registry.checks.grpc import GrpcProbe
from registry.checks.h2ping import H2PingProbe
from registry.checks.http import HttpProbe
from registry.checks.means import Means
from registry.checks.tcp import TcpProbe
from registry.model.check import CheckDefinition
from registry.testing import FakeClock
from tests.unit.checks.certificates import Authority, Certificate, self_signed
from tests.unit.checks.conftest import listening, silent

FAILED = "tls: failed to verify certificate: x509: "
EXPIRED = "certificate has expired or is not yet valid: current time"
NOW = "2025-06-01T12:00:00Z"


async def http(means: Means, where: str, **more: str) -> Result:
    return await HttpProbe(CheckDefinition(http=f"https://{where}/", **more), means).run()


async def tcp(means: Means, where: str, **more: str) -> Result:
    return await TcpProbe(CheckDefinition(tcp=where, tcp_use_tls=True, **more), means).run()


async def grpc(means: Means, where: str, **more: str) -> Result:
    return await GrpcProbe(CheckDefinition(grpc=where, grpc_use_tls=True, **more), means).run()


async def h2ping(means: Means, where: str, **more: str) -> Result:
    return await H2PingProbe(CheckDefinition(h2ping=where, h2ping_use_tls=True, **more), means).run()


TYPES: dict[str, tuple[Callable[..., Awaitable[Result]], str]] = {
    "http": (http, 'Get "https://{where}/": {why}'),
    "tcp": (tcp, "{why}"),
    "grpc": (
        grpc,
        'rpc error: code = Unavailable desc = connection error: desc = "transport: authentication handshake failed: '
        '{why}"',
    ),
    "h2ping": (h2ping, "Failed to dial to {where}: {why}"),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("known") / "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("unknown") / "authority")


async def refused(authority: Authority, shown: Certificate, *, host: str = "127.0.0.1", by: str = "tcp",
                  **more: str) -> tuple[str, str]:  # fmt: skip
    """What a check of a target that shows this certificate says, and where the target was."""
    clock = FakeClock(datetime(2025, 6, 1, 12, tzinfo=UTC).timestamp())
    means = Means(ca_file=authority.file, clock=clock)
    try:
        async with listening(silent, shown.context()) as where:
            there = f"{host}:{where.rpartition(':')[2]}"
            result = await TYPES[by][0](means, there, **more)
    finally:
        await means.close()
    assert result.status == "critical"
    return result.output, there


@pytest.mark.parametrize("by", TYPES)
async def test_every_type_says_why(authority: Authority, stranger: Authority, by: str) -> None:
    expired = authority.sign("expired", years=(2024, 2025))
    said, where = await refused(authority, expired, by=by)
    why = f"{FAILED}{EXPIRED} {NOW} is after 2025-01-01T00:00:00Z"
    assert said == TYPES[by][1].format(where=where, why=why)
    said, where = await refused(authority, stranger.sign("strange"), by=by)
    assert said == TYPES[by][1].format(where=where, why=f"{FAILED}certificate signed by unknown authority")
    said, where = await refused(authority, authority.sign("known"), by=by, tls_server_name="other.test")
    why = f"{FAILED}certificate is valid for localhost, not other.test"
    assert said == TYPES[by][1].format(where=where, why=why)


async def test_one_that_vouches_for_itself_is_of_an_unknown_authority(authority: Authority, tmp_path: Path) -> None:
    shown = self_signed(tmp_path, names="DNS:localhost,IP:127.0.0.1")
    means = Means(ca_file=authority.file)
    try:
        async with listening(silent, shown.context()) as where:
            assert (await tcp(means, where)).output == f"{FAILED}certificate signed by unknown authority"
    finally:
        await means.close()


async def test_what_is_said_first_when_several_things_are_wrong(authority: Authority, stranger: Authority) -> None:
    """Its time, then its name, then who signed it: the order of Go, not that of OpenSSL."""
    old = stranger.sign("old", "DNS:a.test", years=(2024, 2025))
    assert EXPIRED in (await refused(authority, old))[0]
    other = stranger.sign("other", "DNS:a.test,DNS:*.b.test,IP:10.0.0.1,IP:::2")
    said, _ = await refused(authority, other)
    assert said == f"{FAILED}certificate is valid for 10.0.0.1, ::2, not 127.0.0.1"
    said, _ = await refused(authority, other, host="localhost")
    assert said == f"{FAILED}certificate is valid for a.test, *.b.test, not localhost"


@pytest.mark.parametrize(
    ("signed", "host", "why"),
    [
        ({"names": "DNS:a.test"}, "127.0.0.1",
         "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"),
        ({"names": "IP:10.0.0.1"}, "localhost",
         "certificate is not valid for any names, but wanted to match localhost"),
        ({"names": "", "common_name": "localhost"}, "localhost",
         "certificate relies on legacy Common Name field, use SANs instead"),
        ({"usage": "clientAuth"}, "localhost", "certificate specifies an incompatible key usage"),
        ({"years": (2048, 2049)}, "localhost", f"{EXPIRED} {NOW} is before 2048-01-01T00:00:00Z"),
    ],
)  # fmt: skip
async def test_what_else_is_refused(authority: Authority, signed: dict[str, str], host: str, why: str) -> None:
    said, _ = await refused(authority, authority.sign("odd", **signed), host=host)
    assert said == FAILED + why


async def test_a_name_with_a_star_is_any_one_label(authority: Authority) -> None:
    assert x509.matches("*.b.test", "A.b.test")
    assert not x509.matches("*.b.test", "a.a.b.test")
    assert not x509.matches("*.b.test", "b.test")
    assert not x509.matches("*", "localhost")


def test_bytes_that_are_no_certificate_are_refused(authority: Authority) -> None:
    whole = authority.sign("whole").der
    for cut in (0, 1, 10, 40, len(whole) // 2):
        with pytest.raises(ValueError):
            x509.read(whole[:cut])
