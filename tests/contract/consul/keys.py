"""The words in which tests speak of keys and sessions."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from registry import testing
from tests.contract.consul.exchange import Answer, Client


@asynccontextmanager
async def configured(**settings: Any) -> AsyncIterator[Client]:
    """A client of a registry with these settings that takes the newest commands."""
    async with testing.server(**settings) as server:
        client = Client(server)
        await client.know_commands()
        yield client
        await client.close()


async def put(consul: Client, target: str, value: bytes = b"v") -> bool:
    """Write a key, given with its query; whether it was done."""
    return done(await consul.send(f"PUT /v1/kv/{target}", body=value))


async def delete(consul: Client, target: str) -> bool:
    """Delete a key, given with its query; whether it was done."""
    return done(await consul.send(f"DELETE /v1/kv/{target}"))


def done(answer: Answer) -> bool:
    """What a write answered, which has to have been taken."""
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.text
    assert not any(name.startswith(("x-consul-index", "x-consul-known")) for name in answer.headers)
    return {"true": True, "false": False}[answer.text]


async def entry(consul: Client, key: str) -> dict[str, Any]:
    """The entry of a key that is there, with its value as bytes."""
    answer = await consul.get(f"/v1/kv/{key}")
    assert answer.status == 200, answer.text
    (found,) = answer.json
    return {**found, "Value": base64.b64decode(found["Value"] or "")}


async def names(consul: Client, target: str) -> list[str]:
    """The keys that a list shows, given with its query."""
    answer = await consul.get(f"/v1/kv/{target}")
    assert answer.status == 200
    found: list[str] = answer.json
    return found


async def session(consul: Client, **body: Any) -> str:
    """The id of a new session."""
    answer = await consul.put("/v1/session/create", body)
    assert answer.status == 200, answer.text
    (name,) = answer.json
    assert name == "ID"
    session_id: str = answer.json["ID"]
    return session_id


async def end(consul: Client, session_id: str) -> None:
    """End a session, which succeeds whether there is one or not."""
    answer = await consul.send(f"PUT /v1/session/destroy/{session_id}")
    assert (answer.status, answer.text) == (200, "true")


async def lives(consul: Client, session_id: str) -> bool:
    """Whether there is a session of this id."""
    answer = await consul.get(f"/v1/session/info/{session_id}")
    assert answer.status == 200
    return bool(answer.json)
