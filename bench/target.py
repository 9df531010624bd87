"""`python -m bench.target`: something for HTTP checks to look at, which notes when they came.

Owns what it answers and what it has seen. As a program it prints its port and serves until it is killed; inside a
test it is a `Target` on the test's own loop. It is kept thin: with thousands of checks it runs beside what is measured.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import defaultdict
from typing import cast

import uvloop

OK, DOWN = 200, 503
SEEN = "/_seen"  # asked of the program: what it has seen since it was asked last
BACKLOG = 4096


class Target:
    """Answers every GET with a text that no other answer has; `status` says with which status."""

    def __init__(self) -> None:
        self.port = 0
        self.status: dict[str, int] = {}  # by path, where it is not 200
        self.arrivals: dict[str, list[float]] = defaultdict(list)  # by path, in Unix time
        self.opened = 0  # connections so far
        self.connections: set[_Peer] = set()
        self._server: asyncio.Server | None = None
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        """Listen on a port that is free."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), "127.0.0.1", self.port, backlog=BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]

    def url(self, path: str) -> str:
        """Where a check finds it."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def stop(self) -> None:
        """End all connections, and listen no more."""
        if self._server is not None:
            self._server.close()
        for peer in list(self.connections):
            peer.end()
        await asyncio.sleep(0)

    def seen(self, path: str, since: float, until: float) -> list[float]:
        """When somebody asked for the path, between two times."""
        return [when for when in self.arrivals[path] if since <= when < until]

    def answer(self, path: str) -> bytes:
        """The whole answer to one request, which is noted."""
        if path == SEEN:
            body, status = self._report(), OK
        else:
            self.arrivals[path].append(time.time())
            body, status = b"run %d" % next(self._numbers), self.status.get(path, OK)
        reason = "OK" if status == OK else "Service Unavailable"
        return f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def _report(self) -> bytes:
        seen = {"arrivals": self.arrivals, "opened": self.opened, "open": len(self.connections)}
        body = json.dumps(seen).encode()
        self.arrivals = defaultdict(list)
        return body


class _Peer(asyncio.Protocol):
    """One connection to it. Requests have no body and come one after the other."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one without saying so
        self._target.connections.add(self)
        self._target.opened += 1

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            path = self._buffer[:end].split(b" ", 2)[1].decode()
            self._buffer = self._buffer[end + 4 :]
            self._transport.write(self._target.answer(path))

    def connection_lost(self, error: Exception | None) -> None:
        self._target.connections.discard(self)

    def end(self) -> None:
        """Close it without ceremony."""
        if self._transport is not None:
            self._transport.abort()


async def _serve() -> None:
    target = Target()
    await target.start()
    print(target.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(uvloop.run(_serve()))
