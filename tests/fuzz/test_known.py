"""Requests that once did harm, found by the fuzzer: each by itself, with what it has to be answered with now."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fuzz.findings import Findings
from tests.fuzz.target import Target, target
from tests.fuzz.wire import Connection

DIGITS = "1" * 5000  # more than Python reads as a number
JOIN = f"/v1/agent/join/127.0.0.1:{DIGITS}"
LEADER = b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def server() -> AsyncIterator[Target]:
    """A server with nothing wrong at its end either."""
    findings = Findings()
    async with target(findings) as made:
        yield made
    assert not findings.kinds, str(findings)


def request(first: str, *headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    """A request from its first words on."""
    length = [] if first.startswith("GET") else [f"Content-Length: {len(body)}"]
    return "\r\n".join([f"{first} HTTP/{version}", "Host: x", *headers, *length, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("first", "header", "status", "text"),
    [
        (f"GET /v1/catalog/nodes?index={DIGITS}", "", 400, b"Invalid index"),
        ("GET /v1/catalog/nodes", f"Cache-Control: max-age={DIGITS}", 400, b"Invalid Cache-Control header."),
        (f"PUT {JOIN}", "", 500, b"Failed to resolve"),
    ],
    ids=["index", "cache-control", "join"],
)
async def test_a_number_of_thousands_of_digits_is_a_wrong_number(
    server: Target, first: str, header: str, status: int, text: bytes
) -> None:
    answer, wrong = await server.exchange(first[:3], request(first, *([header] if header else [])))
    assert not wrong
    assert answer is not None
    assert (answer.status, text in answer.body) == (status, True)


async def test_an_index_may_begin_with_any_number_of_zeros(server: Target) -> None:
    answer, _ = await server.exchange("GET", request(f"GET /v1/catalog/nodes?index={'0' * 5000}"))
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize(
    ("first", "header"),
    [("CONNECT /v1/catalog/nodes", "X: y"), ("GET /v1/catalog/nodes", "Connection: upgrade\r\nUpgrade: websocket")],
    ids=["connect", "upgrade"],
)
async def test_a_request_to_become_something_else_ends_the_connection_or_changes_nothing(
    server: Target, first: str, header: str
) -> None:
    """Before, it was answered like any other, and the next request on the connection never."""
    _, wrong = await server.exchange(first.split()[0], request(first, header))
    assert not wrong
    answer, wrong = await server.exchange("GET", LEADER)
    assert (answer is not None and answer.status, wrong) == (200, [])


async def test_a_refusal_is_heard_before_the_connection_ends(server: Target) -> None:
    """Before, a large body that nobody read was cut off by a reset, which took the answer with it."""
    raw = request("PUT /v1/nothing", "Connection: close", body=b"x" * 3_000_000)
    answer, wrong = await server.exchange("PUT", raw)
    assert not wrong
    assert answer is not None
    assert (answer.status, answer.closes) == (404, True)


async def test_an_endless_answer_to_an_old_client_is_not_in_chunks(server: Target) -> None:
    """HTTP/1.0 has none: the end of the connection is the end of the answer."""
    answer, wrong = await server.exchange("GET", request("GET /v1/agent/monitor", version="1.0"))
    assert not wrong
    assert answer is not None
    assert "transfer-encoding" not in answer.headers


async def test_a_body_that_breaks_off_in_noise_is_refused_at_once(server: Target) -> None:
    """Before, the request waited for the rest of it."""
    connection = await chunked_request(server)
    connection.send(b"4\n")
    try:
        answer = await asyncio.wait_for(connection.answer("PUT"), 2)
    finally:
        await connection.close()
    assert (answer.status, answer.closes) == (400, True)


async def test_noise_in_a_body_does_not_keep_a_connection_open(server: Target) -> None:
    """Before, after some pieces of it not even the client's end was seen; the fixture looks for what is left."""
    connection = await chunked_request(server)
    for byte in b"4\n" + b"{}\n" * 40:
        await asyncio.sleep(0)
        if not connection.gone:
            connection.send(bytes([byte]))
    await connection.close()


async def chunked_request(server: Target) -> Connection:
    """A connection on which the head of a registration has arrived."""
    connection = await server.connected()
    connection.send(b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(20):
        await asyncio.sleep(0)
    return connection


async def test_a_ttl_of_a_check_whose_id_holds_a_nul_runs_out_like_any_other(server: Target) -> None:
    """Before, it ended the server, and again after each start."""
    body = b'{"ID":"a\\u0000b","Name":"c","TTL":"1s","Status":"passing"}'
    await server.exchange("PUT", request("PUT /v1/agent/check/register", body=body))
    await server.pass_time(2)
    answer, wrong = await server.exchange("GET", request("GET /v1/agent/checks"))
    assert answer is not None
    assert (b"TTL expired" in answer.body, wrong) == (True, [])


async def test_the_newest_text_of_a_check_outlives_a_stop_whatever_the_case_of_its_id(server: Target) -> None:
    """Registered again in another case the text stayed where the old spelling had left it (`server` compares)."""
    for first, body in (
        ("PUT /v1/agent/check/register", b'{"Name":"Mem","TTL":"1h"}'),
        ("PUT /v1/agent/check/pass/Mem", b""),
        ("PUT /v1/agent/check/pass/Mem?note=new", b""),
        ("PUT /v1/agent/check/register", b'{"Name":"mem","TTL":"1h"}'),
    ):
        answer, _ = await server.exchange("PUT", request(first, body=body))
        assert answer is not None
        assert answer.status == 200
