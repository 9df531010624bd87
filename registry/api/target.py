"""The request target as clients really send it: with a host in it, or with bytes that no URL has.

Owns the forms that mean the same as a plain path. What a path means is the dialects' business.
"""

import re
from urllib.parse import quote_from_bytes

_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")
_ASCII = bytes(range(0x80))


def origin_form(target: str) -> str:
    """The target from its path on; a client that takes us for a proxy sends scheme and host along (RFC 9112 §3.2.2)."""
    if target.startswith("/"):
        return target
    authority = _AUTHORITY.match(target)
    if authority is None:
        return target
    path = target[authority.end() :]
    return path if path.startswith("/") else "/" + path


def with_ascii_line(request: bytes) -> bytes:
    """The request with what is not ASCII in its first line percent-encoded.

    The parser refuses such bytes. Go's servers take them, and curl sends a URL as it was typed.
    """
    line, end, rest = request.partition(b"\r\n")
    return request if line.isascii() else quote_from_bytes(line, safe=_ASCII).encode() + end + rest
