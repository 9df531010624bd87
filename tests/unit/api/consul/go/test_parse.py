"""JSON is read, and refused, as Go's decoder does it. The expected answers are those of Go's encoding/json."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.api.dialects.consul.go.parse import MAX_DEPTH, GoError, Members, Number, first_value


def refusal(body):
    with pytest.raises(GoError) as caught:
        first_value(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b" \t\r\n true", True),
        (b"[]", []),
        (b"{}", Members()),
        (b'{"a":1,"a":[false,-0.5e+3]}', Members([("a", Number("1")), ("a", [False, Number("-0.5e+3")])])),
        (b'"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041"', '"\\/\b\f\n\r\tA'),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\ud83d"', "\ufffd"),
        (b'"\\ud83dx\\ude00"', "\ufffdx\ufffd"),
        (b'"\\ud800\\ud83d\\ude00"', "\ufffd\U0001f600"),
        (b'"\xff\xe2\x82"', "\ufffd\ufffd\ufffd"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"\x7f"', "\x7f"),
        (b"123abc", Number("123")),
        (b"01", Number("0")),
        (b'{"a":1}]garbage\xff', Members([("a", Number("1"))])),
        (b'"a"b', "a"),
    ],
)
def test_reads_the_first_value_and_ignores_the_rest(body, value):
    assert first_value(body) == value


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF"),
        (b" \n", "EOF"),
        (b"{", "unexpected EOF"),
        (b'{"a', "unexpected EOF"),
        (b'{"a":1,', "unexpected EOF"),
        (b"[1,", "unexpected EOF"),
        (b"tru", "unexpected EOF"),
        (b"-", "unexpected EOF"),
        (b"1.", "unexpected EOF"),
        (b"1e+", "unexpected EOF"),
        (b'"\\u12', "unexpected EOF"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
        (b"[.5]", "invalid character '.' looking for beginning of value"),
        (b"[NaN]", "invalid character 'N' looking for beginning of value"),
        (b"{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[01]", "invalid character '1' after array element"),
        (b"[1.5.5]", "invalid character '.' after array element"),
        (b"[1.]", "invalid character ']' after decimal point in numeric literal"),
        (b"[1e]", "invalid character ']' in exponent of numeric literal"),
        (b"[1e+x]", "invalid character 'x' in exponent of numeric literal"),
        (b"[-a]", "invalid character 'a' in numeric literal"),
        (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
        (b"[nil]", "invalid character 'i' in literal null (expecting 'u')"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b'"\\u12"', "invalid character '\"' in \\u hexadecimal character escape"),
        (b"\xc2\xa0", "invalid character 'Â' looking for beginning of value"),
    ],
)
def test_says_what_go_says(body, problem):
    assert refusal(body) == problem


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_has_go_s_limit_and_costs_no_stack(opening, closing):
    value = first_value(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH)
    assert isinstance(value, list)
    problem = refusal(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1))
    assert problem == f"invalid character '{opening[:1].decode()}' exceeded max depth"


def plain(value):
    if isinstance(value, Members):
        return {key: plain(item) for key, item in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_another_writer_writes_reads_back(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    read = plain(first_value(text.encode()))
    assert read == json.loads(text, parse_int=Number, parse_float=Number)


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:\\u0123eE+-.tfn \n', max_size=30).map(str.encode))
def test_any_bytes_are_a_value_or_a_go_error(body):
    with contextlib.suppress(GoError):
        first_value(body)
