"""One client's connection: aiohttp's parser, flow control and keep-alive, with a request loop of our own.

The general loop costs a task, a request object and a header dictionary for each request.

A request whose bytes are exactly those of one answered from memory before is answered where its bytes
arrive, without being parsed again: equal bytes have an equal meaning. So is a write whose head came before not
parsed again (`heads.py`). Both are done only between requests, when the piece that arrived begins at the
first byte of a request and holds nothing else.

It builds on these parts of `aiohttp.web_protocol.RequestHandler` that are not public, so the version is
pinned to one minor release: `_messages`, `_waiter`, `_parser`, `_force_close`, `_close`, `_loop`,
`_request_in_progress`, `_task_handler`, `_next_keepalive_close_time`, `_keepalive_timeout`,
`_keepalive_handle`, `_buffer_paused`, `_msg_queue_resume_size`,
`_resume_reading_if_drained`, `_drain_helper`, `_paused`; and, in `incoming.py`, on `StreamReader._buffer`.
"""

import asyncio
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
from registry.api.http import accepts_gzip
from registry.api.limits import Clients, Progress, head_too_large, head_too_slow, refusal
from registry.api.reply import Reply
from registry.api.server.heads import END, KnownHeads
from registry.api.server.incoming import Arrived, IncomingBody
from registry.api.server.streamed import streamed
from registry.api.target import with_ascii_line
from registry.clock import TimerHandle

_CLOSE = b"Connection: close\r\n"
_KEEP = b"Connection: keep-alive\r\n"  # what a client of HTTP/1.0 must be told
_SEPARATE_BYTES = 16_384  # from here on a body is not copied behind its head
_REFUSED_SECONDS = 0.5  # how long a client may take to read why it is refused: Go's
_WRITES = frozenset({"PUT", "POST"})  # their heads repeat; those of reads change with their index
_CANCELLED_SECONDS = 1.0  # how long a handler may take to end once it is cancelled


class Connection(RequestHandler):
    """One client's connection."""

    __slots__ = (
        "_aligned", "_awaited_bytes", "_broken", "_clients", "_ending", "_head_bytes", "_head_timer", "_heads",
        "_payload", "_raw", "_reading", "_refusal", "_remote", "edge",
    )  # fmt: skip

    def __init__(
        self, manager: web.Server, edge: Edge, clients: Clients, heads: KnownHeads[RawRequestMessage], remote: str,
        **options: Any,
    ) -> None:  # fmt: skip
        """Args:
        clients: among whom the one at `remote` has been counted. options: aiohttp's.
        """
        super().__init__(manager, **options)
        self.edge = edge
        self._clients = clients
        self._heads = heads
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
            ready = self.edge.ready(data, self._remote)
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
        self._messages.append((message, Arrived(body) if body else EMPTY_PAYLOAD))
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
            seconds = self.edge.settings.request_head_seconds
            self._head_timer = self.edge.engine.clock.call_later(seconds, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        if self._head_bytes:
            self._refuse(head_too_slow(self.edge.settings.request_head_seconds))

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
                    keep = await (self._serve_told if self.edge.told else self._serve)(message, payload)
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
        self.write(self._refusal)
        self.edge.exchanges.tell_unreadable(self._remote, self._refusal)
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
            await asyncio.sleep(_REFUSED_SECONDS)  # ends with the connection

    async def _serve_told(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """The same as `_serve`, for those who are told of each request."""
        with self.edge.exchanges.begin(self._remote, message) as exchange:
            return await self._serve(message, payload, exchange)

    async def _serve(self, message: RawRequestMessage, payload: StreamReader, exchange: Exchange | None = None) -> bool:
        """Answer one request; whether the connection stays open."""
        raw, self._raw = self._raw, None
        if message.should_close or message.version != HttpVersion11:
            raw = None
        body = IncomingBody(self, message, payload)
        head, reply = await self.edge.respond(message.method, message.path, message.headers, self._remote, body, raw)
        if self.transport is None:
            return False
        if exchange is not None:
            exchange.answer(head, reply)
        keep = not (message.should_close or reply.close or self._close or self._ending or self._upgraded)
        if not payload.is_eof():  # nobody wanted the body, or not all of it
            keep = keep and body.rest_is_small and await body.drained()
        if reply.stream is not None:
            await self._stream(head, reply, message)
            return False
        connection = _CLOSE if not keep else _KEEP if message.version == HttpVersion10 else b""
        parts = (head, connection, self.edge.stamp.date(), b"\r\n")
        self.write(b"".join(parts if message.method == "HEAD" else (*parts, reply.body)))
        if self._paused:
            await self._drain_helper()
        if not keep and not payload.is_eof() and not self._broken:
            await body.drained()  # a connection closed on unread bytes is reset, and the answer with it
        return keep

    async def _stream(self, head: bytes, reply: Reply, message: RawRequestMessage) -> None:
        """Send an endless reply until it ends or the client goes."""
        assert reply.stream is not None
        packed, chunked = accepts_gzip(message.headers.get("Accept-Encoding", "")), message.version == HttpVersion11
        encodings = (b"Content-Encoding: gzip\r\n" * packed, b"Transfer-Encoding: chunked\r\n" * chunked)
        self.write(b"".join((head, *encodings, _CLOSE, self.edge.stamp.date(), b"\r\n")))
        async with aclosing(streamed(reply.stream, packed=packed, chunked=chunked)) as pieces:
            async for piece in pieces:
                if self.transport is None:
                    return
                if piece:
                    self.write(piece)
                await self._drain_helper()

    def write(self, data: bytes) -> None:
        """Send this, unless the client has gone."""
        if self.transport is not None:
            self.transport.write(data)

    def end_after_this(self) -> None:
        """Close once the request at hand is answered: what arrives next could not be told from its body."""
        self._close = True

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
                self.edge.engine.clock,
                self.edge.settings.answer_stall_seconds,
                lambda: -transport.get_write_buffer_size(),
                partial(self._unread, transport),
            )

    def _unread(self, transport: asyncio.Transport) -> None:
        self.edge.events.http.info(
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
