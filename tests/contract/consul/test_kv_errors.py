"""What requests about keys are refused for, in which order and in which words. Source: kv.md §1, §3, §4, §5."""

import asyncio

import pytest

from tests.contract.consul.exchange import Client, read_answer, request
from tests.contract.consul.keys import configured, put

pytestmark = pytest.mark.usefixtures("every_command")

TEXT = "text/plain; charset=utf-8"
NAMESPACE = 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'
# Mistakes of one request, from the one that is told first to the one told last.
OPTIONS = [
    ("a=%zz", 500, ""),
    ("stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
    ("wait=5", 400, "Invalid wait time"),
    ("index=x", 400, "Invalid index"),
    ("ns=team", 400, NAMESPACE),
]
DATACENTER = [("dc=mars", 500, "No path to datacenter")]
NUMBERS = [
    ("flags=x", 500, 'strconv.ParseUint: parsing "x": invalid syntax'),
    ("cas=", 500, 'strconv.ParseUint: parsing "": invalid syntax'),
]
TOO_LARGE = (
    "Request body(524289 bytes) too large, max size: 524288 bytes. "
    "See https://developer.hashicorp.com/docs/agent/config/config-files#kv_max_value_size."
)


async def refused(consul: Client, line: str, body: bytes = b"v") -> tuple[int, str]:
    answer = await consul.send(line, body=None if line.startswith("GET") else body)
    assert answer.headers["content-type"] == TEXT
    assert not any(name.startswith(("x-consul-index", "x-consul-known")) for name in answer.headers)
    return answer.status, answer.text


@pytest.mark.parametrize(
    ("line", "mistakes"),
    [
        ("GET /v1/kv/k", [*OPTIONS, *DATACENTER]),
        ("GET /v1/kv/?raw", [*OPTIONS, ("", 400, "Missing key name")]),
        ("PUT /v1/kv/k", [*OPTIONS, *NUMBERS, *DATACENTER]),
        ("PUT /v1/kv/?flags=x", [*OPTIONS, ("", 400, "Missing key name")]),
        ("DELETE /v1/kv/k", [*OPTIONS, NUMBERS[1], *DATACENTER]),
        ("DELETE /v1/kv/", [*OPTIONS, ("", 400, "Missing key name")]),
    ],
)
async def test_the_first_mistake_is_told(consul: Client, line: str, mistakes: list[tuple[str, int, str]]) -> None:
    for start, (_, status, text) in enumerate(mistakes):
        query = "&".join(one for one, _, _ in mistakes[start:] if one)
        assert await refused(consul, f"{line}{'&' if '?' in line else '?'}{query}") == (status, text), query
    assert (await consul.get("/v1/kv/?keys")).text == "[]"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("PUT /v1/kv/k?cas=1&acquire=2", "acquire=2&cas=1"),
        ("PUT /v1/kv/k?release&acquire", "acquire=&release="),
        ("PUT /v1/kv/k?cas=x&dc=mars&release=q%20r&b=%2F&flags=x", "b=%2F&cas=x&dc=mars&flags=x&release=q+r"),
        ("DELETE /v1/kv/k?recurse&cas=1", "cas=1&recurse="),
        ("DELETE /v1/kv/?cas=x&recurse=yes&cas=1", "cas=x&cas=1&recurse=yes"),
    ],
)
async def test_flags_that_exclude_each_other_are_told_with_the_whole_query(
    consul: Client, line: str, words: str
) -> None:
    assert await refused(consul, line) == (400, f"Conflicting flags: {words}\n")


@pytest.mark.parametrize("line", ["PUT /v1/kv/k?flags=", "PUT /v1/kv/k?cas=", "DELETE /v1/kv/k?cas="])
@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("-1", 'parsing "-1": invalid syntax'),
        ("%2B1", 'parsing "+1": invalid syntax'),
        ("1_0", 'parsing "1_0": invalid syntax'),
        ("0x1", 'parsing "0x1": invalid syntax'),
        ("%D9%A1", 'parsing "١": invalid syntax'),
        ("18446744073709551616", 'parsing "18446744073709551616": value out of range'),
        ("99999999999999999999x", 'parsing "99999999999999999999x": value out of range'),
        ("9" * 5000, f'parsing "{"9" * 5000}": value out of range'),
    ],
)
async def test_a_number_that_is_none(consul: Client, line: str, number: str, problem: str) -> None:
    assert await refused(consul, line + number) == (500, f"strconv.ParseUint: {problem}")


async def test_locking_for_a_session_that_is_none(consul: Client) -> None:
    for parameter in ("acquire", "release"):
        text = "raft apply failed: missing session"
        assert await refused(consul, f"PUT /v1/kv/k?{parameter}=") == (500, text)
    text = 'raft apply failed: invalid session "not a \\"session\\""'
    assert await refused(consul, "PUT /v1/kv/k?acquire=not+a+%22session%22") == (500, text)
    assert not await put(consul, "k?release=garbage")


@pytest.mark.parametrize("method", ["POST", "PATCH", "HEAD"])
async def test_other_methods(consul: Client, method: str) -> None:
    answer = await consul.send(f"{method} /v1/kv/k")
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS,GET,PUT,DELETE")


# The size of a value


async def test_the_largest_value_is_taken_and_a_larger_one_ends_the_connection(consul: Client) -> None:
    answer = await consul.send("PUT /v1/kv/k", body=b"x" * 524_288)
    assert (answer.status, "connection" in answer.headers) == (200, False)
    for query in ("", "?flags=1", "?cas=0", "?dc=mars"):
        answer = await consul.send(f"PUT /v1/kv/k{query}", body=b"y" * 524_289)
        assert (answer.status, answer.text) == (413, TOO_LARGE)
        assert answer.headers["connection"] == "close"
    assert (await consul.get("/v1/kv/k?raw")).body == b"x" * 524_288


async def test_mistakes_in_parameters_come_before_the_size(consul: Client) -> None:
    assert (await consul.send("PUT /v1/kv/k?cas=x", body=b"x" * 600_000)).status == 500


async def test_the_limit_is_a_setting_and_ends_the_connection_for_small_values_too() -> None:
    async with configured(kv_max_value_bytes=10) as consul:
        assert await put(consul, "k", b"0123456789")
        answer = await consul.send("PUT /v1/kv/k", body=b"0123456789a")
        assert answer.text.startswith("Request body(11 bytes) too large, max size: 10 bytes. See https://")
        assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_a_value_whose_length_is_not_told_has_no_limit_of_its_own() -> None:
    async with configured(kv_max_value_bytes=10) as consul:
        reader, writer = await asyncio.open_connection(consul.server.host, consul.server.port)
        writer.write(request("PUT /v1/kv/k", "Transfer-Encoding: chunked"))
        writer.write(b"8\r\n01234567\r\n8\r\n89abcdef\r\n0\r\n\r\n")
        assert (await read_answer(reader)).text == "true"
        writer.close()
        assert (await consul.get("/v1/kv/k?raw")).body == b"0123456789abcdef"
