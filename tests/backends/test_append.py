"""What `Log.append` promises, on every backend."""

import asyncio

import pytest

from registry.log.base import Arm, Condition, Log, NotStored, OwnId, Record, Stored
from tests.backends.stores import Backend, Clock, Reader, records


async def test_an_empty_log_is_at_index_zero(log: Log) -> None:
    assert tuple(await log.newest()) == (0, 0.0)


async def test_a_batch_gets_consecutive_indexes_one_time_and_its_own_ids(log: Log, clock: Clock) -> None:
    assert await log.append(1, records(b"one", b"two")) == Stored(1, clock.about())
    clock.advance(1.5)
    assert await log.append(2, records(b"three")) == Stored(3, clock.about())

    entries = await Reader(log, 0).entries(3)

    assert [tuple(entry) for entry in entries] == [
        (1, clock.about(clock.unix - 1.5), OwnId("a", 1, 0), b"one"),
        (2, clock.about(clock.unix - 1.5), OwnId("a", 1, 1), b"two"),
        (3, clock.about(), OwnId("a", 2, 0), b"three"),
    ]
    assert tuple(await log.newest()) == (3, clock.about())


@pytest.mark.parametrize("size", [1, 2, 3, 31, 32, 33, 255, 256, 257, 700])
async def test_batches_of_any_size_come_back_as_they_went_in(backend: Backend, size: int) -> None:
    log = backend.log()
    await log.open()
    payloads = [b"%d" % n for n in range(size)]

    assert await log.append(1, records(*payloads)) == Stored(1, (await log.newest()).time)
    await log.close()

    again = backend.log("b")
    await again.open()
    entries = await Reader(again, 0).entries(size)
    assert [entry.payload for entry in entries] == payloads
    assert [entry.index for entry in entries] == list(range(1, size + 1))
    assert {entry.own_id for entry in entries} == {OwnId("a", 1, n) for n in range(size)}
    await again.close()


async def test_payloads_are_opaque(backend: Backend) -> None:
    payloads = [b"", b"\0", bytes(range(256)), "ü€".encode(), b"x" * 1_000_000]
    log = backend.log("wrïter'\n")
    await log.open()
    await log.append(1, records(*payloads))
    await log.close()

    again = backend.log()
    await again.open()
    entries = await Reader(again, 0).entries(len(payloads))
    assert [entry.payload for entry in entries] == payloads
    assert {entry.own_id.writer for entry in entries} == {"wrïter'\n"}
    await again.close()


async def test_a_reopened_log_goes_on_where_it_was(backend: Backend, clock: Clock) -> None:
    first = backend.log()
    await first.open()
    await first.append(1, records(b"one", b"two"))
    before = await Reader(first, 0).entries(2)
    await first.close()

    second = backend.log("b")
    await second.open()
    assert await Reader(second, 0).entries(2) == before
    assert await second.append(1, records(b"three")) == Stored(3, clock.about())
    await second.close()


async def test_time_never_goes_back(backend: Backend, clock: Clock) -> None:
    log = backend.log()
    await log.open()
    latest = clock.unix
    await log.append(1, records(b"one"))
    clock.unix -= 3600
    assert await log.append(2, records(b"two")) == Stored(2, clock.about(latest))
    await log.close()

    again = backend.log("b")
    await again.open()
    assert await again.append(1, records(b"three")) == Stored(3, clock.about(latest))
    clock.unix = latest + 0.25
    assert await again.append(2, records(b"four")) == Stored(4, clock.about(latest + 0.25))
    times = [entry.time for entry in await Reader(again, 0).entries(4)]
    assert times == [clock.about(one) for one in (latest, latest, latest, latest + 0.25)]
    assert times == sorted(times)
    await again.close()


async def test_indexes_may_jump_and_stay_so(local_backend: Backend) -> None:
    backend = local_backend
    log = backend.log()
    await log.open()
    await log.append(1, records(b"one"))
    log._sequencer.jump(1_000_000)
    outcome = await log.append(2, records(b"two", b"three"))
    assert isinstance(outcome, Stored)
    assert outcome.first == 1_000_002
    await log.close()

    again = backend.log("b")
    await again.open()
    assert [entry.index for entry in await Reader(again, 0).entries(3)] == [1, 1_000_002, 1_000_003]
    assert [entry.index for entry in await Reader(again, 500).entries(2)] == [1_000_002, 1_000_003]
    assert (await again.newest()).index == 1_000_003
    await again.close()


async def test_appends_made_at_once_are_stored_in_the_order_of_the_calls(log: Log) -> None:
    calls = [asyncio.ensure_future(log.append(number, records(b"%d" % number))) for number in range(50)]
    outcomes = await asyncio.gather(*calls)
    assert [outcome.first for outcome in outcomes if isinstance(outcome, Stored)] == list(range(1, 51))
    assert await Reader(log, 0).payloads(50) == [b"%d" % number for number in range(50)]


async def test_cancelling_the_caller_does_not_cancel_the_append(log: Log) -> None:
    call = asyncio.ensure_future(log.append(1, records(b"one")))
    reader = Reader(log, 0)
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await reader.payloads(1) == [b"one"]
    assert isinstance(await log.append(2, records(b"two")), Stored)


async def test_an_empty_batch_changes_nothing(log: Log) -> None:
    assert isinstance(await log.append(1, []), Stored)
    assert (await log.newest()).index == 0


async def test_close_finishes_what_is_under_way_and_refuses_the_rest(backend: Backend) -> None:
    log = backend.log()
    await log.open()
    calls = [asyncio.ensure_future(log.append(number, records(b"%d" % number))) for number in range(5)]
    await asyncio.sleep(0)
    await log.close()
    assert all(isinstance(outcome, Stored) for outcome in await asyncio.gather(*calls))
    assert isinstance(await log.append(9, records(b"late")), NotStored)
    await log.close()

    again = backend.log("b")
    await again.open()
    assert (await again.newest()).index == 5
    await again.close()


async def test_a_record_whose_condition_does_not_hold_is_left_out(log: Log, clock: Clock) -> None:
    await log.deadlines.disarm()
    await log.deadlines.rearm([("late", 5.0), ("beaten", 5.0)])
    clock.advance(6)
    due = {one.member: Condition(*one) for one in (await log.deadlines.tick(10)).due}
    assert (await log.deadlines.beat([("beaten", 5.0)])).unknown == ()

    outcome = await log.append(
        1,
        [
            Record(b"beaten", (Arm("other", 1.0),), due["beaten"]),
            Record(b"late", (Arm("late", None),), due["late"]),
            Record(b"plain"),
        ],
    )

    assert outcome == Stored(1, clock.about(), (0,))
    entries = await Reader(log, 0).entries(2)
    assert [(entry.index, entry.own_id.position, entry.payload) for entry in entries] == [
        (1, 1, b"late"),
        (2, 2, b"plain"),
    ]
    assert set((await log.deadlines.beat([("late", 1.0), ("beaten", 1.0), ("other", 1.0)])).unknown) == {
        "late",
        "other",
    }


async def test_conditions_are_judged_after_the_records_before_them(log: Log, clock: Clock) -> None:
    await log.deadlines.disarm()
    await log.deadlines.rearm([("check", 5.0)])
    clock.advance(6)
    [due] = (await log.deadlines.tick(10)).due
    expiry = Record(b"expired", (Arm("check", None),), Condition(*due))

    assert await log.append(1, [expiry, expiry]) == Stored(1, clock.about(), (1,))
    outcome = await log.append(2, [expiry])

    assert isinstance(outcome, Stored)
    assert outcome.void == (0,)
    assert (await log.newest()).index == 1


async def test_a_beat_behind_an_expiry_under_way_sees_its_index(log: Log, clock: Clock) -> None:
    """Else the beat would be judged on a state in which the check still passes, and be lost."""
    await log.deadlines.disarm()
    await log.deadlines.rearm([("check", 5.0), ("other", 50.0)])
    clock.advance(6)
    [due] = (await log.deadlines.tick(10)).due
    call = asyncio.ensure_future(log.append(1, [Record(b"expired", (Arm("check", None),), Condition(*due))]))
    await asyncio.sleep(0)

    assert (await log.deadlines.beat([("other", 50.0)])).index in (0, 1), "it may be before or after"
    beat = await log.deadlines.beat([("check", 5.0)])

    assert isinstance(await call, Stored)
    assert tuple(beat) == (1, ("check",))
