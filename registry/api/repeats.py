"""Requests that can be answered by what another one was answered with, while that answer lives.

Owns two ways of knowing a request again: by all of its bytes, before it is parsed, and by its target, when
none of its headers changes what it means. The answers themselves are the core's (`core/topics.py`), which
forgets a request together with the answer it leads to. Source: `DESIGN.md` §2, ready answers.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from registry.api.http import accepts_gzip
from registry.api.metrics import EndpointFigures
from registry.core.reading import Answer, Contact
from registry.core.topics import Topics

_LONGEST_BYTES = 2048  # longer requests are not known again by their bytes

takes_gzip = lru_cache(256)(accepts_gzip)  # clients send few different headers


class Repeat(NamedTuple):
    """How a request was answered: from `answer`, with this head and body.

    `telling` are the headers that would have changed what it means.
    """

    answer: Answer
    head: bytes
    body: bytes
    figures: EndpointFigures
    telling: tuple[str, ...]


class Repeats:
    """The requests that are known, over the answers of one engine."""

    def __init__(self, topics: Topics, shape: str = "") -> None:
        """Args:
        shape: tells apart those who answer the same requests differently over one engine.
        """
        self._topics = topics
        self._shape = shape and f"\0{shape}"  # behind a request: no request ends so
        self._shape_bytes = self._shape.encode()

    def by_bytes(self, raw: bytes) -> Repeat | None:
        """What answered a request of exactly these bytes, if that is still the answer."""
        return self._good(self._topics.remembered.get(raw + self._shape_bytes))

    def by_target(self, target: str, headers: Mapping[str, str]) -> Repeat | None:
        """What answered a GET of this target, if these headers do not change its meaning."""
        known = self._topics.remembered.get((target + self._shape, takes_gzip(headers.get("Accept-Encoding", ""))))
        if known is None or any(name in headers for name in known.telling):
            return None
        return self._good(known)

    def remember(self, repeat: Repeat, method: str, target: str, headers: Mapping[str, str], raw: bytes | None) -> None:
        """Know the request again.

        Args:
            raw: all its bytes, if they came alone and in one piece.
        """
        if method != "GET" or not repeat.answer.live or any(name in headers for name in repeat.telling):
            return
        packed = takes_gzip(headers.get("Accept-Encoding", ""))
        self._topics.remember((target + self._shape, packed), repeat.answer, repeat)
        self.remember_bytes(repeat, headers, raw)

    def remember_bytes(self, repeat: Repeat, headers: Mapping[str, str], raw: bytes | None) -> None:
        """Know the request again by its bytes, unless it asks for an id of its own."""
        if raw is not None and len(raw) <= _LONGEST_BYTES and "X-Request-Id" not in headers:
            self._topics.remember(raw + self._shape_bytes, repeat.answer, repeat)

    def _good(self, known: Repeat | None) -> Repeat | None:
        topics = self._topics
        if known is None or known.answer.index != topics.state.index(known.answer.topic):
            return None
        known.answer.used = 1
        topics.hits += 1
        return known


class SharedRepeats(Repeats):
    """The same over a log that this process shares: its heads say that the store answers, so only while it does."""

    def __init__(self, topics: Topics, contact: Callable[[], Contact], shape: str = "") -> None:
        super().__init__(topics, shape)
        self._contact = contact

    def _good(self, known: Repeat | None) -> Repeat | None:
        return None if known is None or self._contact().away else super()._good(known)
