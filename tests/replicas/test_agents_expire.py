"""Silent agents over one Redis with three replicas that are processes: found out once, removed once, brought back.

Time is real here, and short: an agent counts for a second, and is removed a second later (dialects.md §2.3).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.replicas.redis_server import RedisServer
from tests.replicas.replica import Replica, agreed

FLAGS = (
    "--optiinfra-ttl-seconds",
    "1",
    "--optiinfra-remove-seconds",
    "1",
    "--deregister-critical-minimum-seconds",
    "1",
)
WITHIN_SECONDS = 10.0
AGENT = {"name": "n", "type": "cost", "host": "h", "port": 1, "metadata": {"a": [1]}}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture
async def three(redis: RedisServer) -> AsyncIterator[list[Replica]]:
    """Three replicas that have come together."""
    replicas = [Replica(f"r{place}", redis.url("n", window=0.3), *FLAGS) for place in range(3)]
    try:
        await replicas[0].start()
        await asyncio.gather(*(replica.start() for replica in replicas[1:]))
        yield replicas
    finally:
        await asyncio.gather(*(replica.kill() for replica in replicas))


async def asked(replica: Replica, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    connection = await replica.connected()
    answer = await connection.ask(method, path, b"" if body is None else json.dumps(body).encode())
    await connection.close()
    return answer.status, json.loads(answer.body)


async def statuses(three: list[Replica], agent_id: str) -> list[str]:
    """What each replica says of an agent."""
    answers = [await asked(replica, "GET", f"/agents/{agent_id}") for replica in three]
    return [body["status"] if status == 200 else str(status) for status, body in answers]


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    give_up = time.monotonic() + WITHIN_SECONDS
    while not await holds():
        assert time.monotonic() < give_up, what
        await asyncio.sleep(0.02)


async def test_a_silent_agent_is_found_out_once_removed_once_and_brought_back_by_any(three: list[Replica]) -> None:
    status, reply = await asked(three[0], "POST", "/agents/register", AGENT)
    agent_id = reply["agent_id"]
    assert status == 201, reply
    for place in range(6):  # longer than its time: beats on the others count
        await asyncio.sleep(0.4)
        assert (await asked(three[1 + place % 2], "POST", f"/agents/{agent_id}/heartbeat", {}))[0] == 200
    assert set(await statuses(three, agent_id)) == {"healthy"}
    before = await agreed(three)

    async def is_said(word: str) -> bool:
        return set(await statuses(three, agent_id)) == {word}

    await until(lambda: is_said("404"), "it has not been removed")
    after = await agreed(three)
    assert after.index == before.index + 2, "one entry that it is silent, one that it is removed"

    assert (await asked(three[2], "POST", f"/agents/{agent_id}/heartbeat", {}))[0] == 200
    await until(lambda: is_said("healthy"), "it has not come back everywhere")
    assert (await asked(three[1], "GET", f"/agents/{agent_id}"))[1]["metadata"] == {"a": [1]}
