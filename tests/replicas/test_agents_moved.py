"""Agents over one Redis with three replicas: whichever of them is asked, there is one record (dialects.md §2.3).

Time is moved; Redis and the way of each entry through it are real. What runs out is in `test_agents_expire.py`.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.rest import RestClient
from tests.replicas.moved import replicas, together, until
from tests.replicas.redis_server import RedisServer
from tests.stores import empty_namespace

COST = {"name": "n", "type": "cost", "host": "h", "port": 1, "metadata": {"a": [1]}}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
Three = list[RestClient]


@pytest.fixture
async def three(redis_server: RedisServer) -> AsyncIterator[Three]:
    """Clients of three replicas."""
    async with replicas(empty_namespace(redis_server), 3) as clients:
        yield clients


async def registered(rest: RestClient, **changed: Any) -> str:
    answer = await rest.post("/agents/register", {**COST, **changed})
    assert answer.status == 201, answer
    return str(answer.value["agent_id"])


async def beat(rest: RestClient, agent_id: str, **body: Any) -> int:
    return (await rest.post(f"/agents/{agent_id}/heartbeat", body)).status


async def statuses(three: Three, agent_id: str) -> set[str]:
    """What all replicas together say of an agent, once they have applied the same."""
    await together(three)
    answers = [await rest.get(f"/agents/{agent_id}") for rest in three]
    return {answer.value["status"] if answer.status == 200 else str(answer.status) for answer in answers}


async def test_registered_on_one_and_beaten_on_the_others(three: Three) -> None:
    agent_id = await registered(three[0])
    for place in range(6):
        await three[0].server.advance(30)
        assert await beat(three[1 + place % 2], agent_id) == 200
    assert await statuses(three, agent_id) == {"healthy"}
    seen = [(await rest.get(f"/agents/{agent_id}")).value["last_seen"] for rest in three]
    assert max(seen)[:17] == min(seen)[:17], "a beat on one is heard by all"


async def test_a_beat_on_one_replica_is_there_on_all_at_once_when_it_brings_news(three: Three) -> None:
    agent_id = await registered(three[0])
    assert await beat(three[1], agent_id, status="degraded", metadata={"b": {"c": None}}) == 200
    assert await statuses(three, agent_id) == {"degraded"}
    assert (await three[2].get(f"/agents/{agent_id}")).value["metadata"] == {"a": [1], "b": {"c": None}}


async def test_no_replica_brings_back_what_was_removed_by_somebody(three: Three) -> None:
    first = await registered(three[0])
    assert (await three[1].post(f"/agents/{first}/unregister")).status == 200
    assert [await beat(rest, first) for rest in three] == [404] * 3


async def test_tasks_are_done_once_whoever_was_given_them(three: Three) -> None:
    answer = await three[0].post("/api/v1/agents", {"name": "w", "type": "worker"})
    agent_id = answer.value["id"]
    assert (await three[1].post(f"/api/v1/agents/{agent_id}/start")).status == 200
    for number in range(12):
        answer = await three[number % 3].post(f"/api/v1/agents/{agent_id}/tasks", {"type": "t"})
        assert answer.status == 202, answer

    async def done() -> bool:
        await three[0].server.advance(0.2)
        figures = [(await rest.get("/api/v1/metrics")).value for rest in three]
        return [one["total_tasks_executed"] for one in figures] == [12] * 3

    await until(done, "the tasks are not done")
    await three[0].server.advance(5)
    await together(three)
    for rest in three:
        figures = (await rest.get("/api/v1/metrics")).value
        assert (figures["total_tasks_executed"], figures["total_tasks_failed"], figures["current_running_tasks"]) == (
            12, 0, 0,
        )  # fmt: skip


async def test_a_second_start_is_refused_by_a_replica_that_has_not_seen_the_first(three: Three) -> None:
    agent_id = (await three[0].post("/api/v1/agents", {"name": "w", "type": "worker"})).value["id"]
    answers = [await rest.post(f"/api/v1/agents/{agent_id}/start") for rest in three]
    assert [answer.status for answer in answers] == [200, 409, 409]


async def test_registrations_everywhere_are_one_list_in_one_order(three: Three) -> None:
    ids = [await registered(three[number % 3], port=1 + number) for number in range(9)]
    await together(three)
    lists = [[one["id"] for one in (await rest.get("/agents")).value["agents"]] for rest in three]
    assert lists[0] == lists[1] == lists[2]
    assert sorted(lists[0]) == sorted(ids)
