"""A registry that starts again: nobody flaps, and the time it was away is held against no one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from registry.commands import SetMaintenance
from registry.core.engine import Engine
from registry.log.open import open_log
from registry.model.check import CRITICAL, PASSING, WARNING
from registry.testing import FakeClock
from tests.makers import register_local, start_server, ttl

Start = Callable[[], Awaitable[Engine]]
AWAY = 3600.0


@pytest.fixture
async def start(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts an engine on one store; the one before it is stopped, an hour passes in between."""
    running: list[Engine] = []

    async def again() -> Engine:
        if running:
            await running[-1].stop()
            await clock.advance(AWAY)
        writer = f"run-{len(running)}"
        log = open_log(f"sqlite:///{tmp_path}/r.db", now=clock.now, elapsed=clock.elapsed, writer=writer)
        engine = Engine(log, clock)
        clock.busy = lambda: engine.busy
        await engine.start()
        await engine.propose(start_server())
        running.append(engine)
        return engine

    yield again
    for engine in running:
        await engine.stop()


def status(engine: Engine, check_id: str = "ttl") -> str:
    found = engine.state.local_check(check_id)
    assert found is not None
    return found.status


async def test_statuses_and_outputs_are_kept(start: Start) -> None:
    engine = await start()
    checks = (ttl("a"), ttl("b"), ttl("c"))
    await engine.propose(register_local("web", *checks))
    for check_id, word in (("a", PASSING), ("b", WARNING), ("c", CRITICAL)):
        await engine.beat(check_id, word, f"it is {word}")
    before = engine.state.local_checks()
    engine = await start()
    assert [(one.status, one.output) for one in engine.state.local_checks()] == [
        (one.status, one.output) for one in before
    ]


async def test_every_ttl_has_a_whole_period_again(start: Start, clock: FakeClock) -> None:
    engine = await start()
    await engine.propose(register_local("web", ttl("ttl", 10.0)))
    await engine.beat("ttl", PASSING, "")
    await clock.advance(9)
    engine = await start()
    await clock.advance(9.9)
    assert status(engine) == PASSING
    await clock.advance(1.1)
    assert status(engine) == CRITICAL


async def test_a_check_that_never_beat_still_falls_silent(start: Start, clock: FakeClock) -> None:
    engine = await start()
    await engine.propose(register_local("web", ttl("ttl", 10.0, reap_seconds=60.0)))
    engine = await start()
    await clock.advance(11)
    [check] = engine.state.local_checks()
    assert check.output == "TTL expired"
    await clock.advance(61)
    assert engine.state.local_services() == []


async def test_a_check_that_had_run_out_does_not_run_out_again(start: Start, clock: FakeClock) -> None:
    engine = await start()
    await engine.propose(register_local("web", ttl("ttl", 10.0)))
    await clock.advance(11)
    engine = await start()
    applied = engine.state.applied
    await clock.advance(100)
    assert engine.state.applied == applied
    await engine.beat("ttl", CRITICAL, "")
    await clock.advance(11)
    assert status(engine) == CRITICAL


async def test_a_check_that_had_run_out_lives_again_with_its_next_beat(start: Start, clock: FakeClock) -> None:
    engine = await start()
    await engine.propose(register_local("web", ttl("ttl", 10.0)))
    await clock.advance(11)
    engine = await start()
    await engine.beat("ttl", PASSING, "")
    await clock.advance(9)
    assert status(engine) == PASSING
    await clock.advance(2)
    assert status(engine) == CRITICAL


async def test_a_critical_service_has_a_minute_more_before_it_is_removed(start: Start, clock: FakeClock) -> None:
    engine = await start()
    await engine.propose(register_local("web", ttl("ttl", 10_000.0, reap_seconds=600.0)))
    await engine.beat("ttl", CRITICAL, "down")
    engine = await start()
    await clock.advance(59)
    assert len(engine.state.local_services()) == 1
    await clock.advance(2)
    assert engine.state.local_services() == []


async def test_a_limit_that_is_not_over_yet_goes_on(start: Start, clock: FakeClock) -> None:
    engine = await start()
    await engine.propose(register_local("web", ttl("ttl", 10_000.0, reap_seconds=AWAY + 1000.0)))
    await engine.beat("ttl", CRITICAL, "down")
    engine = await start()
    await clock.advance(999)
    assert len(engine.state.local_services()) == 1
    await clock.advance(2)
    assert engine.state.local_services() == []


async def test_maintenance_outlives_a_restart(start: Start) -> None:
    engine = await start()
    await engine.propose(register_local("web"))
    await engine.propose(SetMaintenance(True, "web", "moving"))
    await engine.propose(SetMaintenance(True))
    engine = await start()
    assert [one.id for one in engine.state.local_checks()] == ["_node_maintenance", "_service_maintenance:web"]
    assert [one.notes for one in engine.state.local_checks_of("web")] == ["moving"]


async def test_a_second_start_of_the_same_server_moves_no_index(start: Start) -> None:
    engine = await start()
    before = engine.state.all_entries()
    engine = await start()
    assert engine.state.all_entries() == before
