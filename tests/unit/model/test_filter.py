"""Which rows a filter keeps (common.md §12.1 and §12.2; Consul api-docs/features/filtering)."""

import subprocess
import sys

import pytest

from registry.model.filter import Field, compiled, text
from tests.unit.model.filter_rows import ENTRY, PLAIN, WEB, holds

TRUE_OF_WEB = [
    # text
    "Service.Service == web",
    'Service.Service == "web"',
    "Service.Service == `web`",
    "Service.Service == `w\reb`",
    'Service.Service == "\\x77\\u0065\\U00000062"',
    'Node.Node == "N\\305\\223ud-2"',
    "Service.Service==web",
    "Service.Service\t!=\r\ndb",
    "Service.Service != Web",
    'Node.Node == "Nœud-2"',
    "eb in Service.Service",
    '"" in Service.Service',
    '"" in Node.Meta.none',
    "Service.Service contains we",
    "Service.Service not contains W",
    "x not in Service.Service",
    "Service.Service matches `^w.b$`",
    "Service.Service matches e",
    'Node.Node matches "^N.ud"',
    "Service.Service not matches W",
    'Service.Service matches ""',
    # numbers and truth values
    "Service.Port == 80",
    'Service.Port == "80"',
    'Service.Port == "0x50"',
    'Service.Port == "0o120"',
    'Service.Port == "0120"',
    'Service.Port == "0b1010000"',
    'Service.Port == "+80"',
    'Service.Port == "8_0"',
    'Service.Port == "0X_50"',
    "Service.Port != 8080",
    "Service.Port != -1",
    "Version == 2",
    "Service.EnableTagOverride == true",
    "Service.EnableTagOverride == T",
    "Service.EnableTagOverride == 1",
    'Service.EnableTagOverride != "False"',
    # lists of strings
    "Service.Tags contains v1",
    "v1 in Service.Tags",
    '"blue green" in Service.Tags',
    "blue not in Service.Tags",
    "v2 not in Service.Tags",
    "Service.Tags not contains v",
    "Service.Tags is not empty",
    # mappings
    "Node.Meta contains rack",
    "r1 not in Node.Meta",
    "Node.Meta is not empty",
    "Node.Meta.rack == r1",
    'Node.Meta["k 1"] == v',
    "Node.Meta[ `k 1` ] == v",
    "r in Node.Meta.rack",
    'Node.Meta.none == ""',
    "Node.Meta.dotted == a[`b`]",
    "a.b in Node.Meta.dotted",
    "Service.Meta.version == true",
    "Service.TaggedAddresses.lan.Port == 8080",
    'Service.TaggedAddresses["lan"].Address == "10.0.0.1"',
    "lan in Service.TaggedAddresses",
    # keys that a mapping lacks
    "Node.Meta.absent != r1",
    "x not in Node.Meta.absent",
    "Node.Meta.absent matches x",
    "Node.Meta.absent not matches x",
    "Service.TaggedAddresses.wan.Port != 8080",
    # lists of objects: any of them
    "Checks.Status == critical",
    "Checks.Status != critical",
    "pass in Checks.Status",
    "pass not in Checks.Status",
    "Checks.ServiceTags contains v1",
    "Checks.ServiceTags is empty",
    "Checks.ServiceTags is not empty",
    "Checks is not empty",
    "Service.Proxy.Upstreams.DestinationName == cache",
    "Service.Proxy.Upstreams.LocalBindPort != 2",
    'Service.Proxy.Upstreams.MeshGateway.Mode == ""',
    "Service.Weights.Passing == 1",
    # joining, grouping, spaces
    "not Service.Port == 81",
    "not not Service.Port == 80",
    "not (Service.Port == 81)",
    "not Checks.Status == warning",
    "( Service.Port == 81 or Service.Port == 80 )",
    " \t(((Service.Port == 80)))\r\n",
    "Service.Port == 80 or Service.Port == 80 and Service.Port == 81",
    "not Service.Port == 81 and Service.Port == 80",
    "Service.Port == 81 and Service.Port == 81 or Service.Port == 80",
    "(Service.Port == 80 or Service.Port == 81) and not (Service.Port == 81 and Service.Port == 80)",
    # words that are reserved elsewhere
    "not not in Service.Service",
    "and not in Service.Service",
    "Service.Service != not",
    "Service.Service != a.b[`c d`]",
    "80 not in Service.Service",
]

FALSE_OF_WEB = [
    "Service.Service == Web",
    "Service.Service != web",
    "not in Service.Service",
    "Service.Service contains W",
    "Service.Service not matches `^w`",
    "Service.Port == 8080",
    "Service.EnableTagOverride == f",
    "V1 in Service.Tags",
    "v in Service.Tags",
    "Service.Tags is empty",
    "Node.Meta is empty",
    "Node.Meta.absent == r1",
    "x in Node.Meta.absent",
    "r.b in Node.Meta.rack",
    "Node.Meta.absent contains x",
    "Rack in Node.Meta",
    "Node.Meta.Rack == r1",
    "Service.TaggedAddresses.wan.Port == 8080",
    "Checks.Status == warning",
    "Checks is empty",
    "not Checks.Status == critical",
    "not Checks.Status != critical",
    "Service.Port == 80 and Service.Port == 81",
    "not (Service.Port == 81 or Service.Port == 80)",
    "(Service.Port == 80 or Service.Port == 80) and Service.Port == 81",
]

TRUE_OF_PLAIN = [
    "Service.Tags is empty",
    "Service.Meta is empty",
    "Service.TaggedAddresses is empty",
    "Node.Meta is empty",
    "Checks is empty",
    "x not in Service.Tags",
    "x not in Service.Meta",
    "Service.Meta.absent != x",
    "not Checks.Status == passing",
    "not Service.Proxy.Mode == direct",
]

FALSE_OF_PLAIN = [
    "x in Service.Tags",
    "x in Service.Meta",
    "Service.Tags is not empty",
    "Service.Meta.absent == x",
    # an empty list of objects holds nothing that could match
    "Checks.Status == passing",
    "Checks.Status != passing",
    "x not in Checks.Status",
    "Checks.Status not matches x",
    "Checks.ServiceTags is empty",
    # through an object that is not there
    "Service.Proxy.Mode == direct",
    "Service.Proxy.Mode != direct",
    "x not in Service.Proxy.Mode",
    "Service.Proxy.Mode not matches x",
    "Service.Proxy.Upstreams is empty",
    "Service.Proxy.Upstreams is not empty",
    "Service.Proxy.Upstreams.DestinationName != x",
]


@pytest.mark.parametrize("expression", TRUE_OF_WEB)
def test_keeps_a_row_that_matches(expression: str) -> None:
    assert holds(expression, WEB) is True


@pytest.mark.parametrize("expression", FALSE_OF_WEB)
def test_drops_a_row_that_does_not_match(expression: str) -> None:
    assert holds(expression, WEB) is False


@pytest.mark.parametrize("expression", TRUE_OF_PLAIN)
def test_keeps_a_row_without_what_the_filter_excludes(expression: str) -> None:
    assert holds(expression, PLAIN) is True


@pytest.mark.parametrize("expression", FALSE_OF_PLAIN)
def test_drops_a_row_without_what_the_filter_asks_for(expression: str) -> None:
    assert holds(expression, PLAIN) is False


def test_no_filter_keeps_everything() -> None:
    assert holds("", PLAIN) is True


def test_one_filter_serves_many_rows() -> None:
    matching = compiled("Service.Port == 80 or Checks is empty", ENTRY)
    assert [matching(row) for row in (WEB, PLAIN, WEB)] == [True, True, True]
    matching = compiled("Service.Port == 80 and Checks.Status == critical", ENTRY)
    assert [matching(row) for row in (PLAIN, WEB, PLAIN)] == [False, True, False]


def test_is_decided_from_left_to_right_and_no_further_than_needed() -> None:
    asked: list[str] = []

    def field(name: str) -> Field:
        def get(_: object) -> str:
            asked.append(name)
            return name

        return text(get)

    selectors = {name: field(name) for name in "abcd"}
    assert compiled("a == a or b == b", selectors)(None)
    assert asked == ["a"]
    asked.clear()
    assert not compiled("(a == x and b == b or not c == c) and d == d", selectors)(None)
    assert asked == ["a", "c"]


NESTED = [
    ("(" * 10_000 + "Service.Port == 80" + ")" * 10_000, True),
    ("not " * 10_000 + "Service.Port == 80", True),
    ("not " * 10_001 + "Service.Port == 80", False),
    ("not (Service.Port == 80 and " * 4_001 + "Service.Port == 81" + ")" * 4_001, True),
    ("Service.Port == 81 or (Service.Port == 80 and (" * 2_000 + "Service.Port == 80" + "))" * 2_000, True),
    (" or ".join(["Service.Port == 81"] * 5_000 + ["Service.Port == 80"]), True),
    (" and ".join(["Service.Port == 80"] * 5_000 + ["Service.Port == 81"]), False),
]


@pytest.mark.parametrize(("expression", "expected"), NESTED, ids=range(len(NESTED)))
def test_depth_and_length_are_not_limited(expression: str, expected: bool) -> None:
    """Neither reading nor running a filter may depend on the depth of Python's stack."""
    assert holds(expression) is expected


def test_what_only_some_filters_need_is_loaded_by_them() -> None:
    """RE2 costs 3 MB, which a registry without `matches` does not pay."""
    script = "import sys, registry.model.filter; sys.exit('re2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
