"""JSON objects as the agents' Go programs read them: keys in any case, unknown ones ignored, null for absent.

Owns how a field is found, what is wrong with one of the wrong type, and which values can be kept. The Consul dialect is
stricter and has a decoder of its own. Source: dialects.md §1.
"""

from typing import Any

import msgspec

from registry.errors import InvalidRequest, TooLarge

MOST_LEVELS = 100  # of lists and objects in a value: what is kept is written and compared again, a level a call
_LEAST_WHOLE, _MOST_WHOLE = -(2**63), 2**64 - 1  # what the log can hold

_TOO_DEEP = f"more than {MOST_LEVELS} levels of lists and objects"

_json = msgspec.json.Decoder()


class Fields:
    """The fields of one JSON object."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = {name.casefold(): value for name, value in values.items() if value is not None}

    @staticmethod
    def of(body: bytes) -> "Fields":
        """The fields of a body.

        Raises:
            InvalidRequest: `body-json`, it is no JSON object.
        """
        if not body.strip():
            raise InvalidRequest("body-json", problem="EOF")
        try:
            value = _json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest("body-json", problem=str(error)) from None
        except RecursionError:
            raise InvalidRequest("body-json", problem=_TOO_DEEP) from None
        if not isinstance(value, dict):
            raise InvalidRequest("body-json", problem=f"{_kind(value)} where an object is needed")
        return Fields(value)

    def value(self, name: str) -> Any:
        """Any JSON value; None where it is absent or null.

        Whole numbers beyond 64 bits become floating ones, as Go reads every number of such a value.

        Raises:
            InvalidRequest: `field`, it cannot be kept.
        """
        value = self._values.get(name.casefold())
        try:
            return _kept(value, MOST_LEVELS)
        except _NotKept as error:
            raise InvalidRequest("field", field=name, problem=str(error)) from None

    def text(self, name: str) -> str:
        """A string; "" where it is absent.

        Raises:
            InvalidRequest: `field`, it is of another type.
        """
        value = self.value(name)
        if value is None or isinstance(value, str):
            return value or ""
        raise _wrong(name, value, "a string")

    def whole(self, name: str) -> int:
        """A whole number of 64 bits; 0 where it is absent.

        Raises:
            InvalidRequest: `field`.
        """
        value = self.value(name)
        if value is None:
            return 0
        if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return value
        raise _wrong(name, value, "a whole number")

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, duplicates kept; empty where it is absent.

        Raises:
            InvalidRequest: `field`.
        """
        value = self.value(name)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise _wrong(name, value, "a list of strings")

    def map(self, name: str, limit_bytes: int = 0) -> dict[str, Any]:
        """An object of any values as it was sent; empty where it is absent.

        Args:
            limit_bytes: how long it may be as compact JSON; 0 for any length.
        Raises:
            InvalidRequest: `field`. TooLarge: `metadata-limit`.
        """
        value = self.value(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise _wrong(name, value, "an object")
        if limit_bytes and (size := len(msgspec.json.encode(value))) > limit_bytes:
            raise TooLarge("metadata-limit", size=size, limit=limit_bytes)
        return value

    def part(self, name: str) -> "Fields":
        """The fields of an object within; of an empty one where it is absent."""
        return Fields(self.map(name))


class _NotKept(Exception):
    """A value that cannot be kept; the text says why."""


def _kept(value: Any, levels: int) -> Any:
    """The value as the log can hold it, at most so many levels deep.

    Raises:
        _NotKept.
    """
    match value:
        case list() | dict() if not levels:
            raise _NotKept(_TOO_DEEP)
        case list():
            return [_kept(one, levels - 1) for one in value]
        case dict():
            return {key: _kept(one, levels - 1) for key, one in value.items()}
        case int() if not _LEAST_WHOLE <= value <= _MOST_WHOLE:
            return _floating(value)
    return value


def _floating(number: int) -> float:
    """Raises:
    _NotKept.
    """
    try:
        return float(number)
    except OverflowError:
        raise _NotKept("a number is out of range") from None


def _wrong(name: str, value: object, wanted: str) -> InvalidRequest:
    return InvalidRequest("field", field=name, problem=f"{_kind(value)} where {wanted} is needed")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return kinds.get(type(value), "another value")
