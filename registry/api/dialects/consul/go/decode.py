"""Go's way from a JSON tree to the object of a request: keys in any case, aliases, unknown keys, merging.

Owns `Body`, the base of all objects in requests, and how one is filled. Plain values are `kinds.py`; the
fast way for bodies that are spelled exactly is `bodies.py`.

An object with decoding of its own (aliases, durations, lenient keys) tells its error at once, which therefore
comes before anything noted outside of it. All others leave it to the end of the run.
Source: https://pkg.go.dev/encoding/json#Unmarshal; common.md §4.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from registry.api.dialects.consul.go import kinds
from registry.api.dialects.consul.go.kinds import Kind
from registry.api.dialects.consul.go.parse import GoError, Members
from registry.api.dialects.consul.go.problems import Attempt, Mismatch, found
from registry.api.dialects.consul.go.text import quoted
from registry.api.dialects.consul.wire.fields import wire_name

Int = Annotated[int, Meta(ge=kinds.INT_LOW, le=kinds.INT_HIGH)]
Unsigned = Annotated[int, Meta(ge=0, le=kinds.INT_HIGH)]  # beyond that the slow way decides
Duration = Annotated[Any, Meta(title="duration")]  # as sent; the complete object holds nanoseconds
Float = Annotated[float, Meta(title="double")]
Free = dict[str, Any]


class Body(Struct, rename=wire_name, forbid_unknown_fields=True, kw_only=True, gc=False):
    """An object of a request's body. Fields are spelled as Consul does; annotations give their types.

    A field that may be None is a pointer, list or map, which a null clears.

    ALIASES: further keys, each with the field it stands for; the field's own key wins when it says anything.
    LENIENT: unknown keys are passed over. GO_NAME: the type's name in errors. GO_TYPES: fields whose type in
    errors does not follow from the annotation. REFUSES_NULL_IN: lists that may not hold a null. PREFILLED: what
    is not sent, or as a null, stays as the defaults of the fields say. GO_PACKAGE: where the type is from.
    """

    ALIASES: ClassVar[Mapping[str, str]] = {}
    LENIENT: ClassVar[bool] = False
    GO_NAME: ClassVar[str] = ""
    GO_PACKAGE: ClassVar[str] = "structs"
    GO_TYPES: ClassVar[Mapping[str, str]] = {}
    REFUSES_NULL_IN: ClassVar[frozenset[str]] = frozenset()
    PREFILLED: ClassVar[bool] = False


B = TypeVar("B", bound=Body)
Field = tuple[str, str, Kind, bool]  # key, attribute, kind, whether the key is an alias


def from_tree(body: type[B], value: Any) -> B:
    """The body that a tree of `gojson.first_value` stands for; a null stands for an empty one.

    Raises:
        GoError: a type or a key is wrong. InvalidRequest: `duration`.
    """
    attempt = Attempt()
    made: B = Record(body, pointer=False).take(value, body() if body.PREFILLED else None, attempt)
    if attempt.problem is not None:
        raise attempt.problem
    return made


def list_from_tree(body: type[B], value: Any, go: str) -> list[B]:
    """The bodies that a tree stands for which is a list of them; a null stands for an empty one.

    Raises:
        GoError: a type or a key is wrong, or one of them is a null. InvalidRequest: `duration`.
    """
    attempt = Attempt()
    made: list[B] | None = kinds.List(Record(body, pointer=True), go, refuses_null=True).take(value, None, attempt)
    if attempt.problem is not None:
        raise attempt.problem
    return made or []


class Record(Kind):
    """An object of a known shape."""

    def __init__(self, body: type[Body], *, pointer: bool) -> None:
        super().__init__(f"{body.GO_PACKAGE}.{body.GO_NAME}")
        self.body, self.pointer = body, pointer
        self.own = bool(body.ALIASES) or body.LENIENT

    def is_said(self, value: Any) -> bool:
        return value is not None and (self.own or value != self.body())

    def take(self, value: Any, old: Any, attempt: Attempt) -> Any:
        if value is None:
            return None if self.pointer else self._or_empty(old)
        if not self.own:
            return self._made(self._drafted(value, old, attempt), old)
        inner = Attempt()
        try:
            drafted = self._drafted(value, old, inner)
            if inner.problem is not None:
                raise inner.problem
            return self._made(drafted, old)
        except Mismatch as problem:
            problem.place = attempt.place() or problem.place  # the outer decoder knows only where it was itself
            raise

    def _drafted(self, value: Any, old: Body | None, attempt: Attempt) -> dict[str, Any]:
        """The fields that the object gives, by attribute."""
        if not isinstance(value, Members):
            attempt.note(Mismatch(found(value), _alias_type(self.body) if self.own else self.go))
            return {}
        keys, owner, depth = fields_by_key(self.body), attempt.owner, len(attempt.fields)
        drafted: dict[str, Any] = {}
        aliased: dict[str, Any] = {}
        for key, item in value:
            field = keys.get(key) or keys.get(_folded(key))
            if field is None:
                if not self.body.LENIENT:
                    attempt.note(GoError(f"json: unknown field {quoted(key)}"))
                continue
            name, attribute, kind, is_alias = field
            attempt.owner = "" if self.own else self.body.GO_NAME
            attempt.fields.append(name)
            if is_alias:
                aliased[name] = kind.take(item, aliased.get(name, kind.zero), attempt)
            else:
                before = drafted[attribute] if attribute in drafted else _before(old, attribute, kind)
                drafted[attribute] = kind.take(item, before, attempt)
            attempt.owner = owner
            del attempt.fields[depth:]
        if aliased:
            self._take_aliases(drafted, aliased, old)
        return drafted

    def _take_aliases(self, drafted: dict[str, Any], aliased: dict[str, Any], old: Body | None) -> None:
        for alias, attribute in self.body.ALIASES.items():
            if alias in aliased:
                kind = fields_by_key(self.body)[alias][2]
                current = drafted[attribute] if attribute in drafted else _before(old, attribute, kind)
                if not kind.is_said(current):
                    drafted[attribute] = aliased[alias]

    def _made(self, drafted: dict[str, Any], old: Body | None) -> Body | None:
        if not drafted:
            return self._or_empty(old)
        made = self.body(**drafted)
        if old is not None:
            for attribute in self.body.__struct_fields__:
                if attribute not in drafted:
                    setattr(made, attribute, getattr(old, attribute))
        return made

    def _or_empty(self, old: Body | None) -> Body:
        return old if old is not None else self.body()


def _before(old: Body | None, attribute: str, kind: Kind) -> Any:
    """What a field holds before its key is met. A duration begins anew: what it held is nanoseconds already."""
    return kind.zero if old is None or isinstance(kind, kinds.Duration) else getattr(old, attribute)


def _folded(key: str) -> str:
    """Go's folding of case, which also takes the Kelvin sign for a k and the long s for an s."""
    return key.lower().replace("ſ", "s")


@cache
def fields_by_key(body: type[Body]) -> dict[str, Field]:
    """The fields of a body by their keys and by their folded keys."""
    exact: dict[str, Field] = {}
    hints = get_type_hints(body, include_extras=True)
    for attribute, key in zip(body.__struct_fields__, body.__struct_encode_fields__, strict=True):
        kind = _kind(hints[attribute], body.GO_TYPES.get(attribute, ""), attribute in body.REFUSES_NULL_IN)
        exact[key] = (key, attribute, kind, False)
    by_attribute = {attribute: kind for _, attribute, kind, _ in exact.values()}
    for alias, attribute in body.ALIASES.items():
        exact[alias] = (alias, attribute, by_attribute[attribute], True)
    return {_folded(key): field for key, field in exact.items()} | exact


def _kind(hint: Any, go: str = "", refuses_null: bool = False) -> Kind:
    if hint == Duration:
        return kinds.Duration()
    if hint == Float:
        return kinds.Real()
    if hint == Unsigned:
        return kinds.Whole(go or "uint64", 0, kinds.UINT_HIGH)
    if hint == Int:
        return kinds.Whole(go or "int", kinds.INT_LOW, kinds.INT_HIGH)
    pointer = get_origin(hint) is UnionType
    if pointer:
        (hint,) = (option for option in get_args(hint) if option is not NoneType)
    if hint is str:
        return kinds.Text(go or "string")
    if hint is bool:
        return kinds.Truth(None if pointer else False)
    if hint is Any:
        return kinds.Anything()
    if get_origin(hint) is list:
        return kinds.List(_kind(*get_args(hint)), go, refuses_null=refuses_null)
    if get_origin(hint) is dict:
        return kinds.Map(_kind(get_args(hint)[1]), go)
    return Record(hint, pointer=pointer)


def _fields(body: type[Body]) -> Iterator[Field]:
    return iter(dict.fromkeys(fields_by_key(body).values()))


def _alias_type(body: type[Body]) -> str:
    """How Go prints the type of an object with decoding of its own: durations and aliases before its fields."""
    parts = []
    for key, attribute, kind, is_alias in _fields(body):
        if isinstance(kind, kinds.Duration) and not is_alias:
            parts.append(f"{key} interface {{}}")
        if is_alias:
            pointer = "*" if isinstance(kind, Record) and kind.pointer else ""
            name = wire_name(attribute) + "Snake" if "_" in key else key.capitalize()
            parts.append(f'{name} {pointer}{kind.go} "json:\\"{key}\\""')
    return f"struct {{ {'; '.join([*parts, '*structs.Alias'])} }}"
