"""Sessions: begun, renewed, ended, looked at and waited for. Source: session.md §1, §2, §4, §9."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.keys import configured, end, entry, lives, put, session

pytestmark = pytest.mark.usefixtures("every_command")

TEXT = "text/plain; charset=utf-8"
CREATE = "/v1/session/create"
NOBODY = "11111111-2222-3333-4444-555555555555"


async def shown(consul: Client, session_id: str) -> dict[str, Any]:
    """A session that is there."""
    (found,) = (await consul.get(f"/v1/session/info/{session_id}")).json
    assert isinstance(found, dict)
    return found


async def ids(consul: Client, target: str) -> list[str]:
    return [one["ID"] for one in (await consul.get(f"/v1/session/{target}")).json]


async def test_a_session_of_nothing_said(consul: Client) -> None:
    answer = await consul.send(f"PUT {CREATE}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert not any(name.startswith(("x-consul-index", "x-consul-known")) for name in answer.headers)
    found = answer.json["ID"]
    assert str(uuid.UUID(found)) == found
    info = await consul.get(f"/v1/session/info/{found}")
    assert info.text == (
        f'[{{"ID":"{found}","Name":"","Node":"test-node","LockDelay":15000000000,"Behavior":"release","TTL":"",'
        f'"NodeChecks":["serfHealth"],"ServiceChecks":null,"CreateIndex":{info.index},"ModifyIndex":{info.index}}}]'
    )
    assert {name: one for name, one in info.headers.items() if name.startswith("x-consul")} == {
        "x-consul-default-acl-policy": "allow",
        "x-consul-index": str(info.index),
        "x-consul-knownleader": "true",
        "x-consul-lastcontact": "0",
        "x-consul-query-backend": "blocking-query",
    }


async def test_the_life_of_a_session(consul: Client) -> None:
    one = await session(consul, Name="n", TTL="10s", Behavior="delete", LockDelay="20s")
    found = await shown(consul, one)
    assert {name: found[name] for name in ("Name", "TTL", "Behavior", "LockDelay")} == {
        "Name": "n", "TTL": "10s", "Behavior": "delete", "LockDelay": 20 * 10**9,
    }  # fmt: skip
    renewed = await consul.send(f"PUT /v1/session/renew/{one.upper()}")
    assert (renewed.status, renewed.json) == (200, [found])
    assert not any(name.startswith(("x-consul-index", "x-consul-known")) for name in renewed.headers)
    await end(consul, one.upper())
    assert not await lives(consul, one)
    gone = await consul.send(f"PUT /v1/session/renew/{one}")
    assert (gone.status, gone.text, gone.headers["content-type"]) == (404, f"Session id '{one}' not found", TEXT)
    await end(consul, one)


@pytest.mark.parametrize("unknown", [NOBODY, "not-a-uuid", "a/b/c", "x" * 3000])
async def test_what_is_no_session_is_none(consul: Client, unknown: str) -> None:
    await end(consul, unknown)
    assert (await consul.get(f"/v1/session/info/{unknown}")).text == "[]"
    answer = await consul.send(f"PUT /v1/session/renew/{unknown}")
    assert (answer.status, answer.text) == (404, f"Session id '{unknown}' not found")


async def test_lists_are_in_the_order_of_ids_and_by_node(consul: Client) -> None:
    await consul.register("Other")
    own = [await session(consul) for _ in range(5)]
    others = [await session(consul, Node="OTHER", NodeChecks=[]) for _ in range(3)]
    assert await ids(consul, "list") == sorted(own + others)
    assert await ids(consul, "node/TEST-node") == sorted(own)
    assert await ids(consul, "node/other") == sorted(others)
    assert (await shown(consul, others[0]))["Node"] == "OTHER"
    assert (await consul.get("/v1/session/node/nobody")).text == "[]"
    assert (await consul.get("/v1/session/list?filter=((")).status == 200


async def test_all_three_reads_show_the_index_of_the_last_change_of_any(consul: Client) -> None:
    targets = ("list", "node/nobody", f"info/{NOBODY}")

    async def index() -> int:
        (one,) = {await consul.index(f"/v1/session/{target}") for target in targets}
        return one

    assert await index() == 1
    one = await session(consul, TTL="30s")
    begun = await index()
    assert begun == (await shown(consul, one))["CreateIndex"]
    await consul.send(f"PUT /v1/session/renew/{one}")
    await put(consul, f"k?acquire={one}")
    await end(consul, NOBODY)
    assert await index() == begun
    await end(consul, one)
    assert await index() > begun


# Mistakes


CONFLICT = "Cannot specify ?stale with ?consistent, conflicting semantics."


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        ("PUT /v1/session/destroy/", 400, "Missing session"),
        ("PUT /v1/session/renew/?dc=mars", 400, "Missing session"),
        ("GET /v1/session/info/?dc=mars", 400, "Missing session"),
        ("GET /v1/session/node/", 400, "Missing node name"),
        ("PUT /v1/session/renew/x?dc=mars", 500, "No path to datacenter"),
        ("PUT /v1/session/destroy/x?datacenter=mars", 500, "No path to datacenter"),
        ("PUT /v1/session/create?dc=mars", 500, "No path to datacenter"),
        ("GET /v1/session/list?index=x", 400, "Invalid index"),
        ("GET /v1/session/info/?wait=5", 400, "Invalid wait time"),
        ("PUT /v1/session/destroy/x?index=x", 200, "true"),
        ("PUT /v1/session/renew/?index=x", 400, "Invalid index"),
        ("PUT /v1/session/renew/x?wait=5", 400, "Invalid wait time"),
        ("PUT /v1/session/renew/x?stale&consistent", 400, CONFLICT),
    ],
)
async def test_what_is_refused(consul: Client, line: str, status: int, text: str) -> None:
    answer = await consul.send(line)
    assert (answer.status, answer.text) == (status, text)
    assert "x-consul-index" not in answer.headers


@pytest.mark.parametrize("line", ["PUT /v1/session/create", "PUT /v1/session/renew/", "GET /v1/session/info/"])
async def test_namespaces_come_first(consul: Client, line: str) -> None:
    answer = await consul.send(f"{line}?dc=mars&ns=x", body=b"{")
    text = 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'
    assert (answer.status, answer.text) == (400, text)


@pytest.mark.parametrize("target", ["list", "node/n", "info/x"])
async def test_a_read_that_fails_late_has_the_headers_of_an_index(consul: Client, target: str) -> None:
    answer = await consul.get(f"/v1/session/{target}?dc=mars")
    assert (answer.status, answer.text, answer.index) == (500, "No path to datacenter", 1)
    assert (answer.headers["x-consul-knownleader"], answer.headers["x-consul-lastcontact"]) == ("false", "0")


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("create", "PUT"),
        ("destroy/x", "PUT"),
        ("renew/x", "PUT"),
        ("info/x", "GET"),
        ("node/x", "GET"),
        ("list", "GET"),
    ],
)
async def test_methods(consul: Client, target: str, allowed: str) -> None:
    for method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        if method != allowed:
            answer = await consul.send(f"{method} /v1/session/{target}", body=b"")
            assert (answer.status, answer.headers["allow"]) == (405, f"OPTIONS,{allowed}")


# TTL


async def test_a_session_ends_after_twice_its_ttl_without_renewal(consul: Client) -> None:
    one = await session(consul, TTL="10s", LockDelay="5s")
    await put(consul, f"k?acquire={one}")
    await consul.server.advance(8)
    await consul.send(f"PUT /v1/session/renew/{one}")
    await consul.server.advance(19.5)
    assert (await entry(consul, "k"))["Session"] == one
    await consul.server.advance(1)
    assert not await lives(consul, one)
    assert "Session" not in await entry(consul, "k")
    two = await session(consul)
    assert not await put(consul, f"k?acquire={two}")
    await consul.server.advance(5)
    assert await put(consul, f"k?acquire={two}")


async def test_only_renewals_keep_a_session(consul: Client) -> None:
    one = await session(consul, TTL="10s")
    for _ in range(3):
        await consul.server.advance(7)
        if await lives(consul, one):
            await put(consul, f"k?acquire={one}")
    assert not await lives(consul, one)


async def test_a_session_without_a_ttl_stays(consul: Client) -> None:
    found = [await session(consul, TTL=ttl) for ttl in ("", "0", "0s", "0m")]
    await consul.server.advance(60)
    for one, ttl in zip(found, ("", "0", "0s", "0m"), strict=True):
        assert (await shown(consul, one))["TTL"] == ttl
        assert (await consul.send(f"PUT /v1/session/renew/{one}")).status == 200


async def test_the_factor_of_the_ttl_is_a_setting() -> None:
    async with configured(session_expiry_factor=1.0) as consul:
        one = await session(consul, TTL="10s")
        await consul.server.advance(9.5)
        assert await lives(consul, one)
        await consul.server.advance(1)
        assert not await lives(consul, one)


# Waiting


async def test_who_waits_for_a_session_hears_of_that_one_alone(consul: Client) -> None:
    one = await session(consul, TTL="1h")
    watcher = await consul.follow(f"/v1/session/info/{one}")
    two = await session(consul)
    await consul.send(f"PUT /v1/session/renew/{one}")
    await end(consul, two)
    await consul.server.advance(0)
    assert not watcher.done()
    await end(consul, one)
    answer = await watcher
    assert (answer.text, answer.index) == ("[]", await consul.index("/v1/session/list"))


async def test_a_wait_for_a_session_that_comes_to_its_end_shows_the_newer_index(consul: Client) -> None:
    one = await session(consul)
    watcher = await consul.follow(f"/v1/session/info/{one}", wait="5s")
    await session(consul)
    await consul.server.advance(5)
    answer = await watcher
    assert answer.json == [await shown(consul, one)]
    assert answer.index == await consul.index("/v1/session/list")


@pytest.mark.parametrize("target", ["list", "node/test-node", "node/nobody"])
async def test_who_waits_for_a_list_hears_of_every_session(consul: Client, target: str) -> None:
    one = ""
    for _ in ("begin", "end"):
        watcher = await consul.follow(f"/v1/session/{target}")
        await end(consul, NOBODY)
        await put(consul, "k", one.encode())
        await consul.server.advance(0)
        assert not watcher.done()
        if one:
            await end(consul, one)
        else:
            one = await session(consul)
        assert (await watcher).lasting() == (await consul.get(f"/v1/session/{target}")).lasting()


async def test_a_ttl_that_runs_out_releases_who_waits(consul: Client) -> None:
    one = await session(consul, TTL="10s", LockDelay="0s")
    await put(consul, f"k?acquire={one}")
    targets = (f"/v1/session/info/{one}", "/v1/session/list", "/v1/kv/k", "/v1/kv/?recurse")
    watchers = [await consul.follow(target) for target in targets]
    await consul.server.advance(21)
    for target, answer in zip(targets, await asyncio.gather(*watchers), strict=True):
        assert answer.lasting() == (await consul.get(target)).lasting()
