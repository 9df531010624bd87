"""Whoever only works on a log for a moment: not one of its members, never its housekeeper, and it makes no store."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.errors import LogUnavailable
from registry.log.base import Log, Reset
from registry.log.open import Role, open_log
from registry.log.redis.link import Link
from registry.log.redis.log import RedisLog
from registry.log.redis.verify import faults
from tests.backends.stores import Clock, Reader, RedisBackend, each, records
from tests.replicas.redis_server import RedisServer


@pytest.fixture
def backend(clock: Clock, redis_server: RedisServer) -> RedisBackend:
    return RedisBackend(clock, redis_server)


def guest(backend: RedisBackend, clock: Clock, role: Role) -> Log:
    return open_log(backend.url, now=clock.now, elapsed=clock.elapsed, writer="guest", role=role)


@pytest.mark.parametrize("role", [Role.READER, Role.GUEST, Role.RESTORER])
async def test_a_guest_leaves_the_house_to_the_servers(backend: RedisBackend, clock: Clock, role: Role) -> None:
    """Else nothing would expire while it is there: it keeps no house."""
    server = backend.log("server")
    await server.open()
    await server.close()  # it has made the store
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
    visitor = guest(backend, clock, Role.RESTORER)
    await visitor.open()
    index = await visitor.restore(5_000_000, 1.0, each(b"chunk"))
    assert index > 5_000_000
    async with asyncio.timeout(5):
        reset = await reader.next()
    assert (reset.index, getattr(reset, "chunks", ())) == (index, (b"chunk",))
    await visitor.close()
    await server.close()


def keys(backend: RedisBackend, server: RedisServer, kind: str = "*") -> set[bytes]:
    namespace = backend.url.partition("namespace=")[2].partition("&")[0]
    return set(server.ask("KEYS", f"{{{namespace}}}:{kind}"))


@pytest.mark.parametrize("role", [Role.READER, Role.GUEST])
async def test_where_nothing_is_stored_nothing_is_made(
    backend: RedisBackend, clock: Clock, redis_server: RedisServer, role: Role
) -> None:
    """Else a mistyped namespace would look like a healthy store."""
    with pytest.raises(LogUnavailable, match="nothing is stored there"):
        await guest(backend, clock, role).open()
    assert keys(backend, redis_server) == set()


async def test_nor_is_a_file_or_a_directory(clock: Clock, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nowhere/registry.db"
    for role in (Role.READER, Role.GUEST):
        with pytest.raises(LogUnavailable, match="there is no store at"):
            await open_log(url, now=clock.now, elapsed=clock.elapsed, writer="guest", role=role).open()
    assert os.listdir(tmp_path) == []


async def test_a_log_whose_entries_are_gone_can_be_restored(
    backend: RedisBackend, clock: Clock, redis_server: RedisServer
) -> None:
    """Everybody else stands off from it and says that a restore is the way out."""
    server = backend.log("server")
    await server.open()
    await server.append(1, records(b"one"))
    reader = Reader(server, 0)
    assert await reader.payloads(1) == [b"one"]
    redis_server.ask("DEL", *keys(backend, redis_server, "log"))
    for role in (Role.READER, Role.GUEST):
        with pytest.raises(LogUnavailable, match="run 'registry restore'"):
            await guest(backend, clock, role).open()
    visitor = guest(backend, clock, Role.RESTORER)
    await visitor.open()
    with pytest.raises(LogUnavailable, match="run 'registry restore'"):
        await guest(backend, clock, Role.READER).open()  # that somebody has come is no restore yet
    index = await visitor.restore(1, 1.0, each(b"chunk"))
    await visitor.close()
    async with asyncio.timeout(5):
        while not isinstance(item := await reader.next(), Reset):
            continue
    assert (item.index, item.chunks) == (index, (b"chunk",))
    await server.close()


async def test_a_restore_that_fails_half_way_leaves_no_chunks(
    backend: RedisBackend, clock: Clock, redis_server: RedisServer
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"chunk"
        assert await asyncio.to_thread(keys, backend, redis_server, "snap:*")
        raise ConnectionError

    visitor = guest(backend, clock, Role.RESTORER)
    await visitor.open()
    with pytest.raises(ConnectionError):
        await visitor.restore(0, 1.0, broken())
    assert not keys(backend, redis_server, "snap:*")
    await visitor.close()


async def test_what_newer_snapshots_take_the_place_of_is_no_fault(backend: RedisBackend) -> None:
    log = backend.log("server")
    assert isinstance(log, RedisLog)
    await log.open()
    for number in range(1, 5):
        await log.append(number, records(b"x"))
    await log.deadlines.tick(1)
    await log.publish_snapshot(1, 1.0, each(b"first"))

    class Meanwhile(Link):
        """Two snapshots are published behind the first question."""

        async def call(self, *commands: Any, **more: Any) -> Any:
            answer = await log._ticks.call(*commands, **more)
            if commands[0][0] == "HMGET" and newer:
                for index in (newer.pop(0), newer.pop(0)):
                    await log.publish_snapshot(index, 1.0, each(b"newer"))
            return answer

    newer = [2, 3]
    assert [fault async for fault in faults(object.__new__(Meanwhile), log._keys)] == []
    assert not newer
    await log.close()
