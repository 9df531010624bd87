"""What a replica shows of agents that another one has just been told of, in the dialects of agents."""

import asyncio

import pytest

from registry.commands import RaiseLevel
from registry.commands.codec import LEVEL
from tests.contract.consul.replicas import Replica, pair

READS = ("/agents", "/agents/type/cost", "/agents/ID", "/api/v1/agents", "/api/v1/agents/ID", "/api/v1/metrics")

FR0G_READS = ("/v1/catalog/services", "/v1/catalog/service/cost", "/v1/health/service/ID")


async def registered(one: Replica) -> str:
    """The id of a new agent, on replicas that all know of agents."""
    await one.server.engine.propose(RaiseLevel(LEVEL))
    answer = await one.send("POST /agents/register", body=b'{"name":"n","type":"cost","host":"h","port":1}')
    found: str = answer.json["agent_id"]
    return found


@pytest.mark.parametrize("path", READS)
async def test_consistent_reads_show_what_any_replica_has_acknowledged(path: str) -> None:
    async with pair(consistent_reads=True) as (one, two):
        agent_id = await registered(one)
        await two.caught_up(one)
        two.wire.hold()
        assert (await one.send(f"POST /api/v1/agents/{agent_id}/stop")).status == 200
        before = two.wire.asked
        reading = asyncio.ensure_future(two.send(f"GET {path.replace('ID', agent_id)}"))
        await two.asked(before + 1)
        two.wire.let_go()
        answer = await reading
        assert answer.status == 200
        assert path.endswith("metrics") or b"stopped" in answer.body


@pytest.mark.parametrize("path", FR0G_READS)
async def test_consistent_reads_of_fr0g_do_so_too(path: str) -> None:
    async with pair(consistent_reads=True, shape="fr0g") as (one, two):
        agent_id = await registered(one)
        await two.caught_up(one)
        two.wire.hold()
        assert (await one.send(f"POST /api/v1/agents/{agent_id}/stop")).status == 200
        before = two.wire.asked
        reading = asyncio.ensure_future(two.send(f"GET {path.replace('ID', agent_id)}"))
        await two.asked(before + 1)
        two.wire.let_go()
        assert b"critical" in (await reading).body


@pytest.mark.parametrize("path", READS)
async def test_other_reads_are_answered_from_memory_also_without_the_store(path: str) -> None:
    async with pair() as (one, two):
        agent_id = await registered(one)
        await two.caught_up(one)
        two.wire.cut()
        assert (await two.send(f"GET {path.replace('ID', agent_id)}")).status == 200
        assert two.wire.asked == 0


async def test_consistent_reads_fail_while_the_store_is_away() -> None:
    async with pair(consistent_reads=True) as (one, two):
        agent_id = await registered(one)
        await two.caught_up(one)
        two.wire.cut()
        for path in READS:
            answer = await two.send(f"GET {path.replace('ID', agent_id)}")
            assert (answer.status, list(answer.json)) == (503, ["error"])
