"""JSON as Go's decoder reads it: the first value of a body, or the text of what is wrong with it.

Owns syntax alone and turns it into a tree that keeps what types need later: repeated keys, the literal of a
number. Types and names of fields are `decode.py`. It nests without recursion, so depth costs no stack.
Source: https://pkg.go.dev/encoding/json; RFC 8259; common.md §4.
"""

import re
from typing import Any

from registry.api.dialects.consul.go.text import quoted_byte

MAX_DEPTH = 10_000  # Go's

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_HEX = frozenset("0123456789abcdefABCDEF")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_OPEN = object()  # more is to come before there is a value
_LITERALS: dict[str, tuple[str, bool | None]] = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}


class GoError(Exception):
    """What Go's decoder says about a body; `str()` is its text."""


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """An object: its members in order, repeated keys and all."""


def first_value(body: bytes) -> Any:
    """The first JSON value of a body: Members, list, str, Number, bool or None. What follows it is ignored.

    Bytes that are not UTF-8 and surrogates without their other half become U+FFFD.

    Raises:
        GoError: there is none, or it is malformed.
    """
    text = body.decode("utf-8", "surrogateescape")  # keeps which byte it was, for the error
    if _SPACE.fullmatch(text):
        raise GoError("EOF")
    try:
        return _value(text)
    except IndexError:  # the only way to read past the end
        raise GoError("unexpected EOF") from None


def _value(text: str) -> Any:
    open_ones: list[Any] = []
    keys: list[str] = []  # of the open objects, each waiting for its value
    at = 0
    while True:
        value, at = _begun(text, _after_space(text, at), open_ones, keys)
        while value is not _OPEN:
            if not open_ones:
                return value
            value, at = _placed(value, text, _after_space(text, at), open_ones, keys)


def _begun(text: str, at: int, open_ones: list[Any], keys: list[str]) -> tuple[Any, int]:
    """The value that begins here; _OPEN when that is the first one inside an object or list."""
    char = text[at]
    if char not in "{[":
        return _scalar(text, at, char)
    if len(open_ones) == MAX_DEPTH:
        raise _unexpected(char, "exceeded max depth")
    at = _after_space(text, at + 1)
    if char == "{":
        if text[at] == "}":
            return Members(), at + 1
        open_ones.append(Members())
        return _OPEN, _key(text, at, keys)
    if text[at] == "]":
        return [], at + 1
    open_ones.append([])
    return _OPEN, at


def _placed(value: Any, text: str, at: int, open_ones: list[Any], keys: list[str]) -> tuple[Any, int]:
    """Put a complete value into the innermost open one; that one when it is complete as well, else _OPEN."""
    parent, char = open_ones[-1], text[at]
    if isinstance(parent, Members):
        parent.append((keys.pop(), value))
        if char == ",":
            return _OPEN, _key(text, _after_space(text, at + 1), keys)
        if char != "}":
            raise _unexpected(char, "after object key:value pair")
    else:
        parent.append(value)
        if char == ",":
            return _OPEN, at + 1
        if char != "]":
            raise _unexpected(char, "after array element")
    return open_ones.pop(), at + 1


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # it may be empty
    return match.end()


def _key(text: str, at: int, keys: list[str]) -> int:
    """Read a key and its colon; returns where the member's value begins."""
    if text[at] != '"':
        raise _unexpected(text[at], "looking for beginning of object key string")
    key, at = _string(text, at + 1)
    at = _after_space(text, at)
    if text[at] != ":":
        raise _unexpected(text[at], "after object key")
    keys.append(key)
    return at + 1


def _scalar(text: str, at: int, char: str) -> tuple[Any, int]:
    if char == '"':
        return _string(text, at + 1)
    if char in _LITERALS:
        return _literal(text, at, *_LITERALS[char])
    if char == "-" or "0" <= char <= "9":
        return _number(text, at)
    raise _unexpected(char, "looking for beginning of value")


def _literal(text: str, at: int, word: str, value: bool | None) -> tuple[bool | None, int]:
    end = at + len(word)
    if text[at:end] != word:
        for position, wanted in enumerate(word):
            if text[at + position] != wanted:
                raise _unexpected(text[at + position], f"in literal {word} (expecting '{wanted}')")
    return value, end


def _number(text: str, at: int) -> tuple[Number, int]:
    match = _NUMBER.match(text, at)
    if match is None:
        raise _unexpected(text[at + 1], "in numeric literal")
    end = match.end()
    following = text[end : end + 1]
    if following and match[2] is None:  # it could have gone on; then it had to go on rightly
        if following in "eE":
            signed = text[end + 1] in "+-"
            raise _unexpected(text[end + 1 + signed], "in exponent of numeric literal")
        if following == "." and match[1] is None:
            raise _unexpected(text[end + 1], "after decimal point in numeric literal")
    return Number(match[0]), end


def _string(text: str, start: int) -> tuple[str, int]:
    """The string whose opening quote stands before `start`, and where it has ended."""
    match = _PLAIN.match(text, start)
    assert match is not None  # it may be empty
    end = match.end()
    if text[end] == '"':
        return _whole(match[0]), end + 1
    pieces, at = [match[0]], end
    while text[at] != '"':
        if text[at] != "\\":
            raise _unexpected(text[at], "in string literal")
        piece, at = _escape(text, at + 1)
        match = _PLAIN.match(text, at)
        assert match is not None
        pieces += (piece, match[0])
        at = match.end()
    return _whole("".join(pieces)), at + 1


def _whole(text: str) -> str:
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def _escape(text: str, at: int) -> tuple[str, int]:
    """What the escape after a backslash stands for, and where it has ended."""
    char = text[at]
    if char in _ESCAPES:
        return _ESCAPES[char], at + 1
    if char != "u":
        raise _unexpected(char, "in string escape code")
    code, at = _hex_code(text, at + 1)
    if 0xD800 <= code < 0xDC00 and text[at : at + 2] == "\\u":
        low, after = _hex_code(text, at + 2)
        if 0xDC00 <= low < 0xE000:
            return chr(0x10000 + (code - 0xD800 << 10) + (low - 0xDC00)), after
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code), at


def _hex_code(text: str, at: int) -> tuple[int, int]:
    digits = text[at : at + 4]
    if len(digits) < 4 or not _HEX.issuperset(digits):
        for position in range(4):
            if text[at + position] not in _HEX:
                raise _unexpected(text[at + position], "in \\u hexadecimal character escape")
    return int(digits, 16), at + 4


def _unexpected(char: str, place: str) -> GoError:
    """Go names the byte; of a longer character that is its first one."""
    byte = char.encode("utf-8", "surrogateescape")[0]
    return GoError(f"invalid character {quoted_byte(byte)} {place}")
