r"""How Go reads and writes the literals of a filter: strings, whole numbers and truth values.

Owns the rules and the wording of Go's `strconv`, which are part of Consul's answers. A literal that Go refuses
raises ValueError with Go's text.

Source: Go's documentation of strconv (Unquote, Quote, ParseInt, ParseUint, ParseBool).
"""

import re

_ESCAPE = re.compile(
    r"""\\(?:(?P<letter>[abfnrtv\\"])|x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})"""
    r"""|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))"""
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_ESCAPES = {value: f"\\{letter}" for letter, value in _LETTERS.items()}
_BASES = {"b": 2, "o": 8, "x": 16}
_DIGITS = {digit: value for value, digit in enumerate("0123456789abcdef")}
_TRUTHS = dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "false", "FALSE", "False"), False
)
_SYNTAX = "invalid syntax"
_RANGE = "value out of range"


def unquoted(quote: str, body: str) -> str:
    """The text that `body` stands for between two of `quote`; bytes that are no UTF-8 become lone surrogates."""
    if quote == "`":
        return body.replace("\r", "")
    if "\n" in body:
        raise ValueError(_SYNTAX)
    if "\\" not in body:
        return body
    pieces: list[bytes] = []
    at = 0
    while (backslash := body.find("\\", at)) >= 0:
        escape = _ESCAPE.match(body, backslash)
        if escape is None:
            raise ValueError(_SYNTAX)
        pieces += (body[at:backslash].encode(), _unescaped(escape))
        at = escape.end()
    return b"".join([*pieces, body[at:].encode()]).decode(errors="surrogateescape")


def _unescaped(escape: re.Match[str]) -> bytes:
    kind, digits = escape.lastgroup, escape[escape.lastgroup or 0]
    if kind == "letter":
        return _LETTERS[digits].encode()
    if kind in ("byte", "octal"):
        return bytes([int(digits, 16 if kind == "byte" else 8)])
    code = int(digits, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError(_SYNTAX)
    return chr(code).encode()


def quoted(text: str) -> str:
    """The text as Go's errors quote it."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:  # a control character, or a byte that was no UTF-8
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def truth(text: str) -> bool:
    """A boolean."""
    try:
        return _TRUTHS[text]
    except KeyError:
        raise ValueError(_refusal("ParseBool", text, _SYNTAX)) from None


def integer(text: str, bits: int = 64) -> int:
    """A signed whole number of so many bits; the prefix tells the base (`80`, `0x50`, `0o120`, `0b1`, `8_0`)."""
    negative = text.startswith("-")
    limit = 1 << (bits - 1)
    try:
        size = _magnitude(text[1:] if text[:1] in ("+", "-") else text, 2 * limit - 1)
        if size > limit - (not negative):
            raise OverflowError
    except ValueError:
        raise ValueError(_refusal("ParseInt", text, _SYNTAX)) from None
    except OverflowError:
        raise ValueError(_refusal("ParseInt", text, _RANGE)) from None
    return -size if negative else size


def natural(text: str, bits: int = 64) -> int:
    """An unsigned whole number of so many bits, written without a sign."""
    try:
        return _magnitude(text, (1 << bits) - 1)
    except ValueError:
        raise ValueError(_refusal("ParseUint", text, _SYNTAX)) from None
    except OverflowError:
        raise ValueError(_refusal("ParseUint", text, _RANGE)) from None


def _magnitude(text: str, maximum: int) -> int:
    """Raises OverflowError as soon as the value is too large, even if what follows is no digit, as Go does."""
    if not text:
        raise ValueError
    base, digits = 10, text
    if text[0] == "0":
        prefixed = _BASES.get(text[1:2].lower()) if len(text) > 2 else None
        base, digits = (prefixed, text[2:]) if prefixed else (8, text[1:])
    value = 0
    for digit in digits:
        if digit == "_":
            continue
        if (worth := _DIGITS.get(digit.lower(), base)) >= base:
            raise ValueError
        value = value * base + worth
        if value > maximum:
            raise OverflowError
    if "__" in text or text[0] == "_" or text[-1] == "_":
        raise ValueError
    return value


def _refusal(function: str, text: str, reason: str) -> str:
    return f"strconv.{function}: parsing {quoted(text)}: {reason}"
