"""What happens to a request between its bytes and its handler's reply. No sockets, no aiohttp.

Owns dispatch over the dialects, the words for errors that no handler caught, the layout of heads, and
which requests may be answered from memory next time. `api/server.py` brings the bytes.
"""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, NamedTuple

from registry.api.call import BodyReader, Call
from registry.api.dialect import Dialect, Match
from registry.api.http import GZIP_MIN_BYTES, Stamp, accepts_gzip, packed, status_line
from registry.api.metrics import EndpointFigures, Metrics
from registry.api.query import Query
from registry.api.reply import JSON, Reply
from registry.api.target import origin_form
from registry.core.engine import Engine
from registry.core.reading import Answer
from registry.errors import LogError, RequestError
from registry.events import Events

REQUEST_ID_CHARACTERS = 64
_REPEATABLE_BYTES = 2048  # longer requests are not remembered
_PACKED = "gzip"  # where an answer keeps its packed body


class Ready(NamedTuple):
    """A request that was answered from memory: the same bytes get the same answer while it lives."""

    answer: Answer
    head: bytes
    body: bytes
    figures: EndpointFigures


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
    ) -> None:
        """Args:
        dialects: asked in this order; the last one answers what nobody recognises.
        stop: begins to shut the process down. reload: reads the configuration files again.
        """
        self.engine = engine
        self.settings = settings
        self.metrics = metrics
        self.events = events
        self.stop = stop
        self.reload = reload
        self.started_at = engine.clock.now()
        self.addresses: tuple[tuple[str, int], ...] = ()  # host and port of each listener, the main one first
        self.stamp = Stamp(engine.clock.now, secrets.token_hex(4) + "-")
        self.seen_cached: OrderedDict[Hashable, None] = OrderedDict()  # ?cached reads, for X-Cache
        self._dialects = dialects
        self._slow_seconds = settings.slow_request_seconds
        self._configured = b"".join(
            f"{name}: {value}\r\n".encode() for name, value in settings.response_headers.items()
        )

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
        begun = self.engine.clock.elapsed()
        request_id = self._request_id(headers)
        raw_path, _, raw_query = origin_form(target).partition("?")
        dialect, match = self._match(method, raw_path, raw_query, remote)
        figures = self.metrics.endpoint(match.route, method)
        self.metrics.in_flight += 1
        try:
            reply = await self._reply(dialect, match, method, raw_query, headers, remote, request_id, read_body)
        finally:
            self.metrics.in_flight -= 1
        head, reply = self._headed(dialect, reply, headers, raw, figures)
        seconds = self.engine.clock.elapsed() - begun
        figures.count(reply.status, seconds)
        if seconds > self._slow_seconds and not reply.waited and reply.stream is None:
            self.events.slow_request(match.route, method, seconds, request_id)
        return b"%bX-Request-Id: %b\r\n" % (head, request_id.encode()), reply

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
        raw_query: str,
        headers: Mapping[str, str],
        remote: str,
        request_id: str,
        read_body: BodyReader,
    ) -> Reply:
        if match.handler is None:
            assert match.reply is not None
            return match.reply
        query = None
        try:
            query = Query(raw_query)
            call = Call(
                method=method,
                route=match.route,
                path=match.path,
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
            self.events.refused(match.route, method, reply.status, error, request_id)
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

    def _headed(
        self, dialect: Dialect, reply: Reply, headers: Mapping[str, str], raw: bytes | None, figures: EndpointFigures
    ) -> tuple[bytes, Reply]:
        """The reply's head; its body packed where the client takes it; the request remembered where it may be."""
        encoding, body = b"", reply.body
        if len(body) >= GZIP_MIN_BYTES and accepts_gzip(headers.get("Accept-Encoding", "")):
            encoding, body = b"Content-Encoding: gzip\r\n", self._packed(reply)
        head = self._head(dialect, reply, encoding, len(body))
        ready = reply.ready
        if raw is not None and ready is not None and ready.live and _repeatable(raw, headers):
            self.engine.topics.remember(raw, ready, Ready(ready, head, body, figures))
        reply.body = body
        return head, reply

    def _head(self, dialect: Dialect, reply: Reply, encoding: bytes, length: int) -> bytes:
        if reply.content_type is None:
            content_type = b""
        else:
            content_type = b"Content-Type: %b\r\n" % reply.content_type.encode()
        always = b"" if reply.bare else dialect.always
        size = b"" if reply.stream is not None else b"Content-Length: %d\r\n" % length
        return b"".join(
            (status_line(reply.status), self._configured, content_type, encoding, always, reply.headers, size)
        )

    def _packed(self, reply: Reply) -> bytes:
        if reply.ready is None:
            return packed(reply.body)
        kept: bytes | None = reply.ready.extra.get(_PACKED)
        if kept is None:
            kept = reply.ready.extra[_PACKED] = packed(reply.body)
        return kept

    # Requests seen before

    def ready(self, raw: bytes) -> tuple[bytes, bytes] | None:
        """Head and body for a request that is byte for byte one answered from memory before.

        None when it is not, or when its answer has changed since.
        """
        topics = self.engine.topics
        known = topics.remembered.get(raw)
        if known is None:
            return None
        answer, head, body, figures = known
        if answer.index != topics.state.index(answer.topic):
            return None
        answer.used = 1
        topics.hits += 1
        figures.ready += 1
        return head + self.stamp.tail(), body


def _repeatable(raw: bytes, headers: Mapping[str, str]) -> bool:
    """Whether the request may be known again by its bytes: it is short and asks for no id of its own."""
    return len(raw) <= _REPEATABLE_BYTES and "X-Request-Id" not in headers
