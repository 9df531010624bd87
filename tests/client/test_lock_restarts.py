"""Locks while their server is killed and started again, and when an older state is restored: real processes."""

import asyncio

import aiohttp
import pytest

from registry.client import Lock, LockLost
from tests.client.moved import until
from tests.client.test_lock import Block
from tests.processes import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(30)]  # a start of the server takes a second or two

KEY = "jobs/nightly"


def lock(server: ServerProcess) -> Lock:
    return Lock(f"http://127.0.0.1:{server.port}", KEY, ttl_seconds=10, lock_delay_seconds=0)


async def test_it_stays_ours_through_a_kill_of_the_server(server: ServerProcess) -> None:
    block = Block(lock(server))
    held = await block.entered()
    other = lock(server)
    waiting = asyncio.create_task(other.acquire())
    await server.kill()
    await server.start()
    before = held._lease._good_until
    await until(lambda: held._lease._good_until > before)  # it has renewed
    assert held.alive
    assert not block.task.done()
    assert not waiting.done()
    block.task.cancel()
    assert await block.ended() is LockLost
    assert (await asyncio.wait_for(waiting, 10)).fence > held.fence
    await other.release()


async def test_a_server_that_has_forgotten_it_ends_the_block(forgetful: ServerProcess) -> None:
    block = Block(lock(forgetful))
    await block.entered()
    await forgetful.kill()
    await forgetful.start()
    assert isinstance(await block.ended(), LockLost)
    await asyncio.wait_for((again := lock(forgetful)).acquire(), 10)
    await again.release()


async def test_an_older_state_that_is_restored_ends_the_block(server: ServerProcess) -> None:
    """It knows nothing of this lock; fences rise all the same."""
    url = f"http://127.0.0.1:{server.port}/v1/snapshot"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            saved = await answer.read()
        block = Block(lock(server))
        held = await block.entered()
        async with session.put(url, data=saved) as answer:
            assert answer.status == 200
    assert isinstance(await block.ended(), LockLost)
    again = lock(server)
    assert (await asyncio.wait_for(again.acquire(), 10)).fence > held.fence
    await again.release()
