"""Odd values: texts, numbers and filters that have broken programs before.

Owns the lists and the way of drawing from them. Nothing here knows what a request is.
"""

import random

ODD_TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\t",
    "\r\n",
    "\x1b[31m",
    "\x7f",
    ".",
    "..",
    "../../etc/passwd",
    "a/b",
    "/",
    "//",
    "a b",
    "a+b",
    "%",
    "%s%n{0}{id!q}",
    "{problem}",
    "<script>&amp;'\"",
    "\\",
    '"',
    "'; DROP TABLE records; --",
    "null",
    "None",
    "true",
    "0",
    "-1",
    "1e309",
    "*",
    "_agent",
    "_node_maintenance",
    "_service_maintenance:web",
    "serfHealth",
    "consul",
    "test-node",
    "Ünïcödé",
    "ſtraße K",  # letters that fold to ASCII ones
    "İstanbul ı",
    "ΑΣ ας",
    "\u200b\u200d\ufeff",
    "\u2028\u2029",
    "\u202eevil",
    "e\u0301\u0323" * 3,
    "\ufffd",
    "\ufdd0\uffff",
    "\U0001f9d1\u200d\U0001f680",
    "\U0010ffff",
    "名前",
    "ع",
)
LONG_BYTES = (255, 256, 512, 513, 4096, 4097)
HUGE_BYTES = 70_000  # once in a while: it costs more than a hundred others
ODD_NUMBERS = (
    "0",
    "-0",
    "1",
    "-1",
    "80.0",
    "80.5",
    "1e2",
    "1e400",
    "-1e-400",
    "65535",
    "65536",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1" * 5000,
    "0." + "1" * 400,
    "1E+2",
    "00",
    "0x10",
    "1_000",
    "NaN",
    "Infinity",
    "-",
    ".5",
)
DURATIONS = ("10s", "1h", "0", "0s", "-1s", "1ns", "1.5h", "", "10", "1d", "300000h", "9223372036854775807ns", "nope",
             "1h-1m", "5µs", "1e3s")  # fmt: skip
SELECTORS = (
    "Node", "Service", "ServiceName", "ServiceID", "ID", "Meta", "Meta.v", "Tags", "ServiceTags", "Port",
    "ServicePort", "Status", "CheckID", "Checks.Status", "Service.Tags", "Node.Meta", "Weights.Passing",
    "Proxy.Upstreams.DestinationName", "TaggedAddresses.lan.Address", "Name", "Foo", "EnableTagOverride",
    'Meta["a-b"]',
)  # fmt: skip
OPERATORS = (
    "==",
    "!=",
    "contains",
    "not contains",
    "in",
    "not in",
    "matches",
    "not matches",
    "is empty",
    "is not empty",
)
VALUES = (
    '"web"',
    "web",
    "80",
    "-1",
    '""',
    "`a`",
    '"a.*"',
    '"("',
    '"\\x00"',
    "passing",
    "true",
    '"' + "a" * 300 + '"',
    "9" * 40,
)


def text(chance: random.Random) -> str:
    """An odd text; a long one now and then."""
    kind = chance.random()
    if kind < 0.005:
        return chance.choice(("a", "é", " ")) * HUGE_BYTES
    if kind < 0.1:
        return chance.choice(("a", "é", "\U0001f9d1", " ", "/")) * chance.choice(LONG_BYTES)
    if kind < 0.2:
        return "".join(chr(_scalar(chance)) for _ in range(chance.randrange(1, 9)))
    return chance.choice(ODD_TEXTS)


def _scalar(chance: random.Random) -> int:
    """A code point that is a character: surrogates are none."""
    point = chance.choice((chance.randrange(0x80), chance.randrange(0x800), chance.randrange(0x110000)))
    return 0x20 if 0xD800 <= point < 0xE000 else point


def filter_text(chance: random.Random) -> str:
    """A filter, more often right than wrong."""
    parts = [_comparison(chance)]
    while chance.random() < 0.4:
        parts += [chance.choice(("and", "or", "and not", "or not")), _comparison(chance)]
    whole = " ".join(parts)
    if chance.random() < 0.15:
        depth = chance.choice((1, 2, 50, 3000))
        whole = "(" * depth + whole + ")" * (depth - chance.choice((0, 0, 1)))
    if chance.random() < 0.3:
        at = chance.randrange(len(whole) + 1)
        whole = whole[:at] + chance.choice((text(chance)[:40], "", '"', "(", " ")) + whole[at + chance.randrange(3) :]
    return whole


def _comparison(chance: random.Random) -> str:
    selector, operator, value = chance.choice(SELECTORS), chance.choice(OPERATORS), chance.choice(VALUES)
    if operator in ("in", "not in"):
        return f"{value} {operator} {selector}"
    return f"{selector} {operator}" if operator.endswith("empty") else f"{selector} {operator} {value}"
