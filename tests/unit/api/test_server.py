"""Connections as clients really use them: reuse, pipelining, pieces, old versions, and going away."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest

from registry import testing

WEB = b'{"Name":"web","Port":80}'


class Client:
    """A connection of which the test decides every byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, body: bool = True) -> tuple[int, dict[str, str], bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0")) if body else 0
        return int(first.split()[1]), headers, await self.reader.readexactly(length)

    async def get(self, target: str, *headers: str) -> tuple[int, dict[str, str], bytes]:
        self.send(request("GET", target, *headers))
        return await self.answer()

    async def closed(self) -> bool:
        return await self.reader.read() == b""


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    length = (f"Content-Length: {len(body)}",) if body or method == "PUT" else ()
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: x", *headers, *length, "", "")).encode() + body


@pytest.fixture
async def registry() -> AsyncIterator[testing.TestServer]:
    async with testing.server() as server:
        yield server


@pytest.fixture
async def client(registry: testing.TestServer) -> AsyncIterator[Client]:
    client = await connected(registry)
    yield client
    client.writer.close()
    await client.writer.wait_closed()


async def connected(registry: testing.TestServer) -> Client:
    return Client(*await asyncio.open_connection(registry.host, registry.port))


async def put(client: Client, target: str, body: bytes = b"") -> int:
    client.send(request("PUT", target, body=body))
    return (await client.answer())[0]


async def test_a_repeated_read_shows_each_change_at_once(client: Client) -> None:
    """The second and third request are byte for byte the first: they must not see what was true then."""
    await put(client, "/v1/agent/service/register", WEB)
    before = await client.get("/v1/health/service/web")
    again = await client.get("/v1/health/service/web")
    assert (before[0], before[2]) == (again[0], again[2])
    assert before[1]["x-request-id"] != again[1]["x-request-id"]

    await put(client, "/v1/agent/service/register", WEB.replace(b"80", b"81"))
    _, headers, body = await client.get("/v1/health/service/web")
    assert json.loads(body)[0]["Service"]["Port"] == 81
    assert int(headers["x-consul-index"]) > int(before[1]["x-consul-index"])


async def test_a_repeated_read_shows_the_index_of_its_table(client: Client) -> None:
    """A check elsewhere moves the index of health/node and leaves its body as it was."""
    await put(client, "/v1/agent/check/register", b'{"Name":"own","TTL":"1h"}')
    target = "/v1/health/node/test-node"
    first = await client.get(target)
    await client.get(target)
    body = b'{"Node":"other","Address":"10.0.0.1","Check":{"Name":"c"}}'
    await put(client, "/v1/catalog/register", body)
    after = await client.get(target)
    assert after[2] == first[2]
    assert int(after[1]["x-consul-index"]) > int(first[1]["x-consul-index"])


async def test_a_blocking_query_that_ran_out_blocks_again_when_it_is_repeated(
    registry: testing.TestServer, client: Client
) -> None:
    target = "/v1/health/service/web?index=999999&wait=10s"
    for _ in range(2):
        client.send(request("GET", target))
        await registry.parked(1)
        await registry.advance(11)
        assert (await client.answer())[0] == 200


async def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    await put(client, "/v1/agent/service/register", WEB)
    await client.get("/v1/agent/service/web")
    one, two = request("GET", "/v1/agent/service/web"), request("GET", "/v1/agent/service/none")
    client.send(one + two + one)
    assert [(await client.answer())[0] for _ in range(3)] == [200, 404, 200]


async def test_a_request_may_come_in_any_pieces(client: Client) -> None:
    """Also right after requests that were answered from memory, and with one that looks like a known one inside."""
    await client.get("/v1/catalog/services")
    await client.get("/v1/catalog/services")
    known = request("GET", "/v1/catalog/services")
    whole = request("PUT", "/v1/agent/service/register", body=b'{"Name":"pieces","Meta":{"a":"%b"}}' % b"x" * 1)
    for piece in (whole[:10], whole[10:60], whole[60:-5], whole[-5:]):
        client.send(piece)
        await asyncio.sleep(0.005)
    assert (await client.answer())[0] == 200
    client.send(known)
    assert b"pieces" in (await client.answer())[2]


async def test_a_body_that_looks_like_a_request_is_a_body(client: Client) -> None:
    known = request("GET", "/v1/catalog/services")
    await client.get("/v1/catalog/services")
    await client.get("/v1/catalog/services")
    head = request("PUT", "/v1/agent/check/update/none", body=b"x" * len(known))[: -len(known)]
    client.send(head)
    await asyncio.sleep(0.005)
    client.send(known)
    status, _, body = await client.answer()
    assert (status, body.startswith(b"Request decode failed")) == (400, True)
    assert (await client.get("/v1/status/leader"))[0] == 200


async def test_a_read_with_a_body_is_known_again_with_it(registry: testing.TestServer) -> None:
    """Its head looks whole when the body comes later; what answered it before does not answer the head alone."""
    head = request("GET", "/v1/catalog/services", body=b"{}")[:-2]
    for _ in range(3):
        client = await connected(registry)
        for _ in range(2):
            client.send(head)
            await asyncio.sleep(0.005)
            client.send(b"{}")
            assert (await client.answer())[0] == 200
        client.writer.close()
        await client.writer.wait_closed()


async def test_a_write_with_the_head_of_another_has_its_own_body(client: Client) -> None:
    for value in (b"one", b"two", b"", b"six", b"", b"ten"):
        assert await put(client, "/v1/kv/k", value) == 200
        assert (await client.get("/v1/kv/k?raw"))[2] == value


async def test_a_write_with_a_known_head_may_come_in_any_pieces(client: Client) -> None:
    for _ in range(2):
        assert await put(client, "/v1/kv/k", b"before") == 200
    whole = request("PUT", "/v1/kv/k", body=b"after!")
    for end in range(len(whole) - 8, len(whole)):
        client.send(whole[:end])
        await asyncio.sleep(0.005)
        client.send(whole[end:] + request("GET", "/v1/kv/k?raw"))
        assert (await client.answer())[0] == 200
        assert (await client.answer())[2] == b"after!"
        assert await put(client, "/v1/kv/k", b"before") == 200


async def test_pipelined_writes_with_known_heads_are_carried_out_in_order(client: Client) -> None:
    assert await put(client, "/v1/kv/k", b"0") == 200
    values = [b"%d" % number for number in range(1, 6)]
    client.send(b"".join(request("PUT", "/v1/kv/k", body=value) for value in values))
    assert [(await client.answer())[2] for _ in values] == [b"true"] * 5
    assert (await client.get("/v1/kv/k?raw"))[2] == b"5"


async def test_a_known_head_without_its_chunks_waits_for_them(registry: testing.TestServer) -> None:
    head = request("PUT", "/v1/kv/k", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    for value in (b"one", b"two"):
        client = await connected(registry)
        client.send(head)
        await asyncio.sleep(0.005)
        client.send(b"3\r\n%b\r\n0\r\n\r\n" % value)
        assert (await client.answer())[0] == 200
        assert (await client.get("/v1/kv/k?raw"))[2] == value
        client.writer.close()
        await client.writer.wait_closed()


async def test_a_body_may_be_missing(client: Client) -> None:
    assert await put(client, "/v1/agent/service/register") == 400
    assert await put(client, "/v1/agent/service/register", WEB) == 200


async def test_a_chunked_body_is_read_whole(client: Client) -> None:
    head = request("PUT", "/v1/agent/service/register", "Transfer-Encoding: chunked").replace(
        b"Content-Length: 0\r\n", b""
    )
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in (WEB[:7], WEB[7:]))
    client.send(head + pieces + b"0\r\n\r\n")
    assert (await client.answer())[0] == 200
    assert b'"web"' in (await client.get("/v1/agent/services"))[2]


async def test_a_client_that_waits_for_permission_to_send_its_body_gets_it(client: Client) -> None:
    head = request("PUT", "/v1/agent/service/register", "Expect: 100-continue", body=WEB)[: -len(WEB)]
    client.send(head)
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(WEB)
    assert (await client.answer())[0] == 200


async def test_head_gets_the_headers_of_the_refusal_and_no_body(client: Client) -> None:
    client.send(request("HEAD", "/v1/catalog/services"))
    status, headers, _ = await client.answer(body=False)
    assert (status, headers["allow"], headers["content-length"]) == (405, "OPTIONS,GET", "23")
    assert (await client.get("/v1/status/leader"))[0] == 200


async def test_a_client_that_asks_for_the_end_of_the_connection_gets_it(client: Client) -> None:
    status, headers, _ = await client.get("/v1/status/leader", "Connection: close")
    assert (status, headers["connection"]) == (200, "close")
    assert await client.closed()


async def test_an_old_client_keeps_its_connection_when_it_asks_to(client: Client) -> None:
    for _ in range(2):
        client.send(b"GET /v1/status/leader HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "keep-alive")
    client.send(b"GET /v1/status/leader HTTP/1.0\r\n\r\n")
    await client.answer()
    assert await client.closed()


async def test_what_is_no_http_gets_400_and_the_end(client: Client) -> None:
    client.send(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n")
    assert (await client.reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_large_headers_are_taken(client: Client) -> None:
    """Consul takes a head of up to 1 MiB."""
    assert (await client.get("/v1/status/leader", f"X-Long: {'x' * 200_000}"))[0] == 200


async def test_a_client_that_goes_away_leaves_no_reader_behind(registry: testing.TestServer) -> None:
    client = await connected(registry)
    client.send(request("GET", "/v1/health/service/web?index=999999"))
    await registry.parked(1)
    client.writer.close()
    await client.writer.wait_closed()
    async with asyncio.timeout(5):
        while registry.engine.topics.parked:  # noqa: ASYNC110 - the real time of a closing connection
            await asyncio.sleep(0.001)


async def test_a_request_id_of_the_client_is_kept_when_it_can_be_written_down(client: Client) -> None:
    assert (await client.get("/v1/status/leader", "X-Request-Id: abc-1"))[1]["x-request-id"] == "abc-1"
    assert (await client.get("/v1/status/leader", f"X-Request-Id: {'a' * 65}"))[1]["x-request-id"] != "a" * 65
    for _ in range(2):
        assert (await client.get("/v1/catalog/services", "X-Request-Id: twice"))[1]["x-request-id"] == "twice"


async def test_a_large_answer_is_packed_for_those_who_take_it(client: Client) -> None:
    for number in range(20):
        await put(client, "/v1/agent/service/register", b'{"Name":"web","ID":"web-%d"}' % number)
    plain = await client.get("/v1/health/service/web")
    for _ in range(2):
        _, headers, body = await client.get("/v1/health/service/web", "Accept-Encoding: gzip")
        assert (headers["content-encoding"], gzip.decompress(body)) == ("gzip", plain[2])
    assert "content-encoding" not in (await client.get("/v1/health/service/web"))[1]


async def test_stopping_answers_blocked_readers_and_closes(registry: testing.TestServer) -> None:
    client = await connected(registry)
    client.send(request("GET", "/v1/health/service/web?index=999999"))
    await registry.parked(1)
    await registry.app.close()
    assert (await client.answer())[0] == 200
    assert await client.closed()
    client.writer.close()
