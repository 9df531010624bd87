"""Request bodies: from bytes to the Struct that describes them, or Consul's words for what is wrong.

Bodies spelled exactly take the fast way (msgspec, typed). Whatever it does not take is read again as Go reads
it, which gives the same Struct or the exact error. The fast way has to refuse what means something else in Go:
a repeated key of a map or object, which Go merges. A body's fields are in `bodies*.py`.
Source: common.md §4.
"""

import re
from typing import Any, Generic

import msgspec

from registry.api.dialects.consul.go.decode import B, from_tree, list_from_tree
from registry.api.dialects.consul.go.parse import GoError, first_value
from registry.errors import InvalidRequest

_KEYS_OF_MANY = re.compile(rb'"(\w+)"\s*:\s*[{\[n]')  # before an object, a list or null: no text or number merges
_SPACE_BEFORE_COLON = re.compile(rb'"\s+:')
_NO_NAMESPACES = " - Namespaces are a Consul Enterprise feature"


class Decoder(Generic[B]):
    """Decodes one kind of body.

    With `words_namespace` the unknown field `Namespace` gets the text that the catalog has for it.
    """

    def __init__(self, body: type[B], *, words_namespace: bool = False) -> None:
        self._body = body
        self._fast = msgspec.json.Decoder(body).decode
        self._words_namespace = words_namespace

    def __call__(self, body: bytes) -> B:
        """The decoded body.

        Raises:
            InvalidRequest: `decode`; `problem` is Go's text.
        """
        if not _may_merge(body):
            try:
                return self._fast(body)
            except (ValueError, RecursionError, InvalidRequest):
                pass  # the slow way tells what is wrong, if anything is
        return self.slowly(body)

    def slowly(self, body: bytes) -> B:
        """The decoded body, without the fast way.

        Raises:
            InvalidRequest: `decode`; `problem` is Go's text.
        """
        try:
            return from_tree(self._body, first_value(body))
        except GoError as error:
            problem = str(error)
        except InvalidRequest as error:
            problem = str(error.values["problem"])
        except RecursionError:
            problem = "exceeded max depth"  # of objects we know; all others are read without recursion
        if self._words_namespace and problem == 'json: unknown field "Namespace"':
            problem += _NO_NAMESPACES
        raise InvalidRequest("decode", problem=problem)


class ListDecoder(Generic[B]):
    """Decodes a body that is a list of objects of one kind; `go` is the list's type in errors."""

    def __init__(self, body: type[B], go: str) -> None:
        self._body, self._go = body, go
        self._fast = msgspec.json.Decoder(list[body]).decode  # type: ignore[valid-type]

    def __call__(self, body: bytes) -> list[B]:
        """The decoded bodies.

        Raises:
            InvalidRequest: `decode`; `problem` is Go's text.
        """
        if not _may_merge(body):
            try:
                return self._fast(body)
            except (ValueError, RecursionError, InvalidRequest):
                pass  # as for a single object
        try:
            return list_from_tree(self._body, first_value(body), self._go)
        except GoError as error:
            problem = str(error)
        except InvalidRequest as error:
            problem = str(error.values["problem"])
        except RecursionError:
            problem = "exceeded max depth"
        raise InvalidRequest("decode", problem=problem)


def _may_merge(body: bytes) -> bool:
    """Whether a key that merges could stand twice in one object; an escape could hide one."""
    if b"\\u" in body:
        return True
    keys: list[bytes] = _KEYS_OF_MANY.findall(body)
    return len(keys) != len(set(keys)) and _may_repeat_a_key(body)


def _may_repeat_a_key(body: bytes) -> bool:
    """Whether more keys are written than remain when the body is read; a text that looks like a key counts too."""
    if _SPACE_BEFORE_COLON.search(body):
        return True
    try:
        return body.count(b'":') != _keys(msgspec.json.decode(body))
    except (ValueError, RecursionError):
        return True


def _keys(value: Any) -> int:
    """How many keys all objects of a JSON value have together."""
    if isinstance(value, dict):
        return len(value) + sum(_keys(inner) for inner in value.values() if isinstance(inner, dict | list))
    return sum(_keys(inner) for inner in value if isinstance(inner, dict | list)) if isinstance(value, list) else 0
