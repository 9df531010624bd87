"""Texts look as Go prints them."""

import pytest

from registry.api.dialects.consul.go.text import code_point, listed, quoted, quoted_byte


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web", '"web"'),
        ("", '""'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\x00\x1f\x7f", r'"\x00\x1f\x7f"'),
        ("é世😀", '"é世😀"'),
        ("\u00a0\u200b\u0085", r'"\u00a0\u200b\u0085"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("\ufffd", '"\ufffd"'),
    ],
)
def test_quotes_a_text(text, shown):
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("byte", "shown"),
    [(0x78, "'x'"), (0x27, r"'\''"), (0x22, "'\"'"), (0x5C, r"'\\'"), (0x0A, r"'\n'"), (0x01, r"'\x01'"),
     (0xE9, "'é'"), (0xA0, r"'\u00a0'")],
)  # fmt: skip
def test_quotes_a_byte(byte, shown):
    assert quoted_byte(byte) == shown


def test_names_a_code_point():
    assert code_point(ord("z")) == "U+007A 'z'"
    assert code_point(1) == "U+0001"


def test_lists_problems():
    assert listed(["one"]) == "1 error occurred:\n\t* one\n\n"
    assert listed(["one", "two"]) == "2 errors occurred:\n\t* one\n\t* two\n\n"
