"""Tokens and TLS of everything that is sent."""

import asyncio
import shutil
from pathlib import Path

import pytest

from registry.client import Access, Discovery, NotReady, Refused, SyncDiscovery
from tests.client.front import front
from tests.client.moved import KINDS, Driven, Kind
from tests.client.odd import Said, odd
from tests.contract.rest import RestClient
from tests.replicas.certificates import MISSING, PROGRAM, Certificates, certificates


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if PROGRAM is None:
        pytest.skip(MISSING)
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("access", [Access(token="s3cret"), Access(token="s3cret", bearer=True), Access()])
async def test_the_token_goes_with_every_request(rest: RestClient, kind: Kind, access: Access) -> None:
    async with front(rest.server.host, rest.server.port) as way:
        driven = Driven(kind, way.url, access=access)
        await driven.register()
        await driven.start_heartbeat()
        await driven.unregister()
        async with Discovery(way.url, "cost", access=access) as cost:
            await cost.wait_ready(least=0)
    assert [head.split(" HTTP/")[0].split("?")[0].rpartition("/")[2] for head in way.heads] == [
        "register", "heartbeat", "unregister", "cost",
    ]  # fmt: skip
    token = "s3cret" if access.token else ""
    assert way.headers("X-Consul-Token") == ["" if access.bearer else token] * 4
    assert way.headers("Authorization") == ["Bearer s3cret" if access.bearer else ""] * 4


def test_the_token_is_not_shown() -> None:
    assert "s3cret" not in repr(Access(token="s3cret"))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_of_a_trusted_authority_is_spoken_to(rest: RestClient, made: Certificates, kind: Kind) -> None:
    async with front(rest.server.host, rest.server.port, made) as way:
        assert way.url.startswith("https://")
        access = Access(ca_file=made.authority)
        driven = Driven(kind, way.url, access=access)
        assert await driven.register()
        await driven.start_heartbeat()
        async with Discovery(way.url, "cost", access=access) as cost:
            await cost.wait_ready()
            assert cost.pick().id == driven.agent.agent_id
        await driven.unregister()
        assert (await rest.get("/agents")).value["count"] == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_of_another_authority_learns_nothing(
    rest: RestClient, made: Certificates, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    async with front(rest.server.host, rest.server.port, made) as way:
        driven = Driven(kind, way.url, access=Access(token="s3cret"))
        assert await driven.register() is False
        assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
        async with Discovery(way.url, "cost") as cost:
            with pytest.raises(NotReady, match="CERTIFICATE_VERIFY_FAILED"):
                await cost.wait_ready(0.2)
        assert way.heads == []


@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_wants_it_takes_any_certificate(rest: RestClient, made: Certificates, kind: Kind) -> None:
    async with front(rest.server.host, rest.server.port, made) as way:
        driven = Driven(kind, way.url, access=Access(verify=False))
        assert await driven.register()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_may_ask_for_our_certificate(rest: RestClient, made: Certificates, kind: Kind) -> None:
    async with front(rest.server.host, rest.server.port, made, asks_clients=True) as way:
        without = Driven(kind, way.url, access=Access(ca_file=made.authority))
        assert await without.register() is False
        ours = Access(ca_file=made.authority, certificate=made.certificate, key=made.key)
        assert await Driven(kind, way.url, access=ours).register() is True


@pytest.mark.parametrize("kind", KINDS)
async def test_files_that_are_missing_are_told(
    rest: RestClient, kind: Kind, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = Access(ca_file=tmp_path / "none.pem")
    driven = Driven(kind, rest.server.url.replace("http", "https"), access=access)
    assert await driven.register() is False
    assert "No such file" in caplog.text


async def test_certificates_that_come_later_are_seen(rest: RestClient, made: Certificates, tmp_path: Path) -> None:
    late = certificates(tmp_path).authority  # another one

    async def sleep(_: float) -> None:
        await asyncio.to_thread(shutil.copyfile, made.authority, late)

    async with (
        front(rest.server.host, rest.server.port, made) as way,
        Discovery(way.url, "cost", access=Access(ca_file=late), sleep=sleep) as cost,
    ):
        await cost.wait_ready(least=0)


async def test_a_token_that_is_refused_is_told() -> None:
    async with odd(Said(403, b"Permission denied")) as server, Discovery(server.url, "cost") as cost:
        with pytest.raises(Refused, match="403: Permission denied") as refused:
            await cost.wait_ready()
        assert (refused.value.status, refused.value.text) == (403, "Permission denied")
        assert isinstance(cost.last_error, Refused)


def test_a_thread_of_discovery_is_told_too() -> None:
    discovery = Discovery("https://127.0.0.1:1", "cost", access=Access(ca_file="nowhere.pem"))
    with SyncDiscovery(discovery) as cost, pytest.raises(NotReady, match="No such file"):
        cost.wait_ready(0.1)
