"""The end of a server: what is under way is finished, nobody is kept waiting, and whoever insists is obeyed."""

import asyncio
import json
import resource
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registry import testing
from tests.processes import ServerProcess
from tests.unit.api.test_server import Client, connected, request

READERS = 5_000
WEB = b'{"Name":"web"}'
BLOCKED = request("GET", "/v1/health/service/none?index=999999&wait=5m")


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server in a process of its own, with its store on disk."""
    server = ServerProcess("--data-dir", str(tmp_path))
    await server.start()
    yield server
    await server.kill()


class Reader(asyncio.Protocol):
    """A blocking reader that costs the test next to nothing."""

    def __init__(self) -> None:
        self.answer = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(BLOCKED)

    def data_received(self, data: bytes) -> None:
        self.answer += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(exc)


async def parked(process: ServerProcess) -> int:
    """How many readers wait, by the server's own figures."""
    connection = await process.connected()
    page = (await connection.ask("GET", "/metrics")).body.decode()
    await connection.close()
    return next(
        int(float(line.split()[1])) for line in page.splitlines() if line.startswith("registry_parked_readers ")
    )


async def ended(process: ServerProcess) -> tuple[int, float]:
    """Ask it to end: its exit code, and how many seconds it took."""
    begun = time.perf_counter()
    return await process.stop(), time.perf_counter() - begun


@pytest.mark.slow
async def test_thousands_of_readers_are_answered_before_the_end(process: ServerProcess) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < READERS + 500:
        pytest.skip(f"needs {READERS + 500} open files, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop, readers = asyncio.get_running_loop(), list[Reader]()
    try:
        for _ in range(READERS // 250):
            made = [loop.create_connection(Reader, "127.0.0.1", process.port) for _ in range(250)]
            readers += [reader for _, reader in await asyncio.gather(*made)]
        while await parked(process) < READERS:
            pass
        code, seconds = await ended(process)
        await asyncio.gather(*(reader.ended for reader in readers))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(f"\n  {READERS} parked readers, stopped in {seconds:.2f} s")
    assert (code, seconds < 10) == (0, True)
    assert [reader for reader in readers if not reader.answer.startswith(b"HTTP/1.1 200 OK\r\n")] == []


@pytest.mark.slow
async def test_a_server_that_does_nothing_ends_within_a_second(process: ServerProcess) -> None:
    idle = [await process.connected() for _ in range(20)]
    code, seconds = await ended(process)
    print(f"\n  idle, stopped in {seconds:.2f} s")
    assert (code, seconds < 1) == (0, True)
    for connection in idle:
        await connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once_and_loses_nothing(
    process: ServerProcess, number: signal.Signals
) -> None:
    """The first one waits for a request that does not come; all that was acknowledged by then is there again."""
    client = Client(*await asyncio.open_connection("127.0.0.1", process.port))
    names = [f"web-{each}" for each in range(50)]
    for name in names:
        client.send(request("PUT", "/v1/agent/service/register", body=b'{"Name":"%b"}' % name.encode()))
        assert (await client.answer())[0] == 200
    client.send(request("PUT", "/v1/agent/service/register", body=WEB)[:-1])
    while (await in_flight(process)) < 1:
        pass
    process.terminate()
    await refuses_connections(process)
    begun = time.perf_counter()
    process._signal(number)
    await process._ended()
    assert (process.exit_code, time.perf_counter() - begun < 3) == (-number, True)
    client.writer.close()
    await process.start()
    client = Client(*await asyncio.open_connection("127.0.0.1", process.port))
    _, _, services = await client.get("/v1/agent/services")
    client.writer.close()
    assert sorted(json.loads(services)) == sorted(names)


async def in_flight(process: ServerProcess) -> int:
    """Requests under way, without the one that asks."""
    connection = await process.connected()
    page = (await connection.ask("GET", "/metrics")).body.decode()
    await connection.close()
    line = next(line for line in page.splitlines() if "in_flight" in line and not line.startswith("#"))
    return int(float(line.split()[1])) - 1


async def refuses_connections(process: ServerProcess) -> None:
    """Wait until the server has begun to end."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", process.port)
        except OSError:
            return
        writer.close()
        await asyncio.sleep(0.005)


async def test_a_body_that_is_still_coming_is_waited_for() -> None:
    """A request that has begun is in flight: it is finished, and then the connection closed."""
    async with testing.server() as server:
        client = await connected(server)
        whole = request("PUT", "/v1/agent/service/register", body=WEB)
        client.send(whole[:-5])
        while server.app.metrics.in_flight < 1:  # noqa: ASYNC110 - the real time of a loopback connection
            await asyncio.sleep(0)
        closing = asyncio.create_task(server.app.close())
        while not server.engine.topics.released:  # noqa: ASYNC110
            await asyncio.sleep(0)
        client.send(whole[-5:])
        status, headers, _ = await client.answer()
        await closing
        assert (status, headers["connection"]) == (200, "close")
        assert await client.closed()
        client.writer.close()


async def test_a_request_that_never_ends_costs_one_grace_and_no_more() -> None:
    async with testing.server(shutdown_grace_seconds=1.0) as server:
        client = await connected(server)
        client.send(request("PUT", "/v1/agent/service/register", body=WEB)[:-5])
        while server.app.metrics.in_flight < 1:  # noqa: ASYNC110 - the real time of a loopback connection
            await asyncio.sleep(0)
        begun = time.perf_counter()
        await server.app.close()
        assert 0.9 < time.perf_counter() - begun < 1.9
        assert await client.closed()
        client.writer.close()
