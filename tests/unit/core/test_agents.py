"""Agents on the engine: what a beat costs, when silence is noticed, what watchers are told."""

import asyncio
from typing import Any

import pytest

from registry.commands import DeregisterLocal, RaiseLevel, RegisterLocalCheck, SetMaintenance, UpdateCheck
from registry.commands.codec import LEVEL
from registry.core.agent_feed import AgentWatch, TooSlow
from registry.core.engine import Engine
from registry.errors import Conflict, LogUnavailable, NotFound
from registry.model import topic as topics
from registry.model.agent import CODEVALD, CREATED, Telemetry
from registry.testing import FakeClock
from tests.conftest import Park
from tests.makers import Tally, check, health_of, register_local, ttl
from tests.unit.core.conftest import Rig
from tests.unit.state.test_agents import SECOND_NS, birth


@pytest.fixture
async def knowing(engine: Engine) -> Engine:
    """An engine on each log whose only member, this one, has said that it knows of agents."""
    await engine.propose(RaiseLevel(LEVEL))
    return engine


async def seen(engine: Engine, record_id: str = "a1") -> float:
    (at,) = await engine.agents.last_seen([await engine.agents.find(record_id)])
    return at


def moment(time: float) -> Any:
    """A Unix time to the half second; `approx` alone would allow a millionth of it, which is half an hour."""
    return pytest.approx(time, abs=0.5)


def status(engine: Engine, record_id: str = "a1") -> str:
    found = engine.state.record(record_id)
    return found.status if found is not None else "gone"


# Beats


async def test_a_thousand_agents_that_beat_cost_no_entry_no_index_and_no_wake_up(
    knowing: Engine, clock: FakeClock, park: Park
) -> None:
    """Five minutes of beats every 30 s: dialects.md §2.2."""
    engine = knowing
    await asyncio.gather(*(engine.agents.register(birth(f"a{number}")) for number in range(1000)))
    told = engine.observer
    assert isinstance(told, Tally)
    before, entries = engine.state.applied, len(told.commands)
    reader = await park(engine.after(health_of("cost"), engine.state.index((topics.HEALTH, "cost")), 600))
    for _ in range(10):
        await clock.advance(30)
        await asyncio.gather(*(engine.agents.beat(f"a{number}", "passing") for number in range(1000)))
    assert (engine.state.applied, len(told.commands), len(told.skips)) == (before, entries, 10_000)
    assert not reader.done()
    assert {status(engine, f"a{number}") for number in range(1000)} == {"healthy"}


async def test_silence_is_noticed_within_a_second_and_ends_in_removal(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth())
    await clock.advance(44)
    assert status(engine) == "healthy"
    await clock.advance(2)
    assert status(engine) == "unreachable"
    await clock.advance(58)
    assert status(engine) == "unreachable"
    await clock.advance(2)
    assert status(engine) == "gone"


async def test_an_agents_own_timers_may_be_shorter_than_consuls_floor(knowing: Engine, clock: FakeClock) -> None:
    """A check that a Consul client has put in the place of its own is under the floor of a minute."""
    engine = knowing
    await engine.agents.register(birth("a1", ttl_ns=2 * SECOND_NS, remove_after_ns=3 * SECOND_NS))
    await engine.agents.register(birth("a2", ttl_ns=2 * SECOND_NS, remove_after_ns=3 * SECOND_NS))
    await engine.propose(RegisterLocalCheck(ttl("service:a2", 2, "a2", status="passing", reap_seconds=4)))
    await clock.advance(4)
    assert (status(engine, "a1"), status(engine, "a2")) == ("unreachable", "unreachable")
    await clock.advance(2)
    assert (status(engine, "a1"), status(engine, "a2")) == ("gone", "unreachable")
    await clock.advance(60)
    assert status(engine, "a2") == "gone"


async def test_a_beat_brings_back_who_was_removed(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth())
    await clock.advance(120)
    assert status(engine) == "gone"
    await engine.agents.beat("a1")
    assert engine.agents.known("a1").status == "healthy"
    await clock.advance(44)
    assert status(engine) == "healthy"
    await clock.advance(2)
    assert status(engine) == "unreachable"


async def test_a_beat_for_nobody_costs_no_entry(knowing: Engine) -> None:
    engine = knowing
    before = engine.state.applied
    for unknown in ("none", "consul"):
        with pytest.raises(NotFound):
            await engine.agents.beat(unknown)
    assert engine.state.applied == before


async def test_a_beat_is_heard_of_at_its_time(rig: Rig, clock: FakeClock) -> None:
    engine = rig.engine
    await engine.agents.register(birth())
    born = clock.now()
    await clock.advance(20)
    assert await seen(engine) == moment(born)
    await engine.agents.beat("a1")
    assert await seen(engine) == moment(born + 20)
    await clock.advance(100)
    assert status(engine) == "unreachable"
    assert await seen(engine) == moment(born + 20)


async def test_of_a_service_without_a_ttl_the_last_beat_is_remembered(rig: Rig, clock: FakeClock) -> None:
    engine = rig.engine
    await engine.propose(register_local("web"))
    born = clock.now()
    await clock.advance(100)
    assert await seen(engine, "web") == moment(born)
    await engine.agents.beat("web")
    await clock.advance(7)
    assert await seen(engine, "web") == moment(born + 100)


async def test_of_a_service_with_another_check_its_last_passing_result_is_the_sign(rig: Rig, clock: FakeClock) -> None:
    """dialects.md §10.1. A result that costs no entry counts as well."""
    engine = rig.engine
    await engine.propose(register_local("web", check("c", status="passing", type="http")))
    (looked_at,) = engine.state.local_checks_of("web")
    born = clock.now()
    for seconds, result, heard in ((10, "passing", 10), (20, "passing", 30), (20, "critical", 30), (9, "passing", 59)):
        await clock.advance(seconds)
        engine.report("c", looked_at.create_index, result, "")
        assert await seen(engine, "web") == moment(born + heard)
    engine.report("c", looked_at.create_index + 1, "passing", "of a check that was there before")
    await clock.advance(5)
    assert await seen(engine, "web") == moment(born + 59)


async def test_who_registers_after_its_removal_has_not_been_heard_of_before(rig: Rig, clock: FakeClock) -> None:
    engine = rig.engine
    await engine.propose(register_local("web"))
    await engine.agents.beat("web")
    await engine.propose(DeregisterLocal("web"))
    await clock.advance(50)
    await engine.propose(register_local("web"))
    assert await seen(engine, "web") == moment(clock.now())


async def test_of_agents_that_are_gone_nothing_is_kept(rig: Rig, clock: FakeClock) -> None:
    """Each start of a program is an agent with an id of its own."""
    engine = rig.engine
    await engine.propose(register_local("web"))
    await engine.agents.beat("web")
    for number in range(1_100):
        await engine.propose(register_local(f"web-{number}"))
        await engine.agents.beat(f"web-{number}")
        await engine.propose(DeregisterLocal(f"web-{number}"))
    assert len(engine.agents._heard) < 200
    await clock.advance(5)
    assert await seen(engine, "web") == moment(clock.now() - 5)


async def test_beats_of_consuls_clients_count(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth())
    await clock.advance(40)
    await engine.beat("service:a1", "passing", "")
    await clock.advance(40)
    assert status(engine) == "healthy"
    await engine.propose(register_local("web", ttl("t", 10)))
    await engine.agents.beat("web", "passing")
    await clock.advance(8)
    await engine.agents.beat("web")
    await clock.advance(8)
    assert status(engine, "web") == "healthy"
    await clock.advance(3)
    assert status(engine, "web") == "unreachable"


async def test_who_registered_is_told_so_whoever_has_removed_the_agent_since(rig: Rig, clock: FakeClock) -> None:
    """Both are in one batch: when the registration is answered the agent is gone."""
    engine = rig.engine
    registered, _ = await asyncio.gather(engine.agents.register(birth()), engine.propose(DeregisterLocal("a1")))
    assert (registered.id, registered.type, registered.instance.registered_at) == ("a1", "cost", moment(clock.now()))
    assert status(engine) == "gone"


# Agents that run here


async def test_an_agent_that_runs_here_never_falls_silent(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth(source=CODEVALD, state=CREATED, ttl_ns=60 * 10**9, remove_after_ns=0))
    await engine.agents.move("a1", "start")
    before = engine.state.applied
    await clock.advance(200)
    assert (status(engine), engine.state.applied) == ("healthy", before)
    assert 0 <= clock.now() - await seen(engine) < 30
    await engine.agents.move("a1", "pause")
    await clock.advance(200)
    assert status(engine) == "degraded"
    await engine.agents.move("a1", "stop")
    await clock.advance(59)
    found = engine.state.record("a1")
    assert found is not None
    assert found.is_alive
    await clock.advance(2)
    found = engine.state.record("a1")
    assert found is not None
    assert not found.is_alive


async def test_one_that_was_never_started_falls_silent(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth(source=CODEVALD, state=CREATED, ttl_ns=60 * 10**9))
    await clock.advance(61)
    assert status(engine) == "unreachable"
    await engine.agents.move("a1", "start")
    await clock.advance(200)
    assert status(engine) == "healthy"


async def test_a_move_that_is_refused_leaves_the_deadline_alone(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth(source=CODEVALD, state=CREATED, ttl_ns=60 * 10**9))
    with pytest.raises(Conflict):
        await engine.agents.move("a1", "resume")
    await clock.advance(61)
    assert status(engine) == "unreachable"


async def test_reading_moves_no_last_sign_of_life(knowing: Engine, clock: FakeClock) -> None:
    """Not by the parts of a millisecond either, which a client that compares two answers would take for a beat."""
    engine = knowing
    await engine.agents.register(birth())
    await clock.advance(10.0004)
    await engine.agents.beat("a1")
    shown = []
    for _ in range(4):
        await clock.advance(1.0003)
        shown += await engine.agents.last_seen([engine.agents.known("a1")])
    assert set(shown) == {shown[0]}


async def test_a_consul_client_that_beats_for_one_running_here_costs_nothing(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth(source=CODEVALD, state=CREATED, ttl_ns=60 * 10**9))
    await engine.agents.move("a1", "start")
    before = engine.state.applied
    await engine.beat("service:a1", "passing", "")
    await engine.agents.beat("a1")
    await clock.advance(200)
    assert (status(engine), engine.state.applied) == ("healthy", before)


# While nothing can be stored


async def test_a_change_that_cannot_be_stored_is_refused_and_a_beat_is_taken(rig: Rig) -> None:
    engine = rig.engine
    await engine.agents.register(birth())
    rig.log.inject_not_stored()
    await engine.agents.beat("a1", "passing")
    assert engine.agents.known("a1").status == "healthy"
    with pytest.raises(LogUnavailable):
        await engine.agents.beat("a1", "warning")
    rig.log.inject_not_stored()
    with pytest.raises(LogUnavailable):
        await engine.agents.register(birth("a2"))
    assert status(engine) == "healthy"


# Watchers


async def told(watch: AgentWatch, count: int) -> list[tuple[str, str]]:
    """The next changes: what happened, and to whom."""
    found = [await asyncio.wait_for(watch.next(), 5) for _ in range(count)]
    assert not watch._waiting
    return [(one.kind, one.record.id) for one in found if one is not None]


async def test_a_watcher_is_told_each_change_once_and_in_order(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth("before"))
    watch = engine.agents.feed.watch(engine.state, 100)
    await engine.agents.register(birth())
    await engine.agents.beat("a1")
    await engine.agents.beat("a1", "warning")
    await engine.agents.beat("a1", "warning", None, Telemetry(0.4))
    await engine.propose(UpdateCheck("service:a1", "passing", "", ttl=True))
    await engine.propose(register_local("price", service_id="a1", meta={}))
    await engine.agents.remove("a1")
    assert await told(watch, 9) == [
        ("registered", "a1"), ("updated", "a1"), ("updated", "a1"), ("status_changed", "a1"), ("updated", "a1"),
        ("updated", "a1"), ("status_changed", "a1"), ("updated", "a1"), ("deregistered", "a1"),
    ]  # fmt: skip


async def test_a_repeated_registration_is_told_as_a_sign_of_life(knowing: Engine) -> None:
    """Also one that was on its way to the log when it ceased to be news."""
    engine = knowing
    watch = engine.agents.feed.watch(engine.state, 100)
    await asyncio.gather(*(engine.agents.register(birth()) for _ in range(2)))
    await engine.agents.register(birth())
    assert await told(watch, 3) == [("registered", "a1"), ("updated", "a1"), ("updated", "a1")]
    assert engine.state.applied == engine.state.index((topics.HEALTH, "cost")) + 1


async def test_timeouts_and_removals_by_the_server_are_told(knowing: Engine, clock: FakeClock) -> None:
    engine = knowing
    await engine.agents.register(birth())
    watch = engine.agents.feed.watch(engine.state, 100)
    await clock.advance(120)
    await engine.agents.beat("a1")
    assert await told(watch, 3) == [("status_changed", "a1"), ("deregistered", "a1"), ("registered", "a1")]


async def test_a_change_of_the_node_is_one_of_all_on_it(knowing: Engine) -> None:
    engine = knowing
    for service_id in ("a1", "a2"):
        await engine.agents.register(birth(service_id))
    watch = engine.agents.feed.watch(engine.state, 100)
    await engine.propose(SetMaintenance(True))
    assert sorted(await told(watch, 2)) == [("status_changed", "a1"), ("status_changed", "a2")]


async def test_a_watcher_that_does_not_read_is_cut_off_and_told_so(knowing: Engine) -> None:
    engine = knowing
    await engine.agents.register(birth())
    slow, quick = engine.agents.feed.watch(engine.state, 2), engine.agents.feed.watch(engine.state, 10)
    for _ in range(4):
        await engine.agents.beat("a1")
    assert await told(quick, 4) == [("updated", "a1")] * 4
    assert await told(slow, 2) == [("updated", "a1")] * 2
    with pytest.raises(TooSlow):
        await slow.next()
    quick.close()
    assert not engine.agents.feed.watched


async def test_watchers_are_let_go_when_the_server_stops(knowing: Engine) -> None:
    engine = knowing
    watch = engine.agents.feed.watch(engine.state, 10)
    waiting = asyncio.create_task(watch.next())
    await asyncio.sleep(0)
    await engine.stop()
    assert await asyncio.wait_for(waiting, 5) is None
