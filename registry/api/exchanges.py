"""Requests with their answers, for those who want to be told of each: the access log, and the log at debug.

Owns what is told of a request, and whether anybody listens at all: while nobody does, a request costs one look at
that. Refusals and slow requests are told by `api/edge.py`, whether or not each request is.
"""

import re
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Any

from registry.api.access_log import AccessLog, fields
from registry.api.reply import Reply
from registry.clock import Clock
from registry.events import Events
from registry.events.record import DEBUG

CLIENT_LEFT = 499  # what logs show where the client was gone before its answer: nginx' number
_NO_REQUEST = ("-", "-", "-")  # in the place of a request that could not be read
_REQUEST_ID = b"X-Request-Id: "
_REFERER = re.compile(rb"(?i)\r\nreferer:[ \t]*([^\r\n]*)")
_AGENT = re.compile(rb"(?i)\r\nuser-agent:[ \t]*([^\r\n]*)")


class Exchanges:
    """The requests of one edge."""

    def __init__(self, clock: Clock, events: Events, changed: Callable[[bool], None]) -> None:
        """Args:
        changed: told whether anybody listens, whenever that changes and at once.
        """
        self._clock = clock
        self._events = events
        self._changed = changed
        self._access_log: AccessLog | None = None
        self._heard: bool | None = None
        events.watch(self._look)
        self._look()

    def log_to(self, access_log: AccessLog | None) -> None:
        """Write each request into this log, or into none."""
        self._access_log = access_log
        self._look()

    def _look(self) -> None:
        heard = self._access_log is not None or self._events.threshold <= DEBUG
        if heard != self._heard:
            self._heard = heard
            self._changed(heard)

    def elapsed(self) -> float:
        """The time from which on a request is measured."""
        return self._clock.elapsed()

    def begin(self, remote: str, message: Any) -> "Exchange":
        """A request has come: its head as aiohttp has parsed it."""
        return Exchange(self, remote, message)

    def tell(
        self, remote: str, parts: tuple[str, str, str], status: int, size: int, seconds: float, request_id: str
    ) -> None:
        """A request has been answered.

        Args:
            parts: as `access_log.fields` gives them. size: of the body in bytes.
        """
        if self._access_log is not None:
            self._access_log.write(self._clock.now(), remote, parts, status, size, seconds, request_id)
        if self._events.threshold <= DEBUG:
            method, _, rest = parts[0].partition(" ")
            self._events.http.debug(
                "Request finished", method=method, url=rest.rpartition(" ")[0], status=status, bytes=size,
                remote=remote, seconds=round(seconds, 6), request_id=request_id,
            )  # fmt: skip

    def tell_repeated(self, remote: str, raw: bytes, head: bytes, body: bytes, begun: float) -> None:
        """A request has been answered by its bytes: all of them, and the whole head of the answer."""
        seconds = self._clock.elapsed() - begun
        self.tell(remote, _raw_fields(raw), int(head[9:12]), len(body), seconds, _request_id(head))

    def tell_unreadable(self, remote: str, answer: bytes) -> None:
        """What is no request, or did not arrive in time, was answered so."""
        status = int(answer[9:12])
        self._events.http.info("Request refused unread", status=status, remote=remote)
        if self._access_log is not None:
            size = len(answer.partition(b"\r\n\r\n")[2])
            self._access_log.write(self._clock.now(), remote, _NO_REQUEST, status, size, 0.0, "-")


class Exchange:
    """One request on its way; told of at the end of the block, however that comes."""

    __slots__ = ("_begun", "_exchanges", "_message", "_remote", "_request_id", "_size", "_status")

    def __init__(self, exchanges: Exchanges, remote: str, message: Any) -> None:
        self._exchanges = exchanges
        self._remote = remote
        self._message = message
        self._begun = exchanges.elapsed()
        self._status = CLIENT_LEFT
        self._size = 0
        self._request_id = "-"

    def answer(self, head: bytes, reply: Reply) -> None:
        """This is going to be sent."""
        self._status, self._request_id = int(head[9:12]), _request_id(head)
        if reply.stream is not None:
            reply.stream = _Counted(reply.stream, self._count)
        elif self._message.method != "HEAD":
            self._size = len(reply.body)

    def _count(self, size: int) -> None:
        self._size += size

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        message, headers = self._message, self._message.headers
        line = f"{message.method} {message.path} HTTP/{message.version.major}.{message.version.minor}"
        parts = fields(line, headers.get("Referer"), headers.get("User-Agent"))
        seconds = self._exchanges.elapsed() - self._begun
        self._exchanges.tell(self._remote, parts, self._status, self._size, seconds, self._request_id)


class _Counted:
    """A stream whose bytes are counted, before they are packed."""

    def __init__(self, pieces: AsyncIterator[bytes], count: Callable[[int], None]) -> None:
        self._pieces = pieces
        self._count = count

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._pieces)
        self._count(len(piece))
        return piece


@lru_cache(1024)
def _raw_fields(raw: bytes) -> tuple[str, str, str]:
    """The fields of a request that is known by its bytes, of which there are few."""
    referer, agent = _REFERER.search(raw), _AGENT.search(raw)
    return fields(
        _text(raw.partition(b"\r\n")[0]),
        _text(referer[1].rstrip()) if referer else None,
        _text(agent[1].rstrip()) if agent else None,
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _request_id(head: bytes) -> str:
    """The id that an answer was given, by the last line of its head."""
    start = head.rfind(_REQUEST_ID) + len(_REQUEST_ID)
    return head[start : head.find(b"\r\n", start)].decode("ascii", "replace")
