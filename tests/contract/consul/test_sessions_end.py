"""What ends a session besides its own request, and the checks that follow sessions. Source: session.md §5, §7."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.keys import end, entry, lives, put, session

pytestmark = pytest.mark.usefixtures("every_command")

NO_DELAY = {"LockDelay": "0s"}


def check(status: str, **more: Any) -> dict[str, Any]:
    return {"CheckID": "c", "Name": "c", "Status": status, **more}


async def bound(consul: Client, **body: Any) -> str:
    """A session that holds a key."""
    one = await session(consul, **NO_DELAY, **body)
    assert await put(consul, f"k?acquire={one}")
    return one


async def fell(consul: Client, one: str) -> bool:
    """Whether a session has ended and its key is free, of which there cannot be one alone."""
    ended = not await lives(consul, one)
    assert ("Session" in await entry(consul, "k")) == (not ended)
    return ended


# Checks


async def test_a_check_that_is_written_as_critical_ends_the_session(consul: Client) -> None:
    await consul.register("n", Check=check("passing"))
    one = await bound(consul, Node="n", NodeChecks=["C"])
    for status in ("passing", "warning"):
        await consul.add("n", Check=check(status, Output=status))
        assert not await fell(consul, one)
    await consul.add("n", Check=check("critical"))
    assert await fell(consul, one)


async def test_other_checks_do_not_matter(consul: Client) -> None:
    await consul.register("n", Checks=[check("passing"), check("passing", CheckID="d")])
    await consul.register("m", Check=check("passing"))
    one = await bound(consul, Node="n", NodeChecks=["c"])
    await consul.add("n", Check=check("critical", CheckID="d"))
    await consul.add("m", Check=check("critical"))
    await consul.deregister("n", CheckID="d")
    await consul.register("n", address="10.0.0.9")
    assert not await fell(consul, one)


@pytest.mark.parametrize("field", ["NodeChecks", "Checks", "ServiceChecks"])
async def test_a_ttl_check_of_the_agent_that_runs_out_or_is_failed(consul: Client, field: str) -> None:
    for failure in ("run out", "fail", "update"):
        await consul.send("PUT /v1/agent/check/deregister/t")
        ttl = {"ID": "t", "Name": "t", "TTL": "10s", "Status": "passing"}
        await consul.put("/v1/agent/check/register", ttl)
        one = await bound(consul, **{field: [{"ID": "t"} if field == "ServiceChecks" else "t"]})
        await consul.server.advance(5)
        assert not await fell(consul, one)
        if failure == "run out":
            await consul.server.advance(6)
        elif failure == "fail":
            await consul.send("PUT /v1/agent/check/fail/t")
        else:
            await consul.put("/v1/agent/check/update/t", {"Status": "critical"})
        assert await fell(consul, one)


async def test_a_check_that_is_removed_ends_the_session(consul: Client) -> None:
    await consul.register("n", Check=check("passing"))
    one = await bound(consul, Node="n", NodeChecks=["c"])
    await consul.deregister("n", CheckID="c")
    assert await fell(consul, one)


async def test_a_service_takes_the_sessions_of_its_checks_with_it(consul: Client) -> None:
    await consul.register("n", Service={"Service": "web"}, Check=check("passing", ServiceID="web"))
    one = await bound(consul, Node="n", NodeChecks=[], ServiceChecks=[{"ID": "c"}])
    free = await session(consul, Node="n", NodeChecks=[])
    tied = await session(consul, Node="n", NodeChecks=["c"])
    await consul.deregister("n", ServiceID="web")
    assert await fell(consul, one)
    assert [await lives(consul, other) for other in (free, tied)] == [True, False]


async def test_maintenance_ends_no_session(consul: Client) -> None:
    await consul.put(
        "/v1/agent/service/register", {"Name": "web", "Check": {"CheckID": "c", "TTL": "1h", "Status": "passing"}}
    )
    one = await bound(consul, ServiceChecks=[{"ID": "c"}])
    await consul.send("PUT /v1/agent/service/maintenance/web?enable=true")
    await consul.send("PUT /v1/agent/maintenance?enable=true")
    assert not await fell(consul, one)
    await consul.send("PUT /v1/agent/service/deregister/web")
    assert await fell(consul, one)


# Nodes


async def _deregistered(consul: Client) -> None:
    await consul.deregister("n")


async def _renamed(consul: Client) -> None:
    await consul.register("renamed", ID="a1b2c3d4-2222-3333-4444-555555555555")


@pytest.mark.parametrize("change", [_deregistered, _renamed])
async def test_a_node_takes_all_its_sessions_with_it(
    consul: Client, change: Callable[[Client], Awaitable[None]]
) -> None:
    await consul.register("n", ID="a1b2c3d4-2222-3333-4444-555555555555", Check=check("passing"))
    one, two = await bound(consul, Node="N", NodeChecks=[]), await session(consul, Node="n", NodeChecks=["c"])
    own = await session(consul)
    watcher = await consul.follow("/v1/kv/k")
    await change(consul)
    assert await fell(consul, one)
    assert (await watcher).index == await consul.index("/v1/kv/k")
    assert [await lives(consul, other) for other in (two, own)] == [False, True]


# Checks of the type session


async def follower(consul: Client, node: str = "n", check_id: str = "held") -> dict[str, Any]:
    found = {one["CheckID"]: one for one in (await consul.get(f"/v1/health/node/{node}")).json}
    assert isinstance(found[check_id], dict)
    return found[check_id]


async def register_follower(consul: Client, check_id: str = "held", name: str = "leader") -> None:
    await consul.register(
        "n",
        Check={"CheckID": check_id, "Name": "held", "Type": "session", "Status": "critical",
               "Definition": {"SessionName": name}},
    )  # fmt: skip


async def test_a_check_follows_the_sessions_of_a_name(consul: Client) -> None:
    await register_follower(consul)
    first = await follower(consul)
    assert (first["Status"], first["Definition"]) == ("critical", {"SessionName": "leader"})
    await session(consul, Node="n", NodeChecks=[], Name="other")
    await session(consul, Name="leader")  # on another node
    assert (await follower(consul)) == first
    watcher = await consul.follow("/v1/health/node/n")
    one = await session(consul, Node="n", NodeChecks=[], Name="leader")
    (shown,) = (await watcher).json
    assert (shown["Status"], shown["Output"]) == ("passing", f"Session '{one}' in force")
    assert shown["ModifyIndex"] == first["ModifyIndex"]
    two = await session(consul, Node="n", NodeChecks=[], Name="leader")
    await end(consul, one)  # nobody counts
    found = await follower(consul)
    assert (found["Status"], found["Output"]) == ("critical", f"Session '{one}' is invalid")
    assert await lives(consul, two)


async def test_a_critical_check_of_the_type_session_does_not_hinder_its_own(consul: Client) -> None:
    await register_follower(consul)
    one = await session(consul, Node="n", NodeChecks=["held"], Name="leader")
    two = await session(consul, Node="n", NodeChecks=["held"], Name="leader")
    assert (await follower(consul))["Status"] == "passing"
    await end(consul, one)
    assert not await lives(consul, two)  # it is bound to the check, which became critical at the same index
    assert (await follower(consul))["Output"] == f"Session '{two}' is invalid"


async def test_such_a_check_is_not_the_agents(consul: Client) -> None:
    for field in ("Type", "SessionName"):
        answer = await consul.put("/v1/agent/check/register", {"Name": "x", "TTL": "10s", field: "session"})
        assert (answer.status, answer.text) == (400, f'Request decode failed: json: unknown field "{field}"')
