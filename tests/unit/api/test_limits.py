"""Limits a client meets: its connections, sizes, waiting readers, and its own slowness, on a clock the test moves."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from registry import testing
from registry.api.limits import Clients
from registry.events import Events
from registry.settings import Settings
from tests.unit.api.test_server import Client, connected, request

BLOCKED = "/v1/health/service/none?index=999999&wait=5m"
TOO_MANY = b"Your IP is issuing too many concurrent connections, please rate limit your calls\n"


@pytest.fixture
async def clients() -> AsyncIterator[list[Client]]:
    """Connections that are closed at the end."""
    opened: list[Client] = []
    yield opened
    for client in opened:
        client.writer.close()


async def opened(server: testing.TestServer, clients: list[Client]) -> Client:
    clients.append(await connected(server))
    return clients[-1]


async def refused(client: Client) -> tuple[bytes, dict[str, str], bytes]:
    """The status line, the headers and the body of an answer that ends with the connection."""
    answer = await asyncio.wait_for(client.reader.read(), 5)
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, {name: value for name, _, value in (line.decode().partition(": ") for line in lines)}, body


async def served(client: Client) -> None:
    assert (await client.get("/v1/status/leader"))[0] == 200


# Connections


async def test_one_connection_too_many_is_told_so_in_consuls_words(clients: list[Client]) -> None:
    async with testing.server(max_connections_per_client=2) as server:
        for _ in range(2):
            await served(await opened(server, clients))
        third = await opened(server, clients)
        third.send(request("GET", "/v1/status/leader"))  # what it sends must not cost it the answer
        first, headers, body = await refused(third)
        assert (first, body) == (b"HTTP/1.1 429 Too Many Requests", TOO_MANY)
        assert headers["Content-Type"] == "text/plain"
        assert headers["Content-Length"] == "81" == str(len(body))
        assert headers["Connection"] == "close"
        assert headers["X-Registry-Limit"] == "max_connections_per_client=2; current=2"
        await served(clients[0])


async def test_a_connection_that_ends_makes_room(clients: list[Client]) -> None:
    async with testing.server(max_connections_per_client=1) as server:
        for _ in range(5):
            client = await opened(server, clients)
            await served(client)
            client.send(request("GET", "/v1/status/leader", "Connection: close"))
            await client.answer()
            assert await client.closed()
            await server.clock.settle()


async def test_clients_that_are_gone_before_they_are_served_take_no_room(clients: list[Client]) -> None:
    async with testing.server(max_connections_per_client=2) as server:
        for _ in range(20):
            with socket.socket() as raw:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing resets it
                raw.connect((server.host, server.port))
        await server.clock.settle()
        await served(await opened(server, clients))


@pytest.mark.parametrize(
    ("bind", "chosen", "limit"),
    [
        ("127.0.0.1", None, 0), ("127.0.0.2", None, 0), ("::1", None, 0), ("0.0.0.0", None, 200), ("::", None, 200),
        ("10.0.0.1", 0, 0), ("127.0.0.1", 5, 5),
    ],
)  # fmt: skip
def test_clients_are_limited_by_default_where_other_machines_get_in(bind: str, chosen: int | None, limit: int) -> None:
    settings = Settings(bind=bind, max_connections_per_client=chosen)
    assert Clients(lambda: settings, Events()).limit == limit


def test_each_address_has_a_count_of_its_own() -> None:
    clients = Clients(lambda: Settings(max_connections_per_client=1), Events())
    assert clients.enter("10.0.0.1") is None
    assert clients.enter("10.0.0.2") is None
    assert clients.enter("10.0.0.1") is not None
    clients.leave("10.0.0.1")
    assert clients.enter("10.0.0.1") is None


# Sizes


async def test_a_body_over_the_limit_is_refused_by_its_own_word(clients: list[Client]) -> None:
    async with testing.server(max_body_bytes=1000) as server:
        client = await opened(server, clients)
        client.send(request("PUT", "/v1/agent/service/register", body=b" " * 1001))
        status, _, body = await client.answer()
        assert (status, body) == (
            413, b"Request body(1001 bytes) too large, max size: 1000 bytes. See max_body_bytes.",
        )  # fmt: skip
        await served(client)  # it was small enough to be read away


async def test_a_body_without_a_length_is_counted_as_it_comes(clients: list[Client]) -> None:
    async with testing.server(max_body_bytes=1000) as server:
        client = await opened(server, clients)
        head = request("PUT", "/v1/agent/service/register", "Transfer-Encoding: chunked")
        client.send(head.replace(b"Content-Length: 0\r\n", b""))
        for _ in range(3):
            await server.clock.settle()
            client.send(b"190\r\n" + b" " * 400 + b"\r\n")
        status, _, body = await client.answer()
        assert status == 413
        assert b"max size: 1000 bytes. See max_body_bytes." in body
        client.writer.close()


@pytest.mark.parametrize("pieces", [1, 40])
async def test_many_small_headers_are_too_large_together(clients: list[Client], pieces: int) -> None:
    """The limit is that of the whole head, however many lines it has and however it arrives."""
    async with testing.server(max_header_bytes=4000) as server:
        client = await opened(server, clients)
        whole = request("GET", "/v1/status/leader", *(f"X-{number}: {'x' * 50}" for number in range(100)))
        size = len(whole) // pieces
        for at in range(0, len(whole), size):
            client.send(whole[at : at + size])
            await server.clock.settle()
        first, headers, body = await refused(client)
        assert first == b"HTTP/1.1 431 Request Header Fields Too Large"
        assert body == b"431 Request Header Fields Too Large"
        assert headers["X-Registry-Limit"].startswith("max_header_bytes=4000; current=")
        assert int(headers["X-Registry-Limit"].rpartition("=")[2]) > 4000


async def test_a_large_body_does_not_count_as_a_head(clients: list[Client]) -> None:
    async with testing.server(max_header_bytes=500) as server:
        client = await opened(server, clients)
        for number in range(2):
            body = b'{"Name":"web%d"%b}' % (number, b" " * 5000)
            whole = request("PUT", "/v1/agent/service/register", body=body)
            for at in (0, 100, 2000, 4000):
                client.send(whole[at : {0: 100, 100: 2000, 2000: 4000, 4000: None}[at]])
                await server.clock.settle()
            assert (await client.answer())[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("agent/service/register", {"Name": "LONG"}), ("agent/service/register", {"Name": "web", "ID": "LONG"}),
        ("agent/service/register", {"Name": "web", "Check": {"CheckID": "LONG", "TTL": "1m"}}),
        ("agent/check/register", {"Name": "LONG", "TTL": "1m"}),
        ("catalog/register", {"Node": "LONG", "Address": "10.0.0.1"}),
        ("catalog/register", {"Node": "n", "Address": "10.0.0.1", "Service": {"Service": "LONG"}}),
    ],
)  # fmt: skip
async def test_a_name_over_the_limit_is_refused(clients: list[Client], path: str, body: dict[str, object]) -> None:
    async with testing.server(max_name_characters=20) as server:
        client = await opened(server, clients)
        for letters, expected in ((20, 200), (21, 413)):
            sent = json.dumps(body).replace("LONG", "n" * letters).encode()
            client.send(request("PUT", f"/v1/{path}", body=sent))
            status, _, text = await client.answer()
            assert status == expected, text
        assert text == b"A name of 21 characters is too long, at most 20 are taken (max_name_characters)"


# Readers


async def test_a_reader_that_would_be_one_too_many_is_refused(clients: list[Client]) -> None:
    async with testing.server(max_parked_readers=2) as server:
        for _ in range(2):
            (await opened(server, clients)).send(request("GET", BLOCKED))
        await server.parked(2)
        third = await opened(server, clients)
        status, _, body = await third.get(BLOCKED)
        assert (status, body) == (429, b"Too many blocking queries: 2 wait, at most 2 may (max_parked_readers)")
        assert (await third.get("/v1/health/service/none?index=0"))[0] == 200  # it need not wait
        clients[0].writer.close()
        while server.engine.topics.parked == 2:  # noqa: ASYNC110 - the real time of a loopback connection
            await asyncio.sleep(0)
        third.send(request("GET", BLOCKED))
        await server.parked(2)


# Slow clients


async def test_a_head_that_trickles_in_is_ended(clients: list[Client]) -> None:
    """Slowloris: always a byte before anybody would call it idle, never the last one."""
    async with testing.server(request_head_seconds=10) as server:
        client = await opened(server, clients)
        client.send(b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n")
        for _ in range(9):
            await server.advance(1)
            client.send(b"X: y\r\n")
        await server.clock.settle()
        assert not client.reader.at_eof()
        await server.advance(1.5)
        first, headers, body = await refused(client)
        assert (first, headers["Connection"]) == (b"HTTP/1.1 408 Request Timeout", "close")
        assert body == b"The request's head did not arrive within 10s (request_head_seconds)\n"


async def test_a_head_that_is_complete_in_time_is_answered(clients: list[Client]) -> None:
    async with testing.server(request_head_seconds=10) as server:
        client = await opened(server, clients)
        for _ in range(3):
            client.send(b"GET /v1/status/leader HTTP/1.1\r\n")
            await server.clock.settle()
            await server.advance(9)
            client.send(b"Host: x\r\n\r\n")
            assert (await client.answer())[0] == 200
        await server.advance(60)  # between requests nothing is due
        await served(client)


async def test_a_body_that_trickles_in_is_ended(clients: list[Client]) -> None:
    async with testing.server(request_body_seconds=30) as server:
        client = await opened(server, clients)
        client.send(request("PUT", "/v1/agent/service/register", body=b" " * 5000)[:-4990])
        for _ in range(4):
            await server.advance(7)
            client.send(b" ")
        await server.clock.settle()
        await server.advance(3)
        status, headers, body = await client.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert body == b"The request's body did not go on for 30s, after 14 bytes (request_body_seconds)"


async def test_a_body_that_goes_on_may_take_its_time(clients: list[Client]) -> None:
    async with testing.server(request_body_seconds=30) as server:
        client = await opened(server, clients)
        body = b'{"Name":"web"' + b" " * 20_000 + b"}"
        client.send(request("PUT", "/v1/agent/service/register", body=body)[: -len(body)])
        for at in range(0, len(body), 2000):
            client.send(body[at : at + 2000])
            await server.advance(20)
        assert (await client.answer())[0] == 200


async def test_a_client_that_does_not_read_is_cut_off(clients: list[Client]) -> None:
    async with testing.server(answer_stall_seconds=30) as server:
        registrar = await opened(server, clients)
        body = b'{"Name":"web","Check":{"TTL":"1h","Notes":"%b"}}' % (b"n" * 2_000_000)
        registrar.send(request("PUT", "/v1/agent/service/register", body=body))
        assert (await registrar.answer())[0] == 200
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            await asyncio.get_running_loop().sock_connect(raw, (server.host, server.port))
            raw.send(request("GET", "/v1/agent/checks") * 8)
            await until(server, lambda: unread(server) > 1_000_000)
            await server.advance(31)
            await until(server, lambda: connections(server) == 1)
        await served(registrar)


async def test_a_client_that_reads_slowly_gets_everything(clients: list[Client]) -> None:
    async with testing.server(answer_stall_seconds=30) as server:
        registrar = await opened(server, clients)
        body = b'{"Name":"web","Check":{"TTL":"1h","Notes":"%b"}}' % (b"n" * 8_000_000)
        registrar.send(request("PUT", "/v1/agent/service/register", body=body))
        assert (await registrar.answer())[0] == 200
        slow = await opened(server, clients)
        slow.send(request("GET", "/v1/agent/checks", "Connection: close"))
        got = 0
        while piece := await slow.reader.read(1_000_000):
            got += len(piece)
            await server.advance(3)
        assert got > 8_000_000


def connections(server: testing.TestServer) -> int:
    listener = server.app.listening.listeners[0]
    return len(listener.connections)


def unread(server: testing.TestServer) -> int:
    listener = server.app.listening.listeners[0]
    return max(transport.get_write_buffer_size() for transport in listener._connections.values())


async def until(server: testing.TestServer, holds: Any) -> None:
    while not holds():  # noqa: ASYNC110 - the real time of a loopback connection
        await asyncio.sleep(0)
