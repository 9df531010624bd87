"""One comparison of a filter as a function of a row.

Owns what a comparison means for a row, and what is wrong with one. The rules that surprise:

- A list of objects matches where ANY of them does, also with `!=` and `not in`; an empty one never does.
- A key that a mapping lacks makes `!=`, `not in`, `is empty`, `matches` and `not matches` true, the others false.
- Where an object on the way is None, the comparison is false, the negative ones too.

Source: common §12.2; Consul api-docs/features/filtering.
"""

from typing import Any

from registry.errors import InvalidRequest
from registry.model.filter.expression import Match, Operator
from registry.model.filter.literals import quoted
from registry.model.filter.operators import TESTS, Getter, Test
from registry.model.filter.regexps import searcher
from registry.model.filter.selectors import Field, Selectors

_PATTERN = (Operator.MATCHES, Operator.NOT_MATCHES)
_TRUE_WITHOUT_KEY = (Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_EMPTY, *_PATTERN)


def row_test(match: Match, selectors: Selectors) -> Test:
    """The comparison, with everything computed that does not depend on the row.

    Raises:
        InvalidRequest: `filter-selector`, with Consul's text of the `problem`: no such selector, an operator
            that its type has not, a value that does not fit.
    """
    return _below(selectors, match, 0)


def _below(fields: Selectors, match: Match, depth: int) -> Test:
    field = fields.get(match.selector[depth])
    if field is None:
        raise _unknown(match, depth)
    return _through(field, match, depth + 1)


def _through(field: Field, match: Match, depth: int) -> Test:
    if depth == len(match.selector):
        return TESTS[match.operator](field.get, _wanted(field, match))
    if field.fields is not None:
        inner = _below(field.fields, match, depth)
        return _any_of(field.get, inner) if field.is_list else _object_of(field.get, inner)
    if field.values is not None:
        inner = _through(field.values, match, depth + 1)
        return _key_of(field.get, match.selector[depth], match.operator in _TRUE_WITHOUT_KEY, inner)
    raise _unknown(match, depth)


def _wanted(field: Field, match: Match) -> Any:
    """The value that the field is compared with, in the field's type."""
    if match.operator not in field.operators:
        raise _refused(f"Invalid match operator {quoted(match.operator)} for selector {_path(match)}")
    if match.operator in _PATTERN:
        try:
            return searcher(match.value)
        except ValueError as failure:
            expression = quoted(match.value)
            raise _refused(f"Failed to compile regular expression {expression}: {failure}") from None
    try:
        return field.coerced(match.value)
    except ValueError as failure:
        value = quoted(match.value)
        raise _refused(f"Failed to coerce value {value} for selector {_path(match)}: {failure}") from None


def _object_of(get: Getter, inner: Test) -> Test:
    def holds(row: Any) -> bool:
        found = get(row)
        return found is not None and inner(found)

    return holds


def _any_of(get: Getter, inner: Test) -> Test:
    def holds(row: Any) -> bool:
        return any(map(inner, get(row) or ()))

    return holds


def _key_of(get: Getter, key: str, without: bool, inner: Test) -> Test:
    def holds(row: Any) -> bool:
        found = get(row)
        return inner(found[key]) if found and key in found else without

    return holds


def _unknown(match: Match, depth: int) -> InvalidRequest:
    return _refused(f"Selector {_path(match, depth + 1)} is not valid")


def _path(match: Match, depth: int | None = None) -> str:
    return quoted(".".join(match.selector[:depth]))


def _refused(problem: str) -> InvalidRequest:
    return InvalidRequest("filter-selector", problem=problem)
