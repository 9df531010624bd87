"""The filter language against itself: every tree can be written, read back, and means what a plain reading says."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidRequest
from registry.model.filter import Selectors, boolean, compiled, integer, mapping, objects, parsed, record, text, texts
from registry.model.filter.expression import And, Expression, Match, Not, Operator, Or

EQUALITY = [Operator.EQUAL, Operator.NOT_EQUAL]
MEMBERSHIP = [Operator.IN, Operator.NOT_IN]
EMPTINESS = [Operator.IS_EMPTY, Operator.IS_NOT_EMPTY]
PATTERN = [Operator.MATCHES, Operator.NOT_MATCHES]
NEGATIVE = [Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_NOT_EMPTY, Operator.NOT_MATCHES]

PART: Selectors = {"Name": text(lambda row: row["Name"]), "Tags": texts(lambda row: row["Tags"])}
ROW: Selectors = {
    **PART,
    "Port": integer(lambda row: row["Port"]),
    "Up": boolean(lambda row: row["Up"]),
    "Meta": mapping(lambda row: row["Meta"]),
    "Part": record(lambda row: row["Part"], PART),
    "Parts": objects(lambda row: row["Parts"], PART),
    "Named": mapping(lambda row: row["Named"], PART),
}

words = st.sampled_from(["a", "b", "ab", "A", "", "é b"])
part = st.fixed_dictionaries({"Name": words, "Tags": st.none() | st.lists(words, max_size=2).map(tuple)})
row = st.fixed_dictionaries(
    {
        "Name": words,
        "Tags": st.none() | st.lists(words, max_size=2).map(tuple),
        "Port": st.integers(0, 2),
        "Up": st.booleans(),
        "Meta": st.none() | st.dictionaries(words, words, max_size=2),
        "Part": st.none() | part,
        "Parts": st.none() | st.lists(part, max_size=2).map(tuple),
        "Named": st.none() | st.dictionaries(words, part, max_size=2),
    }
)


def match(paths: list[tuple[str, ...]], operators: list[Operator], values: list[str]) -> st.SearchStrategy[Match]:
    return st.builds(
        lambda path, key, operator, value: Match(
            tuple(key if step == "*" else step for step in path), operator, "" if operator in EMPTINESS else value
        ),
        st.sampled_from(paths),
        words,
        st.sampled_from(operators),
        st.sampled_from(values),
    )


NAMES = [("Name",), ("Meta", "*"), ("Part", "Name"), ("Parts", "Name"), ("Named", "*", "Name")]
LISTS = [("Tags",), ("Meta",), ("Named",), ("Part", "Tags"), ("Parts", "Tags"), ("Named", "*", "Tags")]
ANYTHING = ["a", "b", "ab", "", "é b", "not", "-1.5", '"', "`", "\n\t\\", "\x00\U0001f600", "\r"]
matches = st.one_of(
    match(NAMES, EQUALITY + MEMBERSHIP, ANYTHING),
    match(NAMES, PATTERN, ["a", "^a$", "[^a]", "(?i)B", ""]),
    match(LISTS, MEMBERSHIP, ANYTHING),
    match([*LISTS, ("Parts",)], EMPTINESS, [""]),
    match([("Port",)], EQUALITY, ["0", "1", "0x2", "+1"]),
    match([("Up",)], EQUALITY, ["true", "f", "1"]),
)
trees = st.recursive(
    matches,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda operands: And(tuple(operands))),
        st.lists(inner, min_size=2, max_size=3).map(lambda operands: Or(tuple(operands))),
    ),
    max_leaves=8,
)

PHRASES = {
    Operator.EQUAL: ["{0}{s}=={s}{1}"],
    Operator.NOT_EQUAL: ["{0}{s}!={s}{1}"],
    Operator.IN: ["{1} in {0}", "{0} contains {1}"],
    Operator.NOT_IN: ["{1} not in {0}", "{0} not contains {1}"],
    Operator.MATCHES: ["{0} matches {1}"],
    Operator.NOT_MATCHES: ["{0} not\nmatches {1}"],
    Operator.IS_EMPTY: ["{0} is empty"],
    Operator.IS_NOT_EMPTY: ["{0} is not  empty"],
}


def written(tree: Expression, draw: Any) -> str:
    """The tree as somebody might type it."""
    if isinstance(tree, Match):
        phrase = draw(st.sampled_from(PHRASES[tree.operator]))
        space = draw(st.sampled_from(["", " ", "\r\n"]))
        return str(phrase.format(selector(tree.selector, draw), value(tree.value, draw), s=space))
    if isinstance(tree, Not):
        return "not " + grouped(tree.operand, draw, isinstance(tree.operand, And | Or))
    joint = draw(st.sampled_from([" and ", "\tand\n"] if isinstance(tree, And) else [" or ", "  or "]))
    above = (And, Or) if isinstance(tree, And) else (Or,)
    return str(joint.join(grouped(operand, draw, isinstance(operand, above)) for operand in tree.operands))


def grouped(tree: Expression, draw: Any, needed: bool) -> str:
    inner = written(tree, draw)
    form = draw(st.sampled_from(["({})", "( {}\n)", "(({}))"] if needed else ["{}", "{}", "({})"]))
    return str(form.format(inner))


def selector(path: tuple[str, ...], draw: Any) -> str:
    steps = [
        f".{step}" if re.fullmatch("[a-zA-Z]+", step) and draw(st.booleans()) else f"[{quoted(step)}]"
        for step in path[1:]
    ]
    return path[0] + "".join(steps)


def value(text: str, draw: Any) -> str:
    bare = re.fullmatch(r"[a-zA-Z]+|-?[1-9]\.[0-9]|[0-9]", text) and text != "not"
    if bare and draw(st.booleans()):
        return text
    return f"`{text}`" if not {"`", "\r"} & set(text) and draw(st.booleans()) else quoted(text)


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(sign):08x}" if sign in '"\\\n\r\x00' else sign for sign in text) + '"'


def means(tree: Expression, row: dict[str, Any]) -> bool:
    """The contract's table, read plainly."""
    if isinstance(tree, Not):
        return not means(tree.operand, row)
    if isinstance(tree, And):
        return all(means(operand, row) for operand in tree.operands)
    if isinstance(tree, Or):
        return any(means(operand, row) for operand in tree.operands)
    return any(compares(tree, found) for found in reached(tree.selector, row))


MISSING = object()
LITERALS: dict[str, dict[str, object]] = {
    "Port": {"0": 0, "1": 1, "0x2": 2, "+1": 1},
    "Up": {"true": True, "f": False, "1": True},
}


def reached(path: tuple[str, ...], row: dict[str, Any]) -> list[Any]:
    """Every value the path leads to; `MISSING` where a mapping lacks the key."""
    found, rest = row[path[0]], path[1:]
    if path[0] in ("Meta", "Named") and rest:
        if rest[0] not in (found or {}):
            return [MISSING]
        return reached(rest[1:], found[rest[0]]) if rest[1:] else [found[rest[0]]]
    if path[0] == "Part":
        return reached(rest, found) if found is not None else []
    if path[0] == "Parts" and rest:
        return [value for each in found or () for value in reached(rest, each)]
    return [found]


def compares(tree: Match, found: Any) -> bool:
    operator, wanted = tree.operator, tree.value
    if found is MISSING:
        return operator in (Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_EMPTY, *PATTERN)
    if operator in EQUALITY:
        positive = bool(found == LITERALS.get(tree.selector[0], {}).get(wanted, wanted))
    elif operator in MEMBERSHIP:
        positive = wanted in ([] if found is None else found)
    elif operator in EMPTINESS:
        positive = not found
    else:
        positive = re.search(wanted, found) is not None
    return positive != (operator in NEGATIVE)


@pytest.mark.slow
@given(trees, st.data())
def test_what_was_written_is_what_is_read(tree: Expression, data: st.DataObject) -> None:
    once = parsed(written(tree, data.draw))
    assert once == tree
    assert parsed(written(once, data.draw)) == tree


@pytest.mark.slow
@given(trees, st.lists(row, min_size=1, max_size=4), st.data())
def test_a_filter_means_what_its_tree_says(tree: Expression, rows: list[dict[str, Any]], data: st.DataObject) -> None:
    matching = compiled(written(tree, data.draw), ROW)
    assert [matching(each) for each in rows] == [means(tree, each) for each in rows]


WORDS = "Name Port Up Meta Parts Nope not and or in is empty contains matches a 80 -1 0 01 1.5 true é"
SIGNS = '. [ ] ( ) == != = ! - ` " "" "a" `b` "\\x61" "\\q" "[" "a**" "é" \U0001f600 \ud800 \udcff \x00'
tokens = st.sampled_from([*WORDS.split(" "), *SIGNS.split(" "), " ", "\n", "\t", "\u00a0"])
soup = st.lists(st.tuples(tokens, st.sampled_from(["", " "])).map("".join), max_size=12).map("".join)
EMPTY_ROW = {"Name": "", "Port": 0, "Up": False, **dict.fromkeys(["Tags", "Meta", "Part", "Parts", "Named"])}
PLACE = re.compile(r"(\d+):\d+ \((\d+)\): .")


def outcome(expression: str) -> bool | InvalidRequest:
    try:
        return compiled(expression, ROW)(EMPTY_ROW)
    except InvalidRequest as refused:
        return refused


@pytest.mark.slow
@given(soup | st.text(st.characters(), max_size=30))
def test_any_text_is_a_filter_or_is_refused(expression: str) -> None:
    found = outcome(expression)
    if isinstance(found, bool):
        return
    problem = str(found.values["problem"])
    assert problem.encode(), "what a client is told must be text"
    if found.reason == "filter-selector":
        return
    assert found.reason == "filter-syntax"
    for line in problem.split("\n"):
        place = PLACE.match(line)
        assert place, line
        assert int(place[1]) <= expression.count("\n") + 1
        assert int(place[2]) <= len(expression.encode(errors="surrogatepass"))
