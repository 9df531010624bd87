r"""The smallest statements of a filter: a selector, an operator and usually a value.

    match    := selector op value | selector emptyop | value inop selector
    op       := ws? ("==" | "!=") ws? | WS ("not" WS)? ("contains" | "matches") WS
    emptyop  := WS "is" WS ("not" WS)? "empty"
    inop     := WS ("not" WS)? "in" WS
    selector := name ("." name | "[" ws? string ws? "]")*        name := [a-zA-Z][a-zA-Z0-9_]*
    value    := selector (a bare word) | number | string
    number   := "-"? ("0" | [1-9][0-9]*) ("." [0-9]+)?   followed by whitespace, ")" or the end
    string   := "…" with Go's escapes | `…` as it stands

Each rule takes a position and answers what it read and where that ends, or None. Joining terms is `grammar.py`.
"""

from registry.model.filter.expression import Match, Operator
from registry.model.filter.literals import unquoted
from registry.model.filter.scanner import NOWHERE, SPACE, Characters, Scanner

_LETTER = Characters("[a-zA-Z]")
_WORD = Characters("[a-zA-Z0-9_]")
_DIGIT = Characters("[0-9]")
_LEADING_DIGIT = Characters("[1-9]")

_SYMBOLS = (("==", Operator.EQUAL), ("!=", Operator.NOT_EQUAL))
_BEFORE_VALUE = (
    (("contains",), Operator.IN),
    (("not", "contains"), Operator.NOT_IN),
    (("matches",), Operator.MATCHES),
    (("not", "matches"), Operator.NOT_MATCHES),
)
_BEFORE_SELECTOR = ((("in",), Operator.IN), (("not", "in"), Operator.NOT_IN))
_AT_END = ((("is", "empty"), Operator.IS_EMPTY), (("is", "not", "empty"), Operator.IS_NOT_EMPTY))


def match(scanner: Scanner, at: int) -> tuple[Match, int] | None:
    """One comparison."""
    selector = _selector(scanner, at)
    if selector is None:
        value = _number(scanner, at) or _string(scanner, at)
        return value and _value_first(scanner, *value)
    path, end = selector
    return (
        _value_last(scanner, path, end)
        or _without_value(scanner, path, end)
        or _value_first(scanner, ".".join(path), end)
    )


def _value_last(scanner: Scanner, path: tuple[str, ...], at: int) -> tuple[Match, int] | None:
    operator = _symbol(scanner, at) or _words(scanner, at, _BEFORE_VALUE)
    value = operator and _value(scanner, operator[1])
    if operator is None or value is None:
        return None
    return Match(path, operator[0], value[0]), value[1]


def _without_value(scanner: Scanner, path: tuple[str, ...], at: int) -> tuple[Match, int] | None:
    for words, operator in _AT_END:
        end = _phrase(scanner, at, words)
        if end != NOWHERE:
            return Match(path, operator), end
    return None


def _value_first(scanner: Scanner, value: str, at: int) -> tuple[Match, int] | None:
    operator = _words(scanner, at, _BEFORE_SELECTOR)
    if operator is None:
        return None
    selector = _selector(scanner, operator[1])
    if selector is None:
        scanner.fault(operator[1], "match", "Invalid selector")
        return None
    return Match(selector[0], operator[0], value), selector[1]


def _symbol(scanner: Scanner, at: int) -> tuple[Operator, int] | None:
    for symbol, operator in _SYMBOLS:
        end = scanner.literal(scanner.run(at, SPACE), symbol)
        if end != NOWHERE:
            return operator, scanner.run(end, SPACE)
    return None


def _words(
    scanner: Scanner, at: int, choices: tuple[tuple[tuple[str, ...], Operator], ...]
) -> tuple[Operator, int] | None:
    for words, operator in choices:
        end = _phrase(scanner, at, words)
        if end != NOWHERE and (end := scanner.spaces(end)) != NOWHERE:
            return operator, end
    return None


def _phrase(scanner: Scanner, at: int, words: tuple[str, ...]) -> int:
    """The end of `words`, each after whitespace."""
    for word in words:
        at = scanner.spaces(at)
        if at == NOWHERE or (at := scanner.literal(at, word)) == NOWHERE:
            return NOWHERE
    return at


def _selector(scanner: Scanner, at: int) -> tuple[tuple[str, ...], int] | None:
    step = _name(scanner, at)
    if step is None:
        return None
    path = [step[0]]
    while following := _member(scanner, step[1]) or _index(scanner, step[1]):
        step = following
        path.append(step[0])
    return tuple(path), step[1]


def _name(scanner: Scanner, at: int) -> tuple[str, int] | None:
    if scanner.one(at, _LETTER) == NOWHERE:
        return None
    end = scanner.run(at, _WORD)
    return scanner.text[at:end], end


def _member(scanner: Scanner, at: int) -> tuple[str, int] | None:
    end = scanner.literal(at, ".")
    return None if end == NOWHERE else _name(scanner, end)


def _index(scanner: Scanner, at: int) -> tuple[str, int] | None:
    end = scanner.literal(at, "[")
    if end == NOWHERE:
        return None
    start = scanner.run(end, SPACE)
    key = _string(scanner, start)
    if key is None:
        scanner.fault(start, "index", "Invalid index")
        return None
    end = scanner.run(key[1], SPACE)
    closed = scanner.literal(end, "]")
    if closed == NOWHERE:
        scanner.fault(end, "index", "Unclosed index expression")
        return None
    return key[0], closed


def _value(scanner: Scanner, at: int) -> tuple[str, int] | None:
    word = _selector(scanner, at)
    if word is not None:
        return ".".join(word[0]), word[1]
    return _number(scanner, at) or _string(scanner, at)


def _number(scanner: Scanner, at: int) -> tuple[str, int] | None:
    sign = scanner.literal(at, "-")
    start = at if sign == NOWHERE else sign
    end = scanner.literal(start, "0")
    if end == NOWHERE:
        if scanner.one(start, _LEADING_DIGIT) == NOWHERE:
            return None
        end = scanner.run(start, _DIGIT)
    point = scanner.literal(end, ".")
    if point != NOWHERE and scanner.one(point, _DIGIT) != NOWHERE:
        end = scanner.run(point, _DIGIT)
    if scanner.spaces(end) == NOWHERE and not scanner.is_end(end) and scanner.literal(end, ")") == NOWHERE:
        scanner.fault(end, "number", "Invalid number literal")
        return None
    return scanner.text[at:end], end


def _string(scanner: Scanner, at: int) -> tuple[str, int] | None:
    quote = "`" if scanner.literal(at, "`") != NOWHERE else '"'
    if quote == '"' and scanner.literal(at, quote) == NOWHERE:
        return None
    close = scanner.text.find(quote, at + 1)
    if close == NOWHERE:
        scanner.fault(len(scanner.text), "string", "Unterminated string literal")
        return None
    try:
        return unquoted(quote, scanner.text[at + 1 : close]), close + 1
    except ValueError as failure:
        scanner.fault(at, "string", str(failure))
        return "", close + 1
