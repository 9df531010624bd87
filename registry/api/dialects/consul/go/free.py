"""Values of any type, as Go holds them: free-form maps and durations. All numbers in them are doubles.

Owns what becomes of such values, whichever decoder has read them. Fields of one type are `kinds.py`.
Source: https://pkg.go.dev/encoding/json#Unmarshal (interface values); common.md §4 (durations).
"""

import math
import re
from typing import Any

from registry.api.dialects.consul.go.parse import GoError, Members, Number
from registry.api.dialects.consul.go.problems import Attempt, Mismatch, found
from registry.errors import InvalidRequest
from registry.model.duration import nanoseconds

MAX_FREE_DEPTH = 100  # of a free-form map; deeper ones could not be written out again

_INTEGER = re.compile(r"-?[0-9]+")
_EXACT_DOUBLE = 2**53  # integers up to here survive being a double
_NANOSECONDS = 2**63  # of int64


def from_any(value: Any, attempt: Attempt, depth: int = 0) -> Any:
    """The value of a tree of `gojson` that may be of any type.

    Raises:
        GoError: it is nested too deeply.
    """
    if isinstance(value, list):
        if depth > MAX_FREE_DEPTH:
            raise GoError("exceeded max depth")
        if isinstance(value, Members):
            return {key: from_any(item, attempt, depth + 1) for key, item in value}
        return [from_any(item, attempt, depth + 1) for item in value]
    return double(value, attempt) if isinstance(value, Number) else value


def double(value: Number, attempt: Attempt) -> int | float | None:
    """A number as a double; one beyond doubles is a problem."""
    number = float(value)
    if math.isinf(number):
        attempt.note(Mismatch(found(value, literal=True), "float64"))
        return None
    return int(number) if _INTEGER.fullmatch(value) and abs(number) <= _EXACT_DOUBLE else number


def free_form(value: Any, depth: int = 0) -> Any:
    """What `from_any` makes of a value that another decoder has read.

    Raises:
        ValueError: the slow way has to say what is wrong with it.
    """
    if isinstance(value, dict | list):
        if depth > MAX_FREE_DEPTH:
            raise ValueError("nested too deeply")
        if isinstance(value, dict):
            return {key: free_form(item, depth + 1) for key, item in value.items()}
        return [free_form(item, depth + 1) for item in value]
    if type(value) is int and abs(value) > _EXACT_DOUBLE:
        try:
            return float(value)
        except OverflowError:
            raise ValueError("a number beyond doubles") from None
    return value


def duration_ns(sent: Any) -> int:
    """The nanoseconds of a duration as it was sent: a text, a number of nanoseconds, anything else for 0.

    Raises:
        InvalidRequest: `duration`.
    """
    if type(sent) is str:
        return nanoseconds(sent)
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        return 0
    try:
        number = float(sent)
    except OverflowError:
        raise InvalidRequest("duration", problem="a number beyond doubles") from None
    return int(number) if -_NANOSECONDS <= number < _NANOSECONDS else -_NANOSECONDS  # as Go's conversion does on amd64
