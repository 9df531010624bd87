"""The limits of connections: how many a client may have, and how long it may take over what it sends and reads.

Owns the counts, the watch over what has to go on, and the answers that are sent where no request is there to be
answered. What a limit is set to is read at each use, so that a reload counts. Sizes of bodies and heads are judged
where their bytes arrive, in `api/server`.
**Source**: Consul's `limits.http_max_conns_per_client`; common.md §15.
"""

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from registry.clock import Clock, TimerHandle
from registry.events import Events

CONNECTIONS_PER_CLIENT = 200  # Consul's
PROGRESS_BYTES = 1024  # what a body or an answer must move on by in each period; a byte now and then is an attack

_TOO_MANY = b"Your IP is issuing too many concurrent connections, please rate limit your calls\n"
_LIMIT_HEADER = "X-Registry-Limit: {setting}={limit}; current={current}\r\n"


def refusal(status: int, body: bytes = b"", *, headers: bytes = b"", charset: bool = True) -> bytes:
    """A whole answer after which the connection is closed. Without a body it says its own status, as Go's does."""
    known = HTTPStatus(status)
    line = f"{status} {known.phrase}".encode()
    kind = b"text/plain; charset=utf-8" if charset else b"text/plain"
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\n%bConnection: close\r\n%b\r\n" % (line, kind, length, headers)
    return head + (body or line)


def limit_header(setting: str, limit: int, current: int) -> bytes:
    """What was exceeded, for answers whose text is Consul's and cannot say it."""
    return _LIMIT_HEADER.format(setting=setting, limit=limit, current=current).encode()


def head_too_large(limit: int, current: int) -> bytes:
    """The answer to a head that goes on beyond its limit, in the words of Go's servers."""
    return refusal(431, headers=limit_header("max_header_bytes", limit, current))


def head_too_slow(seconds: float) -> bytes:
    """The answer to a request that was begun and not sent."""
    return refusal(408, b"The request's head did not arrive within %gs (request_head_seconds)\n" % seconds)


class Clients:
    """How many connections each client has, by its address."""

    def __init__(self, settings: Callable[[], Any], events: Events) -> None:
        """Args:
        settings: those in force now.
        """
        self._settings = settings
        self._events = events
        self._counts: dict[str, int] = {}
        self._over: set[str] = set()  # those that were told, until one of their connections ends
        self.refused = 0

    @property
    def limit(self) -> int:
        """Connections per address, 0 for any number: what is set, else 200 but where only this machine gets in."""
        settings = self._settings()
        chosen: int | None = settings.max_connections_per_client
        if chosen is not None:
            return chosen
        return 0 if ipaddress.ip_address(settings.bind).is_loopback else CONNECTIONS_PER_CLIENT

    def enter(self, address: str) -> bytes | None:
        """Count a new connection, or give the answer that refuses it."""
        count, limit = self._counts.get(address, 0), self.limit
        if limit and count >= limit:
            self._refused(address, limit, count)
            header = limit_header("max_connections_per_client", limit, count)
            return refusal(429, _TOO_MANY, headers=header, charset=False)
        self._counts[address] = count + 1
        return None

    def leave(self, address: str) -> None:
        """A connection that had entered has ended."""
        left = self._counts.get(address, 0) - 1
        if left > 0:
            self._counts[address] = left
        else:
            self._counts.pop(address, None)
        self._over.discard(address)

    def _refused(self, address: str, limit: int, count: int) -> None:
        """Say it once: a client that is refused usually tries again at once."""
        self.refused += 1
        if address not in self._over:
            self._over.add(address)
            self._events.http.warning(
                "Too many connections from one client", remote=address, current=count, limit=limit,
                setting="max_connections_per_client",
            )  # fmt: skip


class Progress:
    """Watches something that must go on: in each period by `PROGRESS_BYTES`, or it is called late."""

    __slots__ = ("_clock", "_late", "_moved", "_period_seconds", "_seen", "_timer")

    def __init__(
        self, clock: Clock, period_seconds: float, moved: Callable[[], int], late: Callable[[], object]
    ) -> None:
        """Begin to watch. `moved` gives the bytes that have come or gone so far, of which only differences count."""
        self._clock = clock
        self._period_seconds = period_seconds
        self._moved = moved
        self._late = late
        self._seen = moved()
        self._timer: TimerHandle | None = clock.call_later(period_seconds, self._look)

    def stop(self) -> None:
        """Nobody has to go on any more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        moved = self._moved()
        if moved - self._seen < PROGRESS_BYTES:
            self._timer = None
            self._late()
            return
        self._seen = moved
        self._timer = self._clock.call_later(self._period_seconds, self._look)
