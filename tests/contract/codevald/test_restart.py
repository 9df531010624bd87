"""What a restart of the server keeps: all of it, where the original loses half (dialects.md §4.4 and §11)."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from registry import testing
from registry.log.sqlite import SqliteLog
from registry.testing import FakeClock
from tests.contract.codevald.cortex import AGENTS, Cortex, after_birth
from tests.contract.codevald.listener import PATIENCE_SECONDS, task_listener

STATES = ("created", "running", "paused", "stopped")
AWAY_SECONDS = 3600.0


class Machine:
    """A disk and a clock; the registry on it is started and stopped by the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock = FakeClock()

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Cortex]:
        """A client of the registry as long as it is up; until the next time an hour goes by."""
        clock = self._clock
        log = SqliteLog(self._folder / "registry.db", now=clock.now, elapsed=clock.elapsed, writer=secrets.token_hex(4))
        async with testing.server(log=log, clock=clock) as server:
            cortex = Cortex(server)
            yield cortex
            await cortex.close()
        self._clock = FakeClock(clock.now() + AWAY_SECONDS)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def one_in_each_state(cortex: Cortex) -> dict[str, str]:
    """The ids of agents by their states."""
    ids = {state: await cortex.created(state, metadata={"n": state}) for state in STATES}
    for state in STATES[1:]:
        await cortex.moved(ids[state], "start")
    await cortex.moved(ids["paused"], "pause")
    await cortex.moved(ids["stopped"], "stop")
    return ids


async def test_every_agent_is_there_as_it_was(machine: Machine) -> None:
    """Row 7: and in the same order."""
    fixed = ("id", "name", "type", "state", "metadata", "created_at", "updated_at", "is_healthy")
    async with machine.up() as cortex:
        ids = await one_in_each_state(cortex)
        before = [{key: one[key] for key in fixed} for one in await cortex.listed()]
    async with machine.up() as cortex:
        assert [{key: one[key] for key in fixed} for one in await cortex.listed()] == before
    assert {one["name"]: one["id"] for one in before} == ids


@pytest.mark.parametrize("verb", ["stop", "pause", "restart"])
async def test_a_kept_agent_that_runs_can_be_moved(machine: Machine, verb: str) -> None:
    """Row 1: in the original these requests crash, and start refuses because it runs still."""
    async with machine.up() as cortex:
        agent_id = await cortex.started()
    async with machine.up() as cortex:
        await cortex.moved(agent_id, verb)
        if verb != "restart":
            assert (await cortex.moved(agent_id, "start"))["state"] == "running"


async def test_a_kept_agent_works(machine: Machine) -> None:
    """Row 1."""
    async with machine.up() as cortex:
        agent_id = await cortex.started()
    async with machine.up() as cortex:
        await cortex.submitted(agent_id)
        await cortex.server.advance(0.2)
        assert (await cortex.metrics())["total_tasks_executed"] == 1


async def test_those_that_run_go_on_giving_signs_of_life_and_the_others_have_a_full_period(machine: Machine) -> None:
    """Row 2: nobody is ill because the server was away; in the original all are."""
    async with machine.up() as cortex:
        ids = await one_in_each_state(cortex)
        await cortex.server.advance(50)
    async with machine.up() as cortex:
        await cortex.server.advance(59)
        assert [one["is_healthy"] for one in await cortex.listed()] == [True] * 4
        await cortex.server.advance(2)
        agents = {one["name"]: one for one in await cortex.listed()}
        assert {name: one["is_healthy"] for name, one in agents.items()} == {
            "created": False, "running": True, "paused": True, "stopped": False,
        }  # fmt: skip
        assert after_birth(agents["running"], "last_heartbeat") >= 50 + AWAY_SECONDS + 61 - 30
        checks = await cortex.checks(ids["running"])
        assert {status for status, _ in checks.values()} == {"passing"}


async def test_counters_go_on(machine: Machine) -> None:
    """Row 6."""
    async with machine.up() as cortex:
        await one_in_each_state(cortex)
        agent_id = await cortex.started(config={"TaskTimeout": "1ms"})
        await cortex.submitted(agent_id)
        await cortex.submitted(agent_id, timeout=1)
        await cortex.server.advance(0.2)
        before = await cortex.metrics()
    assert before == {
        "total_agents_created": 5, "total_agents_stopped": 1, "total_tasks_executed": 1, "total_tasks_failed": 1,
        "current_active_agents": 4, "current_running_tasks": 0,
    }  # fmt: skip
    async with machine.up() as cortex:
        assert await cortex.metrics() == before
        await cortex.created()
        assert (await cortex.metrics())["total_agents_created"] == 6


async def test_the_limit_counts_those_of_before(machine: Machine) -> None:
    """Row 5."""
    async with machine.up() as cortex:
        ids = [await cortex.created() for _ in range(100)]
        await cortex.moved(ids[0], "stop")
        await cortex.created()
    async with machine.up() as cortex:
        assert (await cortex.call(f"POST {AGENTS}", {"name": "w", "type": "w"})).status == 429
        await cortex.moved(ids[1], "stop")
        await cortex.created()


async def test_queued_tasks_are_done_after_it_and_queues_are_as_full_as_they_were(machine: Machine) -> None:
    async with machine.up() as cortex:
        agent_id = await cortex.created(config={"TaskQueueSize": 2})
        for _ in range(2):
            await cortex.submitted(agent_id)
    async with machine.up() as cortex:
        assert (await cortex.call(f"POST {AGENTS}/{agent_id}/tasks", {"type": "t"})).status == 503
        await cortex.moved(agent_id, "start")
        await cortex.server.advance(0.2)
        assert (await cortex.metrics())["total_tasks_executed"] == 2


async def test_a_task_that_was_under_way_is_begun_anew_and_counted_once(machine: Machine) -> None:
    """At least once: the agent sees it twice, under the same id."""
    async with task_listener() as listener:
        listener.hold.clear()
        async with machine.up() as cortex:
            agent = (await cortex.call("POST /agents/register", listener.registration)).value["agent_id"]
            task_id = await cortex.submitted(agent)
            await listener.tasks(1)
            assert (await cortex.metrics())["current_running_tasks"] == 1
        async with machine.up() as cortex:
            await listener.tasks(2)
            listener.hold.set()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await cortex.metrics())["current_running_tasks"]:
                    await cortex.server.advance(0)
            assert (await cortex.metrics())["total_tasks_executed"] == 1
        assert [order["task_id"] for order in listener.asked] == [task_id, task_id]


async def test_a_deleted_agent_stays_deleted(machine: Machine) -> None:
    async with machine.up() as cortex:
        agent_id = await cortex.started()
        await cortex.submitted(agent_id)
        await cortex.call(f"DELETE {AGENTS}/{agent_id}")
    async with machine.up() as cortex:
        assert await cortex.listed() == []
        assert (await cortex.metrics())["current_running_tasks"] == 0


async def test_what_cannot_be_stored_did_not_happen(tmp_path: Path) -> None:
    """A full disk: fail fast on create, and no verb stands in memory alone (dialects.md M-14). Reads go on."""
    clock = FakeClock()
    log = SqliteLog(
        tmp_path / "registry.db", now=clock.now, elapsed=clock.elapsed, writer=secrets.token_hex(4), max_pages=60
    )
    async with testing.server(log=log, clock=clock) as server:
        cortex = Cortex(server)
        first = await cortex.started()
        body, created = {"name": "w", "type": "w", "metadata": {"x": "y" * 20_000}}, 1
        while (answer := await cortex.call(f"POST {AGENTS}", body)).status == 201:
            created += 1
        assert answer.status == 503
        assert answer.value["error"].startswith("failed to persist agent to registry: ")
        assert len(await cortex.listed()) == (await cortex.metrics())["total_agents_created"] == created
        big = {"type": "t", "payload": "x" * 60_000}
        assert (await cortex.call(f"POST {AGENTS}/{first}/tasks", big)).status == 503
        assert (await cortex.metrics())["current_running_tasks"] == 0
        await cortex.close()
