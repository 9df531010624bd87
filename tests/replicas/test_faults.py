"""Three replicas over a real Redis, under load, and one fault after the other: nothing acknowledged is lost.

After each round every replica holds the same state, what was acknowledged is there and what was refused is not, no
index was given out twice, no TTL that was beaten has run out, and one that is not beaten does. Figures are printed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.replicas import faults
from tests.replicas.house import Fault, House, campaign
from tests.replicas.proxy import Proxy
from tests.replicas.redis_server import RedisServer
from tests.replicas.redis_sets import Sentinels
from tests.replicas.rounds import FEWER_ROUNDS, LONG, ROUNDS, SEED, takes_long

ROUND_SECONDS = 60  # a round takes five to fifteen; a machine may be busy
LEASE_SECONDS = 3.0
SNAPSHOTS = ("--snapshot-min-bytes", "65536")  # one every few seconds

pytestmark = [takes_long, pytest.mark.slow, pytest.mark.timeout(60 + ROUND_SECONDS * ROUNDS)]
Run = Callable[..., Awaitable[None]]


@pytest.fixture
async def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(name, fault, urls, rounds)`: a whole campaign; fails when anything is wrong after it."""

    async def run(name: str, fault: Fault, urls: list[str], rounds: int = ROUNDS) -> None:
        house = House(name, urls, tmp_path / "replicas", SEED, *SNAPSHOTS)
        problems = await campaign(house, rounds, fault)
        with capsys.disabled():
            print(f"\n  {house.figures()}; {len(problems)} lost or wrong (FAULT_SEED={SEED})")
        assert not problems, "\n".join([f"FAULT_SEED={SEED}", *problems[:30]])

    return run


@pytest.fixture
async def sentinels(tmp_path: Path) -> AsyncIterator[Sentinels]:
    made = Sentinels(tmp_path / "set")
    yield made
    await asyncio.to_thread(made.stop)


async def test_a_replica_is_killed(run: Run, redis: RedisServer) -> None:
    await run("replica killed", faults.replica_killed, [redis.url("n")] * 3)


async def test_a_replica_is_paused_past_its_lease(run: Run, redis: RedisServer) -> None:
    """When it goes on it changes nothing that it no longer may."""
    await run("replica paused", faults.replica_paused(LEASE_SECONDS + 2), [redis.url("n")] * 3, FEWER_ROUNDS)


async def test_redis_is_killed(run: Run, redis: RedisServer) -> None:
    await run("Redis killed", faults.redis_killed(redis), [redis.url("n")] * 3)


async def test_redis_stands_still(run: Run, redis: RedisServer) -> None:
    seconds = 30.0 if LONG else 5.0
    await run("Redis paused", faults.redis_paused(redis, seconds=seconds), [redis.url("n")] * 3, FEWER_ROUNDS)


@pytest.mark.parametrize("silently", [True, False], ids=["silently", "refused"])
async def test_a_replica_is_cut_off(run: Run, redis: RedisServer, proxy: Proxy, silently: bool) -> None:
    urls = [redis.url("n", port=proxy.port), redis.url("n"), redis.url("n")]
    name = "one cut off" + (", without a word" if silently else "")
    await run(name, faults.cut_off(proxy, seconds=LEASE_SECONDS + 2, silently=silently), urls, FEWER_ROUNDS)


async def test_redis_is_flushed(run: Run, redis: RedisServer) -> None:
    await run("FLUSHALL", faults.flushed(redis), [redis.url("n")] * 3)


async def test_an_old_dump_is_put_back(run: Run, redis: RedisServer) -> None:
    await run("old dump put back", faults.put_back(redis), [redis.url("n")] * 3)


async def test_a_lagging_copy_takes_over(run: Run, sentinels: Sentinels) -> None:
    copying = Proxy(sentinels.first.port)
    await copying.start()
    try:
        await asyncio.to_thread(sentinels.start, copying.port)
        await run("failover", faults.failed_over(sentinels, copying), [sentinels.url("n")] * 3, rounds=1)
    finally:
        await copying.stop()
