"""The query string, read as Go's `url.ParseQuery` reads it.

Owns decoding and look-up. What a parameter means is its handler's business.
Source: common.md §3 (first value wins; presence counts for flags; `;` and a bad escape are errors).
"""

import re

from registry.errors import InvalidRequest

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def unescaped_bytes(text: str) -> bytes:
    """The bytes that a percent-encoded text stands for.

    Raises:
        InvalidRequest: `query-escape`, a `%` without two hex digits.
    """
    raw = text.encode("utf-8", "surrogateescape")
    if "%" in text:
        if _BAD_ESCAPE.search(text):
            raise InvalidRequest("query-escape")
        raw = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), raw)
    return raw


def unescaped(text: str) -> str:
    """The percent-decoded text; bytes that are not UTF-8 become U+FFFD.

    Raises:
        InvalidRequest: `query-escape`, a `%` without two hex digits.
    """
    return unescaped_bytes(text).decode("utf-8", "replace")


class Query:
    """The parameters of one request, in the order they came."""

    __slots__ = ("raw", "_values")

    def __init__(self, raw: str) -> None:
        """Read the text after the `?`.

        Raises:
            InvalidRequest: `query-escape`, the text cannot be read.
        """
        self.raw = raw
        self._values: dict[str, list[str]] = {}
        if not raw:
            return
        if ";" in raw:
            raise InvalidRequest("query-escape")
        for part in raw.split("&"):
            if part:
                name, _, value = part.partition("=")
                decoded = unescaped(value.replace("+", " "))
                self._values.setdefault(unescaped(name.replace("+", " ")), []).append(decoded)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def value(self, name: str) -> str:
        """The first value of a parameter, or an empty text."""
        values = self._values.get(name)
        return values[0] if values else ""

    def values(self, name: str) -> list[str]:
        """All values of a parameter, in order."""
        return self._values.get(name, [])

    def without(self, names: frozenset[str]) -> tuple[tuple[str, str], ...]:
        """Every pair in order except those of `names`: the part of a request that tells answers apart."""
        return tuple((name, one) for name, values in self._values.items() if name not in names for one in values)
