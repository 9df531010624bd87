"""Durations as Go writes and reads them, in whole nanoseconds.

Owns the syntax of durations in Consul's bodies, parameters and settings, and its int64 range. What a
duration is for, and its unit elsewhere, is not its business.
Source: Go's documentation of `time.ParseDuration` and `Duration.String`; common.md §4.
"""

import re
from functools import lru_cache

from registry.errors import InvalidRequest

MICROSECOND = 1_000
MILLISECOND = 1_000 * MICROSECOND
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_UNITS = {
    "ns": 1, "us": MICROSECOND, "\u00b5s": MICROSECOND, "\u03bcs": MICROSECOND, "ms": MILLISECOND,
    "s": SECOND, "m": MINUTE, "h": HOUR,
}  # fmt: skip
_LIMIT = 1 << 63  # of int64; a negative duration reaches it, a positive one stays below
_LIMIT_DIGITS = 19
_USUAL_LENGTH = 32  # longer texts are not cached, since whoever sends them could fill memory
_TERM = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^.0-9]*)")


def nanoseconds(text: str) -> int:
    """The duration that a text such as `1h30m` or `-1.5s` stands for.

    Raises:
        InvalidRequest: `duration`; `problem` is Go's text.
    """
    return _remembered(text) if len(text) <= _USUAL_LENGTH else _read(text)


def _read(text: str) -> int:
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise _invalid(text)
    total = at = 0
    while at < len(rest):
        term, at = _term(rest, at, text)
        total += term
        if total > _LIMIT:
            raise _invalid(text)
    if text[0] == "-":
        return -total
    if total == _LIMIT:
        raise _invalid(text)
    return total


_remembered = lru_cache(maxsize=1024)(_read)  # clients repeat a handful of texts


def _term(rest: str, at: int, text: str) -> tuple[int, int]:
    """One number with its unit, and where the next one begins."""
    match = _TERM.match(rest, at)
    assert match is not None  # every part may be empty
    whole, fraction, unit = match.groups()
    if not whole and not fraction:
        raise _invalid(text)
    whole = whole.lstrip("0")  # there may be any number of them
    if len(whole) > _LIMIT_DIGITS or int(whole or "0") > _LIMIT:
        raise _invalid(text)
    if not unit:
        raise InvalidRequest("duration", problem=f"time: missing unit in duration {_quoted(text)}")
    if unit not in _UNITS:
        raise InvalidRequest("duration", problem=f"time: unknown unit {_quoted(unit)} in duration {_quoted(text)}")
    value = int(whole or "0") * _UNITS[unit]
    if value > _LIMIT:
        raise _invalid(text)
    return value + _fraction(fraction or "", _UNITS[unit]), match.end()


def _fraction(digits: str, unit: int) -> int:
    """The nanoseconds of the digits after the point, in the floating point arithmetic of Go."""
    value, scale = 0, 1.0
    for digit in digits:
        longer = value * 10 + int(digit)
        if value > (_LIMIT - 1) // 10 or longer > _LIMIT:
            break  # digits beyond int64 no longer count
        value, scale = longer, scale * 10
    return int(value * (unit / scale))


def _invalid(text: str) -> InvalidRequest:
    return InvalidRequest("duration", problem=f"time: invalid duration {_quoted(text)}")


def _quoted(text: str) -> str:
    """The text as Go's package quotes it: everything but printable ASCII as escaped bytes."""
    parts: list[str] = []
    for char in text:
        if char < " " or char >= "\x80":
            parts.extend(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
        else:
            parts.append("\\" + char if char in '"\\' else char)
    return '"' + "".join(parts) + '"'


@lru_cache(maxsize=1024)
def text(nanoseconds: int) -> str:
    """The duration as Go prints it: `0s`, `1.5ms`, `1m30s`, `1h0m0s`."""
    sign, value = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if value < SECOND:
        return sign + _below_a_second(value)
    minutes, rest = divmod(value, MINUTE)
    shown = _decimal(rest, SECOND) + "s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        shown = f"{minutes}m{shown}"
        if hours:
            shown = f"{hours}h{shown}"
    return sign + shown


def _below_a_second(value: int) -> str:
    if value == 0:
        return "0s"
    if value < MICROSECOND:
        return f"{value}ns"
    if value < MILLISECOND:
        return _decimal(value, MICROSECOND) + "\u00b5s"
    return _decimal(value, MILLISECOND) + "ms"


def _decimal(value: int, unit: int) -> str:
    """The value in this unit, without trailing zeros."""
    whole, rest = divmod(value, unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
