"""What befalls a house of replicas, one function for each; each returns when the cause is over.

Owns how each fault comes about, and notes the outage it is. What must hold after it is `house.py`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.replicas.house import House
from tests.replicas.proxy import Proxy
from tests.replicas.redis_server import RedisServer
from tests.replicas.redis_sets import Sentinels

Fault = Callable[[House], Awaitable[None]]


async def replica_killed(house: House) -> None:
    """kill -9 of one of them in the midst of its work; it comes back after the others have gone on without it."""
    victim = house.chance.choice(house.replicas)
    await asyncio.sleep(house.chance.uniform(0, 0.003))
    await victim.kill()
    await house.written(100)
    await victim.start()


def replica_paused(seconds: float) -> Fault:
    """SIGSTOP of one of them past its lease (3 s), and SIGCONT."""

    async def fault(house: House) -> None:
        victim = house.chance.choice(house.replicas)
        victim.pause()
        await asyncio.sleep(seconds)
        victim.resume()

    return fault


def redis_killed(redis: RedisServer, *, down_seconds: float = 1.0) -> Fault:
    """kill -9 of Redis at some point of the writes under way; it is back on its files after a while."""

    async def fault(house: House) -> None:
        await asyncio.sleep(house.chance.uniform(0, 0.003))
        begun = time.monotonic()
        redis.kill()
        await asyncio.sleep(down_seconds)
        await asyncio.to_thread(redis.start)
        house.away(begun, time.monotonic())
        await back(house)

    return fault


def redis_paused(redis: RedisServer, *, seconds: float) -> Fault:
    """SIGSTOP of Redis: it takes connections and answers nothing."""

    async def fault(house: House) -> None:
        begun = time.monotonic()
        redis.pause()
        await asyncio.sleep(seconds)
        redis.resume()
        house.away(begun, time.monotonic())
        await back(house)

    return fault


def cut_off(proxy: Proxy, *, seconds: float, silently: bool) -> Fault:
    """The first replica alone cannot reach Redis; the others go on."""

    async def fault(house: House) -> None:
        begun = time.monotonic()
        if silently:
            proxy.silence()
        else:
            await proxy.cut()
        await asyncio.sleep(seconds)
        if silently:
            proxy.release()
        else:
            await proxy.start()
        house.away(begun, time.monotonic(), house.replicas[0])
        await back(house)

    return fault


def flushed(redis: RedisServer) -> Fault:
    """FLUSHALL under running replicas, as somebody does who is on the wrong machine."""

    async def fault(house: House) -> None:
        begun = time.monotonic()
        await asyncio.to_thread(redis.ask, "FLUSHALL")
        house.away(begun, time.monotonic())
        await back(house)

    return fault


def put_back(redis: RedisServer) -> Fault:
    """An older dump is put back under running replicas."""

    async def fault(house: House) -> None:
        dump = await asyncio.to_thread(redis.snapshot)
        await house.written(200)
        begun = time.monotonic()
        await asyncio.to_thread(redis.put_back, dump)
        house.away(begun, time.monotonic())
        await back(house)

    return fault


def failed_over(sentinels: Sentinels, copying: Proxy) -> Fault:
    """The master dies, and the copy that takes its place lags behind: what it lacks only replicas have."""

    async def fault(house: House) -> None:
        master = sentinels.master()
        copying.silence()
        await house.written(100)
        begun = time.monotonic()
        master.kill()
        await asyncio.to_thread(sentinels.until_master_is_not, master)
        house.away(begun, time.monotonic())
        await back(house)

    return fault


async def back(house: House) -> None:
    """Wait until each replica that was in the outage has done a write again, or has had more than enough time."""
    outage, give_up = house.outages[-1], time.monotonic() + 15
    while time.monotonic() < give_up and len(house.back_seconds(outage)) < len(outage.replicas):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
