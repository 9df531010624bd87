"""Resets: a follower begins anew from a snapshot, and nobody who reads is shown less than before."""

import asyncio

import pytest

from registry.commands import Command
from registry.errors import LogUnavailable
from registry.log.faults import RESTORE_JUMP
from registry.model import topic as topics
from registry.state.snapshot import Frozen
from registry.testing import FakeClock
from tests.makers import World, health_of, parked, port_of, register, register_ttl, turns
from tests.unit.core.conftest import Rig

WEB = (topics.HEALTH, "web")


def snapshot(*commands: Command) -> list[bytes]:
    """A snapshot of what these commands make of a fresh server."""
    world = World()
    for command in commands:
        world.apply(command)
    return [chunk for chunk in Frozen(world.state).chunks() if chunk]


async def test_a_write_that_a_reset_may_have_swallowed_is_said_to_be_unknown(rig: Rig) -> None:
    rig.log.hold()
    writer = rig.begin(register("web"))
    await turns()
    rig.log.inject_reset()
    with pytest.raises(LogUnavailable) as told:
        await writer
    assert told.value.unknown
    rig.log.release()
    await turns()
    assert port_of(rig.engine) == 80  # this one was not swallowed


async def test_a_restore_replaces_everything_and_wakes_everybody(rig: Rig, clock: FakeClock) -> None:
    await rig.engine.propose(register("old"))
    readers = [
        await parked(rig.engine, rig.engine.after(health_of(name), rig.engine.state.applied, 60))
        for name in ("web", "old", "other")
    ]
    rig.log.inject_restore(clock.now(), *snapshot(register("web")))
    answers = [(await reader)[0] for reader in readers]
    assert [answer.index > RESTORE_JUMP for answer in answers] == [True] * 3
    assert rig.engine.state.placed("old") == []
    assert rig.told.resets == [rig.engine.state.applied]
    await rig.engine.propose(register("new"))
    assert rig.engine.state.index((topics.HEALTH, "new")) > answers[0].index


async def test_a_restore_drops_what_was_kept_ready(rig: Rig, clock: FakeClock) -> None:
    await rig.engine.propose(register("web"))
    before = rig.engine.answer(health_of("web"))
    rig.log.inject_restore(clock.now(), *snapshot())
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
    assert port_of(rig.engine) == 81


async def test_texts_that_the_log_does_not_have_yet_outlive_a_reset(rig: Rig) -> None:
    await rig.engine.propose(register_ttl(status="passing"))
    await rig.engine.beat("ttl", "passing", "news")
    rig.log.inject_reset()
    await turns()
    assert [one.output for one in rig.engine.state.local_checks()] == ["news"]
