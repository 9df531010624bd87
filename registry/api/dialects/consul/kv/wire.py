"""Pairs of the KV store as the bytes of `/v1/kv`: entries, lists of keys, plain values.

Source: kv.md §2, §3.
"""

import re
from collections.abc import Iterable

from msgspec import UNSET, UnsetType

from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.wire.fields import Shape
from registry.model.pair import Pair

_NO_TEXT = re.compile("[\udc80-\udcff]")  # what a byte that belongs to no character is decoded to


class PairShape(Shape):
    """One entry; an empty value is null."""

    lock_index: int
    key: str
    flags: int
    value: bytes | None  # written in base64
    session: str | UnsetType
    create_index: int
    modify_index: int


class Nothing(bytes):
    """The body of an answer that found nothing, to be told from an empty value."""


NOTHING = Nothing()


def entries(pairs: Iterable[Pair]) -> bytes:
    """The entries as a JSON array; an empty body for none."""
    found = [entry(pair) for pair in pairs]
    return encoded(found) if found else b""


def entry(pair: Pair) -> PairShape:
    """One pair in the form that transactions show it in too."""
    return PairShape(
        pair.lock_index,
        key_text(pair.key),
        pair.flags,
        pair.value or None,
        pair.session or UNSET,
        pair.create_index,
        pair.modify_index,
    )


def keys(found: list[bytes]) -> bytes:
    """The keys as a JSON array."""
    return encoded([key_text(key) for key in found])


def value(pair: Pair | None) -> bytes:
    """The plain value."""
    return NOTHING if pair is None else pair.value


def key_text(key: bytes) -> str:
    """A key as JSON shows it: each byte that belongs to no character is U+FFFD."""
    text = key.decode("utf-8", "surrogateescape")
    return text if text.isascii() else _NO_TEXT.sub("\ufffd", text)


def cut_keys(pairs: Iterable[Pair], prefix: bytes, separator: bytes) -> list[bytes]:
    """The keys up to and with the first separator after the prefix, each once; whole where there is none."""
    if not separator:
        return [pair.key for pair in pairs]
    found: dict[bytes, None] = {}
    for pair in pairs:
        at = pair.key.find(separator, len(prefix))
        found[pair.key if at < 0 else pair.key[: at + len(separator)]] = None
    return list(found)
