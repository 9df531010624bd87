"""Writes: durable before they are answered, in the log's order whoever wrote them, and each told what became of it."""

import asyncio

import pytest

from registry.commands import Command, RegisterLocalCheck
from registry.core import proposals
from registry.core.engine import Engine
from registry.errors import InvalidRequest, LogUnavailable, NotFound, TooManyRequests
from registry.log.memory import MemoryLog, MemoryStore
from registry.model import topic as topics
from registry.state.snapshot import digest
from registry.testing import FakeClock
from tests.makers import (
    Tally,
    check,
    deregister,
    health_of,
    parked,
    port_of,
    register,
    register_local,
    start_server,
    turns,
)
from tests.unit.core.conftest import Rig, Rigged

WEB = (topics.HEALTH, "web")


# What an answered write means


async def test_a_write_is_shown_when_it_is_answered(engine: Engine) -> None:
    await engine.propose(register("web", port=81))
    assert port_of(engine) == 81
    assert engine.state.index(WEB) == engine.state.applied


async def test_nothing_is_shown_or_answered_before_it_is_durable(rig: Rig) -> None:
    rig.log.hold()
    writer = rig.begin(register("web"))
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
    assert port_of(engine) == 80


async def test_a_refusal_is_part_of_history(engine: Engine) -> None:
    """It has an index of its own, so that every replica refuses it alike."""
    before = engine.state.applied
    with pytest.raises(InvalidRequest):
        await engine.propose(register(checks=(check("c1", "unknown"),)))
    assert engine.state.applied == before + 1


async def test_writes_of_one_caller_are_done_in_his_order(engine: Engine) -> None:
    await asyncio.gather(*[engine.propose(register("web", port=number)) for number in range(1, 200)])
    assert port_of(engine) == 199


async def test_writes_that_queue_together_are_stored_together(engine: Engine) -> None:
    """Group commit: throughput rises with load."""
    told = engine.observer
    assert isinstance(told, Tally)
    before = len(told.batches)
    await asyncio.gather(*[engine.propose(register("web", port=number)) for number in range(1, 1001)])
    await engine.propose(register("db"))  # a shared log may show a batch before it says that it is stored
    assert told.batches[before:][:2] == [512, 488]


async def test_what_queues_while_a_batch_is_under_way_is_the_next(rig: Rig) -> None:
    rig.log.hold()
    first = rig.begin(register("a"))
    await turns(3)
    rest = [rig.begin(register(f"s{number}")) for number in range(10)]
    await turns(3)
    before = len(rig.told.batches)
    rig.log.release()
    await asyncio.gather(first, *rest)
    assert rig.told.batches[before:] == [1, 10]


async def test_a_lone_writer_does_not_wait_for_company(engine: Engine, clock: FakeClock) -> None:
    told = engine.observer
    assert isinstance(told, Tally)
    before = len(told.batches)
    for number in range(5):
        await engine.propose(register("web", port=number + 1))
    await clock.settle()
    assert told.batches[before:] == [1] * 5


async def test_a_large_write_does_not_drag_the_queue_into_one_batch(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "BATCH_BYTES", 1000)
    before = len(rig.told.batches)
    await asyncio.gather(*[rig.begin(register("web", tags=("x" * 600, str(number)))) for number in range(6)])
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
    first, second = rig.begin(under_way), rig.begin(then)
    await turns()
    assert not second.done()
    rig.log.release()
    await asyncio.gather(first, second)
    assert port_of(rig.engine) == 1


async def test_a_removal_waits_for_the_registration_under_way(rig: Rig) -> None:
    rig.log.hold()
    first, second = rig.begin(register("web")), rig.begin(deregister("web"))
    await turns()
    assert not second.done()
    rig.log.release()
    await asyncio.gather(first, second)
    assert rig.engine.state.placed("web") == []


async def test_an_unrelated_write_under_way_costs_no_entry(rig: Rig) -> None:
    await rig.engine.propose(register("web"))
    rig.log.hold()
    other = rig.begin(register("db", on="n2"))
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
    writer = rig.begin(command)
    await clock.advance(5)
    await asyncio.wait({writer})
    assert (writer.exception() is None) == (outcome == "stored")
    before = rig.engine.state.applied
    await rig.engine.propose(register("web", port=port_of(rig.engine)))
    assert rig.engine.state.applied == before


# The log's order


async def test_what_others_write_is_applied_in_the_logs_order(rig: Rig) -> None:
    await rig.engine.propose(register("web", port=1))
    rig.log.hold()
    own = rig.begin(register("web", port=2))
    await turns()
    other = asyncio.get_running_loop().create_task(rig.foreign(register("web", port=3)))
    await turns()
    rig.log.release()
    await asyncio.gather(own, other)
    await turns()
    assert port_of(rig.engine) == 3
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
    assert port_of(rig.engine) == 80


async def test_a_write_of_unknown_outcome_that_turns_up_is_a_success(rig: Rig) -> None:
    rig.log.inject_unknown(stored=True)
    await rig.engine.propose(register("web"))
    assert port_of(rig.engine) == 80


async def test_a_write_of_unknown_outcome_that_does_not_turn_up_is_said_to_be_unknown(
    rig: Rig, clock: FakeClock
) -> None:
    rig.log.inject_unknown(stored=False)
    writer = rig.begin(register("web"))
    await clock.advance(4.9)
    assert not writer.done()
    await clock.advance(0.1)
    with pytest.raises(LogUnavailable) as told:
        await writer
    assert told.value.unknown


async def test_a_write_that_lands_after_its_caller_was_told_is_applied_all_the_same(rig: Rig, clock: FakeClock) -> None:
    rig.log.inject_unknown_late()
    writer = rig.begin(register("web"))
    await clock.advance(5)
    with pytest.raises(LogUnavailable):
        await writer
    await rig.log.land()
    await turns()
    assert port_of(rig.engine) == 80


async def test_writes_go_on_after_one_of_unknown_outcome(rig: Rig, clock: FakeClock) -> None:
    rig.log.inject_unknown(stored=False)
    lost = rig.begin(register("web"))
    await turns()
    await rig.engine.propose(register("db"))
    assert port_of(rig.engine, "db") == 80
    await clock.advance(5)
    with pytest.raises(LogUnavailable):
        await lost


async def test_a_caller_that_goes_away_does_not_cancel_its_write(rig: Rig) -> None:
    rig.log.hold()
    writer = rig.begin(register("web"))
    await turns()
    writer.cancel()
    await asyncio.wait({writer})
    rig.log.release()
    await rig.engine.propose(register("db"))
    assert port_of(rig.engine) == 80


async def test_too_many_waiting_writes_are_refused_and_nothing_else(rigged: Rigged) -> None:
    rig = await rigged(max_pending_writes=3)
    rig.log.hold()
    first = rig.begin(register("web", port=1))
    await turns()  # it is under way, not waiting
    waiting = [rig.begin(register("web", port=number)) for number in (2, 3, 4)]
    await turns()
    with pytest.raises(TooManyRequests) as refused:
        await rig.engine.propose(register("web", port=5))
    assert (refused.value.reason, refused.value.values) == ("pending-writes", {"limit": 3, "have": 3})
    rig.log.release()
    await asyncio.gather(first, *waiting)
    await rig.engine.propose(register("web", port=6))
    assert port_of(rig.engine) == 6
