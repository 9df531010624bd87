"""The start of replicas on one store: who they are, what they leave alone, and what they wait for."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.replicas.redis_server import MISSING, PROGRAM, RedisServer
from tests.workers.conftest import Serve, Server


async def node(server: Server) -> dict[str, object]:
    """The server's own row."""
    (found,) = await server.connected().get("/v1/catalog/nodes?consistent")
    return dict(found)


async def test_replicas_that_start_at_once_on_an_empty_store_are_one_node(serve: Serve, store: str) -> None:
    servers = await asyncio.gather(*(serve("--store", store, "--workers", "2", listening=2) for _ in range(2)))
    nodes = [await node(server) for server in servers]
    assert nodes[0]["ID"] == nodes[1]["ID"]
    selves = [await server.connected().get("/v1/agent/self") for server in servers]
    assert {one["Config"]["NodeID"] for one in selves} == {nodes[0]["ID"]}


async def test_only_an_address_that_was_asked_for_moves_the_node(serve: Serve, store: str) -> None:
    first = await serve("--store", store, "--advertise", "10.1.1.1", "--node-meta", "rack:7", listening=1)
    second = await serve("--store", store, listening=1)
    row = await node(second)
    assert (row["Address"], row["Meta"]["rack"]) == ("10.1.1.1", "7")  # type: ignore[index]
    third = await serve("--store", store, "--advertise", "10.2.2.2", listening=1)
    rows = [await node(server) for server in (first, second, third)]
    assert {one["Address"] for one in rows} == {"10.2.2.2"}
    assert {one["TaggedAddresses"]["lan"] for one in rows} == {"10.2.2.2"}  # type: ignore[index]


async def test_a_replica_without_files_leaves_the_rows_of_files_alone(serve: Serve, store: str, tmp_path: Path) -> None:
    file = tmp_path / "web.json"
    await asyncio.to_thread(file.write_text, '{"service": {"name": "from-file"}}')
    await serve("--store", store, "--config-file", str(file), listening=1)
    second = await serve("--store", store, listening=1)
    assert list(await second.connected().get("/v1/agent/services?consistent")) == ["from-file"]
    second.process.send_signal(signal.SIGHUP)
    await second.until(lambda: second.said("Configuration reloaded"))
    assert list(await second.connected().get("/v1/agent/services?consistent")) == ["from-file"]


async def test_every_worker_is_a_member_of_its_own(serve: Serve, store: str) -> None:
    server = await serve("--store", store, "--workers", "2", "--node", "here", listening=2)
    await server.until(lambda: len({one["replica"] for one in server.said("Replica joined")}) == 2)
    port = server.said("Listening")[0]["port"]
    members = await server.connected().get("/v1/agent/members")
    assert len({one["Name"] for one in members}) == 2
    assert all(one["Name"].startswith("here-") for one in members)
    assert {one["address"] for one in server.said("Replica joined")} == {f"127.0.0.1:{port}"}


# A store that is not there


@pytest.fixture
def absent(tmp_path: Path) -> RedisServer:
    """A Redis that is not started yet."""
    if PROGRAM is None:
        pytest.skip(MISSING)
    return RedisServer(tmp_path / "redis", password="s3cret")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_start_waits_for_its_store_if_told_to(
    serve: Serve, absent: RedisServer, tmp_path: Path, workers: str
) -> None:
    secret = tmp_path / "password"
    await asyncio.to_thread(secret.write_text, "s3cret\n")
    url = f"redis://127.0.0.1:{absent.port}/0?window=0.05"
    flags = ("--store", url, "--store-password-file", str(secret), "--store-wait-seconds", "30", "--workers", workers)
    server = await serve(*flags)
    await server.until(lambda: server.said("Waiting for the store"))
    await asyncio.to_thread(absent.start)
    try:
        await server.listening(int(workers))
        assert await server.connected().put("/v1/agent/service/register", {"Name": "web"}) == 200
        shown = await server.connected().get("/v1/agent/self")
        assert shown["DebugConfig"]["StoreURL"] == f"redis://:***@127.0.0.1:{absent.port}/0?window=0.05"
        assert "s3cret" not in "".join(server.lines)
    finally:
        await server.close()
        await asyncio.to_thread(absent.stop)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_start_that_waits_can_be_told_to_stop(serve: Serve, workers: str) -> None:
    server = await serve("--store", "redis://127.0.0.1:1", "--store-wait-seconds", "1h", "--workers", workers)
    await server.until(lambda: server.said("Waiting for the store"))
    begun = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    assert await server.end() == 0
    assert time.perf_counter() - begun < 3


async def test_a_wrong_password_is_a_wrong_setting(serve: Serve, absent: RedisServer) -> None:
    await asyncio.to_thread(absent.start)
    try:
        server = await serve("--store", f"redis://:an0ther@127.0.0.1:{absent.port}/0", "--workers", "2")
        assert await server.end() == 2
        (line,) = [line for line in server.lines if not line.startswith("{")]
        assert line.startswith("registry: store: ")
        assert "an0ther" not in "".join(server.lines)
    finally:
        await asyncio.to_thread(absent.stop)
