"""JSON answers are the bytes Go's encoding/json would have written."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.api.dialects.consul.go.encode import encoded, free_form, number, pretty

SHORT = {0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r", 0x22: '\\"', 0x5C: "\\\\"}
texts = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cs",)),
        st.sampled_from('<>&\u2028\u2029\u2027\u202a\u00e2\u0000\u0008\u000c\u001f\u007f"\\/…'),
    )
)


def as_go(text: str) -> str:
    """Go's rules for one string, written from its documentation, one character at a time."""
    out = []
    for character in text:
        point = ord(character)
        if point in SHORT:
            out.append(SHORT[point])
        elif point < 0x20 or character in "<>&" or point in (0x2028, 0x2029):
            out.append(f"\\u{point:04x}")
        else:
            out.append(character)
    return f'"{"".join(out)}"'


@given(texts)
def test_every_text_is_escaped_as_go_does(text: str) -> None:
    assert encoded(text) == as_go(text).encode()


@given(st.dictionaries(texts, texts))
def test_maps_are_sorted_by_the_bytes_of_their_keys(pairs: dict[str, str]) -> None:
    in_order = sorted(pairs, key=lambda key: key.encode())
    expected = "{" + ",".join(f"{as_go(key)}:{as_go(pairs[key])}" for key in in_order) + "}"

    assert encoded(pairs) == expected.encode()


def test_markup_and_separators_are_escaped_in_keys_too() -> None:
    assert encoded({"<&>": ["\u2028", "é…\u2029"]}) == '{"\\u003c\\u0026\\u003e":["\\u2028","é…\\u2029"]}'.encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", b"{}\n"),
        (b"[]", b"[]\n"),
        (b"null", b"null\n"),
        (b'["dc1"]', b'[\n    "dc1"\n]\n'),
        (
            b'{"a":{},"b":[],"c":[1,{"d":"{,}"}]}',
            b'{\n    "a": {},\n    "b": [],\n    "c": [\n        1,\n        {\n            "d": "{,}"\n'
            b"        }\n    ]\n}\n",
        ),
        (b'"\\u003c\xc3\xa9"', b'"\\u003c\xc3\xa9"\n'),
    ],
)
def test_pretty_indents_by_four_and_leaves_texts_alone(body: bytes, expected: bytes) -> None:
    assert pretty(body, newline=True) == expected
    assert pretty(body, newline=False) == expected.removesuffix(b"\n")


def test_an_answer_without_a_body_stays_without_one() -> None:
    assert pretty(b"", newline=True) == b""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, "1"),
        (-2.0, "-2"),
        (0.0, "0"),
        (-0.0, "-0"),
        (1.5, "1.5"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.25e-10, "1.25e-10"),
        (12345678901234567890.0, "12345678901234567000"),
        (123456789.125, "123456789.125"),
    ],
)
def test_numbers_of_free_maps_are_doubles_as_go_prints_them(value: float, expected: str) -> None:
    assert number(value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_number_means_the_same_and_has_an_exponent_only_outside_the_plain_range(value: float) -> None:
    text = number(value)

    assert float(text) == value
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e21)
    assert Decimal(text).normalize() == Decimal(repr(value)).normalize()  # no digits added


def test_free_maps_keep_all_but_their_numbers() -> None:
    config = {"a": 1, "b": 2.50, "c": {"d": [True, None, 10**3, "1"]}, "e": []}

    assert encoded(free_form(config)) == b'{"a":1,"b":2.5,"c":{"d":[true,null,1000,"1"]},"e":[]}'


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
                    lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=8))  # fmt: skip
def test_what_is_encoded_reads_back_the_same(value: object) -> None:
    def rounded(item: object) -> object:
        if isinstance(item, dict):
            return {key: rounded(one) for key, one in item.items()}
        if isinstance(item, list):
            return [rounded(one) for one in item]
        return float(item) if type(item) is int else item

    read = json.loads(encoded(free_form(value)))

    assert rounded(read) == rounded(value)
    assert not isinstance(read, float) or math.isfinite(read)
