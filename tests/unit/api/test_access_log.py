"""The access log and the log at debug, as an operator reads them: a line for each request, and only where asked for."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from registry import testing
from registry.api.access_log import AccessLog, escaped
from registry.errors import SettingsError
from registry.events import Events
from tests.unit.api.test_server import WEB, Client, connected, put, request

COMBINED = re.compile(
    r'(?P<host>\S+) - - \[(?P<time>[^\]]+)\] "(?P<line>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+|-) '
    r'"(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)" (?P<seconds>\d+\.\d{6}) "(?P<id>(?:[^"\\]|\\.)*)"'
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@asynccontextmanager
async def logged(path: Path | str) -> AsyncIterator[tuple[testing.TestServer, Client]]:
    """A server that writes its access log there, and a client; the log is whole after the block."""
    async with testing.server(access_log=str(path)) as server:
        client = await connected(server)
        try:
            yield server, client
        finally:
            client.writer.close()
            await client.writer.wait_closed()


def text_of(path: Path) -> str:
    """What the file holds; nothing where there is none."""
    return path.read_text() if path.exists() else ""


def lines(path: Path) -> list[dict[str, str]]:
    """Each line by its fields; one that is of another form fails."""
    text = path.read_text()
    found = [COMBINED.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    return [match.groupdict() for match in found if match is not None]


async def test_a_request_is_a_line_in_the_combined_form(path: Path) -> None:
    async with logged(path) as (_, client):
        agent = ("User-Agent: curl/8.0", "Referer: http://ui/")
        _, headers, body = await client.get("/v1/catalog/services?pretty", *agent)

    assert text_of(path) == (
        '127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] "GET /v1/catalog/services?pretty HTTP/1.1" 200 '
        f'{len(body)} "http://ui/" "curl/8.0" 0.000000 "{headers["x-request-id"]}"\n'
    )


async def test_requests_answered_from_memory_are_in_it_too(path: Path) -> None:
    async with logged(path) as (server, client):
        answers = [await client.get("/v1/health/service/consul", "User-Agent: a") for _ in range(4)]
        assert server.engine.topics.hits >= 3

    assert [line["id"] for line in lines(path)] == [headers["x-request-id"] for _, headers, _ in answers]
    assert {(line["line"], line["status"], line["bytes"], line["agent"]) for line in lines(path)} == {
        ("GET /v1/health/service/consul HTTP/1.1", "200", str(len(answers[0][2])), "a")
    }


async def test_every_kind_of_answer_is_a_line(path: Path) -> None:
    async with logged(path) as (_, client):
        await put(client, "/v1/agent/service/register", WEB)
        await client.get("/nothing")
        client.send(request("HEAD", "/v1/agent/self"))
        await client.answer(body=False)
        client.send(b"GET /v1/status/leader HTTP/1.0\r\n\r\n")
        await client.answer()

    assert [(line["line"], line["status"]) for line in lines(path)] == [
        ("PUT /v1/agent/service/register HTTP/1.1", "200"),
        ("GET /nothing HTTP/1.1", "404"),
        ("HEAD /v1/agent/self HTTP/1.1", "405"),
        ("GET /v1/status/leader HTTP/1.0", "200"),
    ]
    assert [line["bytes"] for line in lines(path)][::2] == ["-", "-"]


async def test_what_is_no_request_is_a_line_without_one_and_an_event(path: Path) -> None:
    async with logged(path) as (server, client):
        said = server.app.events.listen("info").chunks()
        client.send(b"\x16\x03\x01 what a TLS client says\r\n\r\n")
        await client.reader.read()
        assert b"[INFO]  agent.http: Request refused unread: status=400 remote=127.0.0.1\n" in await anext(said)

    assert [(line["line"], line["status"]) for line in lines(path)] == [("-", "400")]


async def test_a_blocking_query_is_told_with_its_wait_and_a_client_that_left_as_gone(path: Path) -> None:
    async with logged(path) as (server, client):
        _, headers, _ = await client.get("/v1/health/service/consul")
        target = f"/v1/health/service/consul?index={headers['x-consul-index']}&wait=10s"
        client.send(request("GET", target))
        await server.parked(1)
        other = await connected(server)
        other.send(request("GET", target + "&stale"))
        await server.parked(2)
        other.writer.close()
        while server.engine.topics.parked > 1:  # noqa: ASYNC110 - the real time of a loopback connection
            await asyncio.sleep(0)
        await server.advance(11)
        await client.answer()

    gone, waited = lines(path)[1:]
    assert (gone["status"], gone["bytes"], gone["id"]) == ("499", "-", "-")
    assert (waited["status"], float(waited["seconds"]) >= 10) == ("200", True)


async def test_a_stream_is_told_when_it_ends_with_its_bytes(path: Path) -> None:
    async with logged(path) as (server, client):
        client.send(request("GET", "/v1/agent/monitor?loglevel=info"))
        await client.reader.readuntil(b"\r\n\r\n")
        writer = await connected(server)
        await put(writer, "/v1/agent/service/register", WEB)
        size = int((await client.reader.readuntil(b"\r\n")), 16)
        server.app.events.end_streams()
        await client.reader.readuntil(b"0\r\n\r\n")
        writer.writer.close()

    assert [line["bytes"] for line in lines(path) if "monitor" in line["line"]] == [str(size)]


async def test_nothing_a_client_sends_ends_a_field_or_a_line(path: Path) -> None:
    """Log injection: quotes, backslashes, control characters and line breaks of any alphabet."""
    async with logged(path) as (_, client):
        for agent in ('a" 200 1 "x', "b\\", 'c\\" 200', "d\te", "e\u2028\x85 é"):
            for _ in range(3):  # the third is answered by its bytes
                await client.get("/v1/health/service/consul", f"User-Agent: {agent}", 'Referer: "\\"')
        client.send('GET /v1/"x"\\é?a=1 HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
        await client.answer()
        await client.get("/v1/%0a127.0.0.1%20-%20-")
        await client.get("/v1/status/leader", "X-Request-Id: a\" 'b\\")

    text = text_of(path)
    assert text.isascii()
    assert text.count("\n") == 18 == len(text.splitlines())
    found = lines(path)
    assert [line["agent"] for line in found[2:15:3]] == [
        r"a\" 200 1 \"x", r"b\\", r"c\\\" 200", r"d\x09e", r"e\xe2\x80\xa8\xc2\x85 \xc3\xa9",
    ]  # fmt: skip
    assert found[0]["referer"] == r"\"\\\""
    assert found[15]["status"] in ("400", "404")


async def test_a_huge_header_costs_neither_memory_nor_a_torn_line(path: Path) -> None:
    async with logged(path) as (_, client):
        await client.get(
            "/v1/health/service/consul?" + "é" * 9000, f"User-Agent: {'x' * 20_000}", f"Referer: {'ü' * 900}"
        )

    assert len(text_of(path)) < 4096
    assert lines(path)[0]["agent"] == "x" * 500


def test_what_cannot_be_shown_is_escaped() -> None:
    assert escaped("a\x1b[31m\r\n\t\x00\x7f\udcff", 50) == r"a\x1b[31m\x0d\x0a\x09\x00\x7f\xff"


@pytest.mark.parametrize("text", ["\\" * 50, "é" * 50, '"' * 50, "a" * 50 + "\n"])
def test_a_field_is_not_cut_within_an_escape(text: str) -> None:
    for most in range(4, 60):
        shown = escaped(text, most)
        assert len(shown) <= most
        assert re.fullmatch(r'([^"\\]|\\\\|\\"|\\x[0-9a-f]{2})*', shown)


async def test_tokens_of_clients_are_not_in_it(path: Path) -> None:
    async with logged(path) as (_, client):
        for _ in range(3):
            await client.get(
                "/v1/health/service/consul?token=s3cret", "X-Consul-Token: s3cret", "Referer: /?token=s3cret"
            )
        await client.get("/v1/health/service/consul?%54oken=s3cret&pretty")
        await client.get("http://me:s3cret@x/v1/status/leader")

    assert "s3cret" not in text_of(path)
    assert lines(path)[2]["line"] == "GET /v1/health/service/consul?token=<hidden> HTTP/1.1"
    assert lines(path)[3]["line"].endswith("=<hidden>&pretty HTTP/1.1")


async def test_a_reload_goes_on_in_a_new_file(path: Path) -> None:
    moved = path.with_suffix(".1")
    async with logged(path) as (_, client):
        await client.get("/v1/catalog/services?first")
        while not text_of(path):  # noqa: ASYNC110 - written by a thread
            await asyncio.sleep(0.01)
        await asyncio.to_thread(path.rename, moved)
        await client.get("/v1/catalog/services?moved")
        await put(client, "/v1/agent/reload")
        await client.get("/v1/catalog/services?second")

    assert [line["line"] for line in lines(moved)] == [
        "GET /v1/catalog/services?first HTTP/1.1",
        "GET /v1/catalog/services?moved HTTP/1.1",
    ]
    assert [line["line"] for line in lines(path)] == [
        "PUT /v1/agent/reload HTTP/1.1",
        "GET /v1/catalog/services?second HTTP/1.1",
    ]


async def test_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    async with logged("-") as (_, client):
        await client.get("/v1/status/leader")

    assert COMBINED.fullmatch(capsys.readouterr().out.rstrip("\n"))


async def test_a_file_that_cannot_be_opened_is_found_before_the_store_is_touched(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="access_log: .*No such file or directory"):
        async with testing.server(access_log=str(tmp_path / "missing" / "a.log")):
            raise AssertionError("it started")


async def test_a_file_that_cannot_be_opened_again_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    events = Events()
    said = events.listen("error").chunks()
    log = await asyncio.to_thread(AccessLog, str(folder / "a.log"), events)
    await asyncio.to_thread(folder.rename, tmp_path / "gone")
    log.reopen()
    assert b"The access log could not be opened again: error=" in await anext(said)
    await asyncio.to_thread(log.close)


async def test_without_it_nobody_is_told_of_a_request_until_somebody_listens_at_debug() -> None:
    """One event for a healthy request at debug, also for one answered from memory; none at info."""
    async with testing.server() as server:
        client = await connected(server)
        quiet = server.app.events.listen("info")
        for _ in range(3):
            await client.get("/v1/health/service/consul")
        assert not server.app.edge.told
        loud = server.app.events.listen("debug")
        assert server.app.edge.told
        answers = [await client.get("/v1/health/service/consul?token=s3cret&stale") for _ in range(4)]
        loud.close()
        said = b"".join([chunk async for chunk in loud.chunks()]).decode().splitlines()
        assert not server.app.edge.told
        quiet.close()
        assert b"".join([chunk async for chunk in quiet.chunks()]) == b""
        client.writer.close()

    assert [line.rpartition("request_id=")[2] for line in said] == [one[1]["x-request-id"] for one in answers]
    assert all(
        "[DEBUG] agent.http: Request finished: method=GET url=/v1/health/service/consul?token=<hidden>&stale "
        f"status=200 bytes={len(answers[0][2])} remote=127.0.0.1 seconds=0.0 " in line
        for line in said
    )
