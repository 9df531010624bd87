"""One connection to a target of HTTP/1.1, and what has come over it.

Owns the bytes that were received and not yet taken, and the end of the connection. What they mean is read in
answers.py; who makes connections and keeps them is connections.py.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from registry.checks import dial

_MOST_WAITING_BYTES = 1 << 18  # a target that sends faster than we read waits


class Wire(asyncio.Protocol):
    """Takes in what a target sends. While `spoiled` is set nobody waits for an answer, and any event calls it."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.spoiled: Callable[[], object] | None = None
        self.received = False  # anything at all since `send`
        self.closed = False
        self.path = ""  # the two ends, as Go's errors show them
        self.made = asyncio.get_running_loop().time()
        self._ended = self._paused = False
        self._error: Exception | None = None
        self._transport: Any = None
        self._arrival: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection, or the one that had been there with TLS around it."""
        self._transport = transport
        ends = (transport.get_extra_info("sockname"), transport.get_extra_info("peername"))
        self.path = dial.path_between(*ends) or self.path

    @property
    def transport(self) -> Any:
        """What `loop.start_tls` needs."""
        return self._transport

    def data_received(self, data: bytes) -> None:
        """More has come."""
        self.waiting += data
        self.received = True
        if len(self.waiting) > _MOST_WAITING_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._arrived()

    def eof_received(self) -> None:
        """The target sends nothing any more, so there is nothing to stay for."""
        self._ended = True
        self._arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over. `exc` says why, unless one of us wanted it so."""
        self._ended = self.closed = True
        self._error = self._error or exc
        self._arrived()

    def send(self, data: bytes) -> None:
        """Send a request; whatever came before it belonged to another."""
        self.received = False
        self._transport.write(data)

    async def more(self) -> bool:
        """Wait until more has come; False when nothing will.

        Raises:
            OSError: the connection broke.
        """
        if self._ended:
            if self._error is not None:
                raise self._error
            return False
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        before = len(self.waiting)
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None
        return len(self.waiting) > before or await self.more()

    async def line(self, most_bytes: int) -> bytes:
        """Take the next line, without its end; what is there when no more comes is a line too.

        Raises:
            EOFError: nothing is there and nothing comes.
            OverflowError: it is longer than that.
            OSError: the connection broke.
        """
        looked = 0
        while (end := self.waiting.find(b"\n", looked)) < 0 and len(self.waiting) <= most_bytes:
            looked = len(self.waiting)
            if not await self.more():
                if not looked:
                    raise EOFError
                return self.take(looked)
        if end > most_bytes or end < 0:
            raise OverflowError
        return self.take(end + 1)[:-1].removesuffix(b"\r")

    def take(self, count: int) -> bytes:
        """Take so many bytes of those that are there."""
        taken = bytes(self.waiting[:count])
        del self.waiting[:count]
        return taken

    def close(self) -> None:
        """Hang up without ceremony. Idempotent."""
        self.spoiled = None
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def _arrived(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
        if self.spoiled is not None:
            self.spoiled()
