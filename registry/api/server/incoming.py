"""The bodies of requests: read for a handler as a whole or in pieces, or got rid of.

Owns how much of a body is taken, and how long it may take to arrive.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD

from registry.api.edge import Edge
from registry.api.limits import Progress
from registry.errors import InvalidRequest, TooLarge

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_SMALL_REST_BYTES = 256 << 10
_LINGER_SECONDS = 2.0  # how long the rest of a body that nobody wanted is read before the connection is cut


class Arrived(StreamReader):
    """A body that came whole, with its head: a stream without what it needs while something is missing."""

    __slots__ = ()

    def __init__(self, body: bytes) -> None:
        self._buffer = deque((body,))

    def is_eof(self) -> bool:
        """Nothing is missing."""
        return True

    def exception(self) -> None:
        """Nothing has gone wrong."""
        return None


class _TooSlow(web.RequestPayloadError):
    """The body of a request does not arrive."""


class Carrier(Protocol):
    """What a body arrives over: a connection."""

    edge: Edge

    def write(self, data: bytes) -> None:
        """Send this, unless the client has gone."""

    def end_after_this(self) -> None:
        """Close once the request at hand is answered."""


class IncomingBody:
    """The body of one request."""

    __slots__ = ("_connection", "_message", "_payload")

    def __init__(self, connection: Carrier, message: RawRequestMessage, payload: StreamReader) -> None:
        self._connection = connection
        self._message = message
        self._payload = payload

    async def __call__(self, limit_bytes: int) -> bytes:
        """The whole of it.

        Args:
            limit_bytes: the handler's own limit; 0: that of the settings.

        Raises:
            TooLarge: `body` or, by the settings' limit, `body-limit`: it is over it by its own word or in fact.
            InvalidRequest: `body-broken`, it does not arrive as announced; `body-slow`, it does not arrive.
        """
        reason = "body" if limit_bytes else "body-limit"
        limit_bytes = limit_bytes or self._connection.edge.settings.max_body_bytes
        length = self._message.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > limit_bytes:
            raise TooLarge(reason, size=int(length), limit=limit_bytes)
        self._invite()
        body = self._whole()
        if body is not None:
            if len(body) > limit_bytes:
                raise TooLarge(reason, size=len(body), limit=limit_bytes)
            return body
        pieces, size = list[bytes](), 0
        async with aclosing(self._arriving()) as arriving:
            async for piece in arriving:
                size += len(piece)
                if size > limit_bytes:
                    raise TooLarge(reason, size=size, limit=limit_bytes)
                pieces.append(piece)
        return b"".join(pieces)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Its pieces as they arrive, however many.

        Raises:
            InvalidRequest: as for the whole of it.
        """
        self._invite()
        body = self._whole()
        if body is not None:
            if body:
                yield body
            return
        async with aclosing(self._arriving()) as arriving:
            async for piece in arriving:
                yield piece

    def _invite(self) -> None:
        """Tell a client that waits for it to send the body."""
        if self._message.headers.get("Expect", "").lower() == "100-continue" and not self._payload.is_eof():
            self._connection.write(_CONTINUE)

    def _whole(self) -> bytes | None:
        """All of it, if nothing is missing, as in most cases: it came with its head."""
        payload = self._payload
        if payload is EMPTY_PAYLOAD:
            return b""
        return b"".join(payload._buffer) if payload.is_eof() and payload.exception() is None else None

    async def _arriving(self) -> AsyncGenerator[bytes]:
        """A body of which something is missing yet."""
        size, payload, edge = 0, self._payload, self._connection.edge
        seconds = edge.settings.request_body_seconds
        progress = Progress(edge.engine.clock, seconds, lambda: size, lambda: payload.set_exception(_TooSlow()))
        try:
            while piece := await payload.readany():
                size += len(piece)
                yield piece
        except _TooSlow:
            self._connection.end_after_this()
            raise InvalidRequest("body-slow", seconds=seconds, size=size) from None
        except (HttpProcessingError, web.RequestPayloadError):
            self._connection.end_after_this()
            raise InvalidRequest("body-broken") from None
        finally:
            progress.stop()

    # What a handler left of it

    @property
    def rest_is_small(self) -> bool:
        """Whether the rest is worth reading to keep the connection: as Go's servers decide."""
        length = self._message.headers.get("Content-Length", "")
        waits = self._message.headers.get("Expect", "").lower() == "100-continue"
        return not waits and length.isdecimal() and len(length) < 7 and int(length) <= _SMALL_REST_BYTES

    async def drained(self) -> bool:
        """Read the rest for a while, so that the next request begins where it should; False if it does not end."""
        if self._payload.is_eof():
            return True
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self._payload.at_eof():
                    await self._payload.readany()
        except (TimeoutError, HttpProcessingError, web.RequestPayloadError):
            return False
        return True
