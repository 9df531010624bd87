"""`registry serve --workers N` over a real Redis; left out, and said so, where there is none."""

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.replicas.redis_server import MISSING, PROGRAM, RedisServer

ROOT = Path(__file__).parents[2]
SECONDS = 9.0
WINDOW_SECONDS = 0.05  # in which replicas may say what they hold of a new store; there are none
_names = itertools.count(1)


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for all tests here; each has a namespace of its own in it."""
    if PROGRAM is None:
        pytest.skip(MISSING)
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(shared_redis: RedisServer) -> str:
    """The URL of an empty store."""
    return shared_redis.url(f"w{next(_names)}", window=WINDOW_SECONDS)


class Worker:
    """One connection to the server, which stays with the worker that the kernel gave it to."""

    def __init__(self, url: str) -> None:
        connector = aiohttp.TCPConnector(limit=1, keepalive_timeout=60)
        self.session = aiohttp.ClientSession(url, connector=connector, timeout=aiohttp.ClientTimeout(SECONDS))

    async def put(self, path: str, body: object = None) -> int:
        async with self.session.put(path, json=body) as answer:
            await answer.read()
            return answer.status

    async def get(self, path: str) -> Any:
        async with self.session.get(path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json(content_type=None)

    async def metrics(self, path: str = "/metrics") -> dict[str, float]:
        """The samples of the page, by name and labels."""
        async with self.session.get(path) as answer:
            lines = (await answer.text()).splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in samples}


class Server:
    """The processes of one `registry serve`, with what they log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.events: list[dict[str, Any]] = []
        self._heard = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self._workers: list[Worker] = []

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            line = raw.decode()
            self.lines.append(line)
            if line.startswith("{"):
                self.events.append(json.loads(line))
            self._heard.set()
        self._heard.set()

    def said(self, event: str, **values: object) -> list[dict[str, Any]]:
        """The events with this text and these values."""
        return [one for one in self.events if one["event"] == event and values.items() <= one.items()]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until the log shows it."""
        try:
            async with asyncio.timeout(SECONDS):
                while not holds():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            raise AssertionError("".join(self.lines)) from None

    async def listening(self, births: int) -> None:
        """Wait until so many workers have begun to listen, all in all."""
        await self.until(lambda: len(self.said("Listening")) >= births)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.said('Listening')[0]['port']}"

    def connected(self) -> Worker:
        """A new connection to whichever worker."""
        self._workers.append(Worker(self.url))
        return self._workers[-1]

    async def one_each(self, workers: int) -> dict[int, Worker]:
        """A connection to each worker, by its number."""
        found: dict[int, Worker] = {}
        async with asyncio.timeout(SECONDS):
            while len(found) < workers:
                worker, mark = self.connected(), f"mark-{len(self._workers)}"
                await worker.session.get(f"/v1/agent/monitor?loglevel={mark}")  # refused, which is logged by who did
                await self.until(lambda mark=mark: self._who_refused(mark))  # type: ignore[misc]
                found.setdefault(self._who_refused(mark), worker)
        return found

    def _who_refused(self, mark: str) -> int:
        return next((one["worker"] for one in self.said("Request refused") if mark in one["error"]), 0)

    async def pids(self) -> list[int]:
        """The processes of the workers, as the kernel knows them."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in (await asyncio.to_thread(path.read_text)).split()]

    async def end(self) -> int:
        """The exit code, once it has ended."""
        async with asyncio.timeout(SECONDS):
            await self.process.wait()
            await self._reader
        assert self.process.returncode is not None
        return self.process.returncode

    async def close(self) -> None:
        """End what is left."""
        for worker in self._workers:
            await worker.session.close()
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            await self.process.wait()
        await self._reader


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers with flags; those that run at the end of the test are ended."""
    started: list[Server] = []

    async def begin(*flags: str, listening: int = 0) -> Server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", "serve", "--http-port", "0", "--log-format", "json", *flags,
            cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(Server(process))
        await started[-1].listening(listening)
        return started[-1]

    yield begin
    for one in started:
        await one.close()
