"""Checks that live by signs of life: what a beat costs, and what becomes of one that stays away (agent.md §7, §8.3)."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from registry.commands import (
    Command,
    DeregisterLocal,
    DeregisterLocalCheck,
    RegisterLocalCheck,
    ReplaceFileRows,
    SetMaintenance,
)
from registry.core.engine import Engine
from registry.errors import InvalidRequest, NotFound
from registry.log.faults import FaultyMemoryLog, FaultyStorage
from registry.log.memory import MemoryLog, MemoryStore
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING, WARNING, CheckDefinition
from registry.testing import FakeClock
from tests.conftest import Park
from tests.makers import (
    HERE,
    Tally,
    about,
    check,
    deregister,
    health_of,
    register_local,
    register_ttl,
    sidecar_of,
    start_server,
    ttl,
    turns,
)
from tests.unit.core.conftest import Lagging, Rig

WEB = (topics.HEALTH, "web")
EXPIRED = "TTL expired"
EXPIRED_AFTER = "TTL expired (last output before timeout follows): "


async def with_ttl(engine: Engine, seconds: float = 10.0, **fields: Any) -> None:
    """A passing TTL check of a service `web`."""
    await engine.propose(register_local("web", ttl("ttl", seconds, **fields)))
    await engine.beat("ttl", PASSING, "")


def seen(engine: Engine, check_id: str = "ttl") -> tuple[str, str]:
    """What the agent shows of a check."""
    found = engine.state.local_check(check_id)
    assert found is not None
    return found.status, found.output


def catalog(engine: Engine, check_id: str = "ttl") -> tuple[str, str]:
    """What the catalog shows of it."""
    [found] = [one for one in engine.state.checks_of_node(HERE) if one.id == check_id]
    return found.status, found.output


# Beats


async def test_a_beat_that_changes_nothing_costs_no_entry_no_index_and_no_wake_up(
    engine: Engine, park: Park, clock: FakeClock
) -> None:
    await with_ttl(engine)
    await clock.settle()
    told, applied = engine.observer, engine.state.applied
    assert isinstance(told, Tally)
    batches = len(told.batches)
    watched = (WEB, topics.CHECKS, (topics.STATE, PASSING), topics.CATALOG)
    readers = [await park(engine.after(about(one), engine.state.index(one), 3600)) for one in watched]
    looker = await park(engine.topics.touched(topics.LOCAL_CHECKS, 3600))
    for _ in range(100):
        await clock.advance(5)
        await engine.beat("ttl", PASSING, "")
    assert (engine.state.applied, len(told.batches)) == (applied, batches)
    assert not any(reader.done() for reader in (*readers, looker))
    assert seen(engine) == (PASSING, "")


async def test_a_new_status_is_in_the_catalog_when_the_beat_is_answered(engine: Engine, park: Park) -> None:
    await with_ttl(engine)
    reader = await park(engine.after(health_of("web"), engine.state.index(WEB), 60))
    await engine.beat("ttl", WARNING, "so so")
    assert seen(engine) == catalog(engine) == (WARNING, "so so")
    answer, _ = await reader
    assert answer.index == engine.state.applied


@pytest.mark.parametrize("status", [PASSING, CRITICAL])
async def test_a_beat_for_an_unknown_check_is_refused(engine: Engine, status: str) -> None:
    with pytest.raises(NotFound) as refused:
        await engine.beat("none", status, "")
    assert (refused.value.reason, refused.value.values) == ("check", {"id": "none"})


@pytest.mark.parametrize("status", [PASSING, CRITICAL])
async def test_a_beat_for_a_check_without_ttl_is_refused(engine: Engine, status: str) -> None:
    runs = CheckDefinition(http="http://h", interval_ns=10**9)
    await engine.propose(RegisterLocalCheck(check("http", node="", runs=runs)))
    with pytest.raises(InvalidRequest) as refused:
        await engine.beat("http", status, "")
    assert (refused.value.reason, refused.value.values) == ("not-ttl", {"id": "http"})
    assert seen(engine, "http") == (PASSING, "")


async def test_a_beat_for_a_maintenance_check_is_refused(engine: Engine) -> None:
    await engine.propose(SetMaintenance(True))
    with pytest.raises(InvalidRequest):
        await engine.beat("_node_maintenance", CRITICAL, "")


# Silence


async def test_a_silent_check_is_critical_within_a_second_of_its_deadline(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine, 10.0)
    await clock.advance(9.9)
    assert seen(engine) == (PASSING, "")
    await clock.advance(1.1)
    assert seen(engine) == catalog(engine) == (CRITICAL, EXPIRED)


async def test_the_text_of_an_expiry_holds_the_last_output(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    await engine.beat("ttl", WARNING, "so so")
    await clock.advance(11)
    assert seen(engine) == catalog(engine) == (CRITICAL, EXPIRED_AFTER + "so so")


async def test_the_text_of_an_expiry_holds_a_text_that_the_log_did_not_have(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    await clock.advance(11)
    assert seen(engine) == catalog(engine) == (CRITICAL, EXPIRED_AFTER + "news")


async def test_a_silent_check_wakes_who_watches_its_service(engine: Engine, park: Park, clock: FakeClock) -> None:
    await with_ttl(engine)
    reader = await park(engine.after(health_of("web"), engine.state.index(WEB), 600))
    await clock.advance(11)
    answer, _ = await reader
    assert EXPIRED.encode() in answer.body


async def test_signs_of_life_keep_a_check_passing(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine, 10.0)
    for _ in range(20):
        await clock.advance(9.9)
        await engine.beat("ttl", PASSING, "")
    assert seen(engine) == (PASSING, "")


async def test_many_silent_checks_are_all_seen(engine: Engine, clock: FakeClock) -> None:
    checks = [ttl(f"c{number}", 10.0, status=PASSING) for number in range(1500)]
    await engine.propose(register_local("web", *checks))
    await clock.advance(11)
    assert len(engine.state.checks_in_state(CRITICAL)) == 1500


async def test_silence_is_told_once(engine: Engine, clock: FakeClock) -> None:
    """No timer starts again before the next sign of life."""
    await with_ttl(engine)
    await clock.advance(11)
    applied = engine.state.applied
    await clock.advance(100)
    assert engine.state.applied == applied


async def test_a_check_that_was_silent_lives_again_and_can_be_silent_again(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    await clock.advance(11)
    await engine.beat("ttl", PASSING, "back")
    assert seen(engine) == catalog(engine) == (PASSING, "back")
    await clock.advance(11)
    assert seen(engine) == (CRITICAL, EXPIRED_AFTER + "back")


async def test_a_check_that_never_beat_only_says_so(engine: Engine, park: Park, clock: FakeClock) -> None:
    """Registered critical, it changes no status: the catalog's text stays, nobody is woken (health.md §4)."""
    await engine.propose(register_local("web", ttl()))
    reader = await park(engine.after(health_of("web"), engine.state.index(WEB), 60))
    await clock.advance(11)
    assert (seen(engine), catalog(engine)) == ((CRITICAL, EXPIRED), (CRITICAL, ""))
    assert not reader.done()


async def test_a_check_that_was_reported_critical_and_falls_silent_says_so_once(
    engine: Engine, clock: FakeClock
) -> None:
    await with_ttl(engine)
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(11)
    assert seen(engine) == (CRITICAL, EXPIRED_AFTER + "down")
    await clock.advance(400)
    assert seen(engine) == (CRITICAL, EXPIRED_AFTER + "down")


async def test_every_way_of_registering_starts_the_time(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_local("web", ttl("a", status=PASSING)))
    await engine.propose(register_ttl("b", status=PASSING))
    files = ReplaceFileRows(
        services=(register_local("db", ttl("c", status=PASSING)),), checks=(ttl("d", status=PASSING),)
    )
    await engine.propose(files)
    await clock.advance(11)
    assert [seen(engine, one)[0] for one in "abcd"] == [CRITICAL] * 4


async def test_registering_again_starts_the_time_anew(engine: Engine, clock: FakeClock) -> None:
    """Also when nothing else changes, which costs no entry."""
    await with_ttl(engine)
    applied = engine.state.applied
    for _ in range(5):
        await clock.advance(9)
        await engine.propose(register_local("web", ttl()))
    assert (seen(engine), engine.state.applied) == ((PASSING, ""), applied)
    await clock.advance(11)
    assert seen(engine)[0] == CRITICAL


async def test_a_shorter_ttl_counts_from_its_registration(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine, 100.0)
    await engine.propose(register_local("web", ttl("ttl", 5.0)))
    await clock.advance(6)
    assert seen(engine)[0] == CRITICAL


async def test_a_check_that_is_no_longer_ttl_has_no_deadline(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    runs = CheckDefinition(http="http://h", interval_ns=10**9)
    await engine.propose(register_local("web", replace(ttl(), runs=runs)))
    await clock.advance(60)
    assert seen(engine) == (PASSING, "")


@pytest.mark.parametrize(
    "removal",
    [
        DeregisterLocalCheck("ttl"),
        DeregisterLocal("web"),
        deregister("web", on=HERE),
        register_local("web", replace_checks=True),
    ],
    ids=["check", "service", "catalog", "replaced"],
)
async def test_the_time_of_a_check_that_is_gone_ends_quietly(
    engine: Engine, clock: FakeClock, removal: Command
) -> None:
    """Registered again later it has a whole period."""
    await with_ttl(engine)
    await engine.propose(removal)
    await clock.advance(8)
    await engine.propose(register_local("web", ttl(status=PASSING)))
    await clock.advance(8)
    assert seen(engine) == (PASSING, "")
    await engine.propose(removal)
    await clock.advance(30)
    applied = engine.state.applied
    await clock.advance(30)
    assert engine.state.applied == applied


# What must not touch a deadline


async def test_a_refused_registration_leaves_the_time_running(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    await clock.advance(8)
    with pytest.raises(NotFound):
        await engine.propose(register_ttl("ttl", 60.0, "unknown"))
    with pytest.raises(NotFound):
        await engine.propose(RegisterLocalCheck(check("ttl", "unknown", node="")))
    await clock.advance(3)
    assert seen(engine)[0] == CRITICAL


async def test_a_registration_without_a_port_for_its_sidecar_leaves_the_time_running(
    engine: Engine, clock: FakeClock
) -> None:
    await with_ttl(engine)
    await clock.advance(8)
    for again in (ttl("ttl", 60.0, status=PASSING), check("ttl", node="")):
        with pytest.raises(InvalidRequest):
            await engine.propose(register_local("web", again, sidecar=sidecar_of("web")))
    await clock.advance(3)
    assert seen(engine)[0] == CRITICAL


async def test_a_critical_check_that_beats_while_its_expiry_is_on_its_way_says_nothing_of_it(
    rig: Rig, clock: FakeClock
) -> None:
    """The expiry is void then, so its text was never true."""
    await with_ttl(rig.engine)
    await rig.engine.beat("ttl", CRITICAL, "down")
    rig.log.hold()
    other = rig.begin(register_local("other"))
    await clock.advance(10.5)
    assert seen(rig.engine) == (CRITICAL, "down")
    beat = asyncio.ensure_future(rig.engine.beat("ttl", CRITICAL, "still down"))
    await turns()
    rig.log.release()
    await asyncio.gather(other, beat)
    await turns()
    assert seen(rig.engine) == (CRITICAL, "still down")


async def test_a_refused_deregistration_leaves_the_time_running(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    with pytest.raises(NotFound):
        await engine.propose(DeregisterLocalCheck("TTL"))
    await clock.advance(11)
    assert seen(engine)[0] == CRITICAL


async def test_a_service_named_like_a_sidecar_keeps_its_deadlines(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_local("web"))
    await engine.propose(register_local("web-sidecar-proxy", ttl(status=PASSING)))
    await engine.propose(DeregisterLocal("web"))
    await clock.advance(11)
    assert seen(engine)[0] == CRITICAL


async def test_the_texts_that_go_into_the_log_later_leave_the_time_running(engine: Engine, clock: FakeClock) -> None:
    """Such an entry comes from us and is no sign of life."""
    await with_ttl(engine, 200.0)
    await engine.beat("ttl", PASSING, "news")
    await clock.advance(151)
    assert catalog(engine) == (PASSING, "news")
    await clock.advance(50)
    assert seen(engine) == (CRITICAL, EXPIRED_AFTER + "news")


@pytest.mark.parametrize("check_id", ["a\0b", "\0", "Ä/ ß", "x" * 1000], ids=ascii)
async def test_an_id_may_hold_anything(engine: Engine, clock: FakeClock, check_id: str) -> None:
    await engine.propose(register_ttl(check_id, status=PASSING))
    await clock.advance(11)
    assert seen(engine, check_id) == (CRITICAL, EXPIRED)
    await engine.beat(check_id, PASSING, "")
    assert seen(engine, check_id) == (PASSING, "")


# Races


async def test_a_beat_before_the_expiry_is_stored_wins(rig: Rig, clock: FakeClock) -> None:
    """Due already, but the log is busy with something else: nobody ever sees the check critical."""
    engine = rig.engine
    await with_ttl(engine)
    reader = asyncio.ensure_future(engine.after(health_of("web"), engine.state.index(WEB), 600))
    clock.busy = lambda: False
    rig.log.hold()
    other = asyncio.ensure_future(engine.propose(register_local("other")))
    await clock.advance(10.5)
    beat = asyncio.ensure_future(engine.beat("ttl", PASSING, ""))
    await turns()
    rig.log.release()
    await asyncio.gather(other, beat)
    await turns()
    assert seen(engine) == (PASSING, "")
    if reader.done():
        assert b'"critical"' not in (await reader)[0].body
    reader.cancel()
    await asyncio.wait({reader})


async def test_a_registration_before_the_expiry_is_stored_wins(rig: Rig, clock: FakeClock) -> None:
    engine = rig.engine
    await with_ttl(engine)
    clock.busy = lambda: False
    await clock.advance(9.5)
    rig.log.hold()
    again = asyncio.ensure_future(engine.propose(register_local("web", ttl(), port=81)))
    await clock.advance(1)
    rig.log.release()
    await again
    await clock.advance(5)
    assert seen(engine) == (PASSING, "")


async def test_an_expiry_that_could_not_be_stored_is_tried_again(rig: Rig, clock: FakeClock) -> None:
    await with_ttl(rig.engine)
    await clock.advance(9.9)
    rig.log.inject_not_stored()
    rig.log.inject_not_stored()
    await clock.advance(1.1)
    assert seen(rig.engine)[0] == CRITICAL


async def test_a_beat_is_judged_after_what_others_stored_before_it(clock: FakeClock) -> None:
    """Two processes on one log: the second has not yet read that the first was told the check is critical."""
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    behind = Lagging(store, writer="two")
    one, two = Engine(MemoryLog(store, writer="one"), clock), Engine(behind, clock)
    for engine in (one, two):
        await engine.start()
    await one.propose(start_server())
    await with_ttl(one)
    await turns()
    behind.go.clear()
    await one.beat("ttl", CRITICAL, "down")
    beat = asyncio.ensure_future(two.beat("ttl", PASSING, "up again"))
    await turns()
    assert not beat.done()
    behind.go.set()
    await beat
    await turns()
    assert catalog(one) == catalog(two) == (PASSING, "up again")
    for engine in (two, one):
        await engine.stop()


async def test_a_beat_for_a_check_that_another_removed_meanwhile_is_refused(clock: FakeClock) -> None:
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    behind = Lagging(store, writer="two")
    one, two = Engine(MemoryLog(store, writer="one"), clock), Engine(behind, clock)
    for engine in (one, two):
        await engine.start()
    await one.propose(start_server())
    await with_ttl(one)
    await turns()
    behind.go.clear()
    await one.propose(DeregisterLocal("web"))
    beat = asyncio.ensure_future(two.beat("ttl", PASSING, "still here"))
    await turns()
    behind.go.set()
    with pytest.raises(NotFound):
        await beat
    for engine in (two, one):
        await engine.stop()


async def test_a_beat_through_another_process_before_the_expiry_is_stored_wins(clock: FakeClock) -> None:
    """The expiry is due and on its way, behind a batch that takes its time; then it is void."""
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed, storage=FaultyStorage())
    log = FaultyMemoryLog(store, writer="one")
    one, two = Engine(log, clock), Engine(MemoryLog(store, writer="two"), clock)
    for engine in (one, two):
        await engine.start()
    await one.propose(start_server())
    await with_ttl(one)
    await turns()
    log.hold()
    other = asyncio.ensure_future(two.propose(register_local("other")))
    await clock.advance(10.5)
    assert one.busy  # with the expiry
    await two.beat("ttl", PASSING, "")
    log.release()
    await other
    await turns()
    assert catalog(one) == catalog(two) == (PASSING, "")
    for engine in (two, one):
        await engine.stop()


async def test_who_keeps_house_next_sees_the_silence(clock: FakeClock) -> None:
    """The process that watched the deadlines has gone; the other one does from then on."""
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    one, two = (Engine(MemoryLog(store, writer=name), clock) for name in ("one", "two"))
    for engine in (one, two):
        await engine.start()
    await one.propose(start_server())
    await with_ttl(one)
    await one.stop()
    await clock.advance(11)
    assert seen(two) == (CRITICAL, EXPIRED)
    await two.stop()
