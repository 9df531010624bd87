"""Which of several errors a request hears about, and how errors look.

Source: common.md §7, §9, §12.3; health.md §2.1.
"""

import pytest

from tests.contract.consul.exchange import Client

EVALUATOR = "Failed to create boolean expression evaluator: "
TEXT = "text/plain; charset=utf-8"

# Mistakes of one request, from the one that is told first to the one told last.
MISTAKES = [
    ("a=%zz", 500, ""),
    ("ns=x", 400, 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'),
    ("partition=x", 400, 'Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature'),
    ("max_stale=x", 400, 'Invalid max_stale value "x"'),
    ("stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
    ("wait=x", 400, "Invalid wait time"),
    ("index=x", 400, "Invalid index"),
    ("peer=p&sg=g", 400, "peer-name and sameness-group are mutually exclusive"),
]
ON_A_NAME = [
    ("passing=x", 400, "Invalid value for ?passing"),
    ("dc=mars", 500, "No path to datacenter"),
    ("filter=Foo+==+1", 500, f'{EVALUATOR}Selector "Foo" is not valid'),
]


@pytest.mark.parametrize("path", ["service", "connect", "ingress"])
@pytest.mark.parametrize("name", ["web", ""])
async def test_the_first_mistake_is_told(consul: Client, path: str, name: str) -> None:
    missing = [] if name else [("", 400, "Missing service name")]
    rows = [*MISTAKES, *missing, *ON_A_NAME]
    told = rows if name else rows[: len(MISTAKES) + 1]
    for start, (_, status, text) in enumerate(told):
        query = "&".join(one for one, _, _ in rows[start:] if one)
        answer = await consul.get(f"/v1/health/{path}/{name}?{query}")
        assert (answer.status, answer.text, answer.headers["content-type"]) == (status, text, TEXT), query


async def test_method_and_path_are_judged_before_any_parameter(consul: Client) -> None:
    assert (await consul.send("PUT /v1/health/service/web?ns=x&index=x", body=b"")).status == 405
    assert (await consul.send("GET /v1/health/nothing?ns=x&index=x")).status == 404
    assert (await consul.send("GET /v1/health/nothing?a=%zz")).status == 404
    assert (await consul.send("GET /v1/health//service/web?a=%zz")).status == 301


@pytest.mark.parametrize(
    ("target", "expression", "problem"),
    [
        ("/v1/catalog/nodes", "Foo == 1", 'Selector "Foo" is not valid'),
        ("/v1/catalog/nodes", "Meta == 1", 'Invalid match operator "Equal" for selector "Meta"'),
        (
            "/v1/catalog/nodes",
            "Node ==",
            '1:8 (7): no match found, expected: "-", "0", "\\"", "`", [ \\t\\r\\n], [1-9] or [a-zA-Z]',
        ),
        ("/v1/catalog/nodes", '"n1', '1:4 (3): rule "string": Unterminated string literal'),
        ("/v1/catalog/nodes", "(Node == n1", '1:12 (11): rule "grouping": Unmatched parentheses'),
        ("/v1/catalog/nodes", "Address == 127.0.0.1", '1:17 (16): rule "number": Invalid number literal'),
        ("/v1/catalog/nodes", "Node matches `(`", 'Failed to compile regular expression "(": '),
        ("/v1/catalog/services", "ServicePort == abc", 'Failed to coerce value "abc" for selector "ServicePort": '),
        ("/v1/catalog/service/web", "Service == web", 'Selector "Service" is not valid'),
        ("/v1/catalog/node/n", "ServiceName == web", 'Selector "ServiceName" is not valid'),
        ("/v1/health/node/n", "Definition == x", 'Selector "Definition" is not valid'),
        ("/v1/health/service/web", "Service.Nope == x", 'Selector "Service.Nope" is not valid'),
        ("/v1/health/service/web", "Checks == x", 'Invalid match operator "Equal" for selector "Checks"'),
        ("/v1/health/service/web?index=1", "Nope == x", 'Selector "Nope" is not valid'),
        ("/v1/health/service/web?cached", "Nope == x", 'Selector "Nope" is not valid'),
    ],
)
async def test_a_filter_that_means_nothing_is_a_500_with_the_place(
    consul: Client, target: str, expression: str, problem: str
) -> None:
    quoted = "".join(f"%{byte:02x}" for byte in expression.encode())
    answer = await consul.get(f"{target}{'&' if '?' in target else '?'}filter={quoted}")
    assert (answer.status, answer.headers["content-type"]) == (500, TEXT)
    words, told = EVALUATOR + problem, answer.text
    assert told.startswith(words) if words.endswith(": ") else told == words  # what follows is Go's own text


async def test_an_error_ends_where_its_text_ends(consul: Client) -> None:
    answer = await consul.get("/v1/catalog/service/")
    assert answer.headers["content-length"] == str(len("Missing service name"))
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_an_error_does_not_end_the_connection(consul: Client) -> None:
    for line in ("GET /v1/health/service/", "GET /nothing", "PUT /v1/catalog/nodes", "GET /v1/kv/%00", "GET /v1/%zz"):
        assert "connection" not in (await consul.send(line, body=b"{}")).headers
    assert (await consul.get("/v1/agent/services")).text == "{}"
