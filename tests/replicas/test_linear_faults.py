"""Three replicas over Redis, and one fault after the other: keys and locks are those of one store, whoever is asked.

Every client changes its replica now and then, so that an answer out of an old state would be found. `FAULT_ROUNDS` and
`FAULT_SEED` are those of `rounds.py`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.linear.clients import Clients
from tests.replicas.proxy import Proxy
from tests.replicas.redis_server import RedisServer
from tests.replicas.replica import Replica
from tests.replicas.rounds import ROUNDS, SEED, takes_long

ROUND_SECONDS = 60

pytestmark = [takes_long, pytest.mark.slow, pytest.mark.timeout(60 + ROUND_SECONDS * ROUNDS)]
Fault = Callable[[list[Replica], Clients], Awaitable[None]]


async def campaign(name: str, urls: list[str], folder: Path, fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    """Load, fault and judgement, round by round."""
    chance = random.Random(f"linear {name} {SEED}")
    replicas = [
        Replica(f"r{place}", url, "--data-dir", str(folder / f"r{place}"), "--snapshot-min-bytes", "65536")
        for place, url in enumerate(urls)
    ]
    clients = Clients(replicas, chance)
    problems: list[str] = []
    try:
        await replicas[0].start()
        await asyncio.gather(*(replica.start() for replica in replicas[1:]))
        for _ in range(ROUNDS):
            await clients.start()
            await clients.worked(chance.randint(30, 120))
            await asyncio.sleep(chance.uniform(0, 0.003))
            await fault(replicas, clients)
            await clients.worked(60)
            await clients.stop()
            problems += clients.problems()
            if problems:
                break
    finally:
        await clients.close()
        await asyncio.gather(*(replica.kill() for replica in replicas))
    with capsys.disabled():
        print(f"\n  keys and locks, {name}: {ROUNDS} rounds, {clients.done:,} answers, {clients.unknown} without one, "
              f"{len(problems)} keys that cannot be (FAULT_SEED={SEED})")  # fmt: skip
    assert not problems, "\n".join([f"FAULT_SEED={SEED}", *problems[:3]])


async def test_replicas_are_killed(redis: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def killed(replicas: list[Replica], clients: Clients) -> None:
        victim = replicas[clients.done % len(replicas)]
        await victim.kill()
        await clients.worked(40)
        await victim.start()

    await campaign("replicas killed", [redis.url("n")] * 3, tmp_path, killed, capsys)


async def test_redis_is_killed(redis: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def killed(replicas: list[Replica], clients: Clients) -> None:
        redis.kill()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(redis.start)

    await campaign("Redis killed", [redis.url("n")] * 3, tmp_path, killed, capsys)


@pytest.mark.parametrize("silently", [True, False], ids=["silently", "refused"])
async def test_a_replica_is_cut_off(
    redis: RedisServer, proxy: Proxy, tmp_path: Path, capsys: pytest.CaptureFixture[str], silently: bool
) -> None:
    """Its clients get no answer out of the past, and what they wrote through it is there or is not."""

    async def cut(replicas: list[Replica], clients: Clients) -> None:
        if silently:
            proxy.silence()
        else:
            await proxy.cut()
        await asyncio.sleep(1.5)
        if silently:
            proxy.release()
        else:
            await proxy.start()

    urls = [redis.url("n", port=proxy.port), redis.url("n"), redis.url("n")]
    await campaign(f"one cut off{' without a word' * silently}", urls, tmp_path, cut, capsys)
