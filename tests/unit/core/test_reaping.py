"""Services whose check stays critical are removed in time (agent.md §8.8, DeregisterCriticalServiceAfter)."""

import asyncio
from typing import Any

from registry.commands import SetMaintenance
from registry.core.engine import Engine
from registry.model.check import CRITICAL, PASSING, WARNING
from registry.testing import FakeClock
from tests.makers import HERE, check, register, register_local, register_ttl, sidecar_of, ttl, turns
from tests.unit.core.conftest import Rig, Rigged

LONG = 100_000.0  # a TTL that does not run out here


async def with_limit(engine: Engine, reap_seconds: float, *, seconds: float = LONG, **fields: Any) -> None:
    """A service `web` whose TTL check names a limit, and which has passed once."""
    await engine.propose(register_local("web", ttl("ttl", seconds, reap_seconds=reap_seconds, **fields)))
    await engine.beat("ttl", PASSING, "")


def is_there(engine: Engine, name: str = "web") -> bool:
    return bool(engine.state.placed(name))


async def test_a_service_goes_within_a_second_of_its_limit(engine: Engine, clock: FakeClock) -> None:
    await with_limit(engine, 90.0)
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(89.9)
    assert is_there(engine)
    await clock.advance(1.1)
    assert not is_there(engine)
    assert engine.state.local_checks() == []


async def test_a_limit_under_a_minute_counts_as_one(engine: Engine, clock: FakeClock) -> None:
    await with_limit(engine, 10.0)
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(59.9)
    assert is_there(engine)
    await clock.advance(1.1)
    assert not is_there(engine)


async def test_a_setting_lowers_the_minute(rigged: Rigged, clock: FakeClock) -> None:
    rig = await rigged(deregister_critical_minimum_seconds=1.0)
    await clock.advance(100)
    await with_limit(rig.engine, 10.0)
    await rig.engine.beat("ttl", CRITICAL, "down")
    await clock.advance(9.9)
    assert is_there(rig.engine)
    await clock.advance(1.1)
    assert not is_there(rig.engine)


async def test_silence_counts_from_the_expiry(engine: Engine, clock: FakeClock) -> None:
    await with_limit(engine, 60.0, seconds=10.0)
    await clock.advance(69.9)
    assert is_there(engine)
    await clock.advance(2)
    assert not is_there(engine)


async def test_a_recovery_clears_the_clock(engine: Engine, clock: FakeClock) -> None:
    await with_limit(engine, 60.0)
    for status in (PASSING, WARNING):
        await engine.beat("ttl", CRITICAL, "down")
        await clock.advance(50)
        await engine.beat("ttl", status, "")
        await clock.advance(50)
    assert is_there(engine)


async def test_a_report_that_it_is_still_critical_does_not_restart_it(engine: Engine, clock: FakeClock) -> None:
    await with_limit(engine, 60.0)
    for number in range(6):
        await engine.beat("ttl", CRITICAL, f"still down {number}")
        await clock.advance(10.2)
    assert not is_there(engine)


async def test_registering_again_restarts_it(engine: Engine, clock: FakeClock) -> None:
    await with_limit(engine, 60.0)
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(50)
    await engine.propose(register_local("web", ttl("ttl", LONG, reap_seconds=60.0)))
    await clock.advance(50)
    assert is_there(engine)
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(59)
    assert is_there(engine)
    await clock.advance(2)
    assert not is_there(engine)


async def test_being_registered_critical_does_not_count(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_local("web", ttl("ttl", LONG, reap_seconds=60.0)))
    await clock.advance(500)
    assert is_there(engine)


async def test_a_check_that_was_born_critical_counts_from_its_first_report(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_local("web", ttl("ttl", LONG, reap_seconds=60.0)))
    await clock.advance(500)
    await engine.beat("ttl", CRITICAL, "")
    await clock.advance(59.9)
    assert is_there(engine)
    await clock.advance(1.1)
    assert not is_there(engine)


async def test_a_check_that_never_beat_counts_from_its_expiry(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_local("web", ttl("ttl", 10.0, reap_seconds=60.0)))
    await clock.advance(69)
    assert is_there(engine)
    await clock.advance(3)
    assert not is_there(engine)


async def test_any_one_check_is_enough(engine: Engine, clock: FakeClock) -> None:
    await with_limit(engine, 60.0)
    await engine.propose(register_ttl("other", LONG, "web", status=PASSING))
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(61)
    assert not is_there(engine)
    assert engine.state.local_checks() == []


async def test_its_sidecar_goes_with_it_and_others_stay(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_local("db"))
    await engine.propose(
        register_local("web", ttl("ttl", LONG, reap_seconds=60.0), sidecar=sidecar_of("web", port=5000))
    )
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(61)
    assert [one.id for one in engine.state.local_services()] == ["db"]


async def test_a_check_of_the_whole_node_removes_nothing(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_ttl("ttl", LONG, reap_seconds=60.0))
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(500)
    assert [one.id for one in engine.state.local_checks()] == ["ttl"]
    assert engine.state.node(HERE) is not None


async def test_a_check_without_a_limit_is_left_alone(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_local("web", ttl("ttl", LONG)))
    await engine.propose(SetMaintenance(True, "web"))
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(500)
    assert is_there(engine)


async def test_a_check_of_the_catalog_removes_nothing(engine: Engine, clock: FakeClock) -> None:
    """What we run is removed by us; a definition that only stands in the catalog is somebody else's to act on."""
    definition = ttl(reap_seconds=60.0).runs
    row = check("c1", "web", status=CRITICAL, definition=definition)
    await engine.propose(register("web", checks=(row,)))
    await clock.advance(500)
    assert is_there(engine)


async def test_a_recovery_before_the_removal_is_stored_wins(rig: Rig, clock: FakeClock) -> None:
    engine = rig.engine
    await with_limit(engine, 60.0)
    await engine.beat("ttl", CRITICAL, "down")
    await clock.advance(59)
    clock.busy = lambda: False
    rig.log.hold()
    recovered = asyncio.ensure_future(engine.beat("ttl", PASSING, ""))
    await clock.advance(3)
    rig.log.release()
    await recovered
    await clock.advance(100)
    assert is_there(engine)


async def test_a_removal_that_could_not_be_stored_is_tried_again(rig: Rig, clock: FakeClock) -> None:
    await with_limit(rig.engine, 60.0)
    await rig.engine.beat("ttl", CRITICAL, "down")
    await clock.advance(59.9)
    rig.log.inject_not_stored()
    await clock.advance(1.1)
    assert not is_there(rig.engine)


async def test_a_removal_that_finds_no_place_in_the_queue_is_told_and_tried_again(
    rigged: Rigged, clock: FakeClock
) -> None:
    rig = await rigged(max_pending_writes=1)
    await with_limit(rig.engine, 60.0)
    await rig.engine.beat("ttl", CRITICAL, "down")
    await clock.advance(59)
    clock.busy = lambda: False
    rig.log.hold()
    under_way = rig.begin(register_local("a"))
    await turns()
    waiting = rig.begin(register_local("b"))
    await clock.advance(2)
    assert any("pending-writes" in trouble for trouble in rig.told.troubles)
    rig.log.release()
    await asyncio.gather(under_way, waiting)
    await clock.advance(1)
    assert not is_there(rig.engine)


async def test_each_removal_is_one_entry(rig: Rig, clock: FakeClock) -> None:
    for one in range(3):
        await rig.engine.propose(register_local(f"s{one}", ttl(f"c{one}", LONG, reap_seconds=60.0)))
        await rig.engine.beat(f"c{one}", CRITICAL, "")
    applied = rig.engine.state.applied
    await clock.advance(120)
    assert rig.engine.state.applied == applied + 3
