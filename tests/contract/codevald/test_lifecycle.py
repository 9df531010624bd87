"""The lifecycle: what each verb does in each state, who gives signs of life, what Consul's clients see (§4.3, §8.3)."""

import asyncio

import pytest

from tests.contract.codevald.cortex import AGENTS, Cortex, after_birth

SECOND_NS = 1_000_000_000
TO = {"created": (), "running": ("start",), "paused": ("start", "pause"), "stopped": ("stop",)}  # verbs that lead there


async def agent_in(cortex: Cortex, state: str) -> str:
    """A new agent in this state."""
    agent_id = await cortex.created()
    for verb in TO[state]:
        await cortex.moved(agent_id, verb)
    return agent_id


# Verbs


@pytest.mark.parametrize(
    ("state", "verb", "then"),
    [
        ("created", "start", "running"), ("created", "stop", "stopped"), ("created", "restart", "running"),
        ("running", "stop", "stopped"), ("running", "pause", "paused"), ("running", "restart", "running"),
        ("paused", "start", "running"), ("paused", "resume", "running"), ("paused", "stop", "stopped"),
        ("paused", "restart", "running"), ("stopped", "start", "running"), ("stopped", "stop", "stopped"),
        ("stopped", "restart", "running"),
    ],
)  # fmt: skip
async def test_a_verb_that_is_allowed_leads_to_its_state(cortex: Cortex, state: str, verb: str, then: str) -> None:
    agent_id = await agent_in(cortex, state)
    await cortex.server.advance(5)
    before = (await cortex.agent(agent_id))["updated_at"]
    agent = await cortex.moved(agent_id, verb)
    assert agent["state"] == then
    assert await cortex.agent(agent_id) == agent
    moved = (state, verb) != ("stopped", "stop")
    assert (agent["updated_at"] > before) is moved


@pytest.mark.parametrize(
    ("state", "verb", "status"),
    [
        ("running", "start", 409), ("created", "pause", 400), ("paused", "pause", 400), ("stopped", "pause", 400),
        ("created", "resume", 400), ("running", "resume", 400), ("stopped", "resume", 400),
    ],
)  # fmt: skip
async def test_a_verb_that_is_not_allowed_says_so_and_changes_nothing(
    cortex: Cortex, state: str, verb: str, status: int
) -> None:
    agent_id = await agent_in(cortex, state)
    before = await cortex.agent(agent_id)
    answer = await cortex.told(f"POST {AGENTS}/{agent_id}/{verb}")
    assert answer == (status, {"error": f"cannot {verb} agent in state: {state}"})
    assert await cortex.agent(agent_id) == before


async def test_stopping_again_counts_once(cortex: Cortex) -> None:
    """Row 3 of dialects.md §4.4: the original counts each, and its active agents go below zero."""
    agent_id = await cortex.started()
    for _ in range(3):
        await cortex.moved(agent_id, "stop")
    figures = await cortex.metrics()
    assert (figures["total_agents_stopped"], figures["current_active_agents"]) == (1, 0)
    await cortex.moved(agent_id, "start")
    await cortex.moved(agent_id, "stop")
    figures = await cortex.metrics()
    assert (figures["total_agents_created"], figures["total_agents_stopped"]) == (1, 2)


async def test_active_are_all_that_are_not_stopped(cortex: Cortex) -> None:
    for state in ("created", "running", "paused", "stopped"):
        await agent_in(cortex, state)
    await cortex.put("/v1/agent/service/register", {"Name": "web"})
    await cortex.moved("web", "restart")
    await cortex.post("/agents/register", {"name": "c", "type": "cost", "host": "h", "port": 1})
    assert (await cortex.metrics())["current_active_agents"] == 3


# Signs of life


async def test_an_agent_that_runs_gives_signs_of_life_by_itself(cortex: Cortex) -> None:
    agent_id = await cortex.started()
    await cortex.server.advance(155)
    agent = await cortex.agent(agent_id)
    assert agent["is_healthy"] is True
    if not cortex.server.engine.shared:  # whose time the test does not move
        assert after_birth(agent, "last_heartbeat") == 150
    assert (await cortex.checks(agent_id))[f"service:{agent_id}"][0] == "passing"


async def test_it_does_so_as_often_as_it_was_configured(cortex: Cortex) -> None:
    agent_id = await cortex.started(config={"HeartbeatInterval": 7 * SECOND_NS})
    await cortex.server.advance(16)
    if not cortex.server.engine.shared:
        assert after_birth(await cortex.agent(agent_id), "last_heartbeat") == 14


async def test_a_paused_agent_lives_on(cortex: Cortex) -> None:
    agent_id = await agent_in(cortex, "paused")
    await cortex.server.advance(150)
    assert (await cortex.agent(agent_id))["is_healthy"] is True


@pytest.mark.parametrize("state", ["created", "stopped"])
@pytest.mark.parametrize(("interval", "seconds"), [(None, 60), (5 * SECOND_NS, 10), ("1m", 120)])
async def test_one_that_does_not_run_is_not_healthy_after_two_intervals_and_stays_there(
    cortex: Cortex, state: str, interval: object, seconds: int
) -> None:
    agent_id = await cortex.created(config={"HeartbeatInterval": interval})
    if state == "stopped":
        await cortex.moved(agent_id, "start")
        await cortex.moved(agent_id, "stop")
    await cortex.server.advance(seconds - 1)
    assert (await cortex.agent(agent_id))["is_healthy"] is True
    await cortex.server.advance(2)
    agent = await cortex.agent(agent_id)
    assert (agent["is_healthy"], agent["state"]) == (False, state)
    assert after_birth(agent, "last_heartbeat") == pytest.approx(0, abs=0.2)
    await cortex.server.advance(150)
    assert (await cortex.agent(agent_id))["is_healthy"] is False
    assert (await cortex.moved(agent_id, "start"))["is_healthy"] is True


async def test_a_report_of_ill_health_does_not_count_only_silence_does(cortex: Cortex) -> None:
    """dialects.md §8.1: `is_healthy` of these agents is by liveness alone."""
    agent_id = await cortex.started()
    await cortex.put(f"/v1/agent/check/fail/service:{agent_id}")
    assert (await cortex.agent(agent_id))["is_healthy"] is True


# What Consul's clients see, and do


@pytest.mark.parametrize(
    ("state", "status"),
    [("created", "warning"), ("running", "passing"), ("paused", "warning"), ("stopped", "critical")],
)
async def test_the_lifecycle_is_a_check_of_consul(cortex: Cortex, state: str, status: str) -> None:
    agent_id = await agent_in(cortex, state)
    assert (await cortex.checks(agent_id))[f"agent-state:{agent_id}"] == (status, state)
    offered = [one["Service"]["ID"] for one in await cortex.consul("/v1/health/service/worker?passing")]
    assert offered == ([agent_id] if state == "running" else [])


async def test_maintenance_is_a_pause_that_leaves_the_state_as_it_is(cortex: Cortex) -> None:
    await cortex.put("/v1/agent/service/register", {"Name": "web"})
    running, stopped = await agent_in(cortex, "running"), await agent_in(cortex, "stopped")
    for service_id in ("web", running, stopped):
        await cortex.put(f"/v1/agent/service/maintenance/{service_id}?enable=true")
    shown = {service_id: (await cortex.agent(service_id))["state"] for service_id in ("web", running, stopped)}
    assert shown == {"web": "paused", running: "paused", stopped: "stopped"}
    assert {agent["id"] for agent in await cortex.listed("?state=paused")} == {"web", running}
    assert (await cortex.agent("web"))["is_healthy"] is False
    for service_id in ("web", running, stopped):
        await cortex.put(f"/v1/agent/service/maintenance/{service_id}?enable=false")
    assert (await cortex.agent(running))["state"] == "running"


async def test_a_verb_gives_any_instance_a_lifecycle(cortex: Cortex) -> None:
    """dialects.md §10.1: stop is a critical check, start makes it pass."""
    await cortex.put("/v1/agent/service/register", {"Name": "web", "Port": 80})
    assert (await cortex.moved("web", "stop"))["state"] == "stopped"
    assert (await cortex.checks("web"))["agent-state:web"] == ("critical", "stopped")
    assert (await cortex.agent("web"))["is_healthy"] is False
    assert (await cortex.moved("web", "start"))["state"] == "running"
    assert (await cortex.checks("web"))["agent-state:web"] == ("passing", "running")
    assert (await cortex.told(f"POST {AGENTS}/web/start"))[0] == 409
    assert (await cortex.metrics())["total_agents_stopped"] == 0


async def test_an_instance_of_another_node_has_none(cortex: Cortex) -> None:
    await cortex.put("/v1/catalog/register", {"Node": "n", "Address": "10.0.0.1", "Service": {"Service": "web"}})
    assert (await cortex.agent("n~web"))["state"] == "running"
    assert await cortex.told(f"POST {AGENTS}/n~web/stop") == (404, {"error": "agent not found"})


async def test_a_lifecycle_wakes_who_watches_the_service(cortex: Cortex) -> None:
    agent_id = await cortex.started()
    found = await cortex.get("/v1/health/service/worker?passing")
    assert len(found.value) == 1
    index = found.headers["X-Consul-Index"]
    watcher = asyncio.create_task(cortex.get(f"/v1/health/service/worker?passing&index={index}&wait=10m"))
    await cortex.server.parked(1)
    await cortex.moved(agent_id, "stop")
    assert (await watcher).value == []
