"""Whoever only works on a shared log for a moment: not one of its members, and never its housekeeper."""

import asyncio

import pytest

from registry.log.base import Log
from registry.log.open import Role, open_log
from tests.backends.stores import Clock, Reader, RedisBackend, each, records
from tests.replicas.redis_server import RedisServer


@pytest.fixture
def backend(clock: Clock, redis_server: RedisServer) -> RedisBackend:
    return RedisBackend(clock, redis_server)


def guest(backend: RedisBackend, clock: Clock, role: Role) -> Log:
    return open_log(backend.url, now=clock.now, elapsed=clock.elapsed, writer="guest", role=role)


@pytest.mark.parametrize("role", [Role.READER, Role.GUEST])
async def test_a_guest_leaves_the_house_to_the_servers(backend: RedisBackend, clock: Clock, role: Role) -> None:
    """Else nothing would expire while it is there: it keeps no house."""
    visitor = guest(backend, clock, role)
    await visitor.open()
    server = backend.log("server")
    await server.open()
    assert server.group.is_housekeeper()
    assert not visitor.group.is_housekeeper()
    await server.deadlines.tick(10)
    assert [peer.writer for peer in server.group.members()] == ["server"]
    await visitor.close()
    assert server.group.is_housekeeper()
    await server.append(1, records(b"one"))
    await server.close()


async def test_a_guest_restores_under_a_running_server(backend: RedisBackend, clock: Clock) -> None:
    server = backend.log("server")
    await server.open()
    await server.append(1, records(b"one"))
    reader = Reader(server, 0)
    assert await reader.payloads(1) == [b"one"]
    visitor = guest(backend, clock, Role.GUEST)
    await visitor.open()
    index = await visitor.restore(5_000_000, 1.0, each(b"chunk"))
    assert index > 5_000_000
    async with asyncio.timeout(5):
        reset = await reader.next()
    assert (reset.index, getattr(reset, "chunks", ())) == (index, (b"chunk",))
    await visitor.close()
    await server.close()
