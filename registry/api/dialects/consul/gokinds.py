"""What Go's decoder makes of a JSON value for a field of a plain type: texts, numbers, lists, maps.

Owns the kinds, what each takes, and the words for a value of the wrong one. Objects with named fields are
`godecode.py`, syntax is `gojson.py`.

A problem of type is noted and decoding goes on; the first one noted is told at the end. A repeated key
decodes *into* what the first one left: maps are merged, lists start anew but reuse their elements.
Source: https://pkg.go.dev/encoding/json#Unmarshal; common.md §4.
"""

import math
import re
from typing import Any

from registry.api.dialects.consul.gojson import GoError, Members, Number
from registry.errors import InvalidRequest
from registry.model.duration import nanoseconds

INT_LOW, INT_HIGH = -(2**63), 2**63 - 1
UINT_HIGH = 2**64 - 1
MAX_FREE_DEPTH = 100  # of a free-form map; deeper ones could not be written out again

_INTEGER = re.compile(r"-?[0-9]+")
_INTEGER_DIGITS = 20  # of the longest 64-bit one, its sign included
_EXACT_DOUBLE = 2**53  # integers up to here survive being a double


class Mismatch(GoError):
    """A value of another type than its field's; `place` is filled in where it is known."""

    def __init__(self, found: str, go_type: str) -> None:
        super().__init__()
        self.found = found
        self.go_type = go_type
        self.place = ""

    def __str__(self) -> str:
        where = f"struct field {self.place}" if self.place else "value"
        return f"json: cannot unmarshal {self.found} into Go {where} of type {self.go_type}"


class Attempt:
    """One run of a decoder: where it is, and the first problem it has noted."""

    __slots__ = ("fields", "owner", "problem")

    def __init__(self) -> None:
        self.owner = ""
        self.fields: list[str] = []
        self.problem: GoError | None = None

    def place(self) -> str:
        """The innermost type and the path of keys to here, empty at the top."""
        return f"{self.owner}.{'.'.join(self.fields)}" if self.owner or self.fields else ""

    def note(self, problem: GoError) -> None:
        """Keep the first problem, with the place it was found at."""
        if self.problem is None:
            if isinstance(problem, Mismatch):
                problem.place = self.place()
            self.problem = problem


class Kind:
    """A type of field. `zero` is what is there before its key is met; `go` is its name in errors."""

    zero: Any = None

    def __init__(self, go: str) -> None:
        self.go = go

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        """The decoded value; `old` is what is there already, which a null leaves alone in plain kinds."""
        raise GoError(f"json: cannot unmarshal {found(value)} into Go value of type {self.go}")

    def is_said(self, value: Any) -> bool:
        """Whether the field's own key said enough to win over its alias."""
        return bool(value)


def found(value: Any, *, literal: bool = False) -> str:
    """Go's word for what a value is; a number that does not fit is shown."""
    if isinstance(value, Number):
        return f"number {value}" if literal else "number"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Members) else "array"


class Text(Kind):
    """A string."""

    zero = ""

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if type(value) is str:
            return value
        if value is not None:
            attempt.note(Mismatch(found(value), self.go))
        return old


class Whole(Kind):
    """An integer, written as one and within its range."""

    zero = 0

    def __init__(self, go: str, low: int, high: int) -> None:
        super().__init__(go)
        self.low, self.high = low, high

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if value is None:
            return old
        if isinstance(value, Number) and len(value) <= _INTEGER_DIGITS and _INTEGER.fullmatch(value):
            number = int(value)
            if self.low <= number <= self.high:
                return number
        attempt.note(Mismatch(found(value, literal=True), self.go))
        return old


class Truth(Kind):
    """A boolean; with `zero` None one that has to be told apart from an absent one."""

    def __init__(self, zero: bool | None) -> None:
        super().__init__("bool")
        self.zero = zero

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if isinstance(value, bool):
            return value
        if value is not None:
            attempt.note(Mismatch(found(value), self.go))
        return old


class Anything(Kind):
    """A value of any type; its numbers are doubles."""

    def __init__(self) -> None:
        super().__init__("interface {}")

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        return _free(value, attempt, 0)


def _free(value: Any, attempt: Attempt, depth: int) -> Any:
    if isinstance(value, list):
        if depth > MAX_FREE_DEPTH:
            raise GoError("exceeded max depth")
        if isinstance(value, Members):
            return {key: _free(item, attempt, depth + 1) for key, item in value}
        return [_free(item, attempt, depth + 1) for item in value]
    return _double(value, attempt) if isinstance(value, Number) else value


def _double(value: Number, attempt: Attempt) -> int | float | None:
    number = float(value)
    if math.isinf(number):
        attempt.note(Mismatch(found(value, literal=True), "float64"))
        return None
    return int(number) if _INTEGER.fullmatch(value) and abs(number) <= _EXACT_DOUBLE else number


def free_form(value: Any, depth: int = 0) -> Any:
    """The same for a value that another decoder has read.

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


class Duration(Kind):
    """A text, or a number of nanoseconds; whether the text is right is found out when the object is complete."""

    def __init__(self) -> None:
        super().__init__("interface {}")

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if isinstance(value, Number):
            return _double(value, attempt)
        return False if isinstance(value, list) else value

    def is_said(self, value: Any) -> bool:
        return value is not None


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
    return int(number) if INT_LOW <= number < -INT_LOW else INT_LOW  # as Go's conversion does on amd64


class List(Kind):
    """A list; a null clears it."""

    def __init__(self, element: Kind, go: str = "", *, refuses_null: bool = False) -> None:
        super().__init__(go or f"[]{element.go}")
        self.element, self.refuses_null = element, refuses_null

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if value is None:
            return None
        if isinstance(value, Members) or not isinstance(value, list):
            attempt.note(Mismatch(found(value), self.go))
            return old
        if self.refuses_null and None in value:
            raise GoError(f"json: cannot unmarshal null into Go value of type {self.element.go}")
        before, take, zero = old or (), self.element.take, self.element.zero
        return [take(item, before[at] if at < len(before) else zero, attempt) for at, item in enumerate(value)]


class Map(Kind):
    """A map from texts; a null clears it."""

    def __init__(self, element: Kind, go: str = "") -> None:
        super().__init__(go or f"map[string]{element.go}")
        self.element = element

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if value is None:
            return None
        if not isinstance(value, Members):
            attempt.note(Mismatch(found(value), self.go))
            return old
        merged = dict(old) if old else {}
        for key, item in value:
            merged[key] = self.element.take(item, self.element.zero, attempt)
        return merged
