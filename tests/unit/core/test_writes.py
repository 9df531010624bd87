"""Writes: durable before they are answered, in the log's order whoever wrote them, and each told what became of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from registry.commands import Command, RaiseLevel, RegisterLocalCheck
from registry.commands.codec import encoded
from registry.core import proposals
from registry.core.engine import Engine
from registry.core.recovery import ApplyFailed
from registry.errors import InvalidRequest, LogCorrupt, LogUnavailable, NotFound, TooManyRequests
from registry.log.base import Stored
from registry.log.faults import RESTORE_JUMP
from registry.log.memory import MemoryLog, MemoryStore
from registry.log.open import open_log
from registry.model import topic as topics
from registry.state import store as state_store
from registry.state.snapshot import Frozen, digest
from registry.state.store import State
from registry.testing import FakeClock
from tests.makers import (
    HERE,
    Tally,
    check,
    deregister,
    health_of,
    parked,
    register,
    register_local,
    register_ttl,
    start_server,
    turns,
)
from tests.unit.core.conftest import Rig, Rigged

WEB = (topics.HEALTH, "web")


def port(engine: Engine, name: str = "web") -> int:
    [placed] = engine.state.placed(name)
    return placed.instance.port


def proposed(rig: Rig, command: Command) -> "asyncio.Task[None]":
    return asyncio.get_running_loop().create_task(rig.engine.propose(command))


async def cause_of(engine: Engine) -> Exception:
    """Why the engine gave up."""
    assert engine.failed is not None
    return await engine.failed


# What an answered write means


async def test_a_write_is_shown_when_it_is_answered(engine: Engine) -> None:
    await engine.propose(register("web", port=81))
    assert port(engine) == 81
    assert engine.state.index(WEB) == engine.state.applied


async def test_nothing_is_shown_or_answered_before_it_is_durable(rig: Rig) -> None:
    rig.log.hold()
    writer = proposed(rig, register("web"))
    await turns()
    assert not writer.done()
    assert rig.engine.state.placed("web") == []
    rig.log.release()
    await writer
    assert len(rig.engine.state.placed("web")) == 1


async def test_a_refused_write_is_told_and_leaves_no_trace(engine: Engine) -> None:
    with pytest.raises(NotFound) as refused:
        await engine.propose(RegisterLocalCheck(check("c1", "unknown")))
    assert refused.value.reason == "check-service"
    assert engine.state.local_checks() == []
    await engine.propose(register("web"))
    assert port(engine) == 80


async def test_a_refusal_is_part_of_history(engine: Engine) -> None:
    """It has an index of its own, so that every replica refuses it alike."""
    before = engine.state.applied
    with pytest.raises(InvalidRequest):
        await engine.propose(register(checks=(check("c1", "unknown"),)))
    assert engine.state.applied == before + 1


async def test_writes_of_one_caller_are_done_in_his_order(engine: Engine) -> None:
    await asyncio.gather(*[engine.propose(register("web", port=number)) for number in range(1, 200)])
    assert port(engine) == 199


async def test_writes_that_queue_together_are_stored_together(engine: Engine) -> None:
    """Group commit: throughput rises with load."""
    told = engine.observer
    assert isinstance(told, Tally)
    before = len(told.batches)
    await asyncio.gather(*[engine.propose(register("web", port=number)) for number in range(1, 1001)])
    assert told.batches[before:] == [512, 488]


async def test_what_queues_while_a_batch_is_under_way_is_the_next(rig: Rig) -> None:
    rig.log.hold()
    first = proposed(rig, register("a"))
    await turns(3)
    rest = [proposed(rig, register(f"s{number}")) for number in range(10)]
    await turns(3)
    before = len(rig.told.batches)
    rig.log.release()
    await asyncio.gather(first, *rest)
    assert rig.told.batches[before:] == [1, 10]


async def test_a_lone_writer_does_not_wait_for_company(engine: Engine) -> None:
    told = engine.observer
    assert isinstance(told, Tally)
    before = len(told.batches)
    for number in range(5):
        await engine.propose(register("web", port=number + 1))
    assert told.batches[before:] == [1] * 5


async def test_a_large_write_does_not_drag_the_queue_into_one_batch(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "BATCH_BYTES", 1000)
    before = len(rig.told.batches)
    await asyncio.gather(*[proposed(rig, register("web", tags=("x" * 600, str(number)))) for number in range(6)])
    assert rig.told.batches[before:] == [2, 2, 2]


# Writes that change nothing


async def test_a_write_that_changes_nothing_costs_no_entry(engine: Engine) -> None:
    same: tuple[Command, ...] = (
        register("web", checks=(check("c1", "web"),)),
        register_local("api", check("c2")),
    )
    for command in same:
        await engine.propose(command)
    before = engine.state.applied
    for command in (*same, deregister("gone"), deregister(check_id="gone"), deregister(on="gone")):
        await engine.propose(command)
    assert engine.state.applied == before
    assert isinstance(engine.observer, Tally)
    assert len(engine.observer.skips) == 5


@pytest.mark.parametrize(
    ("now", "under_way", "then"),
    [
        (register("web", port=1), register("web", port=2), register("web", port=1)),
        (register_local("web", port=1), register_local("web", port=2), register_local("web", port=1)),
        (register("web", port=1), deregister("web"), register("web", port=1)),
        (register("web", port=1), deregister(on="n1"), register("web", port=1)),
        (register("web", port=1), register("web", service_id="WEB", port=2), register("web", port=1)),
    ],
    ids=["register", "agent", "its removal", "its node's removal", "another case"],
)
async def test_a_write_is_not_judged_by_what_is_about_to_change(
    rig: Rig, now: Command, under_way: Command, then: Command
) -> None:
    await rig.engine.propose(now)
    rig.log.hold()
    first, second = proposed(rig, under_way), proposed(rig, then)
    await turns()
    assert not second.done()
    rig.log.release()
    await asyncio.gather(first, second)
    assert port(rig.engine) == 1


async def test_a_removal_waits_for_the_registration_under_way(rig: Rig) -> None:
    rig.log.hold()
    first, second = proposed(rig, register("web")), proposed(rig, deregister("web"))
    await turns()
    assert not second.done()
    rig.log.release()
    await asyncio.gather(first, second)
    assert rig.engine.state.placed("web") == []


async def test_an_unrelated_write_under_way_costs_no_entry(rig: Rig) -> None:
    await rig.engine.propose(register("web"))
    rig.log.hold()
    other = proposed(rig, register("db", on="n2"))
    await rig.engine.propose(register("web"))
    assert not other.done()


@pytest.mark.parametrize("outcome", ["stored", "refused", "not stored", "unknown"])
async def test_once_a_write_is_over_it_is_no_longer_in_the_way(rig: Rig, outcome: str, clock: FakeClock) -> None:
    await rig.engine.propose(register("web"))
    if outcome == "not stored":
        rig.log.inject_not_stored()
    if outcome == "unknown":
        rig.log.inject_unknown(stored=False)
    command = register(checks=(check("c", "unknown"),)) if outcome == "refused" else register("web", port=81)
    writer = proposed(rig, command)
    await clock.advance(5)
    await asyncio.wait({writer})
    assert (writer.exception() is None) == (outcome == "stored")
    before = rig.engine.state.applied
    await rig.engine.propose(register("web", port=port(rig.engine)))
    assert rig.engine.state.applied == before


# The log's order


async def test_what_others_write_is_applied_in_the_logs_order(rig: Rig) -> None:
    await rig.engine.propose(register("web", port=1))
    rig.log.hold()
    own = proposed(rig, register("web", port=2))
    await turns()
    other = asyncio.get_running_loop().create_task(rig.foreign(register("web", port=3)))
    await turns()
    rig.log.release()
    await asyncio.gather(own, other)
    await turns()
    assert port(rig.engine) == 3
    [placed] = rig.engine.state.placed("web")
    assert placed.instance.modify_index == rig.engine.state.applied == 4


async def test_what_others_write_wakes_readers(rig: Rig) -> None:
    reader = await parked(rig.engine, rig.engine.after(health_of("web"), rig.engine.state.index(WEB), 60))
    await rig.foreign(register("web"))
    answer, waited = await reader
    assert (answer.index, waited) == (2, True)


async def test_a_refusal_of_anothers_write_is_not_ours_to_tell(rig: Rig) -> None:
    await rig.foreign(register(checks=(check("c", "unknown"),)))
    await turns()
    assert rig.engine.state.applied == 2
    assert rig.told.refusals == []


async def test_indexes_may_jump(rig: Rig) -> None:
    rig.log.inject_jump(1000)
    await rig.engine.propose(register("web"))
    [placed] = rig.engine.state.placed("web")
    assert placed.instance.modify_index == rig.engine.state.index(WEB) == 1002


async def test_two_engines_on_one_log_are_one_registry(clock: FakeClock) -> None:
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    one, two = (Engine(MemoryLog(store, writer=name), clock) for name in ("one", "two"))
    for engine in (one, two):
        await engine.start()
    await one.propose(start_server())
    await asyncio.gather(
        *[engine.propose(register("web", service_id=str(n), port=n)) for n in range(50) for engine in (one, two)]
    )
    reader = await parked(two, two.after(health_of("web"), two.state.index(WEB), 60))
    await one.propose(register("web", service_id="0", port=99))
    answer, _ = await reader
    assert answer.index == one.state.index(WEB)
    assert digest(one.state) == digest(two.state)
    for engine in (one, two):
        await engine.stop()


# Outcomes


async def test_a_write_that_was_not_stored_can_be_repeated(rig: Rig) -> None:
    rig.log.inject_not_stored("the disk is full")
    with pytest.raises(LogUnavailable, match="the disk is full") as refused:
        await rig.engine.propose(register("web"))
    assert not refused.value.unknown
    assert rig.engine.state.placed("web") == []
    assert rig.told.troubles == ["the disk is full"]
    await rig.engine.propose(register("web"))
    assert port(rig.engine) == 80


async def test_a_write_of_unknown_outcome_that_turns_up_is_a_success(rig: Rig) -> None:
    rig.log.inject_unknown(stored=True)
    await rig.engine.propose(register("web"))
    assert port(rig.engine) == 80


async def test_a_write_of_unknown_outcome_that_does_not_turn_up_is_said_to_be_unknown(
    rig: Rig, clock: FakeClock
) -> None:
    rig.log.inject_unknown(stored=False)
    writer = proposed(rig, register("web"))
    await clock.advance(4.9)
    assert not writer.done()
    await clock.advance(0.1)
    with pytest.raises(LogUnavailable) as told:
        await writer
    assert told.value.unknown


async def test_a_write_that_lands_after_its_caller_was_told_is_applied_all_the_same(rig: Rig, clock: FakeClock) -> None:
    rig.log.inject_unknown_late()
    writer = proposed(rig, register("web"))
    await clock.advance(5)
    with pytest.raises(LogUnavailable):
        await writer
    await rig.log.land()
    await turns()
    assert port(rig.engine) == 80


async def test_writes_go_on_after_one_of_unknown_outcome(rig: Rig, clock: FakeClock) -> None:
    rig.log.inject_unknown(stored=False)
    lost = proposed(rig, register("web"))
    await turns()
    await rig.engine.propose(register("db"))
    assert port(rig.engine, "db") == 80
    await clock.advance(5)
    with pytest.raises(LogUnavailable):
        await lost


async def test_a_caller_that_goes_away_does_not_cancel_its_write(rig: Rig) -> None:
    rig.log.hold()
    writer = proposed(rig, register("web"))
    await turns()
    writer.cancel()
    await asyncio.wait({writer})
    rig.log.release()
    await rig.engine.propose(register("db"))
    assert port(rig.engine) == 80


async def test_too_many_waiting_writes_are_refused_and_nothing_else(rigged: Rigged) -> None:
    rig = await rigged(max_pending_writes=3)
    rig.log.hold()
    first = proposed(rig, register("web", port=1))
    await turns()  # it is under way, not waiting
    waiting = [proposed(rig, register("web", port=number)) for number in (2, 3, 4)]
    await turns()
    with pytest.raises(TooManyRequests) as refused:
        await rig.engine.propose(register("web", port=5))
    assert (refused.value.reason, refused.value.values) == ("pending-writes", {"limit": 3, "have": 3})
    rig.log.release()
    await asyncio.gather(first, *waiting)
    await rig.engine.propose(register("web", port=6))
    assert port(rig.engine) == 6


# Resets


async def test_a_write_that_a_reset_may_have_swallowed_is_said_to_be_unknown(rig: Rig) -> None:
    rig.log.hold()
    writer = proposed(rig, register("web"))
    await turns()
    rig.log.inject_reset()
    with pytest.raises(LogUnavailable) as told:
        await writer
    assert told.value.unknown
    rig.log.release()
    await turns()
    assert port(rig.engine) == 80  # this one was not swallowed


async def test_a_restore_replaces_everything_and_wakes_everybody(rig: Rig, clock: FakeClock) -> None:
    await rig.engine.propose(register("old"))
    restored = State()
    restored.apply(1, clock.now(), start_server(), _changes())
    restored.apply(2, clock.now(), register("web"), _changes())
    readers = [
        await parked(rig.engine, rig.engine.after(health_of(name), rig.engine.state.applied, 60))
        for name in ("web", "old", "other")
    ]
    rig.log.inject_restore(clock.now(), *[chunk for chunk in Frozen(restored).chunks() if chunk])
    answers = [(await reader)[0] for reader in readers]
    assert [answer.index > RESTORE_JUMP for answer in answers] == [True] * 3
    assert rig.engine.state.placed("old") == []
    assert rig.told.resets == [rig.engine.state.applied]
    await rig.engine.propose(register("new"))
    assert rig.engine.state.index((topics.HEALTH, "new")) > answers[0].index


async def test_a_restore_drops_what_was_kept_ready(rig: Rig, clock: FakeClock) -> None:
    await rig.engine.propose(register("web"))
    before = rig.engine.answer(health_of("web"))
    rig.log.inject_restore(clock.now(), *[chunk for chunk in Frozen(State()).chunks() if chunk])
    await turns()
    after = rig.engine.answer(health_of("web"))
    assert (before.live, after.body) == (False, b"[]")


async def test_a_follower_sent_back_never_shows_less_than_it_has_shown(rig: Rig) -> None:
    """A reset to an older state is caught up with before anybody reads it; a blocked reader sees no gap."""
    await rig.engine.propose(register("web"))
    before = rig.engine.answer(health_of("web"))
    reader = await parked(rig.engine, rig.engine.after(health_of("web"), before.index, 60))
    rig.log.inject_reset()
    for _ in range(20):
        assert rig.engine.answer(health_of("web")).body == before.body
        await asyncio.sleep(0)
    assert rig.told.resets == [0]
    answer, _ = await reader
    assert (answer.body, answer.index) == (before.body, before.index)
    await rig.engine.propose(register("web", port=81))
    assert port(rig.engine) == 81


async def test_texts_that_the_log_does_not_have_yet_outlive_a_reset(rig: Rig) -> None:
    await rig.engine.propose(register_ttl(status="passing"))
    await rig.engine.beat("ttl", "passing", "news")
    rig.log.inject_reset()
    await turns()
    assert [one.output for one in rig.engine.state.local_checks()] == ["news"]


def _changes() -> Any:
    from registry.state.changes import Changes

    return Changes()


# The end, and what cannot be gone on with


async def test_stopping_stores_what_was_accepted(store: str, clock: FakeClock) -> None:
    if store == "memory:":
        pytest.skip("nothing is left of it to look at")
    engine = Engine(open_log(store, now=clock.now, elapsed=clock.elapsed, writer="one"), clock)
    await engine.start()
    loop = asyncio.get_running_loop()
    writers = [loop.create_task(engine.propose(register("web", service_id=str(number)))) for number in range(700)]
    await turns(2)
    await engine.stop()
    await asyncio.gather(*writers)
    again = Engine(open_log(store, now=clock.now, elapsed=clock.elapsed, writer="two"), clock)
    await again.start()
    assert len(again.state.placed("web")) == 700
    assert digest(again.state) == digest(engine.state)
    await again.stop()


async def test_after_stopping_writes_are_refused(engine: Engine) -> None:
    await engine.stop()
    await engine.stop()
    with pytest.raises(LogUnavailable) as refused:
        await engine.propose(register("web"))
    assert not refused.value.unknown


async def test_stopping_does_not_wait_for_a_log_that_never_answers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "UNKNOWN_SECONDS", 0.01)
    rig.log.inject_unknown(stored=False)
    writer = proposed(rig, register("web"))
    await turns()
    await rig.engine.stop()
    writer.cancel()
    await asyncio.wait({writer})


async def test_an_entry_that_does_not_decode_stops_the_engine_and_is_named(rig: Rig) -> None:
    outcome = await rig.log.foreign(b"\x01garbage")
    assert isinstance(outcome, Stored)
    cause = await cause_of(rig.engine)
    assert isinstance(cause, LogCorrupt)
    assert f"record {outcome.first} of the log" in str(cause)


async def test_an_entry_that_breaks_the_state_stops_the_engine_and_is_named(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Diverging quietly would be worse than being down."""
    _break(monkeypatch)
    outcome = await rig.log.foreign(encoded(RaiseLevel(2)))
    assert isinstance(outcome, Stored)
    cause = await cause_of(rig.engine)
    assert isinstance(cause, ApplyFailed)
    assert cause.index == outcome.first
    assert isinstance(cause.__cause__, KeyError)


def _break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one kind of command run into a bug."""

    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setitem(state_store._APPLY, RaiseLevel, broken)


@pytest.mark.parametrize("when", ["before", "with", "after"])
async def test_nobody_waits_for_ever_on_an_engine_that_gave_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    _break(monkeypatch)
    rig.log.hold()
    bad = RaiseLevel(2)
    written = {"before": [register("web"), bad], "with": [register("web"), bad, register("db")], "after": [bad]}
    writers = [proposed(rig, command) for command in written[when]]
    await turns()
    rig.log.release()
    await cause_of(rig.engine)
    results = await asyncio.gather(*writers, return_exceptions=True)
    assert all(result is None or isinstance(result, LogUnavailable) for result in results)
    assert any(isinstance(result, LogUnavailable) and result.unknown for result in results)
    with pytest.raises(LogUnavailable):
        await rig.engine.propose(register("late"))


async def test_a_log_that_cannot_be_read_refuses_the_start(clock: FakeClock) -> None:
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    first = MemoryLog(store, writer="one")
    await first.open()
    from registry.log.base import Record

    await first.append(1, [Record(b"\x09garbage")])
    engine = Engine(MemoryLog(store, writer="two"), clock)
    with pytest.raises(LogCorrupt, match="record 1 of the log"):
        await engine.start()
    await engine.stop()
    await first.close()


# Starting again


@pytest.mark.parametrize("snapshot_min_bytes", [1 << 30, 2000], ids=["from the log", "from a snapshot and the log"])
async def test_a_restart_finds_the_same_state(tmp_path: Path, clock: FakeClock, snapshot_min_bytes: int) -> None:
    from registry.core.engine import Options

    def opened(writer: str, told: Tally) -> Engine:
        log = open_log(f"sqlite:///{tmp_path}/r.db", now=clock.now, elapsed=clock.elapsed, writer=writer)
        made = Engine(log, clock, options=Options(snapshot_min_bytes=snapshot_min_bytes), observer=told)
        clock.busy = lambda: made.busy
        return made

    told = Tally()
    engine = opened("one", told)
    await engine.start()
    await engine.propose(start_server())
    for number in range(60):
        await engine.propose(register("web", service_id=str(number), tags=("x" * 50,)))
        await clock.settle()
    await engine.propose(deregister("3"))
    before = digest(engine.state)
    await engine.stop()
    assert bool(told.snapshots) == (snapshot_min_bytes < 1 << 30)
    again = opened("two", Tally())
    await again.start()
    assert digest(again.state) == before
    assert again.state.own_key() == HERE
    await again.propose(register("after"))
    assert again.state.index((topics.HEALTH, "after")) == engine.state.applied + 1
    await again.stop()


async def test_a_snapshot_that_fails_is_told_and_tried_again(rigged: Rigged, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = await rigged(snapshot_min_bytes=100)
    publish, refuse = rig.log.publish_snapshot, True

    async def publish_or_not(*given: Any) -> None:
        if refuse:
            raise LogUnavailable("no room")
        await publish(*given)

    monkeypatch.setattr(rig.log, "publish_snapshot", publish_or_not)
    await rig.engine.propose(register("web", tags=("x" * 200,)))
    await turns()
    assert set(rig.told.troubles) == {"snapshot: no room"}
    refuse = False
    await rig.engine.propose(register("db"))
    await turns(50)
    assert rig.told.snapshots == [rig.engine.state.applied]
