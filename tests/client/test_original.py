"""OptiInfra's own helper, unchanged, against our server (dialects.md §3.4 and §11)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from tests.client.moved import Waits
from tests.client.original import AgentRegistration
from tests.contract.rest import RestClient


@pytest.fixture
async def helper(rest: RestClient) -> AsyncIterator[tuple[AgentRegistration, Waits]]:
    """The helper, registered and beating."""
    waits = Waits()
    made = AgentRegistration(
        "cost-agent-1", "cost", "localhost", 8001, ["spot_migration"], rest.server.url, metadata={"cpu_usage": 45.5},
        wait=waits.on_thread,
    )  # fmt: skip
    assert await asyncio.to_thread(made.register) is True
    assert made.heartbeat_interval == 30
    made.start_heartbeat()
    await waits.begun()
    yield made, waits
    await asyncio.to_thread(made.stop_heartbeat_loop)


async def status(rest: RestClient, agent_id: str | None) -> str:
    answer = await rest.get(f"/agents/{agent_id}")
    return str(answer.value["status"]) if answer.status == 200 else str(answer.status)


async def test_it_registers_beats_and_unregisters(rest: RestClient, helper: tuple[AgentRegistration, Waits]) -> None:
    made, waits = helper
    for _ in range(4):
        await rest.server.advance(30)
        waits.left = 0
        await waits.begun()
        assert await status(rest, made.agent_id) == "healthy"
    (agent,) = (await rest.get("/agents/type/cost")).value["agents"]
    first, last = (datetime.fromisoformat(agent[key]) for key in ("registered_at", "last_seen"))
    assert (agent["id"], round((last - first).total_seconds())) == (made.agent_id, 120)
    assert agent["metadata"] == {"cpu_usage": 45.5}
    await asyncio.to_thread(made.unregister)
    assert (await rest.get("/agents")).value == {"agents": [], "count": 0}


@pytest.mark.parametrize(("pause", "meanwhile"), [(46, "unreachable"), (106, "404"), (120, "404"), (600, "404")])
async def test_its_next_beat_brings_it_back_after_a_pause(
    rest: RestClient, helper: tuple[AgentRegistration, Waits], pause: int, meanwhile: str
) -> None:
    """It would never register again."""
    made, waits = helper
    await rest.server.advance(pause)
    assert await status(rest, made.agent_id) == meanwhile
    waits.left = 0
    await waits.begun()
    assert await status(rest, made.agent_id) == "healthy"


async def test_what_it_unregistered_stays_away(rest: RestClient, helper: tuple[AgentRegistration, Waits]) -> None:
    made, waits = helper
    await asyncio.to_thread(made.unregister)
    made.start_heartbeat()
    await waits.begun()
    assert await status(rest, made.agent_id) == "404"


async def test_a_url_with_a_slash_at_its_end_is_as_good(rest: RestClient) -> None:
    made = AgentRegistration("n", "t", "h", 1, [], rest.server.url + "/")
    assert await asyncio.to_thread(made.register) is True
    await asyncio.to_thread(made.unregister)
    assert await status(rest, made.agent_id) == "404"


async def test_what_is_refused_is_false(rest: RestClient) -> None:
    made = AgentRegistration("n", "", "h", 1, [], rest.server.url)
    assert await asyncio.to_thread(made.register) is False
    assert made.agent_id is None
