"""Go's way from a JSON tree to typed objects: case-blind keys, nulls, repeated keys, aliases, type errors.

Owns the kinds of fields and what each takes. The shapes of bodies are Structs that declare what is special
about them (`Body`); their fields' annotations say the rest. Syntax is `gojson.py`; the fast way for bodies
that are spelled exactly is `decode.py`.

Three rules of Go's decoder look odd and are kept, because clients meet their results:
- a type error or an unknown key is noted and decoding goes on; the first one noted is told at the end;
- an object of a type with its own decoding (aliases, durations, lenient keys) tells its error at once, which
  therefore comes before anything noted outside of it;
- a repeated key decodes *into* what the first one left: maps and objects are merged, lists start anew but
  reuse their elements.
Source: https://pkg.go.dev/encoding/json#Unmarshal; common.md §4.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from registry.api.dialects.consul.gojson import GoError, Members, Number
from registry.api.dialects.consul.wire_fields import wire_name
from registry.model.duration import nanoseconds

INT_LOW, INT_HIGH = -(2**63), 2**63 - 1
UINT_HIGH = 2**64 - 1
MAX_FREE_DEPTH = 100  # of a free-form map; deeper ones could not be written out again

Int = Annotated[int, Meta(ge=INT_LOW, le=INT_HIGH)]
Unsigned = Annotated[int, Meta(ge=0, le=INT_HIGH)]  # the fast way; the slow one goes on to 2**64 - 1
Duration = Annotated[Any, Meta(title="duration")]  # as sent; `Body` objects turn it into nanoseconds
Free = dict[str, Any]

_INTEGER = re.compile(r"-?[0-9]+")
_EXACT_DOUBLE = 2**53  # integers up to here survive being a double


class Body(Struct, rename=wire_name, forbid_unknown_fields=True, kw_only=True, gc=False):
    """An object of a request's body. Its fields are spelled as Consul does; annotations give their types.

    ALIASES: further keys, each with the field it stands for; the field's own key wins when it says anything.
    LENIENT: unknown keys are passed over. GO_NAME: the type's name in errors. GO_TYPES: fields whose type in
    errors does not follow from the annotation. REFUSES_NULL_IN: lists that may not hold a null.
    """

    ALIASES: ClassVar[Mapping[str, str]] = {}
    LENIENT: ClassVar[bool] = False
    GO_NAME: ClassVar[str] = ""
    GO_TYPES: ClassVar[Mapping[str, str]] = {}
    REFUSES_NULL_IN: ClassVar[frozenset[str]] = frozenset()


B = TypeVar("B", bound=Body)


class _Mismatch(GoError):
    """A value of another type than its field's; the place is filled in on the way out."""

    def __init__(self, found: str, go_type: str) -> None:
        super().__init__()
        self.found = found
        self.go_type = go_type
        self.place = ""

    def __str__(self) -> str:
        where = f"struct field {self.place}" if self.place else "value"
        return f"json: cannot unmarshal {self.found} into Go {where} of type {self.go_type}"


class _Attempt:
    """One run of a decoder: where it is, and the first problem it has noted."""

    __slots__ = ("fields", "owner", "problem")

    def __init__(self) -> None:
        self.owner = ""
        self.fields: list[str] = []
        self.problem: GoError | None = None

    def place(self) -> str:
        return f"{self.owner}.{'.'.join(self.fields)}" if self.owner or self.fields else ""

    def note(self, problem: GoError) -> None:
        if self.problem is None:
            if isinstance(problem, _Mismatch):
                problem.place = self.place()
            self.problem = problem


class _Kind:
    """A type of field. `zero` is what an absent one holds; `go` is its name in errors."""

    go = ""
    zero: Any = None

    def take(self, value: Any, old: Any, attempt: _Attempt) -> Any:
        """The decoded value. `old` is what a repeated key finds in place; a null leaves plain kinds alone."""
        raise GoError(f"json: no value can be decoded into Go value of type {self.go}")

    def is_said(self, value: Any) -> bool:
        """Whether the field's own key said enough to win over its alias."""
        return bool(value)


def _found(value: Any, *, literal: bool = False) -> str:
    if isinstance(value, Number):
        return f"number {value}" if literal else "number"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Members) else "array"


class _Text(_Kind):
    zero = ""

    def __init__(self, go: str = "string") -> None:
        self.go = go

    def take(self, value: Any, old: Any, attempt: _Attempt) -> Any:
        if type(value) is str:
            return value
        if value is not None:
            attempt.note(_Mismatch(_found(value), self.go))
        return old


class _Whole(_Kind):
    zero = 0

    def __init__(self, go: str, low: int, high: int) -> None:
        self.go, self.low, self.high = go, low, high

    def take(self, value: Any, old: Any, attempt: _Attempt) -> Any:
        if value is None:
            return old
        if isinstance(value, Number) and len(value) <= 20 and _INTEGER.fullmatch(value):
            number = int(value)
            if self.low <= number <= self.high:
                return number
        attempt.note(_Mismatch(_found(value, literal=True), self.go))
        return old


class _Truth(_Kind):
    go = "bool"
    zero = False

    def take(self, value: Any, old: Any, attempt: _Attempt) -> Any:
        if isinstance(value, bool):
            return value
        if value is not None:
            attempt.note(_Mismatch(_found(value), self.go))
        return old


class _Anything(_Kind):
    """A value of any type; numbers are doubles."""

    go = "interface {}"

    def take(self, value: Any, old: Any, attempt: _Attempt) -> Any:
        return _free(value, attempt, 0)


class _Duration(_Anything):
    """A text or nanoseconds; which texts are right is found out when the object is complete."""

    def is_said(self, value: Any) -> bool:
        return value is not None


def _free(value: Any, attempt: _Attempt, depth: int) -> Any:
    if depth > MAX_FREE_DEPTH and isinstance(value, list):
        raise GoError("exceeded max depth")
    if isinstance(value, Members):
        return {key: _free(item, attempt, depth + 1) for key, item in value}
    if isinstance(value, list):
        return [_free(item, attempt, depth + 1) for item in value]
    if not isinstance(value, Number):
        return value
    number = float(value)
    if math.isinf(number):
        attempt.note(_Mismatch(_found(value, literal=True), "float64"))
        return None
    return int(number) if _INTEGER.fullmatch(value) and abs(number) <= _EXACT_DOUBLE else number


class _List(_Kind):
    def __init__(self, element: _Kind, go: str, refuses_null: bool) -> None:
        self.element, self.refuses_null = element, refuses_null
        self.go = go or f"[]{element.go}"

    def take(self, value: Any, old: Any, attempt: _Attempt) -> Any:
        if value is None:
            return None
        if isinstance(value, Members) or not isinstance(value, list):
            attempt.note(_Mismatch(_found(value), self.go))
            return old
        before, take, zero = old or (), self.element.take, self.element.zero
        if self.refuses_null and None in value:
            raise GoError(f"json: cannot unmarshal null into Go value of type {self.element.go}")
        return [take(item, before[at] if at < len(before) else zero, attempt) for at, item in enumerate(value)]


class _Map(_Kind):
    def __init__(self, element: _Kind, go: str) -> None:
        self.element = element
        self.go = go or f"map[string]{element.go}"

    def take(self, value: Any, old: Any, attempt: _Attempt) -> Any:
        if value is None:
            return None
        if not isinstance(value, Members):
            attempt.note(_Mismatch(_found(value), self.go))
            return old
        merged = dict(old) if old else {}
        for key, item in value:
            merged[key] = self.element.take(item, self.element.zero, attempt)
        return merged


class _Record(_Kind):
    """An object of a known shape; a field that may be None is a pointer, which a null clears."""

    def __init__(self, body: type[Body], *, pointer: bool) -> None:
        self.body, self.pointer = body, pointer
        self.own = bool(body.ALIASES) or body.LENIENT

    @property
    def go(self) -> str:  # type: ignore[override]
        return _alias_type(self.body) if self.own else f"structs.{self.body.GO_NAME}"

    @property
    def zero(self) -> Any:  # type: ignore[override]
        return None if self.pointer else self.body()

    def is_said(self, value: Any) -> bool:
        return value is not None and value != self.body()

    def take(self, value: Any, old: Any, attempt: _Attempt) -> Any:
        if value is None:
            return None if self.pointer else old
        if not self.own:
            return self._made(self._filled(value, old, attempt), old)
        inner = _Attempt()
        try:
            drafted = self._filled(value, old, inner)
            if inner.problem is not None:
                raise inner.problem
            return self._made(drafted, old)
        except _Mismatch as problem:
            problem.place = attempt.place() or problem.place
            raise

    def _filled(self, value: Any, old: Body | None, attempt: _Attempt) -> dict[str, Any] | None:
        """The fields that the object gives, by attribute; None when it is no object."""
        if not isinstance(value, Members):
            attempt.note(_Mismatch(_found(value), self.go))
            return None
        keys, strict = _keys(self.body), not self.body.LENIENT
        owner, depth = attempt.owner, len(attempt.fields)
        drafted: dict[str, Any] = {}
        said: dict[str, Any] = {}  # by alias
        for key, item in value:
            field = keys.get(key) or keys.get(_folded(key))
            if field is None:
                if strict:
                    attempt.note(GoError(f"json: unknown field {_quoted(key)}"))
                continue
            name, attribute, kind, is_alias = field
            target = said if is_alias else drafted
            place = name if is_alias else attribute
            before = target[place] if place in target else kind.zero if is_alias else _before(old, attribute, kind)
            attempt.owner = "" if self.own else self.body.GO_NAME
            attempt.fields.append(name)
            target[place] = kind.take(item, before, attempt)
            attempt.owner = owner
            del attempt.fields[depth:]
        if said:
            self._take_aliases(drafted, said, old)
        return drafted

    def _take_aliases(self, drafted: dict[str, Any], said: dict[str, Any], old: Body | None) -> None:
        for alias, attribute in self.body.ALIASES.items():
            if alias not in said:
                continue
            kind = _keys(self.body)[alias][2]
            current = drafted[attribute] if attribute in drafted else _before(old, attribute, kind)
            if not kind.is_said(current):
                drafted[attribute] = said[alias]

    def _made(self, drafted: dict[str, Any] | None, old: Body | None) -> Any:
        if drafted is None:
            return old if old is not None or self.pointer else self.body()
        made = self.body(**drafted)
        if old is not None:
            for attribute in self.body.__struct_fields__:
                if attribute not in drafted:
                    setattr(made, attribute, getattr(old, attribute))
        return made


def _before(old: Body | None, attribute: str, kind: _Kind) -> Any:
    """What a field holds before its key is met. A duration begins anew: what it held is nanoseconds already."""
    return kind.zero if old is None or isinstance(kind, _Duration) else getattr(old, attribute)


def _quoted(key: str) -> str:
    from registry.api.dialects.consul.gotext import quoted

    return quoted(key)


def _folded(key: str) -> str:
    """Go's folding of case, which takes two letters outside ASCII for their likeness: K (Kelvin) and ſ."""
    return key.lower().replace("ſ", "s")


Field = tuple[str, str, _Kind, bool]  # key, attribute, kind, whether the key is an alias


@cache
def _keys(body: type[Body]) -> dict[str, Field]:
    """The fields of a body by their keys, and by their folded keys."""
    exact: dict[str, Field] = {}
    hints = get_type_hints(body, include_extras=True)
    for attribute, key in zip(body.__struct_fields__, body.__struct_encode_fields__, strict=True):
        kind = _kind(hints[attribute], body.GO_TYPES.get(attribute, ""), attribute in body.REFUSES_NULL_IN)
        exact[key] = (key, attribute, kind, False)
    for alias, attribute in body.ALIASES.items():
        exact[alias] = (alias, attribute, exact[wire_name(attribute)][2], True)
    return {_folded(key): field for key, field in exact.items()} | exact


@cache
def _kind(hint: Any, go: str, refuses_null: bool) -> _Kind:
    if hint is Duration:
        return _Duration()
    if get_origin(hint) is Annotated:
        return _Whole("uint64", 0, UINT_HIGH) if hint is Unsigned else _Whole(go or "int", INT_LOW, INT_HIGH)
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    pointer = NoneType in options
    (hint,) = [option for option in options if option is not NoneType]
    if hint is str:
        return _Text(go or "string")
    if hint is bool:
        return _OptionalTruth() if pointer else _Truth()
    if hint is Any:
        return _Anything()
    if get_origin(hint) is list:
        return _List(_kind(get_args(hint)[0], "", False), go, refuses_null)
    if get_origin(hint) is dict:
        return _Map(_kind(get_args(hint)[1], "", False), go)
    return _Record(hint, pointer=pointer)


class _OptionalTruth(_Truth):
    """A boolean that has to be told apart from an absent one."""

    zero = None


def _alias_type(body: type[Body]) -> str:
    """How Go prints the type of an object with aliases: the fields that stand before the object's own."""
    fields = [f"{key} interface {{}}" for key, _, kind, alias in _unique(body) if isinstance(kind, _Duration) and not alias]
    for key, attribute, kind, alias in _unique(body):
        if alias:
            name = wire_name(attribute) + ("Snake" if "_" in key else "")
            fields.append(f'{name} {kind.go} "json:\\"{key}\\""')
    return f"struct {{ {'; '.join([*fields, '*structs.Alias'])} }}"


def _unique(body: type[Body]) -> Iterator[Field]:
    seen: set[str] = set()
    for field in _keys(body).values():
        if field[0] not in seen:
            seen.add(field[0])
            yield field


def from_tree(body: type[B], value: Any) -> B:
    """The body that a tree of `gojson.first_value` stands for; a null stands for an empty one.

    Raises:
        GoError: a type or a key is wrong. InvalidRequest: `duration`.
    """
    attempt = _Attempt()
    made: B = _Record(body, pointer=False).take(value, body(), attempt)
    if attempt.problem is not None:
        raise attempt.problem
    return made


def merging_keys(body: type[Body], seen: set[type[Body]] | None = None) -> set[str]:
    """The keys under this body whose repetition merges instead of replacing: maps, objects and lists of objects."""
    seen = seen if seen is not None else set()
    seen.add(body)
    found: set[str] = set()
    for key, _, kind, _ in _unique(body):
        inner = kind.element if isinstance(kind, _List | _Map) else kind
        if isinstance(kind, _Map) or isinstance(inner, _Record):
            found.add(key)
        if isinstance(inner, _Record) and inner.body not in seen:
            found |= merging_keys(inner.body, seen)
    return found


def duration_ns(sent: Any) -> int:
    """The nanoseconds of a duration as it was sent: a text, a number of nanoseconds, anything else for 0.

    Raises:
        InvalidRequest: `duration`.
    """
    if type(sent) is str:
        return nanoseconds(sent)
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        return 0
    number = float(sent)
    return int(number) if INT_LOW <= number < -INT_LOW else INT_LOW  # what Go's conversion gives on amd64


Converter = Callable[[Any], Any]
