"""Heads of HTTP answers as bytes: status lines, the date, request ids.

Owns bytes that are the same for many answers, so that they are made once. No sockets.
"""

import gzip
import itertools
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus

GZIP_MIN_BYTES = 1400  # Consul's threshold for packing an answer
_GZIP_LEVEL = 5
_STATUS_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n".encode() for one in HTTPStatus}


def status_line(status: int) -> bytes:
    """The first line of an answer."""
    return _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()


def packed(body: bytes) -> bytes:
    """The body in gzip, without a time in it, so that equal bodies pack to equal bytes."""
    return gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the header names gzip with a weight over 0; `*` does not count (common.md §5).

    Of several weights of one coding the last counts; a coding with one that is no number is passed over.
    """
    accepted = False
    for part in accept_encoding.split(","):
        coding, *parameters = part.split(";")
        if coding.strip().lower() == "gzip" and (weight := _weight(parameters)) is not None:
            accepted = weight > 0
    return accepted


def _weight(parameters: list[str]) -> float | None:
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                return None
    return weight


class ConfiguredHeaders:
    """The header lines that settings add to every answer; one that an answer has itself goes before them."""

    __slots__ = ("_lines",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._lines = tuple(
            (f"\n{name.lower()}:".encode(), f"{name}: {value}\r\n".encode()) for name, value in headers.items()
        )

    def beside(self, own: bytes) -> bytes:
        """The lines for an answer whose own header lines are these."""
        if not self._lines:
            return b""
        names = b"\n" + own.lower()
        return b"".join(line for name, line in self._lines if name not in names)


class Stamp:
    """The lines that differ from one answer to the next: the date, one line a second, and the request id."""

    __slots__ = ("_count", "_line", "_now", "_prefix", "_until")

    def __init__(self, now: Callable[[], float], prefix: str) -> None:
        """Args:
        prefix: what request ids of this process begin with.
        """
        self._now = now
        self._prefix = prefix
        self._count = itertools.count(1)
        self._until = 0.0
        self._line = b""

    def date(self) -> bytes:
        """The Date line of this second."""
        now = self._now()
        if now >= self._until or now < self._until - 1:
            self._until = int(now) + 1.0
            self._line = f"Date: {formatdate(int(now), usegmt=True)}\r\n".encode()
        return self._line

    def request_id(self) -> str:
        """A new request id."""
        return f"{self._prefix}{next(self._count):x}"

    def tail(self) -> bytes:
        """The end of a ready head: the date, a new request id and the blank line."""
        return b"%bX-Request-Id: %b%x\r\n\r\n" % (self.date(), self._prefix.encode(), next(self._count))
