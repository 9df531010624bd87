"""Over one Redis each check runs once, on its owner, and goes on elsewhere when the owner is gone or cut off.

All of it is counted at the target: what matters to a process that is checked is how often somebody asks it.
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator

import pytest

from bench.target import DOWN, Target
from tests.fuzz.wire import Connection
from tests.replicas.proxy import Proxy
from tests.replicas.redis_server import RedisServer
from tests.replicas.replica import Replica
from tests.replicas.rounds import takes_long

SERVICE = "checked"
CHECKS = 12
INTERVAL_SECONDS = 1.0
EARLY_SECONDS = 0.8  # a run this soon after another is somebody else's
LEASE_SECONDS = 3.0
LOOKED_AT_SECONDS = 4.0
ELSEWHERE_SECONDS = 5.0  # after a kill
SLACK_SECONDS = 0.7  # of a busy machine, and half a second between two looks at the store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


class World:
    """Three replicas that run the checks of one target; the first reaches Redis by a proxy."""

    def __init__(self, redis: RedisServer, proxy: Proxy) -> None:
        self.target = Target()
        ways = (redis.url("n", port=proxy.port, window=0.3), redis.url("n", window=0.3), redis.url("n", window=0.3))
        self.replicas = [Replica(f"r{place}", url) for place, url in enumerate(ways)]

    async def start(self) -> None:
        """Start all, register the checks here and there, and wait until all pass."""
        await self.target.start()
        await self.replicas[0].start()
        await asyncio.gather(*(replica.start() for replica in self.replicas[1:]))
        for place in range(CHECKS):
            await self._register(self.replicas[place % len(self.replicas)], place)
        async with asyncio.timeout(20):
            while set((await self.checks(self.replicas[1])).values()) != {"passing"}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def _register(self, replica: Replica, place: int) -> None:
        check = {"CheckID": str(place), "HTTP": self.target.url(f"/{place}"), "Interval": f"{INTERVAL_SECONDS}s"}
        body = {"ID": f"s{place}", "Name": SERVICE, "Check": check}
        connection = await replica.connected()
        answer = await connection.ask("PUT", "/v1/agent/service/register", json.dumps(body).encode())
        await connection.close()
        assert answer.status == 200, answer

    async def stop(self) -> None:
        """End everything, whatever state it is in."""
        await asyncio.gather(*(replica.kill() for replica in self.replicas))
        await self.target.stop()

    async def checks(self, replica: Replica, field: str = "Status") -> dict[str, object]:
        """What a replica shows of each check."""
        connection = await replica.connected()
        answer = await connection.ask("GET", f"/v1/health/checks/{SERVICE}")
        await connection.close()
        return {check["CheckID"]: check[field] for check in json.loads(answer.body)}

    def runs(self, since: float, until: float) -> list[int]:
        """How often each check was run between two times."""
        return [len(self.target.seen(f"/{place}", since, until)) for place in range(CHECKS)]

    def longest_gaps(self, since: float) -> list[float]:
        """The longest time without a run of each check, from then on until now."""
        runs = ([since, *self.target.seen(f"/{place}", since, time.time()), time.time()] for place in range(CHECKS))
        return [max(later - earlier for earlier, later in itertools.pairwise(times)) for times in runs]

    def seconds_twice(self, since: float) -> list[float]:
        """For how long each check was run by two at a time: from its first run too soon after another to the last."""
        spans = []
        for place in range(CHECKS):
            times = self.target.seen(f"/{place}", since, time.time())
            early = [later for earlier, later in itertools.pairwise(times) if later - earlier < EARLY_SECONDS]
            spans.append(early[-1] - early[0] if early else 0.0)
        return spans

    async def runs_here(self, replica: Replica) -> int:
        """How many checks a replica runs, as its metrics say."""
        connection: Connection = await replica.connected()
        answer = await connection.ask("GET", "/metrics")
        await connection.close()
        lines = answer.body.decode().splitlines()
        return next(int(float(line.split()[1])) for line in lines if line.startswith("registry_checks_run_here "))


@pytest.fixture
async def world(redis: RedisServer, proxy: Proxy) -> AsyncIterator[World]:
    made = World(redis, proxy)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def test_each_check_runs_once_on_its_owner(world: World) -> None:
    """Once an interval in all, whichever replica it was registered at, and each replica has its share."""
    begun = time.time()
    await asyncio.sleep(LOOKED_AT_SECONDS)
    for count in world.runs(begun, begun + LOOKED_AT_SECONDS):
        assert LOOKED_AT_SECONDS - 1 <= count <= LOOKED_AT_SECONDS + 1
    shares = [await world.runs_here(replica) for replica in world.replicas]
    assert sum(shares) == CHECKS
    assert all(shares), shares


@takes_long
async def test_a_killed_owner_s_checks_run_elsewhere(world: World) -> None:
    """Within five seconds, once each, and no status moves; what fails after that is found out."""
    before = await world.checks(world.replicas[1], "ModifyIndex")
    victim = world.replicas[0]
    owned = await world.runs_here(victim)
    assert owned
    killed = time.time()
    await victim.kill()
    await asyncio.sleep(ELSEWHERE_SECONDS + 0.3)
    assert all(world.runs(killed + 0.1, killed + ELSEWHERE_SECONDS)), "a check has not been run again"
    begun = time.time()
    await asyncio.sleep(LOOKED_AT_SECONDS)
    assert all(abs(count - LOOKED_AT_SECONDS) <= 1 for count in world.runs(begun, begun + LOOKED_AT_SECONDS))
    for replica in world.replicas[1:]:
        assert await world.checks(replica, "ModifyIndex") == before, "a status has moved"
    assert sum([await world.runs_here(replica) for replica in world.replicas[1:]]) == CHECKS


@takes_long
@pytest.mark.parametrize("silently", [True, False], ids=["silently", "refused"])
async def test_a_replica_cut_off_from_redis_stops_running_its_checks(
    world: World, proxy: Proxy, silently: bool
) -> None:
    """None runs twice for longer than a lease, no status moves, and all are divided again when it is back."""
    before = await world.checks(world.replicas[1], "ModifyIndex")
    first = world.replicas[0]
    assert await world.runs_here(first)
    cut = time.time()
    if silently:
        proxy.silence()
    else:
        await proxy.cut()
    await asyncio.sleep(2 * LEASE_SECONDS + LOOKED_AT_SECONDS)
    assert max(world.seconds_twice(cut)) <= LEASE_SECONDS
    assert max(world.longest_gaps(cut)) <= ELSEWHERE_SECONDS
    once = world.runs(cut + 2 * LEASE_SECONDS, cut + 2 * LEASE_SECONDS + LOOKED_AT_SECONDS)
    assert all(abs(count - LOOKED_AT_SECONDS) <= 1 for count in once), once
    assert await world.runs_here(first) == 0
    if silently:
        proxy.release()
    else:
        await proxy.start()
    async with asyncio.timeout(10):
        while not await world.runs_here(first):  # noqa: ASYNC110 - what happens in other processes
            await asyncio.sleep(0.1)
    back = time.time()
    await asyncio.sleep(LOOKED_AT_SECONDS)
    assert max(world.seconds_twice(back)) <= LEASE_SECONDS
    for replica in world.replicas:
        assert await world.checks(replica, "ModifyIndex") == before, "a status has moved"
    assert sum([await world.runs_here(replica) for replica in world.replicas]) == CHECKS


@takes_long
async def test_a_check_that_moved_still_finds_out(world: World) -> None:
    """Its new owner tells a target that went down from one that is well; at every replica it shows."""
    await world.replicas[0].kill()
    await asyncio.sleep(ELSEWHERE_SECONDS)
    world.target.status = {f"/{place}": DOWN for place in range(CHECKS)}
    await asyncio.sleep(INTERVAL_SECONDS + SLACK_SECONDS)
    for replica in world.replicas[1:]:
        assert set((await world.checks(replica)).values()) == {"critical"}
