"""What Go's decoder notes while it fills typed objects: where it is, and the first thing that does not fit.

Owns the words for a value of the wrong type. A problem of type is noted and decoding goes on; the first one
noted is told at the end.
Source: https://pkg.go.dev/encoding/json#UnmarshalTypeError; common.md §4.
"""

from typing import Any

from registry.api.dialects.consul.go.parse import GoError, Members, Number


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


def found(value: Any, *, literal: bool = False) -> str:
    """Go's word for what a value is; a number that does not fit is shown."""
    if isinstance(value, Number):
        return f"number {value}" if literal else "number"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Members) else "array"
