"""The aiohttp adapter: connections in, bytes out. The only file of the edge that knows aiohttp.

Owns one `Connection` a client: aiohttp's parser, flow control and keep-alive, with a request loop of our
own, because the general one costs a task, a request object and a header dictionary for each request.
What a request means is `api/edge.py`, how clients get in `api/ports.py`.

A request whose bytes are exactly those of one answered from memory before is answered where its bytes
arrive, without being parsed again: equal bytes have an equal meaning. So is a write whose head came before not
parsed again (`api/heads.py`). Both are done only between requests, when the piece that arrived begins at the
first byte of a request and holds nothing else.

It builds on these parts of `aiohttp.web_protocol.RequestHandler` that are not public, so the version is
pinned to one minor release: `_messages`, `_waiter`, `_parser`, `_force_close`, `_close`, `_loop`,
`_request_in_progress`, `_task_handler`, `_next_keepalive_close_time`, `_keepalive_timeout`,
`_keepalive_handle`, `_buffer_paused`, `_msg_queue_resume_size`,
`_resume_reading_if_drained`, `_drain_helper`, `_paused`; and on `StreamReader._buffer`.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from functools import partial
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from registry.api.edge import Edge
from registry.api.exchanges import Exchange
from registry.api.heads import END, KnownHeads
from registry.api.http import accepts_gzip
from registry.api.limits import Clients, Progress, head_too_large, head_too_slow, refusal
from registry.api.reply import Reply
from registry.api.target import with_ascii_line
from registry.clock import TimerHandle
from registry.errors import InvalidRequest, TooLarge

_CLOSE = b"Connection: close\r\n"
_KEEP = b"Connection: keep-alive\r\n"  # what a client of HTTP/1.0 must be told
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_SEPARATE_BYTES = 16_384  # from here on a body is not copied behind its head
_SMALL_REST_BYTES = 256 << 10
_LINGER_SECONDS = 2.0  # how long the rest of a body that nobody wanted is read before the connection is cut
_REFUSED_SECONDS = 0.5  # how long a client may take to read why it is refused: Go's
_WRITES = frozenset({"PUT", "POST"})  # their heads repeat; those of reads change with their index
_CANCELLED_SECONDS = 1.0  # how long a handler may take to end once it is cancelled


async def _refuse(request: web.BaseRequest) -> web.StreamResponse:
    """aiohttp asks for a handler; `Connection.start` never calls it."""
    raise web.HTTPNotFound


class _TooSlow(web.RequestPayloadError):
    """The body of a request does not arrive."""


class _Arrived(StreamReader):
    """A body that came whole, with its head."""

    __slots__ = ()

    def __init__(self, body: bytes) -> None:  # what a stream needs while something is missing is left out
        self._buffer = deque((body,))

    def is_eof(self) -> bool:
        return True

    def exception(self) -> None:
        return None


class Listener(web.Server):
    """Makes a `Connection` for each client of one port."""

    def __init__(
        self, edge: Edge, *, max_header_bytes: int, keepalive_seconds: float, clients: Clients | None = None
    ) -> None:
        """Args:
        clients: those of another listener, with whom they are counted together.
        """
        super().__init__(_refuse, handler_cancellation=True)
        self.edge = edge
        self.clients = clients or Clients(lambda: edge.settings, edge.events)
        self.heads = KnownHeads[RawRequestMessage]()
        self._options: dict[str, Any] = {
            "keepalive_timeout": keepalive_seconds,
            "access_log": None,
            "auto_decompress": False,
            "max_line_size": max_header_bytes,
            "max_field_size": max_header_bytes,
            "max_headers": 10_000,
        }

    def __call__(self, remote: str = "") -> RequestHandler:
        """A connection with a client at this address, for the transport that asyncio is about to make."""
        return Connection(self, remote, loop=asyncio.get_running_loop(), **self._options)


class Connection(RequestHandler):
    """One client's connection."""

    __slots__ = (
        "_aligned", "_awaited_bytes", "_broken", "_clients", "_edge", "_ending", "_head_bytes", "_head_timer",
        "_heads", "_payload", "_raw", "_reading", "_refusal", "_remote",
    )  # fmt: skip

    def __init__(self, listener: Listener, remote: str, **options: Any) -> None:
        super().__init__(listener, **options)
        self._edge = listener.edge
        self._clients = listener.clients
        self._heads = listener.heads
        self._remote = remote
        self._ending = False  # after the request at hand the connection is closed
        self._head_bytes = 0  # of a head that is not complete
        self._head_timer: TimerHandle | None = None  # runs while nothing but such a head is there
        self._reading: Progress | None = None  # watches that the client reads, while answers wait for that
        self._refusal = b""  # the answer to what is no request, once it is known
        self._aligned = True  # the next byte to arrive is the first of a request
        self._awaited_bytes = 0  # of a body whose length is known
        self._broken = False  # what has arrived is no HTTP: nothing after it is read
        self._payload: StreamReader | None = None  # the body of the request at hand
        self._raw: bytes | None = None  # the request at hand, if it came whole and alone and without a body

    def data_received(self, data: bytes) -> None:
        """Answer a request seen before at once; give anything else to the parser."""
        if not data:  # the parser is to go on with what it has
            self._head_bytes = 0
            super().data_received(data)
            return
        waiter = self._waiter
        idle = (
            self._aligned
            and not self._request_in_progress
            and not self._messages
            and (waiter is None or not waiter.done())
            and not self._paused  # the client does not read: let its requests queue, not our answers
            and not self._force_close
            and not self._close
        )
        if idle:
            ready = self._edge.ready(data, self._remote)
            if ready is not None and self.transport is not None:
                if len(ready[1]) < _SEPARATE_BYTES:
                    self.transport.write(ready[0] + ready[1])
                else:
                    self.transport.writelines(ready)
                self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
                return
            known = self._heads.find(data)
            if known is not None:
                self._take(*known)
                return
            if not data.isascii():
                data = with_ascii_line(data)
        if self._broken:
            return
        before = len(self._messages)
        body = self._messages[-1][1] if before else self._payload
        in_head = body is None or body.is_eof()
        super().data_received(data)
        parsed = len(self._messages) - before
        self._note_alignment(data, idle, parsed)
        if in_head and (not parsed or self._head_bytes or len(data) > self.max_field_size):
            self._note_head(data, parsed)
        self._note_fault()

    def _take(self, message: RawRequestMessage, body: bytes) -> None:
        """Queue a whole request as the parser would."""
        self._raw = None
        self._messages.append((message, _Arrived(body) if body else EMPTY_PAYLOAD))
        if self._waiter is not None:
            self._waiter.set_result(None)

    def _note_fault(self) -> None:
        """Once the parser has given up, so does the body that a handler may be waiting for."""
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            self._broken = True
            if self._payload is not None and not self._payload.is_eof():
                self._payload.set_exception(web.RequestPayloadError("the body is no HTTP"))

    def _note_head(self, data: bytes, parsed: int) -> None:
        """Count the bytes of a head that arrives in pieces; refuse it when it is too large or takes too long.

        The parser bounds each line of a head, not all of them together.
        """
        if parsed:
            self._stop_head_timer()
            begun, self._head_bytes = self._head_bytes, 0
            if not begun and data.find(END) > self.max_field_size:
                self._messages.pop()
                self._refuse(head_too_large(self.max_field_size, data.find(END) + len(END)))
            return
        if self._buffer_paused:  # they may be whole requests that the parser keeps to itself for now
            return
        self._head_bytes += len(data)
        if self._head_bytes > self.max_field_size:
            self._refuse(head_too_large(self.max_field_size, self._head_bytes))
        elif self._head_timer is None and not self._messages and not self._request_in_progress:
            seconds = self._edge.settings.request_head_seconds
            self._head_timer = self._edge.engine.clock.call_later(seconds, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        if self._head_bytes:
            self._refuse(head_too_slow(self._edge.settings.request_head_seconds))

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, answer: bytes) -> None:
        """Answer so after the requests that are complete; what else arrives is thrown away."""
        self._stop_head_timer()
        self._broken, self._refusal = True, answer
        self._messages.append((_ErrInfo(status=400, exc=HttpProcessingError(), message=""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _note_alignment(self, data: bytes, idle: bool, parsed: int) -> None:
        """Keep track of whether requests and pieces of bytes begin together; once lost, it stays lost."""
        self._raw = None
        if self._awaited_bytes:
            self._awaited_bytes -= len(data)
            self._aligned = self._awaited_bytes == 0
            self._awaited_bytes = max(self._awaited_bytes, 0)
        elif not self._aligned or parsed != 1 or not idle:
            self._aligned = False
        elif data.endswith(END) and data.find(END) == len(data) - 4 and self._messages[-1][1] is EMPTY_PAYLOAD:
            self._raw = data
            self._know(data, 0)
        else:
            head, message = data.find(END), self._messages[-1][0]
            length = "" if isinstance(message, _ErrInfo) else message.headers.get("Content-Length", "")
            missing = int(length) - (len(data) - head - 4) if head > 0 and length.isdecimal() else -1
            self._aligned, self._awaited_bytes = missing == 0, max(missing, 0)
            if missing == 0:
                self._know(data[: head + 4], int(length))

    def _know(self, head: bytes, body_bytes: int) -> None:
        """Know the head of the newest request again, if such heads repeat."""
        message = self._messages[-1][0]
        if isinstance(message, _ErrInfo) or message.upgrade or message.chunked:
            return
        if message.method in _WRITES:
            self._heads.note(head, body_bytes, message)

    async def start(self) -> None:
        """Answer one request after another until either side closes the connection."""
        try:
            while not self._force_close:
                if not self._messages:
                    if self._ending:
                        break
                    self._waiter = self._loop.create_future()
                    try:
                        await self._waiter
                    finally:
                        self._waiter = None
                message, payload = self._messages.popleft()
                if self._parser is not None:
                    self._parser.message_consumed()
                if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                    self._resume_reading_if_drained()
                if isinstance(message, _ErrInfo):
                    await self._say_refusal(message)
                    break
                self._request_in_progress, self._payload = True, payload
                try:
                    keep = await (self._serve_told if self._edge.told else self._serve)(message, payload)
                finally:
                    self._request_in_progress, self._payload = False, None
                if not keep or self._close or self._ending:
                    break
                self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        except asyncio.CancelledError:
            self.force_close()
            raise
        except ConnectionError:
            pass
        self._task_handler = None
        if self.transport is not None:
            self.transport.close()
            self._watch_reading(self.transport)

    async def _say_refusal(self, fault: _ErrInfo) -> None:
        """Answer what is no request. The client has a moment to read it: bytes that nobody took would reset it."""
        if not self._refusal:
            too_large = isinstance(fault.exc, LineTooLong)
            self._refusal = head_too_large(self.max_field_size, self._head_bytes) if too_large else refusal(400)
        self._write(self._refusal)
        self._edge.exchanges.tell_unreadable(self._remote, self._refusal)
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
            await asyncio.sleep(_REFUSED_SECONDS)  # ends with the connection

    async def _serve_told(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """The same as `_serve`, for those who are told of each request."""
        with self._edge.exchanges.begin(self._remote, message) as exchange:
            return await self._serve(message, payload, exchange)

    async def _serve(self, message: RawRequestMessage, payload: StreamReader, exchange: Exchange | None = None) -> bool:
        """Answer one request; whether the connection stays open."""
        raw, self._raw = self._raw, None

        if message.should_close or message.version != HttpVersion11:
            raw = None
        head, reply = await self._edge.respond(
            message.method, message.path, message.headers, self._remote, _Body(self, message, payload), raw
        )
        if self.transport is None:
            return False
        if exchange is not None:
            exchange.answer(head, reply)
        keep = not (message.should_close or reply.close or self._close or self._ending or self._upgraded)
        if not payload.is_eof():  # nobody wanted the body, or not all of it
            keep = keep and _is_small(message) and await self._drained(payload)
        if reply.stream is not None:
            await self._stream(head, reply, message)
            return False
        connection = _CLOSE if not keep else _KEEP if message.version == HttpVersion10 else b""
        parts = (head, connection, self._edge.stamp.date(), b"\r\n")
        self._write(b"".join(parts if message.method == "HEAD" else (*parts, reply.body)))
        if self._paused:
            await self._drain_helper()
        if not keep and not payload.is_eof() and not self._broken:
            await self._drained(payload)  # a connection closed on unread bytes is reset, and the answer with it
        return keep

    # Going away

    def pause_writing(self) -> None:
        """More waits for the client to read it than is kept: from now on it has to read."""
        super().pause_writing()
        if self.transport is not None:
            self._watch_reading(self.transport)

    def resume_writing(self) -> None:
        """The client has read most of it."""
        super().resume_writing()
        self._stop_watching()

    def _watch_reading(self, transport: asyncio.Transport) -> None:
        """Cut the client off unless it goes on reading what waits for it."""
        if self._reading is None and transport.get_write_buffer_size():
            self._reading = Progress(
                self._edge.engine.clock,
                self._edge.settings.answer_stall_seconds,
                lambda: -transport.get_write_buffer_size(),
                partial(self._unread, transport),
            )

    def _unread(self, transport: asyncio.Transport) -> None:
        self._edge.events.http.info(
            "Client does not read its answer", remote=self._remote, unread_bytes=transport.get_write_buffer_size()
        )
        transport.abort()

    def _stop_watching(self) -> None:
        if self._reading is not None:
            self._reading.stop()
            self._reading = None

    def close(self) -> None:
        """Close once the request at hand is answered; its body may still arrive."""
        self._ending = True
        if self._waiter is not None:
            self._waiter.cancel()

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Give the request at hand so many seconds, then end the connection."""
        self.close()
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        task = self._task_handler
        if task is not None:
            await asyncio.wait({task}, timeout=timeout)
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCELLED_SECONDS)
        self.force_close()

    def force_close(self) -> None:
        """Close now; what waits for the client to read it is still sent."""
        transport = self.transport
        super().force_close()
        if transport is not None:
            self._watch_reading(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has gone, or we have."""
        super().connection_lost(exc)
        self._stop_head_timer()
        self._stop_watching()
        self._clients.leave(self._remote)

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    async def _body(self, message: RawRequestMessage, payload: StreamReader, limit_bytes: int) -> bytes:
        """The request's body.

        Args:
            limit_bytes: the handler's own limit; 0: that of the settings.

        Raises:
            TooLarge: `body` or, by the settings' limit, `body-limit`: it is over it by its own word or in fact.
            InvalidRequest: `body-broken`, it does not arrive as announced; `body-slow`, it does not arrive.
        """
        reason = "body" if limit_bytes else "body-limit"
        limit_bytes = limit_bytes or self._edge.settings.max_body_bytes
        length = message.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > limit_bytes:
            raise TooLarge(reason, size=int(length), limit=limit_bytes)
        self._invite(message, payload)
        body = _whole(payload)
        if body is not None:
            if len(body) > limit_bytes:
                raise TooLarge(reason, size=len(body), limit=limit_bytes)
            return body
        pieces, size = list[bytes](), 0
        async with aclosing(self._arriving(payload)) as arriving:
            async for piece in arriving:
                size += len(piece)
                if size > limit_bytes:
                    raise TooLarge(reason, size=size, limit=limit_bytes)
                pieces.append(piece)
        return b"".join(pieces)

    def _invite(self, message: RawRequestMessage, payload: StreamReader) -> None:
        """Tell a client that waits for it to send the body."""
        if message.headers.get("Expect", "").lower() == "100-continue" and not payload.is_eof():
            self._write(_CONTINUE)

    async def _pieces(self, message: RawRequestMessage, payload: StreamReader) -> AsyncGenerator[bytes]:
        """The request's body as it arrives. Raises InvalidRequest: as `_body`."""
        self._invite(message, payload)
        body = _whole(payload)
        if body is not None:
            if body:
                yield body
            return
        async with aclosing(self._arriving(payload)) as arriving:
            async for piece in arriving:
                yield piece

    async def _arriving(self, payload: StreamReader) -> AsyncGenerator[bytes]:
        """A body of which something is missing yet."""
        size = 0
        seconds = self._edge.settings.request_body_seconds
        progress = Progress(
            self._edge.engine.clock, seconds, lambda: size, lambda: payload.set_exception(_TooSlow())
        )  # fmt: skip
        try:
            while piece := await payload.readany():
                size += len(piece)
                yield piece
        except _TooSlow:
            self._close = True
            raise InvalidRequest("body-slow", seconds=seconds, size=size) from None
        except (HttpProcessingError, web.RequestPayloadError):
            self._close = True
            raise InvalidRequest("body-broken") from None
        finally:
            progress.stop()

    async def _drained(self, payload: StreamReader) -> bool:
        """Read what the handler left of the body, so that the next request begins where it should."""
        if payload.is_eof():
            return True
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not payload.at_eof():
                    await payload.readany()
        except (TimeoutError, HttpProcessingError, web.RequestPayloadError):
            return False
        return True

    async def _stream(self, head: bytes, reply: Reply, message: RawRequestMessage) -> None:
        """Send an endless reply in chunks, packed where the client takes it, until it ends or the client goes."""
        assert reply.stream is not None
        packer = None
        if accepts_gzip(message.headers.get("Accept-Encoding", "")):
            packer = zlib.compressobj(wbits=31)
            head += b"Content-Encoding: gzip\r\n"
        chunked = message.version == HttpVersion11
        encoding = b"Transfer-Encoding: chunked\r\n" if chunked else b""  # before 1.1 the end is that of the connection
        self._write(b"".join((head, encoding, _CLOSE, self._edge.stamp.date(), b"\r\n")))
        async for piece in reply.stream:
            if self.transport is None:
                return
            if packer is not None:
                piece = packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
            if piece:
                self._write(_chunk(piece) if chunked else piece)
            await self._drain_helper()
        rest = packer.flush() if packer is not None else b""
        if chunked:
            rest = (_chunk(rest) if rest else b"") + b"0\r\n\r\n"
        self._write(rest)


class _Body:
    """The body of one request, for its handler."""

    __slots__ = ("_connection", "_message", "_payload")

    def __init__(self, connection: Connection, message: RawRequestMessage, payload: StreamReader) -> None:
        self._connection = connection
        self._message = message
        self._payload = payload

    def __call__(self, limit_bytes: int) -> Awaitable[bytes]:
        """The whole of it."""
        return self._connection._body(self._message, self._payload, limit_bytes)

    def pieces(self) -> AsyncGenerator[bytes]:
        """Its pieces as they arrive."""
        return self._connection._pieces(self._message, self._payload)


def _whole(payload: StreamReader) -> bytes | None:
    """A body of which nothing is missing, as in most cases: it came with its head."""
    if payload is EMPTY_PAYLOAD:
        return b""
    return b"".join(payload._buffer) if payload.is_eof() and payload.exception() is None else None


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _is_small(message: RawRequestMessage) -> bool:
    """Whether the rest of a body is worth reading to keep the connection: as Go's servers decide."""
    length = message.headers.get("Content-Length", "")
    waits = message.headers.get("Expect", "").lower() == "100-continue"
    return not waits and length.isdecimal() and len(length) < 7 and int(length) <= _SMALL_REST_BYTES
