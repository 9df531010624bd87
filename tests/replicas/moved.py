"""Replicas in this process over one real Redis, with a clock that the test moves for all of them and for Redis.

Owns their start and end. Replicas that are processes of their own are in `replica.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from registry import testing
from registry.log.open import open_log
from registry.testing import FakeClock
from tests.contract.rest import RestClient
from tests.replicas.moved_time import MovedTime

WITHIN_SECONDS = 15.0  # far more than an entry takes from one replica to another


@asynccontextmanager
async def replicas(url: str, count: int) -> AsyncIterator[list[RestClient]]:
    """Clients of so many replicas, which know each other and what agents are."""
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        clients, times = [], []
        for number in range(count):
            log = open_log(url, now=clock.now, elapsed=clock.elapsed, writer=f"{number:08x}")
            times.append(MovedTime(url, log))
            stack.push_async_callback(times[-1].close)
            client = RestClient(await stack.enter_async_context(testing.server(log=log, clock=clock)))
            stack.push_async_callback(client.close)
            clients.append(client)
        engines = [client.server.engine for client in clients]
        clock.busy = lambda: any(engine.busy for engine in engines) or any(time.busy for time in times)
        clock.passing = times[0].move
        await clients[0].know_agents()
        await together(clients)
        yield clients
        clock.passing, clock.busy = None, lambda: False


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for what comes from the store, which has a time of its own.

    Raises:
        AssertionError: it does not come.
    """
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not await holds():  # noqa: ASYNC110 - what comes through Redis
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(what) from None


async def together(clients: list[RestClient]) -> None:
    """Wait until all of them have applied the same."""

    async def same() -> bool:
        return len({client.server.engine.state.applied for client in clients}) == 1

    await until(same, "the replicas have not come together")
