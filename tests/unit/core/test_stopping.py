"""Stopping and starting: what was accepted is stored, what cannot be read is named, and a start finds it all again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from registry.commands import Command, RaiseLevel
from registry.commands.codec import encoded
from registry.core import proposals
from registry.core.engine import Engine, Options
from registry.core.recovery import ApplyFailed
from registry.errors import LogCorrupt, LogUnavailable
from registry.log.base import Record, Stored
from registry.log.memory import MemoryLog, MemoryStore
from registry.log.open import open_log
from registry.model import topic as topics
from registry.state import store as state_store
from registry.state.snapshot import digest
from registry.testing import FakeClock
from tests.makers import HERE, Tally, deregister, register, register_local, start_server, ttl, turns
from tests.unit.core.conftest import Lagging, Rig, Rigged


async def cause_of(engine: Engine) -> Exception:
    """Why the engine gave up."""
    assert engine.failed is not None
    return await engine.failed


async def test_stopping_stores_what_was_accepted(tmp_path: Path, clock: FakeClock) -> None:
    store = f"sqlite:///{tmp_path}/r.db"
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


async def test_stopping_waits_for_a_write_whose_caller_has_gone_and_for_nothing_else(rig: Rig) -> None:
    rig.log.hold()
    writer = rig.begin(register("web"))
    await turns()
    writer.cancel()
    await asyncio.wait([writer])
    stopping = asyncio.ensure_future(rig.engine.stop())
    await turns()
    assert not stopping.done()
    rig.log.release()
    await stopping
    assert rig.engine.state.placed("web")


async def test_stopping_does_not_wait_for_a_log_that_never_answers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "UNKNOWN_SECONDS", 0.01)
    rig.log.inject_unknown(stored=False)
    writer = rig.begin(register("web"))
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
    assert f"'registry repair --skip {outcome.first}'" in str(cause)


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
    assert f"'registry repair --skip {outcome.first}'" in str(cause)
    assert isinstance(cause.__cause__, KeyError)


def _break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one kind of command run into a bug."""

    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setitem(state_store._APPLY, RaiseLevel, broken)


@pytest.mark.parametrize("when", ["before", "after", "around"])
async def test_nobody_waits_for_ever_on_an_engine_that_gave_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    _break(monkeypatch)
    rig.log.hold()
    bad = RaiseLevel(2)
    written: dict[str, list[Command]] = {
        "before": [register("web"), bad],
        "after": [bad, register("db")],
        "around": [register("web"), bad, register("db")],
    }
    writers = [rig.begin(command) for command in written[when]]
    await turns()
    rig.log.release()
    await cause_of(rig.engine)
    results = await asyncio.gather(*writers, return_exceptions=True)
    assert all(result is None or isinstance(result, LogUnavailable) for result in results)
    assert any(isinstance(result, LogUnavailable) and result.unknown for result in results)
    with pytest.raises(LogUnavailable):
        await rig.engine.propose(register("late"))


async def test_writes_that_still_queue_when_the_engine_gives_up_are_told(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "BATCH_RECORDS", 1)
    rig.log.hold()
    writers = [rig.begin(register("web", port=number)) for number in range(5)]
    await turns()
    foreign = asyncio.ensure_future(rig.log.foreign(b"\x01garbage"))
    await turns()
    rig.log.release()
    await cause_of(rig.engine)
    results = await asyncio.gather(*writers, return_exceptions=True)
    assert [isinstance(result, LogUnavailable) for result in results] == [False, True, True, True, True]
    await foreign


async def test_a_beat_that_waits_for_what_others_wrote_is_told_when_the_engine_stops(clock: FakeClock) -> None:
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    behind = Lagging(store, writer="two")
    one, two = Engine(MemoryLog(store, writer="one"), clock), Engine(behind, clock)
    for engine in (one, two):
        await engine.start()
    await one.propose(start_server())
    await one.propose(register_local("web", ttl(status="passing")))
    await turns()
    behind.go.clear()
    await one.propose(register("other"))
    beat = asyncio.ensure_future(two.beat("ttl", "passing", ""))
    await turns()
    await two.stop()
    with pytest.raises(LogUnavailable):
        await beat
    await one.stop()


async def test_a_log_that_cannot_be_read_refuses_the_start(clock: FakeClock) -> None:
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    first = MemoryLog(store, writer="one")
    await first.open()
    await first.append(1, [Record(b"\x09garbage")])
    engine = Engine(MemoryLog(store, writer="two"), clock)
    with pytest.raises(LogCorrupt, match="record 1 of the log"):
        await engine.start()
    await engine.stop()
    await first.close()


@pytest.mark.parametrize("snapshot_min_bytes", [1 << 30, 2000], ids=["from the log", "from a snapshot and the log"])
async def test_a_restart_finds_the_same_state(tmp_path: Path, clock: FakeClock, snapshot_min_bytes: int) -> None:
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
