"""Thousands of blocking readers of one service: how soon all have their answer after a change.

Owns the client side, raw sockets on one event loop, kept thin so that the server is what is measured.
"""

import asyncio
import re
import statistics
import time
from collections.abc import Callable
from typing import cast

from bench.scenarios import Request, watched
from bench.servers import Memory, Server

CONNECTS_AT_ONCE = 100  # below the length of any server's accept queue
ANSWER_SECONDS = 60
PATH = "/v1/health/service/watched?passing&wait=10m&index="
INDEX = re.compile(rb"\r\nX-Consul-Index: (\d+)\r\n", re.IGNORECASE)
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One kept-open connection: sends a request, calls back with the answer's index when it is whole."""

    def __init__(self, answered: Callable[[int], None]) -> None:
        self._answered = answered
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one without saying so

    def send(self, request: Request) -> None:
        assert self._transport is not None
        head = f"{request.method} {request.path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(request.body)}\r\n\r\n"
        self._transport.write((head + request.body).encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = LENGTH.search(self._buffer, 0, end + 2)
        if length is None or not self._buffer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"a watcher was answered {self._buffer[:200]!r}")
        if len(self._buffer) >= end + 4 + int(length[1]):
            index = INDEX.search(self._buffer, 0, end + 2)
            self._buffer = b""
            self._answered(int(index[1]) if index else 0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Watchers:
    """`count` watchers of one service at one server, and one connection that changes it."""

    def __init__(self, server: Server, count: int) -> None:
        self.server = server
        self.seconds: list[float] = []
        self._count = count
        self._connections: list[Connection] = []
        self._writer: Connection
        self._index = 0
        self._missing = 0
        self._revision = 0
        self._all: asyncio.Future[None]

    async def park(self) -> Memory:
        """Connect all and leave each waiting for a change; the server's memory once it is quiet."""
        self.server.ask(*watched(0))
        self._index = int(self.server.ask("GET", PATH + "0")[2]["x-consul-index"])
        self._writer = await self._connect(lambda _: None)
        for first in range(0, self._count, CONNECTS_AT_ONCE):
            batch = range(first, min(first + CONNECTS_AT_ONCE, self._count))
            self._connections += await asyncio.gather(*(self._connect(self._answer) for _ in batch))
        await self._wait_again()
        return self.server.memory()

    async def change(self) -> None:
        """Change the service once; adds the seconds from its sending to the last watcher's answer."""
        self._revision += 1
        self._missing = self._count
        self._all = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._writer.send(watched(self._revision))
        await asyncio.wait_for(self._all, ANSWER_SECONDS)
        self.seconds.append(time.perf_counter() - began)
        await self._wait_again()

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.seconds)

    def close(self) -> None:
        for connection in (*self._connections, self._writer):
            connection.close()

    async def _connect(self, answered: Callable[[int], None]) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(answered), "127.0.0.1", self.server.port)
        return connection

    async def _wait_again(self) -> None:
        request = Request("GET", f"{PATH}{self._index}")
        for connection in self._connections:
            connection.send(request)
        await asyncio.to_thread(self.server.settle)

    def _answer(self, index: int) -> None:
        self._index = max(self._index, index)
        self._missing -= 1
        if self._missing == 0:
            self._all.set_result(None)
