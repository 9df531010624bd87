"""What `Log.restore`, `Log.skip` and `Log.verify` promise, on every backend."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from registry.log.base import Arm, Entry, Log, Newest, Record, Reset, Stored
from tests.backends.stores import Backend, Clock, Reader, each, records


async def filled(log: Log, *payloads: bytes) -> Newest:
    for number, payload in enumerate(payloads, start=1):
        assert isinstance(await log.append(number, records(payload)), Stored)
    return await log.newest()


async def without_gaps(reader: Reader, count: int) -> list[bytes]:
    """The next payloads; an entry without bytes that a log begins with after a restore is passed over."""
    found: list[bytes] = []
    while len(found) < count:
        [entry] = await reader.entries(1)
        found += [entry.payload] if entry.payload else []
    return found


async def test_a_restore_takes_the_place_of_everything(log: Log, backend: Backend) -> None:
    before = await filled(log, b"one", b"two")
    index = await log.restore(0, 1.0, each(b"chunk", b"other"))
    assert index > before.index
    stored = await log.append(3, records(b"three"))
    assert isinstance(stored, Stored)
    assert stored.first > index
    reader = Reader(log, 0)
    reset = await reader.next()
    assert isinstance(reset, Reset)
    assert (reset.index, reset.time, reset.chunks) == (index, 1.0, (b"chunk", b"other"))
    assert reset.floor >= index
    assert await without_gaps(reader, 1) == [b"three"]
    await log.close()
    again = backend.log("b")
    await again.open()
    reader = Reader(again, 0)
    assert await reader.next() == reset
    assert await without_gaps(reader, 1) == [b"three"]
    await again.close()


async def test_followers_are_reset_by_a_restore_wherever_they_are(log: Log) -> None:
    await filled(log, b"one", b"two")
    current, slow = Reader(log, 0), Reader(log, 0)
    await current.payloads(2)
    await slow.payloads(1)
    waiting = asyncio.ensure_future(current.next())
    await asyncio.sleep(0)
    index = await log.restore(0, 1.0, each(b"chunk"))
    reset = await waiting
    assert isinstance(reset, Reset)
    assert reset.index == index
    while isinstance(item := await slow.next(), Entry):
        assert item.payload == b"two"  # it had been fetched already
    assert item == reset


async def test_a_restored_log_goes_on_beyond_the_index_that_the_state_had_elsewhere(log: Log) -> None:
    """Rows keep the indexes they were written at: no later write may get a lower one."""
    index = await log.restore(7_000_000, 1.0, each(b"chunk"))
    assert index > 7_000_000


async def test_time_does_not_go_back_behind_the_state_that_was_restored(log: Log, clock: Clock) -> None:
    ahead = clock.unix + 5000.0
    await log.restore(0, ahead, each(b"chunk"))
    stored = await log.append(1, records(b"one"))
    assert isinstance(stored, Stored)
    assert stored.time >= ahead


async def test_each_restore_stands_beyond_the_one_before(log: Log) -> None:
    first = await log.restore(0, 1.0, each(b"first"))
    second = await log.restore(0, 1.0, each(b"second"))
    assert second > first
    reset = await Reader(log, 0).next()
    assert isinstance(reset, Reset)
    assert reset.chunks == (b"second",)


async def test_a_restore_that_fails_half_way_changes_nothing(log: Log) -> None:
    await filled(log, b"one")
    await log.publish_snapshot(1, 1.0, each(b"old"))

    async def broken() -> AsyncIterator[bytes]:
        yield b"chunk"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await log.restore(0, 1.0, broken())
    reset = await Reader(log, 0).next()
    assert isinstance(reset, Reset)
    assert (reset.index, reset.chunks) == (1, (b"old",))
    assert [fault async for fault in log.verify()] == []


async def test_appends_around_a_restore_never_land_among_lower_indexes(log: Log) -> None:
    batches = iter(range(1, 1000))
    stopped = False
    stored: list[int] = []

    async def append() -> None:
        while not stopped:
            outcome = await log.append(next(batches), records(b"x"))
            if isinstance(outcome, Stored):
                stored.append(outcome.first)

    writer = asyncio.ensure_future(append())
    while len(stored) < 3:  # noqa: ASYNC110 - the writer is not to know that it is watched
        await asyncio.sleep(0)
    index = await log.restore(0, 1.0, each(b"chunk"))
    while stored[-1] < index:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    stopped = True
    await writer
    assert stored == sorted(stored)
    after = [one for one in stored if one > index]
    reader = Reader(log, 0)
    assert isinstance(await reader.next(), Reset)
    found: list[int] = []
    while len(found) < len(after):
        [entry] = await reader.entries(1)
        found += [entry.index] if entry.payload else []
    assert found == after
    assert [fault async for fault in log.verify()] == []


async def test_an_append_under_way_is_in_front_of_a_restore_or_nowhere(log: Log) -> None:
    await filled(log, b"one")
    appending = asyncio.ensure_future(log.append(2, records(b"two")))
    await asyncio.sleep(0)
    index = await log.restore(0, 1.0, each(b"chunk"))
    await appending
    assert (await log.newest()).index >= index
    stored = await log.append(3, records(b"three"))
    assert isinstance(stored, Stored)
    assert stored.first > index
    reader = Reader(log, 0)
    assert isinstance(await reader.next(), Reset)
    assert await without_gaps(reader, 1) == [b"three"]
    assert [fault async for fault in log.verify()] == []


async def test_no_deadline_of_before_a_restore_passes(log: Log, clock: Clock) -> None:
    await log.deadlines.disarm()
    await log.deadlines.rearm([])
    await log.append(1, [Record(b"one", (Arm("a", 1.0),))])
    await log.restore(0, 1.0, each(b"chunk"))
    clock.advance(0.5)
    assert (await log.deadlines.tick(10)).armed_at == 0.0


async def test_a_skipped_entry_comes_without_its_bytes_to_everybody(log: Log, backend: Backend) -> None:
    await filled(log, b"one", b"poison", b"three")
    reader = Reader(log, 0)
    await reader.payloads(3)
    await log.skip(2)
    assert isinstance(await reader.next(), Reset)
    assert await reader.payloads(3) == [b"one", b"", b"three"]
    await log.skip(2)  # twice is fine
    assert await Reader(log, 1).payloads(2) == [b"", b"three"]
    await log.close()
    again = backend.log("b")
    await again.open()
    assert await Reader(again, 0).payloads(3) == [b"one", b"", b"three"]
    await again.close()


async def test_what_follows_a_skipped_entry_goes_on(log: Log) -> None:
    await filled(log, b"poison")
    reader = Reader(log, 0)
    assert await reader.payloads(1) == [b"poison"]
    await log.skip(1)
    stored = await log.append(2, records(b"two"))
    assert isinstance(stored, Stored)
    assert isinstance(await reader.next(), Reset)
    [first] = await reader.entries(1)
    assert (first.index, first.payload) == (1, b"")
    assert await without_gaps(reader, 1) == [b"two"]
    assert [fault async for fault in log.verify()] == []


@pytest.mark.parametrize("index", [3, 4, 1_000_000])
async def test_what_is_not_there_cannot_be_skipped(log: Log, index: int) -> None:
    await filled(log, b"one", b"two")
    with pytest.raises(LookupError, match=f"no entry {index}"):
        await log.skip(index)
    assert await Reader(log, 0).payloads(2) == [b"one", b"two"]


async def test_what_a_snapshot_has_taken_in_cannot_be_skipped(log: Log) -> None:
    await filled(log, b"one", b"two", b"three")
    await log.publish_snapshot(2, 1.0, each(b"chunk"))
    for index in (1, 2):
        with pytest.raises(LookupError, match="snapshot"):
            await log.skip(index)
    await log.skip(3)


async def test_a_healthy_log_has_no_faults(log: Log) -> None:
    assert [fault async for fault in log.verify()] == []
    await filled(log, b"one", b"two")
    assert [fault async for fault in log.verify()] == []
    await log.publish_snapshot(1, 1.0, each(b"a" * 300_000, b"b"))
    await filled(log, b"three")
    assert [fault async for fault in log.verify()] == []
