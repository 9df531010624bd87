"""What happens to a request between its bytes and its handler's reply. No sockets, no aiohttp.

Owns dispatch over the dialects, the words for errors that no handler caught, the layout of heads, and
which requests may be answered from memory next time. `api/server` brings the bytes.
"""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any

from registry.api.call import BodyReader, Call
from registry.api.dialect import Dialect, Match
from registry.api.exchanges import Exchanges
from registry.api.http import GZIP_MIN_BYTES, ConfiguredHeaders, Stamp, packed, status_line
from registry.api.metrics import Metrics
from registry.api.processes import OneProcess, Processes
from registry.api.query import Query
from registry.api.repeats import Repeat, Repeats, SharedRepeats, takes_gzip
from registry.api.reply import JSON, Reply
from registry.api.target import origin_form
from registry.core.engine import Engine
from registry.errors import LogError, RequestError
from registry.events import Events
from registry.events.context import REQUEST_ID

REQUEST_ID_CHARACTERS = 64
_PACKED = "gzip"  # where an answer keeps its packed body


class Edge:
    """One server's edge: the dialects it speaks over one engine."""

    def __init__(
        self,
        engine: Engine,
        dialects: tuple[Dialect, ...],
        *,
        settings: Any,
        metrics: Metrics,
        events: Events,
        stop: Callable[[], None],
        reload: Callable[[], Awaitable[None]],
        processes: Processes | None = None,
        shape: str = "",
    ) -> None:
        """Args:
        dialects: asked in this order; the last one answers what nobody recognises.
        stop: begins to shut the process down. reload: reads the configuration files again.
        processes: where this process is one of several of a server; stop and reload are those of all then.
        shape: sets it apart from another edge over the same engine.
        """
        self.engine = engine
        self.settings = settings
        self.metrics = metrics
        self.events = events
        self.stop = stop
        self.reload = reload
        self.processes = processes or OneProcess(metrics)
        self.started_at = engine.clock.now()
        self.addresses: tuple[tuple[str, int], ...] = ()  # host and port of each listener, the main one first
        self.stamp = Stamp(engine.clock.now, secrets.token_hex(4) + "-")
        self.seen_cached: OrderedDict[Hashable, None] = OrderedDict()  # ?cached reads, for X-Cache
        self.repeats = (
            SharedRepeats(engine.topics, engine.contact, shape) if engine.shared else Repeats(engine.topics, shape)
        )  # fmt: skip
        self._dialects = dialects
        self._slow_seconds = settings.slow_request_seconds
        self._configured = ConfiguredHeaders(settings.response_headers)
        self.told = False  # whether anybody is told of each request
        self.ready = self._ready
        self.exchanges = Exchanges(engine.clock, events, self._note_told)

    # Requests

    async def respond(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        remote: str,
        read_body: BodyReader,
        raw: bytes | None,
    ) -> tuple[bytes, Reply]:
        """Answer one request: the head up to but not including the connection's own lines, and the reply.

        Args:
            target: the request target as sent. raw: the whole request where it came in one piece and
                may be remembered by its bytes.
        """
        request_id = self._request_id(headers)
        repeat = self.repeats.by_target(target, headers) if method == "GET" else None
        if repeat is not None:
            repeat.figures.ready += 1
            self.repeats.remember_bytes(repeat, headers, raw)
            return _identified(repeat.head, request_id), Reply(body=repeat.body)
        begun = self.engine.clock.elapsed()
        raw_path, _, raw_query = origin_form(target).partition("?")
        dialect, match = self._match(method, raw_path, raw_query, remote)
        figures = self.metrics.endpoint(match.route, method)
        self.metrics.in_flight += 1
        try:
            reply = await self._reply(
                dialect, match, method, raw_path, raw_query, headers, remote, request_id, read_body
            )
        finally:
            self.metrics.in_flight -= 1
        seconds = self.engine.clock.elapsed() - begun
        figures.count(reply.status, seconds)
        if seconds > self._slow_seconds and not reply.waited and reply.stream is None:
            self.metrics.slow += 1
            self.events.slow_request(match.route, method, seconds, request_id, match.argument)
        answer = None if reply.once else reply.ready
        if answer is not None and reply.waited and (repeat := self.repeats.by_target(target, headers)) is not None:
            return _identified(repeat.head, request_id), Reply(body=repeat.body)  # as for the one woken before
        head, body = self._headed(dialect, reply, headers)
        if answer is not None:
            repeat = Repeat(answer, head, body, figures, dialect.telling_headers)
            self.repeats.remember(repeat, method, target, headers, raw)
        reply.body = body
        return _identified(head, request_id), reply

    def _match(self, method: str, raw_path: str, raw_query: str, remote: str) -> tuple[Dialect, Match]:
        for dialect in self._dialects:
            match = dialect.match(method, raw_path, raw_query, remote)
            if match is not None:
                return dialect, match
        raise LookupError("the last dialect recognises every request")

    async def _reply(
        self,
        dialect: Dialect,
        match: Match,
        method: str,
        raw_path: str,
        raw_query: str,
        headers: Mapping[str, str],
        remote: str,
        request_id: str,
        read_body: BodyReader,
    ) -> Reply:
        REQUEST_ID.set(request_id)
        if match.handler is None:
            assert match.reply is not None
            if match.reply.status >= 400:
                self.events.turned_away(match.route, method, match.reply.status, remote, request_id)
            return match.reply
        query = None
        try:
            query = Query(raw_query)
            call = Call(
                method=method,
                route=match.route,
                path=match.path,
                raw_path=raw_path,
                argument=match.argument,
                query=query,
                headers=headers,
                remote=remote,
                request_id=request_id,
                server=self,
                read_body=read_body,
            )
            reply = await match.handler(call)
        except (RequestError, LogError) as error:
            reply = dialect.error_reply(error)
            self.events.refused(match.route, method, reply.status, error, request_id, match.argument)
            return reply
        except Exception:
            self.events.crashed(match.route, method, request_id)
            return dialect.crash_reply()
        if reply.ready is None and reply.content_type == JSON and ("pretty" in query or self.settings.pretty):
            reply.body = dialect.indented(reply.body, newline="pretty" in query)
        return reply

    def _request_id(self, headers: Mapping[str, str]) -> str:
        """The id sent in, if it is one that can be written down, else a new one."""
        sent = headers.get("X-Request-Id")
        if sent and len(sent) <= REQUEST_ID_CHARACTERS and sent.isascii() and sent.isprintable():
            return sent
        return self.stamp.request_id()

    # Heads

    def _headed(self, dialect: Dialect, reply: Reply, headers: Mapping[str, str]) -> tuple[bytes, bytes]:
        """The reply's head and its body, packed where the client takes it."""
        encoding, body = b"", reply.body
        if len(body) >= GZIP_MIN_BYTES and takes_gzip(headers.get("Accept-Encoding", "")):
            encoding, body = b"Content-Encoding: gzip\r\n", self._packed(reply)
        return self._head(dialect, reply, encoding, len(body)), body

    def _head(self, dialect: Dialect, reply: Reply, encoding: bytes, length: int) -> bytes:
        if reply.content_type is None:
            content_type = b""
        else:
            content_type = b"Content-Type: %b\r\n" % reply.content_type.encode()
        always = b"" if reply.bare else dialect.always
        size = b"" if reply.stream is not None else b"Content-Length: %d\r\n" % length
        own = b"".join((content_type, encoding, always, reply.headers, size))
        return status_line(reply.status) + self._configured.beside(own) + own

    def _packed(self, reply: Reply) -> bytes:
        if reply.ready is None:
            return packed(reply.body)
        kept: bytes | None = reply.ready.extra.get(_PACKED)
        if kept is None:
            kept = reply.ready.extra[_PACKED] = packed(reply.body)
        return kept

    # Requests known by their bytes: `ready` is one of these two

    def _ready(self, raw: bytes, remote: str) -> tuple[bytes, bytes] | None:
        """Head and body for a request that is byte for byte one answered from memory before.

        None when it is not, or when its answer has changed since.
        """
        repeat = self.repeats.by_bytes(raw)
        if repeat is None:
            return None
        repeat.figures.ready += 1
        return repeat.head + self.stamp.tail(), repeat.body

    def _ready_and_told(self, raw: bytes, remote: str) -> tuple[bytes, bytes] | None:
        """The same, and those who listen are told."""
        begun = self.exchanges.elapsed()
        answer = self._ready(raw, remote)
        if answer is not None:
            self.exchanges.tell_repeated(remote, raw, *answer, begun)
        return answer

    def _note_told(self, heard: bool) -> None:
        self.told, self.ready = heard, self._ready_and_told if heard else self._ready


def _identified(head: bytes, request_id: str) -> bytes:
    return b"%bX-Request-Id: %b\r\n" % (head, request_id.encode())
