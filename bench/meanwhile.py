"""Clients that are there while something else is measured: one reads at its own pace, others wait for a change.

Owns their connections and what became of them. What is measured beside them is the caller's.
"""

import asyncio
import time
from collections.abc import Sequence

from bench.scenarios import Request
from bench.servers import Broken, Server
from bench.watchers import Connection

CONNECTIONS = 8  # of the client that reads
ANSWER_SECONDS = 30


class Reads:
    """A client that asks so many times a second, whether it was answered or not."""

    def __init__(self, server: Server, path: str, per_second: int) -> None:
        self.seconds: list[float] = []  # from when each request was due to its answer
        self._request = Request("GET", path)
        self._server, self._gap = server, 1 / per_second
        self._free: asyncio.Queue[tuple[Connection, asyncio.Event]] = asyncio.Queue()
        self._asked: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float) -> None:
        """Ask for that long."""
        for _ in range(CONNECTIONS):
            self._free.put_nowait(await self._connected())
        begun = time.perf_counter()
        for number in range(round(seconds / self._gap)):
            due = begun + number * self._gap
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self._ask(due))
            self._asked.add(task)
        await asyncio.gather(*self._asked)
        while not self._free.empty():
            self._free.get_nowait()[0].close()

    async def _ask(self, due: float) -> None:
        connection, answered = await self._free.get()
        answered.clear()
        connection.send(self._request)
        await asyncio.wait_for(answered.wait(), ANSWER_SECONDS)
        self.seconds.append(time.perf_counter() - due)
        self._free.put_nowait((connection, answered))

    async def _connected(self) -> tuple[Connection, asyncio.Event]:
        loop, answered = asyncio.get_running_loop(), asyncio.Event()
        _, connection = await loop.create_connection(
            lambda: Connection(lambda index: answered.set()), "127.0.0.1", self._server.port
        )
        return connection, answered


class Sleepers:
    """One blocking reader of each service; `woken` counts the answers they were given."""

    def __init__(self, server: Server, services: Sequence[str]) -> None:
        self.woken = 0
        self._server, self._services = server, services
        self._connections: list[Connection] = []

    async def park(self) -> None:
        """Let each of them wait for a change."""
        loop = asyncio.get_running_loop()
        for service in self._services:
            path = f"/v1/health/service/{service}"
            _, _, headers = await asyncio.to_thread(self._server.ask, "GET", path)
            _, one = await loop.create_connection(lambda: Connection(self._wake), "127.0.0.1", self._server.port)
            one.send(Request("GET", f"{path}?wait=10m&index={headers['x-consul-index']}"))
            self._connections.append(one)

    async def prove(self, change: Request) -> None:
        """Wake one of them by a change of its service: who sleeps through this was not there.

        Raises:
            Broken: nobody woke.
        """
        before = self.woken
        await asyncio.to_thread(self._server.ask, *change)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while self.woken == before:  # noqa: ASYNC110 - what happens in another process
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise Broken("a reader slept through a change of its service") from None

    def close(self) -> None:
        """Let them wait no more."""
        for one in self._connections:
            one.close()

    def _wake(self, index: int) -> None:
        self.woken += 1
