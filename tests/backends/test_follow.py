"""What `Log.follow` and snapshots promise, on every backend."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from registry.log.base import Log, Reset, Stored
from tests.backends.stores import Backend, Clock, Reader, each, records

MEBIBYTE = 1024 * 1024


async def filled(log: Log, *payloads: bytes) -> None:
    for number, payload in enumerate(payloads, start=1):
        assert isinstance(await log.append(number, records(payload)), Stored)


async def test_history_comes_first_and_then_what_happens(log: Log) -> None:
    await filled(log, b"one", b"two")
    reader = Reader(log, 0)
    assert await reader.payloads(2) == [b"one", b"two"]
    waiting = asyncio.ensure_future(reader.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    await log.append(3, records(b"three"))
    assert (await waiting)[0] == 3


async def test_entries_begin_after_the_given_index_even_within_a_batch(log: Log) -> None:
    await log.append(1, records(b"one", b"two", b"three"))
    assert await Reader(log, 1).payloads(2) == [b"two", b"three"]
    late = Reader(log, 3)
    await log.append(2, records(b"four"))
    assert await late.payloads(1) == [b"four"]


async def test_current_followers_get_the_same_objects(local_backend: Backend) -> None:
    log = local_backend.log()
    await log.open()
    readers = [Reader(log, 0) for _ in range(3)]
    waiting = [asyncio.ensure_future(reader.next()) for reader in readers]
    await asyncio.sleep(0)
    await log.append(1, records(b"one"))
    found = await asyncio.gather(*waiting)
    assert found[0] is found[1] is found[2]
    await log.close()


async def test_a_slow_follower_misses_nothing_and_nothing_is_repeated(log: Log) -> None:
    slow, quick = Reader(log, 0), Reader(log, 0)
    count = 0
    for number in range(1, 300):
        size = 1 + number % 9
        await log.append(number, records(*[b"%d" % n for n in range(count, count + size)]))
        count += size
        if number in (1, 100):
            assert (await slow.payloads(1))[0] == (b"0" if number == 1 else b"1")
        await quick.payloads(size)
    assert await slow.payloads(count - 2) == [b"%d" % n for n in range(2, count)]


async def test_a_follower_reads_on_while_others_append(log: Log) -> None:
    await log.append(1, records(*[b"%d" % n for n in range(2000)]))

    async def go_on() -> None:
        for number in range(2, 202):
            await log.append(number, records(b"%d" % (1998 + number)))

    going = asyncio.ensure_future(go_on())
    assert await Reader(log, 0).payloads(2200) == [b"%d" % n for n in range(2200)]
    await going


async def test_a_follower_that_goes_away_is_forgotten(log: Log) -> None:
    reader = Reader(log, 0)
    waiting = asyncio.ensure_future(reader.next())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await filled(log, b"one")
    assert await Reader(log, 0).payloads(1) == [b"one"]


async def test_closing_hands_over_what_is_under_way_and_ends_the_followers(backend: Backend) -> None:
    log = backend.log()
    await log.open()
    reader = Reader(log, 0)
    waiting = asyncio.ensure_future(reader.payloads(1))
    call = asyncio.ensure_future(log.append(1, records(b"one")))
    await asyncio.sleep(0)
    await log.close()
    await call
    assert await waiting == [b"one"]
    assert await reader.ended()


async def test_a_waiting_follower_ends_when_the_log_is_closed(backend: Backend) -> None:
    log = backend.log()
    await log.open()
    ended = asyncio.ensure_future(Reader(log, 0).ended())
    await asyncio.sleep(0)
    await log.close()
    assert await ended


async def test_a_follower_beyond_the_end_is_reset(log: Log) -> None:
    await filled(log, b"one")
    reader = Reader(log, 7)
    assert await reader.next() == Reset(0, 0.0, 0, ())
    assert await reader.payloads(1) == [b"one"]


async def test_a_start_takes_the_snapshot_and_then_its_tail(backend: Backend, clock: Clock) -> None:
    chunks = (b"c" * MEBIBYTE, b"", b"x" * 300_000, b"end")
    log = backend.log()
    await log.open()
    await filled(log, b"one", b"two", b"three")
    await log.publish_snapshot(2, clock.unix, each(*chunks))

    for number in (1, 2):
        reader = Reader(log, 0)
        assert await reader.next() == Reset(2, clock.unix, 0, chunks)
        assert await reader.payloads(1) == [b"three"]
        await log.close()
        if number == 1:
            log = backend.log("b")
            await log.open()


async def test_the_entries_after_the_snapshot_before_are_kept(backend: Backend, clock: Clock) -> None:
    log = backend.log()
    await log.open()
    await filled(log, b"one", b"two", b"three", b"four")
    await log.publish_snapshot(2, clock.unix, each(b"first"))
    assert await Reader(log, 1).payloads(3) == [b"two", b"three", b"four"]

    await log.publish_snapshot(3, clock.unix, each(b"second"))

    assert await Reader(log, 2).payloads(2) == [b"three", b"four"]
    late = Reader(log, 1)
    first = await late.next()
    if isinstance(first, Reset):
        assert first == Reset(3, clock.unix, 0, (b"second",))
        assert await late.payloads(1) == [b"four"]
    else:  # a log may trim later than it could, but not in part
        assert [first.payload, *await late.payloads(2)] == [b"two", b"three", b"four"]
    await log.close()


async def test_a_full_trim_keeps_the_last_index_and_time(backend: Backend, clock: Clock) -> None:
    log = backend.log()
    await log.open()
    await filled(log, b"one", b"two")
    for _ in range(2):
        await log.publish_snapshot(2, clock.unix, each(b"all"))
    assert isinstance(await Reader(log, 1).next(), Reset)
    await log.close()

    latest, clock.unix = clock.unix, clock.unix - 60
    again = backend.log("b")
    await again.open()
    assert tuple(await again.newest()) == (2, clock.about(latest))
    assert isinstance(await Reader(again, 1).next(), Reset)
    assert await again.append(1, records(b"three")) == Stored(3, clock.about(latest))
    reader = Reader(again, 0)
    assert await reader.next() == Reset(2, latest, 0, (b"all",))
    assert await reader.payloads(1) == [b"three"]
    await again.close()


async def test_a_current_follower_does_not_notice_a_trim(log: Log, clock: Clock) -> None:
    reader = Reader(log, 0)
    await filled(log, b"one", b"two")
    assert await reader.payloads(2) == [b"one", b"two"]
    for _ in range(2):
        await log.publish_snapshot(2, clock.unix, each(b"all"))
    await log.append(3, records(b"three"))
    assert await reader.payloads(1) == [b"three"]


async def test_a_follower_that_a_trim_overtook_is_reset(log: Log, clock: Clock) -> None:
    reader = Reader(log, 0)
    await filled(log, b"one")
    assert await reader.payloads(1) == [b"one"]
    for number in range(2, 400):
        await log.append(number, records(b"x"))
    for index in (300, 399):
        await log.publish_snapshot(index, clock.unix, each(b"%d" % index))
    assert await reader.next() == Reset(399, clock.unix, 0, (b"399",))
    await log.append(400, records(b"next"))
    assert await reader.payloads(1) == [b"next"]


async def test_an_older_snapshot_does_not_replace_a_newer_one(log: Log, clock: Clock) -> None:
    await filled(log, b"one", b"two")
    await log.publish_snapshot(2, clock.unix, each(b"new"))
    await log.publish_snapshot(1, clock.unix, each(b"old"))
    assert await Reader(log, 0).next() == Reset(2, clock.unix, 0, (b"new",))


async def test_a_snapshot_of_the_future_is_refused(log: Log, clock: Clock) -> None:
    await filled(log, b"one")
    with pytest.raises(ValueError, match="2"):
        await log.publish_snapshot(2, clock.unix, each(b"x"))


async def test_nothing_changes_when_a_snapshot_fails_half_way(log: Log, clock: Clock) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"b" * MEBIBYTE
        raise ConnectionResetError

    await filled(log, b"one", b"two")
    await log.publish_snapshot(1, clock.unix, each(b"good"))
    with pytest.raises(ConnectionResetError):
        await log.publish_snapshot(2, clock.unix, broken())
    assert await Reader(log, 0).next() == Reset(1, clock.unix, 0, (b"good",))
    assert await Reader(log, 1).payloads(1) == [b"two"]
    await log.publish_snapshot(2, clock.unix, each(b"better"))
    assert await Reader(log, 0).next() == Reset(2, clock.unix, 0, (b"better",))


async def test_snapshots_published_at_once_do_not_mix(log: Log, clock: Clock) -> None:
    await filled(log, b"one", b"two")
    chunks = [(b"%d" % n,) * 5 for n in (1, 2)]
    await asyncio.gather(*(log.publish_snapshot(n + 1, clock.unix, each(*chunks[n])) for n in (0, 1)))
    assert await Reader(log, 0).next() == Reset(2, clock.unix, 0, chunks[1])


async def test_appends_go_on_while_a_snapshot_is_stored(log: Log, clock: Clock) -> None:
    async def interleaved() -> AsyncIterator[bytes]:
        for number in range(2, 5):
            yield b"chunk" * 100_000
            assert isinstance(await log.append(number, records(b"%d" % number)), Stored)

    await filled(log, b"1")
    await log.publish_snapshot(1, clock.unix, interleaved())
    reader = Reader(log, 0)
    assert await reader.next() == Reset(1, clock.unix, 0, (b"chunk" * 100_000,) * 3)
    assert await reader.payloads(3) == [b"2", b"3", b"4"]


async def test_bytes_since_the_snapshot_are_what_a_start_would_replay(backend: Backend, clock: Clock) -> None:
    log = backend.log()
    await log.open()
    assert log.log_bytes_since_snapshot() == 0
    await filled(log, b"x" * 100, b"y" * 30, b"z")
    await Reader(log, 0).entries(3)
    assert log.log_bytes_since_snapshot() == 131
    await log.publish_snapshot(1, clock.unix, each(b"all"))
    assert log.log_bytes_since_snapshot() == 31
    await log.close()

    again = backend.log("b")
    await again.open()
    reader = Reader(again, 0)
    assert isinstance(await reader.next(), Reset)
    await reader.entries(2)
    assert again.log_bytes_since_snapshot() == 31
    await again.close()
