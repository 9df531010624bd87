"""Durations mean, and look, what they do in Go."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidRequest
from registry.model.duration import nanoseconds, text

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("0s", 0),
        ("10s", 10_000_000_000),
        ("+5s", 5_000_000_000),
        ("-1.5h", -5_400_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("100ms", 100_000_000),
        ("1us", 1_000),
        ("1\u00b5s", 1_000),
        ("1\u03bcs", 1_000),
        ("3ns", 3),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1m1m", 120_000_000_000),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("0.9223372036854775808s", 922_337_203),
        ("00000000000000000000001s", 1_000_000_000),
        ("0" * 5000 + "1s", 1_000_000_000),
        ("1." + "0" * 5000 + "1s", 1_000_000_000),
        ("2562047h47m16.854775807s", 2**63 - 1),
        ("-9223372036854775808ns", -(2**63)),
    ],
)
def test_reads_what_go_reads(written, expected):
    assert nanoseconds(written) == expected


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", 'time: invalid duration ""'),
        ("nope", 'time: invalid duration "nope"'),
        ("-", 'time: invalid duration "-"'),
        ("--1s", 'time: invalid duration "--1s"'),
        (".s", 'time: invalid duration ".s"'),
        (" 1s", 'time: invalid duration " 1s"'),
        ("10", 'time: missing unit in duration "10"'),
        ("1.5.5s", 'time: missing unit in duration "1.5.5s"'),
        ("10x", 'time: unknown unit "x" in duration "10x"'),
        ("1 s", 'time: unknown unit " s" in duration "1 s"'),
        ("1S", 'time: unknown unit "S" in duration "1S"'),
        ("9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'),
        ("-9223372036854775809ns", 'time: invalid duration "-9223372036854775809ns"'),
        ("9223372036854775808h", 'time: invalid duration "9223372036854775808h"'),
        ("99999999999999999999s", 'time: invalid duration "99999999999999999999s"'),
        ("2562047h47m16.854775808s", 'time: invalid duration "2562047h47m16.854775808s"'),
        ("1\u00e9", r'time: unknown unit "\xc3\xa9" in duration "1\xc3\xa9"'),
        ('1"\\', r'time: unknown unit "\"\\" in duration "1\"\\"'),
        ("\n", r'time: invalid duration "\x0a"'),
    ],
)
def test_refuses_what_go_refuses_in_its_words(written, problem):
    with pytest.raises(InvalidRequest) as caught:
        nanoseconds(written)
    assert (caught.value.reason, caught.value.values["problem"]) == ("duration", problem)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0s"),
        (1, "1ns"),
        (999, "999ns"),
        (1_000, "1\u00b5s"),
        (1_500, "1.5\u00b5s"),
        (1_500_000, "1.5ms"),
        (500_000_000, "500ms"),
        (10_000_000_000, "10s"),
        (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m0s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (3_723_500_000_000, "1h2m3.5s"),
        (-90_000_000_000, "-1m30s"),
        (-1, "-1ns"),
        (2**63 - 1, "2562047h47m16.854775807s"),
        (-(2**63), "-2562047h47m16.854775808s"),
    ],
)
def test_prints_as_go_prints(value, shown):
    assert text(value) == shown


@given(INT64)
def test_what_is_printed_reads_back_the_same(value):
    assert nanoseconds(text(value)) == value


@given(st.text(alphabet='0123456789.-+nsuµmhx é"\\', max_size=24))
def test_any_text_is_a_64_bit_number_or_refused(written):
    with contextlib.suppress(InvalidRequest):
        assert -(2**63) <= nanoseconds(written) < 2**63
