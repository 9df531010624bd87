"""A filter ready to run: its comparisons in a row, each with the next step if it is true and if it is false.

Owns the order of evaluation: from left to right, no further than needed. Being flat, it takes nesting of any
depth without recursion, and a comparison costs one call and one look-up.
"""

from collections.abc import Iterator
from typing import Any

from registry.model.filter.comparison import row_test
from registry.model.filter.expression import Expression, Match, Not, Or
from registry.model.filter.grammar import parsed
from registry.model.filter.operators import Test
from registry.model.filter.selectors import Selectors

_TRUE = -1
_FALSE = -2
_NEXT = -3  # the step made last, which is the one after the operand being made

_Step = tuple[Test, int, int]


def compiled(text: str, selectors: Selectors) -> Test:
    """The filter as a function of a row; an empty text accepts every row.

    All that can be known before the first row is computed here. Nothing is cached: that is the caller's part.

    Args:
        text: as it came from the client, percent-decoded with `surrogateescape` or `replace`.
        selectors: the fields that rows of this kind have.
    Raises:
        InvalidRequest: `filter-syntax` when the text is no filter, else `filter-selector` when it does not fit
            the rows. `problem` is Consul's text for it, without the sentence that Consul begins with.
    Source: common §12; Consul api-docs/features/filtering.
    """
    if not text:
        return lambda row: True
    expression = parsed(text)
    if isinstance(expression, Match):
        return row_test(expression, selectors)
    tests = [row_test(match, selectors) for match in _matches(expression)]  # in order: the first error is reported
    return _run(_steps(expression, tests))


def _run(steps: list[_Step]) -> Test:
    start = len(steps) - 1

    def holds(row: Any) -> bool:
        at = start
        while at >= 0:
            test, then, otherwise = steps[at]
            at = then if test(row) else otherwise
        return at == _TRUE

    return holds


def _matches(expression: Expression) -> Iterator[Match]:
    """Every comparison, from left to right."""
    pending = [expression]
    while pending:
        node = pending.pop()
        if isinstance(node, Match):
            yield node
        elif isinstance(node, Not):
            pending.append(node.operand)
        else:
            pending.extend(reversed(node.operands))


def _steps(expression: Expression, tests: list[Test]) -> list[_Step]:
    """The steps, made from last to first, so that each knows where it leads."""
    steps: list[_Step] = []
    pending = [(expression, _TRUE, _FALSE)]
    while pending:
        node, then, otherwise = pending.pop()
        then = len(steps) - 1 if then == _NEXT else then
        otherwise = len(steps) - 1 if otherwise == _NEXT else otherwise
        if isinstance(node, Match):
            steps.append((tests.pop(), then, otherwise))
        elif isinstance(node, Not):
            pending.append((node.operand, otherwise, then))
        else:
            joint = (then, _NEXT) if isinstance(node, Or) else (_NEXT, otherwise)
            pending.extend((operand, *joint) for operand in node.operands[:-1])
            pending.append((node.operands[-1], then, otherwise))
    return steps
