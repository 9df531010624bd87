"""Texts as Go's libraries print them: quoted strings, characters, lists of errors.

Owns the spelling only; which text belongs to which error is `errors.py` and the rules themselves.
Source: https://pkg.go.dev/strconv#Quote, https://pkg.go.dev/fmt (%U), common.md §7 (several errors).
"""

from collections.abc import Sequence

_NAMED = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    '"': '\\"', "\\": "\\\\",
}  # fmt: skip


def quoted(text: str) -> str:
    """The text in double quotes, as `%q` prints it: what cannot be printed is escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted_byte(byte: int) -> str:
    """A byte in single quotes, as the JSON decoder names the one it cannot take."""
    char = chr(byte)
    if char == "'":
        return "'\\''"
    if char == '"':
        return "'\"'"
    return f"'{_escaped(char)}'"


def code_point(byte: int) -> str:
    """A byte as `%#U` prints it: `U+007A 'z'`, or the number alone where it cannot be printed."""
    char = chr(byte)
    return f"U+{byte:04X} '{char}'" if char.isprintable() else f"U+{byte:04X}"


def listed(problems: Sequence[str]) -> str:
    """Several problems as one text, in the form that Consul's validations share."""
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    return f"{count} occurred:\n" + "".join(f"\t* {problem}\n" for problem in problems) + "\n"
