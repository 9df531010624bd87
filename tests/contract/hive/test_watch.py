"""WatchAgents: what happens to agents, as it happens (dialects.md §5.4)."""

import asyncio
from typing import Any

import grpc
import pytest

from registry import testing
from tests.contract.hive.hive import Hive, Watch, pb

Code = grpc.StatusCode
Kinds = pb.AgentChangeEvent


async def test_each_thing_that_happens_is_told_once_and_in_its_order(hive: Hive) -> None:
    before = await hive.register()
    watch = await hive.watch()
    agent_id = await hive.register()
    await hive.beat(agent_id)
    await hive.beat(agent_id, 0.4)
    await hive.beat(agent_id, 0.4)
    await hive.call("Deregister", pb.DeregisterRequest(agent_id=before))
    assert await watch.told(6) == [
        ("REGISTERED", agent_id), ("UPDATED", agent_id), ("UPDATED", agent_id), ("STATUS_CHANGED", agent_id),
        ("UPDATED", agent_id), ("DEREGISTERED", before),
    ]  # fmt: skip


async def test_an_event_brings_the_agent_as_it_is_then(hive: Hive) -> None:
    watch = await hive.watch()
    agent_id = await hive.register(pb.GUARD, version="7")
    now = int(hive.server.clock.now())
    event = await watch.event()
    assert (event.event_type, event.timestamp) == (Kinds.REGISTERED, now)
    assert event.agent == await hive.get(agent_id)
    await hive.server.advance(10)
    await hive.beat(agent_id, 0.2)
    updated, changed = await watch.event(), await watch.event()
    assert (updated.agent.status, updated.agent.last_seen, updated.timestamp) == (pb.UNHEALTHY, now + 10, now + 10)
    assert (changed.event_type, changed.agent.status) == (Kinds.STATUS_CHANGED, pb.UNHEALTHY)
    await hive.call("Deregister", pb.DeregisterRequest(agent_id=agent_id))
    gone = await watch.event()
    assert (gone.event_type, gone.agent.agent_type, gone.agent.version) == (Kinds.DEREGISTERED, pb.GUARD, "7")
    assert gone.agent.telemetry.success_rate == 0.2


async def test_a_type_can_be_watched_alone(hive: Hive) -> None:
    watch = await hive.watch(pb.SCOUT)
    worker, scout = await hive.register(), await hive.register(pb.SCOUT)
    await hive.beat(worker, 0.1)
    for agent_id in (worker, scout):
        await hive.call("Deregister", pb.DeregisterRequest(agent_id=agent_id))
    assert await watch.told(2) == [("REGISTERED", scout), ("DEREGISTERED", scout)]


async def test_who_watches_the_type_that_an_agent_leaves_is_told(hive: Hive) -> None:
    """M-3: a Consul client that registers the id under another name moves the agent."""
    agent_id = await hive.register(pb.WORKER)
    old, new, other = await hive.watch(pb.WORKER), await hive.watch(pb.SCOUT), await hive.watch(pb.GUARD)
    await hive.rest.put("/v1/agent/service/register", {"ID": agent_id, "Name": "scout"})
    for watch in (old, new):
        event = await watch.event()
        assert (event.event_type, event.agent.agent_id, event.agent.agent_type) == (Kinds.UPDATED, agent_id, pb.SCOUT)
    await hive.beat(agent_id)
    worker, guard = await hive.register(pb.WORKER), await hive.register(pb.GUARD)
    assert await old.told(1) == [("REGISTERED", worker)]
    assert await new.told(1) == [("UPDATED", agent_id)]
    assert await other.told(1) == [("REGISTERED", guard)]


async def test_silence_is_told_by_the_server(hive: Hive) -> None:
    agent_id = await hive.register()
    watch = await hive.watch()
    await hive.server.advance(61)
    assert await watch.told(1) == [("STATUS_CHANGED", agent_id)]
    await hive.server.advance(240)
    event = await watch.event()
    assert (event.event_type, event.agent.agent_id) == (Kinds.DEREGISTERED, agent_id)
    await hive.beat(agent_id)
    assert await watch.told(1) == [("REGISTERED", agent_id)]


async def test_what_other_systems_do_is_told_too(hive: Hive) -> None:
    watch = await hive.watch()
    await hive.rest.put("/v1/agent/service/register", {"Name": "web", "Check": {"TTL": "10s", "Status": "passing"}})
    await hive.rest.put("/v1/agent/check/fail/service:web")
    await hive.rest.put("/v1/agent/service/register", {"ID": "web", "Name": "other"})
    await hive.rest.put("/v1/agent/service/deregister/web")
    kinds = [kind for kind, _ in await watch.told(4)]
    assert kinds == ["REGISTERED", "STATUS_CHANGED", "UPDATED", "DEREGISTERED"]


@pytest.mark.parametrize(
    ("path", "body", "kinds"),
    [
        ("pass", None, ["UPDATED"]),
        ("pass?note=new", None, ["UPDATED"]),
        ("update", {"Status": "passing", "Output": "o"}, ["UPDATED"]),
        ("warn", None, ["UPDATED", "STATUS_CHANGED"]),
        ("fail", None, ["STATUS_CHANGED"]),
    ],
)
async def test_a_sign_of_life_is_told_whoever_speaks_for_the_agent(
    hive: Hive, path: str, body: Any, kinds: list[str]
) -> None:
    """A Consul client that passes the check of liveness gives a sign of life (dialects.md §2.2)."""
    agent_id = await hive.register()
    watch = await hive.watch()
    await hive.server.advance(10)
    verb, _, query = path.partition("?")
    answer = await hive.rest.put(f"/v1/agent/check/{verb}/service:{agent_id}?{query}", body)
    assert answer.status == 200
    last = await hive.register()
    assert await watch.told(len(kinds) + 1) == [*((kind, agent_id) for kind in kinds), ("REGISTERED", last)]


async def test_a_change_that_is_no_sign_of_life_moves_no_last_seen(hive: Hive) -> None:
    agent_id = await hive.register()
    watch = await hive.watch()
    before = (await hive.get(agent_id)).last_seen
    await hive.server.advance(10)
    service = (await hive.rest.get(f"/v1/agent/service/{agent_id}")).value
    body = {"ID": agent_id, "Name": "worker", "Tags": ["other"], "Address": service["Address"], "Meta": service["Meta"]}
    assert (await hive.rest.put("/v1/agent/service/register", body)).status == 200
    event = await watch.event()
    assert (event.event_type, list(event.agent.capabilities)) == (Kinds.UPDATED, ["other"])
    assert event.agent.last_seen == before == (await hive.get(agent_id)).last_seen


async def test_watchers_do_not_disturb_each_other(hive: Hive) -> None:
    first, second = await hive.watch(), await hive.watch()
    agent_id = await hive.register()
    first.call.cancel()
    await hive.beat(agent_id)
    assert await second.told(2) == [("REGISTERED", agent_id), ("UPDATED", agent_id)]


async def test_a_watcher_that_leaves_is_forgotten(hive: Hive) -> None:
    watch = await hive.watch()
    assert hive.server.engine.agents.feed.watched
    watch.call.cancel()
    while hive.server.engine.agents.feed.watched:  # noqa: ASYNC110 - the real time of a loopback connection
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("number", [-1, 5])
async def test_a_type_that_is_none_cannot_be_watched(hive: Hive, number: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await (await hive.watch(number)).event()
    assert refused.value.code() is Code.INVALID_ARGUMENT


async def test_a_slow_reader_is_cut_off_after_what_it_was_told() -> None:
    async with testing.server(grpc_port=0, hive_watch_events=3, shutdown_grace_seconds=0.1) as server:
        hive = Hive(server)
        await hive.know_agents()
        agent_id = await hive.register(metadata={"fat": "x" * 60_000})
        watch = await hive.watch()
        while server.engine.agents.feed.watched:  # beats that nobody reads fill the connection, then the queue
            await hive.beat(agent_id)
        told: list[tuple[str, str]] = []
        with pytest.raises(grpc.aio.AioRpcError) as cut:
            await _all_of(watch, told)
        assert cut.value.code() is Code.RESOURCE_EXHAUSTED
        assert "hive_watch_events" in (cut.value.details() or "")
        assert len(told) >= 3
        assert set(told) == {("UPDATED", agent_id)}
        await hive.close()


async def _all_of(watch: Watch, told: list[tuple[str, str]]) -> None:
    while True:
        told += await watch.told(1)


async def test_watchers_are_let_go_when_the_server_stops() -> None:
    async with testing.server(grpc_port=0) as server:
        hive = Hive(server)
        watch = await hive.watch()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await watch.event()
    assert ended.value.code() is Code.UNAVAILABLE
    assert "watch another one" in (ended.value.details() or "")  # not cut off when the grace was over
    await hive.close()
