"""Checks that change their status, and requests, as the log tells them: with fields, and with the request's id."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from registry import testing
from registry.events import Listener
from registry.events.context import REQUEST_ID
from registry.model.check import ALIAS
from tests.contract.consul.replicas import pair
from tests.unit.api.test_server import Client, connected, put

TTL = {"Name": "up", "TTL": "10s", "Status": "passing"}


class Log:
    """What a server says from a level on, once it has come to its end."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def events(self) -> list[dict[str, Any]]:
        self._listener.close()
        said = b"".join([chunk async for chunk in self._listener.chunks()])
        return [json.loads(line) for line in said.splitlines()]

    async def transitions(self) -> list[dict[str, Any]]:
        """Those of checks, without what is not about them."""
        found = [event for event in await self.events() if "from" in event]
        return [
            {name: value for name, value in event.items() if name not in ("@timestamp", "@module")} for event in found
        ]


@asynccontextmanager
async def listened(level: str = "info") -> AsyncIterator[tuple[testing.TestServer, Client, Log]]:
    async with testing.server() as server:
        client = await connected(server)
        try:
            yield server, client, Log(server.app.events.listen(level, as_json=True))
        finally:
            client.writer.close()
            await client.writer.wait_closed()


async def register(client: Client, body: dict[str, Any], path: str = "check") -> None:
    assert await put(client, f"/v1/agent/{path}/register", json.dumps(body).encode()) == 200


async def test_a_deadline_that_passes_is_told_with_what_was_before() -> None:
    async with listened() as (server, client, log):
        await register(client, {"Name": "web", "ID": "w1", "Check": TTL}, "service")
        await server.advance(11)
        told = await log.transitions()

    assert told == [
        {
            "@level": "warn", "@message": "Check missed TTL, is now critical", "check": "service:w1", "service": "w1",
            "node": "test-node", "from": "passing", "to": "critical", "output": "TTL expired", "by": "deadline",
        }
    ]  # fmt: skip


async def test_what_a_client_says_is_told_once_and_only_the_first_line_of_its_text() -> None:
    async with listened() as (_, client, log):
        await register(client, TTL)
        note = ("x" * 300) + "%0Asecond%20line"
        for _ in range(3):
            await put(client, f"/v1/agent/check/warn/up?note={note}")
        await put(client, "/v1/agent/check/warn/up?note=another")
        await put(client, "/v1/agent/check/pass/up?note=fine%0Aindeed")
        told = await log.transitions()

    assert [(one["@level"], one["@message"], one["from"], one["to"], one["by"]) for one in told] == [
        ("warn", "Check is now warning", "passing", "warning", "client"),
        ("info", "Check is now passing", "warning", "passing", "client"),
    ]
    assert [one["output"] for one in told] == ["x" * 199 + "…", "fine"]


async def test_what_a_run_finds_is_told_as_its_word() -> None:
    async with listened() as (server, client, log):
        await register(client, {"Name": "c", "TCP": "127.0.0.1:1", "Interval": "10s", "Status": "passing"})
        while server.engine.state.local_check("c").status == "passing":  # type: ignore[union-attr]
            await server.advance(1)
        (told,) = await log.transitions()

    assert (told["check"], told["to"], told["by"]) == ("c", "critical", "run")
    assert told["output"].startswith("dial tcp 127.0.0.1:1: ")


async def test_an_alias_follows_and_says_so() -> None:
    async with listened() as (_, client, log):
        await register(client, {"Name": "web", "ID": "w1", "Check": TTL}, "service")
        follower = {"Name": "other", "Check": {"CheckID": "a", "AliasService": "w1"}}
        await register(client, follower, "service")
        await put(client, "/v1/agent/check/fail/service:w1")
        told = await log.transitions()

    assert sorted((one["check"], one["to"], one["by"]) for one in told) == [
        ("a", "critical", ALIAS), ("service:w1", "critical", "client"),
    ]  # fmt: skip


async def test_what_is_registered_or_removed_is_no_transition() -> None:
    async with listened() as (_, client, log):
        await register(client, TTL)
        await put(client, "/v1/agent/check/deregister/up")
        await register(client, {**TTL, "Status": "critical"})
        assert await log.transitions() == []


async def test_of_several_replicas_one_tells_it() -> None:
    """Whoever took the word in: the owner of the check, so that a transition is in one log of all."""
    async with pair() as (one, two):
        await two.server.advance(1)
        logs = [Log(each.server.app.events.listen("info", as_json=True)) for each in (one, two)]
        names = [f"c{number}" for number in range(16)]
        for name in names:
            body = json.dumps({**TTL, "Name": name, "ID": name}).encode()
            assert (await one.send("PUT /v1/agent/check/register", body=body)).status == 200
        for name in names:
            assert (await one.send(f"PUT /v1/agent/check/fail/{name}")).status == 200
        await two.caught_up(one)
        told = [{event["check"] for event in await log.transitions()} for log in logs]

    assert told[0] | told[1] == set(names)
    assert told[0].isdisjoint(told[1])
    assert all(told)


async def test_secrets_in_the_text_of_a_check_are_not_told() -> None:
    async with listened() as (_, client, log):
        await register(client, TTL)
        await put(client, "/v1/agent/check/fail/up?note=GET%20http://me:s3cret@host/?token=s3cret")
        (told,) = await log.transitions()

    assert told["output"] == "GET http://me:<hidden>@host/?token=<hidden>"


async def test_a_change_is_told_with_the_id_of_the_request_that_brought_it() -> None:
    async with listened() as (_, client, log):
        client.send(
            b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nContent-Length: 12\r\n\r\n"
        )
        client.send(b'{"Name":"w"}')
        await client.answer()
        (told,) = await log.events()

    assert (told["@message"], told["service"], told["request_id"]) == ("Synced service", "w", "mine")


async def test_what_happens_by_itself_belongs_to_no_request() -> None:
    """Also where a request has set the timer: the deadline of a beat is not the beat's doing."""
    async with listened("debug") as (server, client, log):
        await register(client, {"Name": "web", "ID": "w1", "Check": {**TTL, "DeregisterCriticalServiceAfter": "1m"}},
                       "service")  # fmt: skip
        await put(client, "/v1/agent/check/pass/service:w1?note=a")
        await server.advance(11)
        await server.advance(80)
        events = await log.events()

    own = [event for event in events if event["@message"] in (
        "TTL has run out", "Check missed TTL, is now critical",
        "Deregistered service whose check was critical for too long",
    )]  # fmt: skip
    assert len(own) == 3
    assert not [event for event in own if "request_id" in event]


async def test_a_text_that_is_stored_later_is_not_told_as_a_request() -> None:
    """The beat that brought it was answered minutes ago, and has set the timer."""
    async with listened("debug") as (server, client, log):
        await register(client, {**TTL, "TTL": "600s"})
        await put(client, "/v1/agent/check/pass/up?note=new")
        REQUEST_ID.set("of the beat")  # a real timer runs in the context of whoever has set it
        await server.advance(200)
        (told,) = [event for event in await log.events() if event["@message"] == "Check status updated"]

    assert "request_id" not in told


@pytest.mark.parametrize(
    ("send", "level", "fields"),
    [
        (b"PUT /v1/agent/check/pass/none HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "info",
         {"route": "/v1/agent/check/pass/", "argument": "none", "status": 404, "error": "check id=none"}),
        (b"GET /v1/health/service/w?wait=s3cret HTTP/1.1\r\nHost: x\r\n\r\n", "info",
         {"route": "/v1/health/service/", "argument": "w", "status": 400}),
        (b"PUT /v1/agent/check/register HTTP/1.1\r\nHost: x\r\nContent-Length: 33554433\r\n\r\n", "info",
         {"route": "/v1/agent/check/register", "status": 413,
          "error": "body-limit size=33554433 limit=33554432"}),
        (b'PUT /v1/agent/check/register HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n{"Name":"c","TTL":"s3cret"}',
         "info",
         {"route": "/v1/agent/check/register", "status": 400}),
        (b"GET /v1/nothing?token=s3cret HTTP/1.1\r\nHost: x\r\n\r\n", "debug", {"route": "unknown", "status": 404}),
    ],
)  # fmt: skip
async def test_a_refusal_is_told_with_its_reason_but_not_with_what_the_caller_wrote(
    send: bytes, level: str, fields: dict[str, Any]
) -> None:
    async with listened("debug") as (_, client, log):
        client.send(send)
        _, headers, _ = await client.answer()
        events = await log.events()

    (told,) = [event for event in events if event["@message"] == "Request refused"]
    assert fields.items() <= told.items()
    assert (told["@level"], told["request_id"]) == (level, headers["x-request-id"])
    assert "s3cret" not in json.dumps(told)


async def test_a_write_from_where_none_is_taken_is_told() -> None:
    async with testing.server(allow_write_http_from=("10.0.0.0/8",)) as server:
        client = await connected(server)
        log = Log(server.app.events.listen("info", as_json=True))
        assert await put(client, "/v1/agent/service/deregister/w") == 403
        (told,) = await log.events()
        client.writer.close()

    assert (told["@message"], told["status"], told["remote"]) == ("Request refused", 403, "127.0.0.1")
