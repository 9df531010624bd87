"""JSON as it can be sent, which is more than Python's dictionaries hold, and ways to spoil it.

Owns repeated keys, numbers that are none, half escapes; the bytes of all that. Which bodies are spoiled is
`seeds.py`.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.fuzz import words

Tree = Any  # None, bool, int, str, list of trees, Members, Raw


class Raw(bytes):
    """Bytes that stand where a value should."""


class Members(list[tuple[str, Tree]]):
    """An object as pairs, so that a key can stand twice."""


def tree_of(value: Any) -> Tree:
    """The tree of a Python value."""
    if isinstance(value, dict):
        return Members((key, tree_of(one)) for key, one in value.items())
    if isinstance(value, list):
        return [tree_of(one) for one in value]
    return value


def encoded(tree: Tree) -> bytes:
    """The bytes of a tree."""
    if isinstance(tree, Raw):
        return bytes(tree)
    if isinstance(tree, Members):
        return b"{%b}" % b",".join(b"%b:%b" % (encoded(key), encoded(value)) for key, value in tree)
    if isinstance(tree, list):
        return b"[%b]" % b",".join(map(encoded, tree))
    return json.dumps(tree, ensure_ascii=False).encode()


def spoil(tree: Tree, chance: random.Random) -> Tree:
    """The tree with one change at a random place; the tree itself may be changed or not."""
    places = list(_places(tree))
    if not places:
        return _other(tree, chance)
    holder, at = chance.choice(places)
    chance.choices(_CHANGES, weights=(8, 3, 3, 2, 2))[0](holder, at, chance)
    return tree


def _places(tree: Tree) -> Iterator[tuple[list[Any], int]]:
    """Every value inside of the tree: what holds it, and where."""
    if isinstance(tree, list):
        for at, item in enumerate(tree):
            yield tree, at
            yield from _places(item[1] if isinstance(tree, Members) else item)


def _put(holder: list[Any], at: int, value: Tree) -> None:
    holder[at] = (holder[at][0], value) if isinstance(holder, Members) else value


def _replace(holder: list[Any], at: int, chance: random.Random) -> None:
    old = holder[at][1] if isinstance(holder, Members) else holder[at]
    _put(holder, at, _other(old, chance))


def _remove(holder: list[Any], at: int, chance: random.Random) -> None:
    del holder[at]


def _rename(holder: list[Any], at: int, chance: random.Random) -> None:
    """Another spelling of the key, another key, or none that anybody knows."""
    if not isinstance(holder, Members):
        return _replace(holder, at, chance)
    key, value = holder[at]
    other = holder[chance.randrange(len(holder))][0]
    new = (key.lower(), key.upper(), key.replace("S", "ſ").replace("k", "K"), other, words.text(chance), key + "s")
    holder[at] = (chance.choice(new), value)
    return None


def _repeat(holder: list[Any], at: int, chance: random.Random) -> None:
    """The same once more, of the same value or of another; a list grows long."""
    item = holder[at]
    if isinstance(holder, Members) and chance.random() < 0.5:
        item = (item[0], _other(item[1], chance))
    times = chance.choice((1, 1, 2, 70))
    holder[at:at] = [item] * (times if len(repr(item)) < 500 else 1)


def _wrap(holder: list[Any], at: int, chance: random.Random) -> None:
    value = holder[at][1] if isinstance(holder, Members) else holder[at]
    _put(holder, at, [value] if chance.random() < 0.5 else Members([("a", value)]))


_CHANGES: tuple[Callable[[list[Any], int, random.Random], None], ...] = (_replace, _remove, _rename, _repeat, _wrap)


def _other(old: Tree, chance: random.Random) -> Tree:
    """Something else: of the same type half of the time, as far as there are odd ones."""
    if chance.random() < 0.5:
        if isinstance(old, str):
            return words.text(chance) if chance.random() < 0.6 else chance.choice(words.DURATIONS)
        if isinstance(old, int):
            return Raw(chance.choice(words.ODD_NUMBERS).encode())
    return chance.choice(_OTHERS)(chance)


def _deep(chance: random.Random) -> Raw:
    """Nested far, closed or not."""
    depth = chance.choice((20, 999, 10_001, 50_000))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"Name":', b"}]")))
    return Raw(opening * depth + b"1" + closing * (depth if chance.random() < 0.7 else depth - 1))


def _half_escape(chance: random.Random) -> Raw:
    escaped = rb"\ud800 \udc00\ud800 \u0000 \u12 \x41 \ \u2028 \ud83e\uddd1".split()
    escapes = (*escaped, b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\x00", b"\n", b"\xf0\x9f")
    return Raw(b'"a%bb"' % chance.choice(escapes))


_OTHERS: tuple[Callable[[random.Random], Tree], ...] = (
    lambda chance: None,
    lambda chance: True,
    lambda chance: [],
    lambda chance: Members(),
    lambda chance: [None],
    lambda chance: [Members()],
    lambda chance: words.text(chance),
    lambda chance: Members([(words.text(chance), words.text(chance))]),
    lambda chance: Raw(chance.choice(words.ODD_NUMBERS).encode()),
    lambda chance: Members((f"k{n}", "v") for n in range(chance.choice((64, 65, 2000)))),
    lambda chance: [words.text(chance)[:20]] * chance.choice((1, 3, 5000)),
    _deep,
    _half_escape,
)
