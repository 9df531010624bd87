"""Three replicas behind a real balancer are restarted one after the other, and nobody who tries twice notices.

Agents beat through the balancer, 1,000 of them in the long form; others read, write and wait for news through it.
"""

import asyncio
import json
import random
import time
from pathlib import Path

import pytest

from tests.replicas import balancer
from tests.replicas.agents import Agents
from tests.replicas.balancer import Balancer
from tests.replicas.callers import AWAY, Caller
from tests.replicas.redis_server import RedisServer, free_port
from tests.replicas.replica import Replica, agreed
from tests.replicas.rounds import LONG, SEED, takes_long

AGENTS = 1000 if LONG else 200
TTL_SECONDS = 10.0
READY_SECONDS = 10.0
SEEN_SECONDS = 1.5  # a check of the balancer comes every second

pytestmark = [takes_long, pytest.mark.slow, pytest.mark.timeout(120)]


class Visitors:
    """Clients with one retry, who read, register, and wait for news."""

    def __init__(self, door: Balancer, chance: random.Random) -> None:
        self.failures: list[str] = []
        self.done = self.retried = 0
        self.slowest_seconds = 0.0
        self._chance = chance
        self._callers = [Caller([door], chance) for _ in range(24)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        work = (self._read, self._write, self._wait)
        self._tasks = [
            asyncio.create_task(work[place % 3](caller, place)) for place, caller in enumerate(self._callers)
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for caller in self._callers:
            await caller.close()

    async def _ask(self, caller: Caller, method: str, target: str, body: bytes = b"") -> str:
        """The index of the answer; fails when neither attempt is answered."""
        begun = time.monotonic()
        for attempt in range(2):
            answer = await caller.ask(method, target, body)
            if answer is not None and answer.status not in AWAY:
                assert answer.status == 200, answer
                self.done += 1
                self.retried += attempt
                self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - begun)
                return answer.headers.get("x-consul-index", "")
        self.failures.append(f"{method} {target}: {answer}")
        return ""

    async def _read(self, caller: Caller, place: int) -> None:
        while True:
            await self._ask(caller, "GET", "/v1/health/service/web?passing")
            await asyncio.sleep(self._chance.uniform(0, 0.05))

    async def _write(self, caller: Caller, place: int) -> None:
        for number in range(10**9):
            body = {"ID": f"web-{place}", "Name": "web", "Port": 1 + number % 60_000}
            await self._ask(caller, "PUT", "/v1/agent/service/register", json.dumps(body).encode())
            await asyncio.sleep(self._chance.uniform(0, 0.1))

    async def _wait(self, caller: Caller, place: int) -> None:
        index = "1"
        while True:
            index = await self._ask(caller, "GET", f"/v1/health/service/web?index={index or 1}&wait=1s")


@pytest.mark.skipif(balancer.PROGRAM is None, reason=balancer.MISSING)
async def test_a_rolling_restart_is_not_noticed(
    redis: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No request that a client with one retry would see failing, no flap, no lost agent."""
    chance = random.Random(SEED)
    replicas = [
        Replica(f"r{place}", redis.url("n"), "--data-dir", str(tmp_path / f"r{place}"), port=free_port())
        for place in range(3)
    ]
    door = Balancer(tmp_path, replicas)
    agents = Agents(lambda: Caller([door], chance), AGENTS, ttl_seconds=TTL_SECONDS, chance=chance)
    visitors = Visitors(door, chance)
    try:
        for replica in replicas:
            await replica.start()
        await door.start()
        await agents.start(door)
        visitors.start()
        stopped = [await _restart(replica) for replica in replicas]
        await agreed(replicas)
        connection = await door.connected()
        flaps = await agents.problems(connection)
        await connection.close()
    finally:
        await visitors.stop()
        await agents.stop()
        await door.stop()
        for replica in replicas:
            await replica.kill()
    with capsys.disabled():
        print(
            f"\n  rolling restart: {AGENTS} agents, {agents.beats:,} beats ({agents.refused} needed a retry), "
            f"{visitors.done:,} requests of others ({visitors.retried} needed a retry, slowest "
            f"{visitors.slowest_seconds:.2f} s), stops of {max(stopped):.2f} s at most; "
            f"{len(flaps)} flaps, {len(agents.lost_beats) + len(visitors.failures)} failed twice"
        )
    assert flaps == []
    assert agents.lost_beats == []
    assert visitors.failures == []


async def _restart(replica: Replica) -> float:
    """Stop it in good order and start it anew, as an upgrade does; the seconds it took to stop."""
    begun = time.monotonic()
    assert await replica.stop() == 0
    stopped = time.monotonic() - begun
    await replica.start()
    async with asyncio.timeout(READY_SECONDS):
        connection = await replica.connected()
        while (await connection.ask("GET", "/health/ready")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await connection.close()
    await asyncio.sleep(SEEN_SECONDS)
    return stopped
