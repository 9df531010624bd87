"""TCP and UDP checks against real sockets."""

import asyncio
import re
import socket

import pytest

from registry.checks.base import Result
from registry.checks.tcp import TcpProbe
from registry.checks.udp import UdpProbe
from registry.model.check import CheckDefinition
from tests.unit.checks.conftest import listening, old_http, silent

SHORT, LONG = 10**9 // 5, 5 * 10**9  # the first certificates that are read load much


async def tcp(means, where, timeout_ns=SHORT, **more) -> Result:
    return await TcpProbe(CheckDefinition(tcp=where, timeout_ns=timeout_ns, **more), means).run()


async def udp(means, where) -> Result:
    return await UdpProbe(CheckDefinition(udp=where, timeout_ns=SHORT), means).run()


async def test_a_connection_that_is_taken_passes_and_one_that_is_not_does_not(means):
    async with listening(silent) as where:
        assert await tcp(means, where) == ("passing", f"TCP connect {where}: Success", False)
        port = where.rpartition(":")[2]
        assert (await tcp(means, f"localhost:{port}")).status == "passing"
    assert await tcp(means, where) == ("critical", f"dial tcp {where}: connect: connection refused", False)


async def test_a_backlog_that_is_full_runs_into_the_timeout(means):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        where = f"127.0.0.1:{held.getsockname()[1]}"
        with socket.create_connection(held.getsockname()):
            assert await tcp(means, where) == ("critical", f"dial tcp {where}: i/o timeout", False)


@pytest.mark.parametrize(
    ("where", "output"),
    [
        ("127.0.0.1", "dial tcp: address 127.0.0.1: missing port in address"),
        ("::1", "dial tcp: address ::1: too many colons in address"),
        ("127.0.0.1:70000", "dial tcp: address 70000: invalid port"),
        ("127.0.0.1:no-such-port", "dial tcp: lookup tcp/no-such-port: unknown port"),
        ("127.0.0.1:\0", "dial tcp: lookup tcp/\0: unknown port"),
        ("127.0.0.1:-1", "dial tcp: address -1: invalid port"),
        ("127.0.0.1:00000000000070000", "dial tcp: address 00000000000070000: invalid port"),
        ("[::1", "dial tcp: address [::1: missing ']' in address"),
        ("[::1]", "dial tcp: address [::1]: missing port in address"),
        ("[a]b:1", "dial tcp: address [a]b:1: missing port in address"),
        ("a]:1", "dial tcp: address a]:1: unexpected ']' in address"),
        ("x[y:1", "dial tcp: address x[y:1: unexpected '[' in address"),
        ("127.1:1", "dial tcp: lookup 127.1: no such host"),
        ("a b:1", "dial tcp: lookup a b: no such host"),
        ("-x.invalid:1", "dial tcp: lookup -x.invalid: no such host"),
        ("x..invalid:1", "dial tcp: lookup x..invalid: no such host"),
    ],
)
async def test_an_address_that_leads_nowhere_is_critical(means, where, output):
    assert await tcp(means, where) == ("critical", output, False)


async def test_a_name_that_nobody_knows_is_critical(means):
    for where in ("no-such-name.invalid:80", "0x7f.1:80"):
        result = await tcp(means, where)
        assert result.status == "critical"
        name = where.partition(":")[0]
        said = f"dial tcp: lookup {name}( on [^ ]+:53)?: (no such host|server misbehaving)"
        assert re.fullmatch(said, result.output), result.output


async def test_tls_is_verified(means, trusting, certificate):
    async with listening(silent, certificate.context()) as where:
        trusted = await tcp(trusting, where, timeout_ns=LONG, tcp_use_tls=True)
        stranger = await tcp(means, where, timeout_ns=LONG, tcp_use_tls=True)
        skipped = await tcp(means, where, timeout_ns=LONG, tcp_use_tls=True, tls_skip_verify=True)
        misnamed = await tcp(trusting, where, timeout_ns=LONG, tcp_use_tls=True, tls_server_name="other.test")
    assert trusted == skipped == ("passing", f"TCP+TLS connect {where}: Success", False)
    assert stranger.output == "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    assert misnamed.status == "critical"


async def test_a_server_without_tls_is_critical(means):
    async with listening(old_http) as where:
        assert (await tcp(means, where, tcp_use_tls=True)).output == (
            "tls: first record does not look like a TLS handshake"
        )
    async with listening(silent) as where:
        assert (await tcp(means, where, tcp_use_tls=True)).output == "context deadline exceeded"


class Echo(asyncio.DatagramProtocol):
    """Answers each datagram, or swallows it."""

    def __init__(self, answers: bool) -> None:
        self.answers = answers
        self.seen: list[bytes] = []

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data, addr) -> None:
        self.seen.append(data)
        if self.answers:
            self.transport.sendto(b"pong", addr)


@pytest.mark.parametrize("answers", [True, False])
async def test_a_udp_peer_passes_whether_it_answers_or_is_silent(means, answers):
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(lambda: Echo(answers), local_addr=("127.0.0.1", 0))
    where = "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
    try:
        assert await udp(means, where) == ("passing", f"UDP connect {where}: Success", False)
        assert peer.seen == [b""]
    finally:
        transport.close()


async def test_a_udp_port_that_is_closed_is_critical(means, closed_port):
    result = await udp(means, f"127.0.0.1:{closed_port}")
    assert result.status == "critical"
    assert result.output.startswith("read udp 127.0.0.1:")
    assert result.output.endswith(f"->127.0.0.1:{closed_port}: read: connection refused")
    assert (await udp(means, "127.0.0.1")).output == "dial udp: address 127.0.0.1: missing port in address"


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.2")])
async def test_a_name_whose_first_address_leads_nowhere_is_reached_by_another(means, monkeypatch, family, host):
    """As on machines with IPv6 addresses and no way out for them, and where one of several machines is gone."""
    with socket.socket(family) as held:
        held.bind((host, 0))
        held.listen(0)
        with socket.create_connection(held.getsockname()[:2]):  # and nobody else gets in
            async with listening(silent) as where:
                port = int(where.rpartition(":")[2])

                async def addresses(name, asked, kind=socket.SOCK_STREAM):
                    return [
                        (family, kind, 0, "", held.getsockname()),
                        (socket.AF_INET, kind, 0, "", ("127.0.0.1", port)),
                    ]

                monkeypatch.setattr(means.resolver, "addresses", addresses)
                found = await tcp(means, f"both.test:{port}", timeout_ns=LONG)
    assert found.status == "passing"


async def test_a_name_none_of_whose_addresses_answers_is_critical(means, monkeypatch, closed_port):
    async def addresses(name, asked, kind=socket.SOCK_STREAM):
        return [(socket.AF_INET, kind, 0, "", (host, closed_port)) for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3")]

    monkeypatch.setattr(means.resolver, "addresses", addresses)
    found = await tcp(means, f"many.test:{closed_port}", timeout_ns=LONG)
    assert found == ("critical", f"dial tcp 127.0.0.1:{closed_port}: connect: connection refused", False)
