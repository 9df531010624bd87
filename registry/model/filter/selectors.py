"""What a filter can ask of a row: tables of the fields it may name, with the type of each and how to read it.

Owns the types. A dialect writes its tables with the names of its wire format; the getters reach what is stored,
so rows need not look like the wire:

    CHECK = {"Status": text("status"), "ServiceTags": texts("service_tags")}
    NODE = {"Node": text("name"), "Meta": mapping("meta")}
    ENTRY = {"Node": record("node", NODE), "Checks": objects(lambda entry: entry.checks, CHECK)}

A getter is the name of an attribute (dots go deeper) or a function of the row; below `record`, `objects` and a
`mapping` with fields, the row is the object found there. What a comparison then means is `comparison.py`.

Source: common §12.2; Consul api-docs/features/filtering.
"""

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

from msgspec import Struct

from registry.model.filter import literals
from registry.model.filter.expression import Operator
from registry.model.filter.operators import Getter

_EQUALITY = frozenset({Operator.EQUAL, Operator.NOT_EQUAL})
_MEMBERSHIP = frozenset({Operator.IN, Operator.NOT_IN})
_EMPTINESS = frozenset({Operator.IS_EMPTY, Operator.IS_NOT_EMPTY})
_PATTERN = frozenset({Operator.MATCHES, Operator.NOT_MATCHES})


class Field(Struct, frozen=True):
    """One name in a table.

    `coerced` makes of a value's text what is compared, or raises ValueError with Go's text. `fields` are those
    of the object, or of each object of a list if `is_list`; `values` is what each key of a mapping leads to.
    """

    get: Getter
    operators: frozenset[Operator] = frozenset()
    coerced: Callable[[str], Any] = str
    fields: "Selectors | None" = None
    is_list: bool = False
    values: "Field | None" = None


Selectors = Mapping[str, Field]


def text(get: str | Getter) -> Field:
    """A string, which is never None."""
    return Field(_getter(get), _EQUALITY | _MEMBERSHIP | _PATTERN)


def integer(get: str | Getter, bits: int = 64) -> Field:
    """A signed whole number; a value that does not fit into `bits` is refused."""
    return Field(_getter(get), _EQUALITY, partial(literals.integer, bits=bits))


def unsigned(get: str | Getter, bits: int = 64) -> Field:
    """A whole number from 0 that fits into `bits`; a value with a sign is refused."""
    return Field(_getter(get), _EQUALITY, partial(literals.natural, bits=bits))


def boolean(get: str | Getter) -> Field:
    """A truth value."""
    return Field(_getter(get), _EQUALITY, literals.truth)


def texts(get: str | Getter) -> Field:
    """A list of strings; None is an empty one."""
    return Field(_getter(get), _MEMBERSHIP | _EMPTINESS)


def mapping(get: str | Getter, fields: Selectors | None = None) -> Field:
    """A dict from strings to strings, or to objects with `fields`; None is an empty one."""
    values = text(_itself) if fields is None else record(_itself, fields)
    return Field(_getter(get), _MEMBERSHIP | _EMPTINESS, values=values)


def record(get: str | Getter, fields: Selectors) -> Field:
    """An object with `fields`, or None, of which every comparison is false."""
    return Field(_getter(get), fields=fields)


def objects(get: str | Getter, fields: Selectors) -> Field:
    """A list of objects with `fields`; None is an empty one."""
    return Field(_getter(get), _EMPTINESS, fields=fields, is_list=True)


def _getter(get: str | Getter) -> Getter:
    return attrgetter(get) if isinstance(get, str) else get


def _itself(value: Any) -> Any:
    return value
