"""The operators of a filter as functions of a row.

Owns one maker for each operator: from how a value is got and what it is compared with, the test of a row.
Which type has which operators is `selectors.py`.
"""

from collections.abc import Callable
from typing import Any

from registry.model.filter.expression import Operator

Getter = Callable[[Any], Any]
Test = Callable[[Any], bool]


def _equal(get: Getter, wanted: Any) -> Test:
    return lambda row: get(row) == wanted


def _not_equal(get: Getter, wanted: Any) -> Test:
    return lambda row: get(row) != wanted


def _in(get: Getter, wanted: str) -> Test:
    def holds(row: Any) -> bool:
        found = get(row)
        return found is not None and wanted in found

    return holds


def _not_in(get: Getter, wanted: str) -> Test:
    def holds(row: Any) -> bool:
        found = get(row)
        return found is None or wanted not in found

    return holds


def _empty(get: Getter, _: Any) -> Test:
    return lambda row: not get(row)


def _not_empty(get: Getter, _: Any) -> Test:
    return lambda row: bool(get(row))


def _matches(get: Getter, search: Callable[[str], bool]) -> Test:
    return lambda row: search(get(row))


def _not_matches(get: Getter, search: Callable[[str], bool]) -> Test:
    return lambda row: not search(get(row))


TESTS: dict[Operator, Callable[[Getter, Any], Test]] = {
    Operator.EQUAL: _equal,
    Operator.NOT_EQUAL: _not_equal,
    Operator.IN: _in,
    Operator.NOT_IN: _not_in,
    Operator.IS_EMPTY: _empty,
    Operator.IS_NOT_EMPTY: _not_empty,
    Operator.MATCHES: _matches,
    Operator.NOT_MATCHES: _not_matches,
}
