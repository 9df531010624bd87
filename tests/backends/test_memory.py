"""The faults that a memory log injects, each as a caller of `Log` sees it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from registry.log.base import NotStored, Reset, Stored, Unknown
from registry.log.faults import RESTORE_JUMP, FaultyMemoryLog, faulty_log
from registry.log.memory import MemoryLog, MemoryStore
from tests.backends.stores import Clock, Reader, each, records


@pytest.fixture
async def faulty(clock: Clock) -> AsyncIterator[FaultyMemoryLog]:
    opened = faulty_log(now=clock.now, elapsed=clock.elapsed, writer="a")
    await opened.open()
    yield opened
    opened.release()
    await opened.close()


async def test_an_unknown_outcome_may_be_stored(faulty: FaultyMemoryLog) -> None:
    faulty.inject_unknown(stored=True)
    assert isinstance(await faulty.append(1, records(b"one")), Unknown)
    assert await faulty.append(2, records(b"two")) == Stored(2, (await faulty.newest()).time)
    assert await Reader(faulty, 0).payloads(2) == [b"one", b"two"]


async def test_an_unknown_outcome_may_be_lost(faulty: FaultyMemoryLog) -> None:
    faulty.inject_unknown(stored=False)
    assert isinstance(await faulty.append(1, records(b"one")), Unknown)
    await faulty.append(2, records(b"two"))
    assert await Reader(faulty, 0).payloads(1) == [b"two"]


async def test_an_unknown_outcome_may_land_late(faulty: FaultyMemoryLog) -> None:
    faulty.inject_unknown_late()
    assert isinstance(await faulty.append(1, records(b"one")), Unknown)
    await faulty.append(2, records(b"two"))
    await faulty.land()
    found = await Reader(faulty, 0).entries(2)
    assert [(entry.own_id.batch, entry.payload) for entry in found] == [(2, b"two"), (1, b"one")]


async def test_a_refused_batch_is_nowhere(faulty: FaultyMemoryLog) -> None:
    faulty.inject_not_stored("the disk is full")
    assert await faulty.append(1, records(b"one")) == NotStored("the disk is full")
    assert (await faulty.newest()).index == 0


async def test_indexes_jump(faulty: FaultyMemoryLog) -> None:
    await faulty.append(1, records(b"one"))
    faulty.inject_jump(10)
    await faulty.append(2, records(b"two"))
    assert [entry.index for entry in await Reader(faulty, 0).entries(2)] == [1, 12]


async def test_foreign_entries_come_in_between(faulty: FaultyMemoryLog) -> None:
    await faulty.append(1, records(b"one"))
    await faulty.foreign(b"theirs")
    await faulty.append(2, records(b"two"))
    assert [entry.own_id.writer for entry in await Reader(faulty, 0).entries(3)] == ["a", "foreign", "a"]


async def test_a_reset_brings_snapshot_and_tail_to_a_current_follower(faulty: FaultyMemoryLog, clock: Clock) -> None:
    reader = Reader(faulty, 0)
    await faulty.append(1, records(b"one", b"two"))
    await faulty.publish_snapshot(1, clock.unix, each(b"state"))
    await Reader(faulty, 0).next()
    waiting = asyncio.ensure_future(Reader(faulty, 2).next())
    await asyncio.sleep(0)
    faulty.inject_reset()
    assert await waiting == Reset(1, clock.unix, 0, (b"state",))
    assert await reader.next() == Reset(1, clock.unix, 0, (b"state",))
    assert await reader.payloads(1) == [b"two"]


async def test_a_reset_without_a_snapshot_starts_from_nothing(faulty: FaultyMemoryLog) -> None:
    reader = Reader(faulty, 0)
    await faulty.append(1, records(b"one"))
    assert await reader.payloads(1) == [b"one"]
    faulty.inject_reset()
    assert await reader.next() == Reset(0, 0.0, 0, ())
    assert await reader.payloads(1) == [b"one"]


async def test_a_restore_replaces_the_store_and_jumps(faulty: FaultyMemoryLog, clock: Clock) -> None:
    await faulty.append(1, records(b"one"))
    reader = Reader(faulty, 1)
    waiting = asyncio.ensure_future(reader.next())
    await asyncio.sleep(0)
    faulty.inject_restore(clock.unix, b"restored")

    index = 1 + RESTORE_JUMP
    assert await waiting == Reset(index, clock.unix, index, (b"restored",))
    assert await faulty.append(2, records(b"two")) == Stored(index + 1, clock.unix)
    assert await reader.payloads(1) == [b"two"]


async def test_a_restore_swallows_the_batch_under_way(faulty: FaultyMemoryLog, clock: Clock) -> None:
    reader = Reader(faulty, 0)
    faulty.hold()
    swallowed = asyncio.ensure_future(faulty.append(1, records(b"one")))
    queued = asyncio.ensure_future(faulty.append(2, records(b"two")))
    await asyncio.sleep(0)
    assert not swallowed.done()
    faulty.inject_restore(clock.unix, b"restored")
    faulty.release()
    assert isinstance(await swallowed, Unknown)
    assert isinstance(await queued, Stored)
    assert isinstance(await reader.next(), Reset)
    assert await reader.payloads(1) == [b"two"]


async def test_held_appends_are_under_way_until_released(faulty: FaultyMemoryLog) -> None:
    faulty.hold()
    call = asyncio.ensure_future(faulty.append(1, records(b"one")))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not call.done()
    assert (await faulty.newest()).index == 0
    faulty.release()
    assert isinstance(await call, Stored)


async def test_a_store_without_faults_says_so(clock: Clock) -> None:
    log = FaultyMemoryLog(MemoryStore(now=clock.now, elapsed=clock.elapsed), writer="a")
    with pytest.raises(TypeError, match="FaultyStorage"):
        log.hold()


async def test_snapshots_bound_the_memory(clock: Clock) -> None:
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    log = MemoryLog(store, writer="a")
    await log.open()
    for number in range(1, 31):
        await log.append(number, records(*[b"x" * 10] * 10))
        if number % 10 == 0:
            await log.publish_snapshot(number * 10, clock.unix, each(b"state"))
    assert len(store.storage._entries) == 100
    assert log.log_bytes_since_snapshot() == 0
    await log.close()
