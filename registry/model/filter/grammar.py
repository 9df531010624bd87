"""From the text of a filter to its tree.

    input := ws? or ws? the end
    or    := and (WS "or" WS or)?        and   := not (WS "and" WS and)?
    not   := "not" WS not | group        group := "(" ws? or ws? ")" | match

Owns how terms are joined; the terms are in `terms.py`. What is still open is kept on a list, so that neither
100,000 parentheses nor as many `not` exhaust Python's stack, and the time is linear in the text.

A word is reserved only where it makes sense: when nothing readable follows a `not`, it is tried as a selector or
a value (`not == x`, `not in Name`); and where nothing readable follows an `and` or `or`, the expression ends
before it.
"""

from registry.model.filter.expression import And, Expression, Not, Or
from registry.model.filter.scanner import NOWHERE, SPACE, Scanner
from registry.model.filter.terms import match

_Found = tuple[Expression, int]  # what was read, and where it ends


class _Level:
    """The expression inside one pair of parentheses (or outside all), as far as it has been read.

    `alternatives` are the finished operands of `or`, `terms` those of the `and` being read, `end` is where the
    last of them ends, and `outer_nots` how many `not` wait for the whole.
    """

    __slots__ = ("alternatives", "end", "outer_nots", "terms")

    def __init__(self, outer_nots: int) -> None:
        self.alternatives: list[Expression] = []
        self.terms: list[Expression] = []
        self.end = NOWHERE
        self.outer_nots = outer_nots

    def next_operand(self, scanner: Scanner, found: _Found | None) -> int:
        """Take the operand that was read, if one was; returns where the next one begins."""
        if found:
            self.terms.append(found[0])
            self.end = found[1]
            if (at := _joint(scanner, self.end, "and")) != NOWHERE:
                return at
        if self.terms and (at := _joint(scanner, self.end, "or")) != NOWHERE:
            self._finish_and()
            return at
        return NOWHERE

    def expression(self) -> _Found | None:
        """The expression for everything that was read."""
        self._finish_and()
        if not self.alternatives:
            return None
        alone = len(self.alternatives) == 1
        return self.alternatives[0] if alone else Or(tuple(self.alternatives)), self.end

    def _finish_and(self) -> None:
        if self.terms:
            self.alternatives.append(And(tuple(self.terms)) if len(self.terms) > 1 else self.terms[0])
            self.terms = []


def parsed(text: str) -> Expression:
    """The tree of a filter.

    Raises:
        InvalidRequest: `filter-syntax`, with Consul's text of the `problem`.
    Source: common §12.1; Consul api-docs/features/filtering.
    """
    scanner = Scanner(text)
    scanner.refuse_undecodable()
    found = _expression(scanner, scanner.run(0, SPACE))
    if found is None or not scanner.is_end(scanner.run(found[1], SPACE)) or not scanner.is_faultless:
        raise scanner.refusal()
    return found[0]


def _expression(scanner: Scanner, at: int) -> _Found | None:
    levels = [_Level(0)]
    nots: list[int] = []  # the place of each `not` that waits for its operand
    while True:
        at = _descend(scanner, at, levels, nots)
        found: _Found | None = match(scanner, at)
        while True:
            found = _negated(scanner, nots, levels[-1].outer_nots, found)
            at = levels[-1].next_operand(scanner, found)
            if at != NOWHERE:
                break
            found = levels.pop().expression()
            if not levels:
                return found
            found = found and _closed(scanner, *found)


def _descend(scanner: Scanner, at: int, levels: list[_Level], nots: list[int]) -> int:
    """Open a level for each parenthesis and note each `not`; returns where the first term must be."""
    while True:
        negated = scanner.literal(at, "not")
        if negated != NOWHERE and (inner := scanner.spaces(negated)) != NOWHERE:
            nots.append(at)
            at = inner
        elif (inner := scanner.literal(at, "(")) != NOWHERE:
            levels.append(_Level(len(nots)))
            at = scanner.run(inner, SPACE)
        else:
            return at


def _negated(scanner: Scanner, nots: list[int], outer: int, found: _Found | None) -> _Found | None:
    """What was read, negated by each `not` before it; a `not` before nothing readable is read as a word."""
    while len(nots) > outer:
        place = nots.pop()
        found = (Not(found[0]), found[1]) if found else match(scanner, place)
    return found


def _closed(scanner: Scanner, expression: Expression, at: int) -> _Found | None:
    """The expression with the parenthesis that must follow it."""
    at = scanner.run(at, SPACE)
    end = scanner.literal(at, ")")
    if end == NOWHERE:
        scanner.fault(at, "grouping", "Unmatched parentheses")
        return None
    return expression, end


def _joint(scanner: Scanner, at: int, word: str) -> int:
    """Where the operand after `word` begins."""
    at = scanner.spaces(at)
    end = NOWHERE if at == NOWHERE else scanner.literal(at, word)
    return NOWHERE if end == NOWHERE else scanner.spaces(end)
