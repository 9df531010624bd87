"""Tasks: what is queued, who works at what, what is counted, and what is sent to whom (dialects.md §4.2, §4.3)."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from registry import testing
from tests.contract.codevald.cortex import AGENTS, Cortex
from tests.contract.codevald.listener import PATIENCE_SECONDS, TaskListener, task_listener

TASK_ID = re.compile(r"task-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ONE_OF_TWO = {"MaxConcurrentTasks": 1, "TaskQueueSize": 2}


@pytest.fixture
async def listener() -> AsyncIterator[TaskListener]:
    """An agent that listens for tasks, and answers that they are done."""
    async with task_listener() as listening:
        yield listening


async def submit(cortex: Cortex, agent_id: str, body: Any = None) -> tuple[int, Any]:
    return await cortex.told(f"POST {AGENTS}/{agent_id}/tasks", {"type": "work"} if body is None else body)


async def optiinfra(cortex: Cortex, listener: TaskListener) -> str:
    status, answer = await cortex.told("POST /agents/register", listener.registration)
    assert status == 201
    found: str = answer["agent_id"]
    return found


async def figures(cortex: Cortex) -> tuple[int, int, int]:
    """Tasks done, failed, and under way."""
    counted = await cortex.metrics()
    return counted["total_tasks_executed"], counted["total_tasks_failed"], counted["current_running_tasks"]


async def settled(cortex: Cortex, done: int, failed: int) -> None:
    """Wait until so many tasks have come to their end, over a real connection."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await figures(cortex) != (done, failed, 0):  # noqa: ASYNC110 - nothing tells a client of it
            await asyncio.sleep(0)


# The queue


async def test_a_task_is_taken_with_an_id_of_ours(cortex: Cortex) -> None:
    agent_id = await cortex.started()
    status, answer = await submit(cortex, agent_id, {"type": "t", "payload": [1, {"a": None}], "priority": -3})
    assert (status, answer["agent_id"], answer["message"]) == (202, agent_id, "task submitted successfully")
    assert TASK_ID.fullmatch(answer["task_id"])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF"), (b"{}", "type is required"), (b'{"type": 1}', "type: a number"),
        (b'{"type": "t", "timeout": "30s"}', "timeout: a string where a whole number is needed"),
        (b'{"type": "t", "timeout": -1}', "timeout: -1 is not within"),
        (b'{"type": "t", "priority": 1.5}', "priority: a number where a whole number is needed"),
        (b'{"type": "t", "payload": %s}' % (b"[" * 101 + b"]" * 101), "payload: more than 100 levels"),
        (b'{"type": "t", "payload": %s}' % (b"[" * 9_000 + b"]" * 9_000), "more than 100 levels"),
    ],
)  # fmt: skip
async def test_a_wrong_body_is_told_before_the_id_is_looked_at(cortex: Cortex, body: bytes, problem: str) -> None:
    status, answer = await submit(cortex, "nobody", body)
    assert status == 400
    assert problem in answer["error"]


async def test_a_payload_may_have_whole_numbers_of_any_size(cortex: Cortex) -> None:
    agent_id = await cortex.started()
    assert (await submit(cortex, agent_id, {"type": "t", "payload": {"n": [2**64, -(2**80)]}}))[0] == 202
    await cortex.server.advance(0.2)
    assert await figures(cortex) == (1, 0, 0)


async def test_nobody_takes_no_tasks(cortex: Cortex) -> None:
    assert await submit(cortex, "nobody") == (404, {"error": "agent not found"})


async def test_a_full_queue_takes_no_more(cortex: Cortex) -> None:
    """dialects.md §11: of a queue of two the third is refused. What is worked at is not in the queue any more."""
    agent_id = await cortex.created(config=ONE_OF_TWO)
    assert [(await submit(cortex, agent_id))[0] for _ in range(3)] == [202, 202, 503]
    assert await submit(cortex, agent_id) == (503, {"error": "task queue is full"})
    await cortex.moved(agent_id, "start")
    assert [(await submit(cortex, agent_id))[0] for _ in range(2)] == [202, 503]
    await cortex.server.advance(0.2)
    assert (await submit(cortex, agent_id))[0] == 202


async def test_a_stopped_agent_takes_none_ever(cortex: Cortex) -> None:
    """Row 4 of dialects.md §4.4: not at random."""
    agent_id = await cortex.started()
    await cortex.moved(agent_id, "stop")
    for _ in range(20):
        assert await submit(cortex, agent_id) == (409, {"error": "agent is stopped"})


async def test_a_task_has_a_size_limit() -> None:
    async with testing.server(max_task_bytes=100) as server:
        cortex = Cortex(server)
        await cortex.know_agents()
        agent_id = await cortex.created()
        assert (await submit(cortex, agent_id, {"type": "t", "payload": "x" * 50}))[0] == 202
        status, answer = await submit(cortex, agent_id, {"type": "t", "payload": "x" * 100})
        assert (status, "max_task_bytes" in answer["error"]) == (413, True)
        await cortex.close()


# Work


@pytest.mark.parametrize("state", ["created", "paused"])
async def test_tasks_wait_until_their_agent_runs(cortex: Cortex, state: str) -> None:
    agent_id = await cortex.created()
    if state == "paused":
        await cortex.moved(agent_id, "start")
        await cortex.moved(agent_id, "pause")
    for _ in range(3):
        await cortex.submitted(agent_id)
    await cortex.server.advance(60)
    assert await figures(cortex) == (0, 0, 0)
    await cortex.moved(agent_id, "start")
    assert await figures(cortex) == (0, 0, 3)
    await cortex.server.advance(0.2)
    assert await figures(cortex) == (3, 0, 0)


async def test_an_agent_works_at_as_many_as_it_was_configured_to(cortex: Cortex) -> None:
    agent_id = await cortex.created(config={"max_concurrent_tasks": 2})
    for _ in range(5):
        await cortex.submitted(agent_id)
    await cortex.moved(agent_id, "start")
    seen = []
    for _ in range(4):
        seen.append(await figures(cortex))
        await cortex.server.advance(0.1)
    assert seen == [(0, 0, 2), (2, 0, 2), (4, 0, 1), (5, 0, 0)]


async def test_a_task_of_an_agent_that_is_stopped_meanwhile_comes_to_its_end(cortex: Cortex) -> None:
    agent_id = await cortex.started(config={"MaxConcurrentTasks": 1})
    for _ in range(2):
        await cortex.submitted(agent_id)
    await cortex.moved(agent_id, "stop")
    await cortex.server.advance(10)
    assert await figures(cortex) == (1, 0, 0)
    await cortex.moved(agent_id, "start")
    await cortex.server.advance(0.2)
    assert await figures(cortex) == (2, 0, 0)


async def test_a_task_that_may_not_take_as_long_as_one_takes_fails(cortex: Cortex) -> None:
    agent_id = await cortex.started(config={"TaskTimeout": "50ms"})
    await cortex.submitted(agent_id)
    await cortex.submitted(agent_id, timeout=1)
    await cortex.server.advance(0.2)
    assert await figures(cortex) == (1, 1, 0)


# Agents that listen


async def test_a_task_for_an_agent_that_listens_is_sent_to_it(cortex: Cortex, listener: TaskListener) -> None:
    agent_id = await optiinfra(cortex, listener)
    task_id = await cortex.submitted(agent_id, type="analyze", payload={"days": 7}, priority=2, timeout=30)
    await settled(cortex, 1, 0)
    assert listener.asked == [{
        "task_id": task_id, "task_type": "analyze", "parameters": {"days": 7}, "timeout_seconds": 30, "priority": 2,
        "metadata": {"agent_id": agent_id},
    }]  # fmt: skip
    assert listener.paths == ["POST /task"]


async def test_what_is_not_said_has_its_defaults(cortex: Cortex, listener: TaskListener) -> None:
    await cortex.submitted(await optiinfra(cortex, listener))
    (order,) = await listener.tasks(1)
    assert (order["parameters"], order["timeout_seconds"], order["priority"]) == ({}, 300, 0)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "failed", "error": "no data"},
        {"status": "running"},
        {"task_id": "x"},
        ["completed"],
        web.Response(status=500, text='{"status":"completed"}'),
        web.Response(text="completed"),
        web.Response(status=307, headers={"Location": "/elsewhere"}),
        web.Response(text='{"status":"completed","result":"' + "x" * (1 << 20) + '"}'),
    ],
    ids=["failed", "running", "no status", "no object", "500", "no JSON", "redirect", "too long"],
)
async def test_any_other_answer_is_a_failure(cortex: Cortex, listener: TaskListener, answer: Any) -> None:
    listener.answer = lambda order: answer
    await cortex.submitted(await optiinfra(cortex, listener))
    await settled(cortex, 0, 1)
    assert listener.paths == ["POST /task"]


async def test_an_agent_that_nobody_answers_for_is_a_failure(cortex: Cortex, listener: TaskListener) -> None:
    async with task_listener() as gone:
        agent_id = await optiinfra(cortex, gone)
    await cortex.submitted(agent_id)
    await settled(cortex, 0, 1)


async def test_an_answer_that_does_not_come_in_time_is_a_failure(cortex: Cortex, listener: TaskListener) -> None:
    listener.hold.clear()
    agent_id = await optiinfra(cortex, listener)
    await cortex.submitted(agent_id, timeout=20)
    await listener.tasks(1)
    await cortex.server.advance(19.9)
    assert await figures(cortex) == (0, 0, 1)
    await cortex.server.advance(0.2)
    await settled(cortex, 0, 1)


async def test_a_stopped_agent_is_sent_nothing_more(cortex: Cortex, listener: TaskListener) -> None:
    agent_id = await optiinfra(cortex, listener)
    await cortex.moved(agent_id, "pause")
    await cortex.submitted(agent_id)
    await cortex.moved(agent_id, "stop")
    assert await submit(cortex, agent_id) == (409, {"error": "agent is stopped"})
    assert listener.asked == []
    await cortex.moved(agent_id, "start")
    await listener.tasks(1)


async def test_the_task_of_an_agent_that_goes_meanwhile_is_left_off(cortex: Cortex, listener: TaskListener) -> None:
    listener.hold.clear()
    agent_id = await optiinfra(cortex, listener)
    await cortex.submitted(agent_id)
    await listener.tasks(1)
    await cortex.call(f"POST /agents/{agent_id}/unregister")
    listener.hold.set()
    await cortex.server.advance(1)
    assert await figures(cortex) == (0, 0, 0)


async def test_nothing_is_ever_sent_to_a_plain_service(cortex: Cortex, listener: TaskListener) -> None:
    """dialects.md §4.3: 409, and no request; neither to one that was given a lifecycle."""
    await cortex.put("/v1/agent/service/register", {"Name": "web", "Address": "127.0.0.1", "Port": listener.port})
    refusal = (409, {"error": "agent does not accept tasks"})
    assert await submit(cortex, "web") == refusal
    await cortex.moved("web", "restart")
    assert await submit(cortex, "web") == refusal
    await cortex.server.advance(1)
    assert listener.asked == []


async def test_an_agent_that_listens_nowhere_fails_its_tasks(cortex: Cortex) -> None:
    """The variant of dialects.md §3.5 registers agents without an address, too."""
    body = {"agent_id": "a", "agent_type": "cost"}
    assert (await cortex.told("POST /api/v1/agents/register", body))[0] == 200
    await cortex.submitted("a")
    await settled(cortex, 0, 1)
