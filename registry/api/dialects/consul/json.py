"""JSON as Go's encoding/json writes it: the bytes of every JSON answer of this dialect.

Owns escaping, the order of map keys, and indentation. The shapes themselves are in `wire*.py`; decoding
of requests is not here.
Source: common.md §5; https://pkg.go.dev/encoding/json (HTML characters and U+2028/9 are escaped).
"""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

# Maps come sorted by the bytes of their keys; the fields of structs keep their order.
_encoder = msgspec.json.Encoder(order="deterministic")

# None of these bytes can stand outside a string, so a plain replacement of the finished text is safe.
_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
)
_EXACT_INTEGERS = 1e21  # from here on, and below 1e-6, Go prints an exponent
_SMALLEST_PLAIN = 1e-6


def encoded(value: object) -> bytes:
    """The value as compact JSON without a newline at its end."""
    body = _encoder.encode(value)
    for raw, escape in _ESCAPES:
        if raw in body:
            body = body.replace(raw, escape)
    return body


def pretty(body: bytes, newline: bool) -> bytes:
    """The JSON text indented by four spaces, with a newline at its end if asked; an empty body stays empty."""
    if not body:
        return body
    indented = msgspec.json.format(body, indent=4)
    return indented + b"\n" if newline else indented


def free_form(value: Any) -> Any:
    """A value of a free-form map (`Proxy.Config`) with its numbers as Go writes them: all are doubles there."""
    if isinstance(value, dict):
        return {key: free_form(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [free_form(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Raw(number(float(value)).encode())
    return value


def number(value: float) -> str:
    """A double as Go writes it: shortest digits, an exponent only below 1e-6 and from 1e21 on."""
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    digits = repr(value)
    if _SMALLEST_PLAIN <= abs(value) < _EXACT_INTEGERS:
        plain = format(Decimal(digits), "f")
        return plain.removesuffix(".0")
    mantissa, _, exponent = digits.partition("e")
    sign, size = exponent[0] if exponent[0] in "+-" else "+", int(exponent.lstrip("+-"))
    # Go cleans a two-digit negative exponent (e-09) to one digit and leaves a positive one alone.
    return f"{mantissa}e{sign}{size}"
