"""How a filter that cannot be used is refused, to the letter (common.md §12.3, and answers of Consul's parser)."""

import pytest

from tests.unit.model.filter_rows import holds, refusal

START = '"(", "-", "0", "\\"", "`", "not", [ \\t\\r\\n], [1-9] or [a-zA-Z]'
VALUE = '"-", "0", "\\"", "`", [ \\t\\r\\n], [1-9] or [a-zA-Z]'
AFTER_SELECTOR = '"!=", ".", "==", "[", [ \\t\\r\\n] or [a-zA-Z0-9_]'
OPERATOR = '"!=", "==", "contains", "in", "is", "matches", "not" or [ \\t\\r\\n]'
JOINT = '"and", "or", [ \\t\\r\\n] or EOF'
SPACE = "[ \\t\\r\\n]"

EXPECTED = [
    ("Node ==", "1:8 (7)", VALUE),
    ("Node == ", "1:9 (8)", VALUE),
    ("Node == é", "1:9 (8)", VALUE),
    ("Node == n1 and", "1:15 (14)", SPACE),
    ("bad", "1:4 (3)", AFTER_SELECTOR),
    ("not", "1:4 (3)", AFTER_SELECTOR),
    ("not(Port == 80)", "1:4 (3)", AFTER_SELECTOR),
    ("Name=a", "1:5 (4)", AFTER_SELECTOR),
    ("Name\u00a0== a", "1:5 (4)", AFTER_SELECTOR),
    ("Name == a\nor\n\n b", "4:3 (16)", AFTER_SELECTOR),
    ("Status =", "1:8 (7)", OPERATOR),
    ("Name . x == 1", "1:6 (5)", OPERATOR),
    (" ", "1:2 (1)", START),
    ("(", "1:2 (1)", START),
    ("((", "1:3 (2)", START),
    ("é == 1", "1:1 (0)", START),
    ("Name == a or\n\n", "3:1 (14)", START),
    (
        "not ",
        "1:5 (4)",
        '"!=", "(", "-", "0", "==", "\\"", "`", "contains", "in", "is", "matches", "not", '
        "[ \\t\\r\\n], [1-9] or [a-zA-Z]",
    ),
    ("Name is", "1:8 (7)", SPACE),
    ("Name is not", "1:12 (11)", SPACE),
    ("Name containsa", "1:14 (13)", SPACE),
    ('"a"in Name', "1:4 (3)", SPACE),
    ('"é" in(Name)', "1:7 (7)", SPACE),
    ("(Name == a) and(Name == b)", "1:16 (15)", SPACE),
    ("(Name == a)and(Name == b)", "1:12 (11)", "[ \\t\\r\\n] or EOF"),
    ('Name == "a"or Name == b', "1:12 (11)", "[ \\t\\r\\n] or EOF"),
    ("Port == 80 junk", "1:12 (11)", JOINT),
    ('Name contains "a" b', "1:19 (18)", JOINT),
    ("Port == 80)", "1:11 (10)", '".", [ \\t\\r\\n], [0-9] or EOF'),
    ("3)in Name", "1:2 (1)", '".", [ \\t\\r\\n], [0-9] or EOF'),
    ('Tags["dc"] == invalid-value', "1:22 (21)", '".", "[", [ \\t\\r\\n], [a-zA-Z0-9_] or EOF'),
    ("Name == -x", "1:10 (9)", '"0" or [1-9]'),
    ('Meta."a" == 1', "1:6 (5)", "[a-zA-Z]"),
    ("foo.\n== 1", "2:0 (4)", "[a-zA-Z]"),
]

FAULTS = [
    ('"n1', ['1:4 (3): rule "string": Unterminated string literal']),
    ("Name == `é", ['1:11 (11): rule "string": Unterminated string literal']),
    ('Name == "\\q"', ['1:9 (8): rule "string": invalid syntax']),
    ('Name == "a\nb"', ['1:9 (8): rule "string": invalid syntax']),
    ('Name == "\\ud800"', ['1:9 (8): rule "string": invalid syntax']),
    ('Name == "\\U00110000"', ['1:9 (8): rule "string": invalid syntax']),
    ('Name == "\\400"', ['1:9 (8): rule "string": invalid syntax']),
    ('Name == "\\\'"', ['1:9 (8): rule "string": invalid syntax']),
    ('Meta["\\q"] == 1', ['1:6 (5): rule "string": invalid syntax']),
    ("(Name == n1", ['1:12 (11): rule "grouping": Unmatched parentheses']),
    ("(Name == a\n\n(", ['3:1 (12): rule "grouping": Unmatched parentheses']),
    ("(Name == a\n", ['2:1 (11): rule "grouping": Unmatched parentheses']),
    ("Address == 127.0.0.1", ['1:17 (16): rule "number": Invalid number literal']),
    ("Port == 01", ['1:10 (9): rule "number": Invalid number literal']),
    ("Port == 1.", ['1:10 (9): rule "number": Invalid number literal']),
    ("Port == 1_0", ['1:10 (9): rule "number": Invalid number literal']),
    ("((Port == 1.1.1))", ['1:14 (13): rule "number": Invalid number literal']),
    ("a in ", ['1:6 (5): rule "match": Invalid selector']),
    ('Node in "fo-1"', ['1:9 (8): rule "match": Invalid selector']),
    ("a not in 3", ['1:10 (9): rule "match": Invalid selector']),
    ("Foo[3] == 1", ['1:5 (4): rule "index": Invalid index']),
    ("Meta[ x", ['1:7 (6): rule "index": Invalid index']),
    ('Meta["a" == 1', ['1:10 (9): rule "index": Unclosed index expression']),
    ('Name == a["x"', ['1:14 (13): rule "index": Unclosed index expression']),
    (
        "(Name == x and (Name == y",
        [
            '1:26 (25): rule "grouping": Unmatched parentheses',
            '1:12 (11): rule "grouping": Unmatched parentheses',
        ],
    ),
    (
        'Meta["a] == 1',
        ['1:14 (13): rule "string": Unterminated string literal', '1:6 (5): rule "index": Invalid index'],
    ),
]

SELECTORS = [
    ("Foo == 1", 'Selector "Foo" is not valid'),
    ("Foo.a.b == 1", 'Selector "Foo" is not valid'),
    ("node.Node == n1", 'Selector "node" is not valid'),
    ("not == 3", 'Selector "not" is not valid'),
    ("Checks.Definition.TTL == 1", 'Selector "Checks.Definition" is not valid'),
    ("Service.Service.X == 1", 'Selector "Service.Service.X" is not valid'),
    ("Service.Tags.X is empty", 'Selector "Service.Tags.X" is not valid'),
    ("Node.Meta.a.b == 1", 'Selector "Node.Meta.a.b" is not valid'),
    ('Node.Meta["é\\n\\x00\\xff\\u200b\\U000e0001"].b == 1',
     'Selector "Node.Meta.é\\n\\x00\\xff\\u200b\\U000e0001.b" is not valid'),
    ("Service.TaggedAddresses.k.Bad == 1", 'Selector "Service.TaggedAddresses.k.Bad" is not valid'),
    ("x in Nope", 'Selector "Nope" is not valid'),
    ("Service.Port == x and Nope == 1", 'Failed to coerce value "x" for selector "Service.Port": '
     'strconv.ParseInt: parsing "x": invalid syntax'),
    ("not Nope == 1 or (Service.Port == x and Node == 1)", 'Selector "Nope" is not valid'),
    ("Node.Meta == x", 'Invalid match operator "Equal" for selector "Node.Meta"'),
    ("Service != x", 'Invalid match operator "Not Equal" for selector "Service"'),
    ("Service.Tags == x", 'Invalid match operator "Equal" for selector "Service.Tags"'),
    ("Service.Tags matches x", 'Invalid match operator "Matches" for selector "Service.Tags"'),
    ("Node.Meta not matches x", 'Invalid match operator "Not Matches" for selector "Node.Meta"'),
    ("Service.Port contains 8", 'Invalid match operator "In" for selector "Service.Port"'),
    ("t not in Service.EnableTagOverride",
     'Invalid match operator "Not In" for selector "Service.EnableTagOverride"'),
    ("x in Checks", 'Invalid match operator "In" for selector "Checks"'),
    ("Service.Service is empty", 'Invalid match operator "Is Empty" for selector "Service.Service"'),
    ("Node.Meta.x is not empty", 'Invalid match operator "Is Not Empty" for selector "Node.Meta.x"'),
    ("Service.Proxy is empty", 'Invalid match operator "Is Empty" for selector "Service.Proxy"'),
    ("Service.TaggedAddresses.k == 1", 'Invalid match operator "Equal" for selector "Service.TaggedAddresses.k"'),
]  # fmt: skip

COERCION = [
    ("Service.Port", "abc", 'strconv.ParseInt: parsing "abc": invalid syntax'),
    ("Service.Port", "80.0", 'strconv.ParseInt: parsing "80.0": invalid syntax'),
    ("Service.Port", "", 'strconv.ParseInt: parsing "": invalid syntax'),
    ("Service.Port", "+-1", 'strconv.ParseInt: parsing "+-1": invalid syntax'),
    ("Service.Port", "08", 'strconv.ParseInt: parsing "08": invalid syntax'),
    ("Service.Port", "0x", 'strconv.ParseInt: parsing "0x": invalid syntax'),
    ("Service.Port", "0b12", 'strconv.ParseInt: parsing "0b12": invalid syntax'),
    ("Service.Port", "1__0", 'strconv.ParseInt: parsing "1__0": invalid syntax'),
    ("Service.Port", "_1", 'strconv.ParseInt: parsing "_1": invalid syntax'),
    ("Service.Port", "1_", 'strconv.ParseInt: parsing "1_": invalid syntax'),
    ("Service.Port", "１", 'strconv.ParseInt: parsing "１": invalid syntax'),  # a full-width digit
    ("Service.Port", "9223372036854775808", 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
    ("Service.Port", "-9223372036854775809", 'strconv.ParseInt: parsing "-9223372036854775809": value out of range'),
    ("Service.Port", "9" * 5000, f'strconv.ParseInt: parsing "{"9" * 5000}": value out of range'),
    ("Service.Port", "9223372036854775808x", 'strconv.ParseInt: parsing "9223372036854775808x": invalid syntax'),
    ("Service.Port", "99999999999999999999x", 'strconv.ParseInt: parsing "99999999999999999999x": value out of range'),
    ("Version", "256", 'strconv.ParseUint: parsing "256": value out of range'),
    ("Version", "+1", 'strconv.ParseUint: parsing "+1": invalid syntax'),
    ("Version", "-1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
    ("Service.EnableTagOverride", "no", 'strconv.ParseBool: parsing "no": invalid syntax'),
    ("Service.EnableTagOverride", "tRUE", 'strconv.ParseBool: parsing "tRUE": invalid syntax'),
]

REGEXPS = [
    ("(", "missing closing ): `(`"),
    ("a)", "unexpected ): `a)`"),
    ("[a", "missing closing ]: `[a`"),
    ("[b-a]", "invalid character class range: `b-a`"),
    ("*a", "missing argument to repetition operator: `*`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("é{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
    ("a{1001}", "invalid repeat count: `{1001}`"),
    ("(a{100}){100}", "invalid repeat count: `{100}`"),
    ("\\", "trailing backslash at end of expression: ``"),
    ("\\q", "invalid escape sequence: `\\q`"),
    ("\\C", "invalid escape sequence: `\\C`"),
    ("\\1", "invalid escape sequence: `\\1`"),
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("(?P<n", "invalid named capture: `(?P<n`"),
    ("\\p{Foo}", "invalid character class range: `\\p{Foo}`"),
    ("\\pL{1000}", "expression too large: `\\pL{1000}`"),
    ("a" * 9000, "expression too large: `" + "a" * 9000 + "`"),
]


@pytest.mark.parametrize(("expression", "place", "expected"), EXPECTED)
def test_names_what_could_have_stood_at_the_furthest_place(expression: str, place: str, expected: str) -> None:
    assert refusal(expression) == ("filter-syntax", f"{place}: no match found, expected: {expected}")


@pytest.mark.parametrize(("expression", "lines"), FAULTS)
def test_names_the_fault_where_a_rule_knows_it(expression: str, lines: list[str]) -> None:
    assert refusal(expression) == ("filter-syntax", "\n".join(lines))


@pytest.mark.parametrize(("expression", "problem"), SELECTORS)
def test_refuses_what_the_rows_do_not_have(expression: str, problem: str) -> None:
    assert refusal(expression) == ("filter-selector", problem)


@pytest.mark.parametrize(("selector", "value", "why"), COERCION)
def test_refuses_a_value_of_another_type(selector: str, value: str, why: str) -> None:
    problem = f'Failed to coerce value "{value}" for selector "{selector}": {why}'
    assert refusal(f"{selector} != `{value}`") == ("filter-selector", problem)


@pytest.mark.parametrize("value", ["9223372036854775807", "-9223372036854775808", "0x7fff_ffff_ffff_ffff", "-0"])
def test_takes_every_whole_number_of_64_bits(value: str) -> None:
    assert holds(f"Service.Port != `{value}`")


@pytest.mark.parametrize(("expression", "why"), REGEXPS)
def test_refuses_a_bad_regular_expression(expression: str, why: str, capfd: pytest.CaptureFixture[str]) -> None:
    shown = expression.replace("\\", "\\\\")
    problem = f'Failed to compile regular expression "{shown}": error parsing regexp: {why}'
    assert refusal(f"Service.Service matches `{expression}`") == ("filter-selector", problem)
    assert capfd.readouterr() == ("", ""), "RE2 has written to our output"


def test_syntax_comes_before_selectors() -> None:
    """`/v1/agent/checks` tells them apart: it looks at selectors only when there are checks."""
    assert refusal("Nope == 1 and")[0] == "filter-syntax"
    assert refusal('Nope == "\\q"')[0] == "filter-syntax"
    assert refusal("Nope == 1")[0] == "filter-selector"


def test_bytes_that_are_no_text_are_refused() -> None:
    sent = b'Name == "\xc3\xa9\xff"'.decode(errors="surrogateescape")
    assert refusal(sent) == ("filter-syntax", "1:11 (11): invalid encoding")


def test_escaped_bytes_are_text_that_matches_nothing() -> None:
    assert not holds('Service.Service == "\\xff"')
    reason, problem = refusal('Service.Service matches "\\xff"')
    assert reason == "filter-selector"
    assert str(problem).encode().decode().startswith('Failed to compile regular expression "\\xff": ')


def test_an_endless_error_is_cut_short() -> None:
    """One line for each of 100,000 parentheses would be an answer of megabytes."""
    _, problem = refusal("(Name == a and " * 2_000)
    assert str(problem).count("\n") < 200
