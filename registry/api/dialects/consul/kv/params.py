"""What requests about keys say: the key in the path, numbers, and parameters that exclude one another.

Source: kv.md §1, §4.
"""

import re
from urllib.parse import quote_plus

from registry.api.call import Call
from registry.api.query import unescaped_bytes
from registry.errors import InvalidRequest

_PATH_BYTES = len(b"/v1/kv/")
_DIGITS = re.compile(r"[0-9]+")
_LARGEST = 2**64 - 1
_MOST_DIGITS = 20  # of a number of 64 bits


def key_in_path(call: Call) -> bytes:
    """The key: whatever follows the route, decoded once. The decoded text may have lost some of its bytes."""
    if call.argument.isascii():
        return call.argument.encode()
    return unescaped_bytes(call.raw_path)[_PATH_BYTES:]


def refuse_both(call: Call, *names: str) -> None:
    """Refuse more than one of these parameters, whatever their values.

    Raises:
        InvalidRequest: `key-flags`; `query` is the whole query as Go writes it.
    """
    query = call.query
    if sum(name in query for name in names) > 1:
        pairs = sorted(query.without(frozenset()), key=lambda pair: pair[0].encode())
        words = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
        raise InvalidRequest("key-flags", query=words)


def unsigned(text: str) -> int:
    """What Go's ParseUint makes of a text.

    Raises:
        InvalidRequest: `unsigned`; `problem` is Go's text.
    """
    leading = _DIGITS.match(text)
    digits = leading[0].lstrip("0") if leading is not None else ""
    number = int(digits or "0") if len(digits) <= _MOST_DIGITS else _LARGEST + 1
    if number > _LARGEST:  # which is seen before what follows
        raise InvalidRequest("unsigned", text=text, problem="value out of range")
    if leading is None or leading[0] != text:
        raise InvalidRequest("unsigned", text=text, problem="invalid syntax")
    return number
