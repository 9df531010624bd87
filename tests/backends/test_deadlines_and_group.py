"""What `Deadlines` and `Group` promise, on every backend, and how deadlines in process are kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registry.log.base import Arm, Item, Log, Peer, Record
from registry.log.deadlines import SPARE_ENTRIES, LocalDeadlines
from tests.backends.stores import Backend, Clock, MemoryBackend, records


async def members_due(log: Log, limit: int = 10) -> list[str]:
    return [due.member for due in (await log.deadlines.tick(limit)).due]


@pytest.fixture
async def log(log: Log) -> Log:
    """Deadlines pass only once they were armed, as a start does."""
    await log.deadlines.disarm()
    await log.deadlines.rearm([])
    return log


async def test_records_arm_and_remove_deadlines_when_they_are_stored(log: Log, clock: Clock) -> None:
    await log.append(1, [Record(b"x", (Arm("slow", 20.0), Arm("fast", 10.0), Arm("gone", 1.0)))])
    clock.advance(0.5)
    await log.append(2, [Record(b"x", (Arm("gone", None), Arm("never", None)))])
    clock.advance(9.4)
    assert await members_due(log) == []
    clock.advance(0.2)
    assert await members_due(log) == ["fast"]
    clock.advance(60)
    assert await members_due(log) == ["fast", "slow"]
    assert await members_due(log, limit=1) == ["fast"], "they stay armed"


async def test_a_beat_moves_the_deadline_and_names_who_is_not_armed(log: Log, clock: Clock) -> None:
    await log.append(1, [Record(b"x", (Arm("a", 10.0), Arm("b", 10.0)))])
    clock.advance(9)
    assert tuple(await log.deadlines.beat(iter([("a", 10.0), ("stranger", 10.0)]))) == (1, ("stranger",))
    clock.advance(2)
    assert await members_due(log) == ["b"]
    await log.append(2, [Record(b"x", (Arm("b", None),))])
    assert (await log.newest()).index == 2, "a beat costs no index"


async def test_a_beat_may_bring_a_deadline_forward(log: Log, clock: Clock) -> None:
    await log.append(1, [Record(b"x", (Arm("a", 3600.0),))])
    await log.deadlines.beat([("a", 1.0)])
    clock.advance(1.1)
    assert await members_due(log) == ["a"]


async def test_it_is_told_how_long_ago_each_has_passed(log: Log, clock: Clock) -> None:
    await log.append(1, [Record(b"x", (Arm("a", 10.0), Arm("b", 12.0)))])
    clock.advance(12.5)
    tick = await log.deadlines.tick(10)
    assert [due.member for due in tick.due] == ["a", "b"]
    assert tick.late_seconds == pytest.approx((2.5, 0.5), abs=0.2)  # real time goes on beside the clock of some


async def test_how_long_deadlines_have_to_go_is_told_with_the_time_also_for_none(log: Log, clock: Clock) -> None:
    await log.append(1, [Record(b"x", (Arm("a", 10.0),))])
    begun, none = await log.deadlines.left([])
    assert (none, begun) == ((), pytest.approx((await log.deadlines.tick(1)).time, abs=0.2))
    clock.advance(12.5)
    time, (left, stranger) = await log.deadlines.left(["a", "stranger"])
    assert (left, stranger, time - begun) == (pytest.approx(-2.5, abs=0.2), None, pytest.approx(12.5, abs=0.2))


async def test_rearm_replaces_everything(log: Log, clock: Clock) -> None:
    await log.append(1, [Record(b"x", (Arm("old", 1.0), Arm("kept", 1.0)))])
    clock.advance(5)
    assert await log.deadlines.disarm() == 1
    assert (await log.deadlines.tick(10)).armed_at == 0.0
    assert await members_due(log) == [], "nothing passes in between"
    assert (await log.deadlines.beat([("old", 1.0)])).unknown == (), "everything is armed anew anyhow"
    await log.deadlines.rearm([("kept", 10.0), ("new", 5.0)])
    assert (await log.deadlines.tick(10)).armed_at > 0.0
    assert await members_due(log) == []
    assert (await log.deadlines.beat([("old", 1.0)])).unknown == ("old",)
    clock.advance(6)
    assert await members_due(log) == ["new"]


async def test_one_writer_does_everything(log: Log) -> None:
    assert log.group.is_housekeeper()
    assert log.group.tenure() > 0
    await log.deadlines.tick(1)
    assert log.group.members() == (Peer("a", b""),)
    log.group.announce(b"who I am")
    async with asyncio.timeout(3):
        while log.group.members() != (Peer("a", b"who I am"),):
            await log.deadlines.tick(1)
            await asyncio.sleep(0)


async def test_a_closed_log_has_no_part_in_the_group(backend: Backend) -> None:
    log = backend.log()
    assert not log.group.is_housekeeper()
    await log.open()
    await log.close()
    assert not log.group.is_housekeeper()
    assert log.group.members() == ()


async def test_writers_of_one_store_share_the_work(clock: Clock, tmp_path: Path) -> None:
    backend = MemoryBackend(clock, tmp_path)
    logs = [backend.log(writer) for writer in ("b", "a", "c")]
    for log in logs:
        await log.open()
    assert [log.group.is_housekeeper() for log in logs] == [True, False, False]
    assert [peer.writer for peer in logs[0].group.members()] == ["a", "b", "c"]
    first = logs[0].group.tenure()

    await logs[0].close()
    assert 0 < first != logs[1].group.tenure() > 0
    assert [log.group.is_housekeeper() for log in logs] == [False, True, False]


async def test_writers_of_one_store_see_each_other(clock: Clock, tmp_path: Path) -> None:
    backend = MemoryBackend(clock, tmp_path)
    a, b = backend.log("a"), backend.log("b")
    await a.open()
    await b.open()
    await asyncio.gather(a.append(1, records(b"a1")), b.append(1, records(b"b1")), a.append(2, records(b"a2")))

    [first] = [item async for item in _first(a)]
    assert [(entry.index, entry.own_id.writer, entry.payload) for entry in first] == [
        (1, "a", b"a1"),
        (2, "b", b"b1"),
        (3, "a", b"a2"),
    ]
    await a.close()
    await b.append(2, records(b"b2"))
    assert (await b.newest()).index == 4, "one end closes for itself"
    await b.close()


async def _first(log: Log) -> AsyncIterator[Item]:
    async for item in log.follow(0):
        yield item
        return


async def test_the_heap_does_not_grow_with_beats_and_rearming(clock: Clock) -> None:
    deadlines = LocalDeadlines(clock.elapsed, clock.now, lambda: 0)
    for _ in range(50):
        clock.advance(1)
        for n in range(100):
            deadlines.apply([Record(b"", (Arm(f"m{n}", None), Arm(f"m{n}", 30.0)))], ())
        await deadlines.beat([(f"m{n}", 30.0 - n % 7) for n in range(100)])
        assert len(deadlines._heap) <= 2 * 100 + SPARE_ENTRIES
    clock.advance(24)
    await deadlines.rearm([])
    passed = (await deadlines.tick(1000)).due
    assert len(passed) == len({due.member for due in passed}) > 0
