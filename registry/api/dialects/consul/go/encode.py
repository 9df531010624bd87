"""JSON as Go's encoding/json writes it: the bytes of every JSON answer of this dialect.

Owns escaping, the order of map keys, and indentation. The shapes themselves are in `wire*.py`; decoding
of requests is not here.
Source: common.md §5; https://pkg.go.dev/encoding/json (HTML characters and U+2028/9 are escaped).
"""

from collections.abc import Mapping
from decimal import Decimal
from math import copysign
from typing import Any

import msgspec
from msgspec import Raw

# Maps come sorted by the bytes of their keys; the fields of structs keep their order.
_encoder = msgspec.json.Encoder(order="deterministic")

# None of these bytes can stand outside a string, so a plain replacement of the finished text is safe.
_ESCAPES = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))
_SEPARATORS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))
_SEPARATORS_BEGIN = b"\xe2"  # looking for one byte is seventy times as fast as looking for three
_SMALLEST_PLAIN, _SMALLEST_LARGE = 1e-6, 1e21  # numbers outside are written with an exponent


def encoded(value: object) -> bytes:
    """The value as compact JSON without a newline at its end."""
    body = _encoder.encode(value)
    for raw, escape in _ESCAPES:
        if raw in body:
            body = body.replace(raw, escape)
    if _SEPARATORS_BEGIN in body:
        for raw, escape in _SEPARATORS:
            body = body.replace(raw, escape)
    return body


def in_order(fields: Mapping[str, object]) -> Raw:
    """A JSON object whose fields keep the order they are given in, where no shape is worth it."""
    return Raw(b"{" + b",".join(b"%b:%b" % (encoded(name), encoded(value)) for name, value in fields.items()) + b"}")


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
    """A double as Go writes it: the fewest digits that mean it, an exponent only for the very small and large."""
    if value == 0:
        return "-0" if copysign(1, value) < 0 else "0"
    digits = repr(value)
    if _SMALLEST_PLAIN <= abs(value) < _SMALLEST_LARGE:
        return format(Decimal(digits), "f").removesuffix(".0")
    mantissa, _, exponent = digits.partition("e")
    sign, size = exponent[0], int(exponent[1:])  # repr always gives the sign, and the exponent two digits
    return f"{mantissa}e{sign}{size}"
