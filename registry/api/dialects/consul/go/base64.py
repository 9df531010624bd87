"""Where Go's decoder of base64 stumbles: its position is part of what an answer says.

Source: https://pkg.go.dev/encoding/base64#CorruptInputError (StdEncoding: padded, line breaks passed over).
"""

import string

_ALPHABET = frozenset(string.ascii_letters + string.digits + "+/")
_BREAKS = "\r\n"


def first_problem(text: str) -> int | None:
    """The position that Go names when it cannot decode the text; None when it can."""
    data = text.encode().decode("latin-1")  # positions are those of bytes
    count = 0  # characters of the group of four at hand
    for at, char in enumerate(data):
        if char in _BREAKS:
            continue
        if char == "=":
            return _padding_problem(data, at, count)
        if char not in _ALPHABET:
            return at
        count = (count + 1) % 4
    return len(data) - count if count else None


def _padding_problem(data: str, at: int, count: int) -> int | None:
    """What is wrong from the first `=` on, which stands behind `count` characters of its group."""
    if count < 2:
        return at
    rest = [(place, char) for place, char in enumerate(data[at + 1 :], at + 1) if char not in _BREAKS]
    if count == 2:
        if not rest:
            return len(data)
        if rest[0][1] != "=":
            return rest[0][0]
        rest = rest[1:]
    return rest[0][0] if rest else None
