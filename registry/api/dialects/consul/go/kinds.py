"""What Go's decoder makes of a JSON value for a field of one type: texts, numbers, lists, maps.

Owns the kinds and what each takes. Objects with named fields are `decode.py`, values of any type `free.py`,
syntax is `parse.py`.

A repeated key decodes *into* what the first one left: maps are merged, lists start anew but reuse their
elements.
Source: https://pkg.go.dev/encoding/json#Unmarshal; common.md §4.
"""

import re
from typing import Any

from registry.api.dialects.consul.go.free import double, from_any
from registry.api.dialects.consul.go.parse import GoError, Members, Number
from registry.api.dialects.consul.go.problems import Attempt, Mismatch, found

INT_LOW, INT_HIGH = -(2**63), 2**63 - 1
UINT_HIGH = 2**64 - 1

_INTEGER = re.compile(r"-?[0-9]+")
_INTEGER_DIGITS = 20  # of the longest 64-bit one, its sign included


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


class Real(Kind):
    """A double."""

    zero = 0.0

    def __init__(self) -> None:
        super().__init__("float64")

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if isinstance(value, Number):
            return double(value, attempt) or 0.0
        if value is not None:
            attempt.note(Mismatch(found(value), self.go))
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
        return from_any(value, attempt)


class Duration(Kind):
    """A text, or a number of nanoseconds; whether the text is right is found out when the object is complete."""

    def __init__(self) -> None:
        super().__init__("interface {}")

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if isinstance(value, Number):
            return double(value, attempt)
        return False if isinstance(value, list) else value

    def is_said(self, value: Any) -> bool:
        return value is not None


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
