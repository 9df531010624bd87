"""Texts of checks that change without a change of status: shown at once, in the catalog later (agent.md §1)."""

import asyncio

import pytest

from registry.commands import DeregisterLocalCheck
from registry.core.engine import Engine, Options
from registry.log.open import open_log
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING, WARNING
from registry.testing import FakeClock
from tests.conftest import Park
from tests.makers import (
    HERE,
    Tally,
    about,
    asked,
    health_of,
    register_local,
    register_ttl,
    start_server,
    ttl,
    turns,
)
from tests.unit.core.conftest import Rig, Rigged

WEB = (topics.HEALTH, "web")
LONG = 10_000.0  # a TTL that does not run out here


async def with_ttl(engine: Engine) -> None:
    """A passing TTL check of a service `web`, of which nobody expects more beats."""
    await engine.propose(register_local("web", ttl("ttl", LONG)))
    await engine.beat("ttl", PASSING, "")


def seen(engine: Engine) -> str:
    """The text as the agent shows it."""
    [found] = [one for one in engine.state.local_checks() if one.id == "ttl"]
    return found.output


def catalog(engine: Engine) -> str:
    [found] = [one for one in engine.state.checks_of_node(HERE) if one.id == "ttl"]
    return found.output


async def test_a_new_text_shows_for_the_agent_at_once_and_in_the_catalog_later(
    engine: Engine, clock: FakeClock
) -> None:
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    assert (seen(engine), catalog(engine)) == ("news", "")
    await clock.advance(149)
    assert (seen(engine), catalog(engine)) == ("news", "")
    await clock.advance(1)
    assert (seen(engine), catalog(engine)) == ("news", "news")


@pytest.mark.parametrize(("drawn", "seconds"), [(0.0, 150), (0.5, 300), (0.75, 375)])
async def test_it_takes_between_half_and_one_and_a_half_intervals(
    clock: FakeClock, drawn: float, seconds: float
) -> None:
    log = open_log("memory:", now=clock.now, elapsed=clock.elapsed, writer="self")
    engine = Engine(log, clock, random=lambda: drawn)
    clock.busy = lambda: engine.busy
    await engine.start()
    await engine.propose(start_server())
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    await clock.advance(seconds - 0.1)
    assert catalog(engine) == ""
    await clock.advance(0.1)
    assert catalog(engine) == "news"
    await engine.stop()


async def test_without_an_interval_it_is_in_the_catalog_at_once(rigged: Rigged) -> None:
    rig = await rigged(check_update_interval_seconds=0.0)
    await with_ttl(rig.engine)
    await rig.engine.beat("ttl", PASSING, "news")
    await turns()
    assert catalog(rig.engine) == "news"


async def test_the_first_of_many_texts_sets_the_time_and_the_last_is_stored(engine: Engine, clock: FakeClock) -> None:
    """A check that says something else each time still reaches the catalog."""
    await with_ttl(engine)
    applied = engine.state.applied
    for number in range(15):
        await engine.beat("ttl", PASSING, f"text {number}")
        await clock.advance(10)
    assert (catalog(engine), engine.state.applied) == ("text 14", applied + 1)


async def test_a_change_of_status_takes_the_text_along(engine: Engine) -> None:
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    await engine.beat("ttl", WARNING, "worse")
    assert (seen(engine), catalog(engine)) == ("worse", "worse")


async def test_a_text_after_a_change_of_status_has_a_time_of_its_own(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    await clock.advance(100)
    await engine.beat("ttl", WARNING, "worse")
    await engine.beat("ttl", WARNING, "worse still")
    await clock.advance(149)
    assert catalog(engine) == "worse"
    await clock.advance(1)
    assert catalog(engine) == "worse still"


async def test_a_text_that_goes_back_to_what_the_catalog_has_is_not_written(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    applied = engine.state.applied
    await engine.beat("ttl", PASSING, "news")
    await engine.beat("ttl", PASSING, "")
    assert seen(engine) == ""
    await clock.advance(500)
    assert engine.state.applied == applied


async def test_a_text_after_one_that_went_back_has_a_time_of_its_own(engine: Engine, clock: FakeClock) -> None:
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    await engine.beat("ttl", PASSING, "")
    await clock.advance(100)
    await engine.beat("ttl", PASSING, "other news")
    await clock.advance(149)
    assert catalog(engine) == ""
    await clock.advance(1)
    assert catalog(engine) == "other news"


async def test_a_new_text_wakes_only_who_looks_at_the_agent(engine: Engine, park: Park, clock: FakeClock) -> None:
    await with_ttl(engine)
    reader = await park(engine.after(health_of("web"), engine.state.index(WEB), 3600))
    looker = await park(engine.topics.touched(topics.LOCAL_CHECKS, 3600))
    await engine.beat("ttl", PASSING, "news")
    await turns()
    assert (reader.done(), looker.done()) == (False, True)
    await clock.advance(150)
    answer, _ = await reader
    assert b'"news"' in answer.body


async def test_the_agents_answers_are_not_older_than_the_text(engine: Engine) -> None:
    await with_ttl(engine)
    question = about(topics.LOCAL_CHECKS)
    assert b"news" not in engine.answer(question).body
    await engine.beat("ttl", PASSING, "news")
    assert b"news" in engine.answer(question).body


async def test_the_first_report_of_a_check_that_was_born_critical_keeps_the_catalogs_text(
    engine: Engine, park: Park, clock: FakeClock
) -> None:
    """Same status, other text: the catalog shows it minutes later, though from now on it counts as critical."""
    await engine.propose(register_local("web", ttl("ttl", LONG)))
    reader = await park(engine.after(health_of("web"), engine.state.index(WEB), 3600))
    await engine.beat("ttl", CRITICAL, "down")
    assert (seen(engine), catalog(engine)) == ("down", "")
    assert not reader.done()
    await clock.advance(150)
    assert catalog(engine) == "down"


async def test_a_text_of_a_check_that_is_gone_is_not_written(engine: Engine, clock: FakeClock) -> None:
    await engine.propose(register_ttl("ttl", LONG, status=PASSING))
    await engine.beat("ttl", PASSING, "news")
    await engine.propose(DeregisterLocalCheck("ttl"))
    await engine.propose(register_ttl("ttl", LONG, status=PASSING))
    applied = engine.state.applied
    await clock.advance(500)
    assert (seen(engine), engine.state.applied) == ("", applied)


async def test_a_text_is_written_for_a_check_whose_id_is_spelled_otherwise_now(
    engine: Engine, clock: FakeClock
) -> None:
    await engine.propose(register_ttl("ttl", LONG, status=PASSING))
    await engine.beat("ttl", PASSING, "news")
    await engine.propose(register_ttl("TTL", LONG, name="ttl"))
    await clock.advance(150)
    [stored] = [one for one in engine.state.checks_of_node(HERE) if one.id == "TTL"]
    assert stored.output == "news"


async def test_a_text_is_not_written_over_the_status_that_came_meanwhile(rig: Rig, clock: FakeClock) -> None:
    """It waits for the log when the next beat arrives; both are stored, in order."""
    engine = rig.engine
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    clock.busy = lambda: False
    rig.log.hold()
    await clock.advance(150)
    beat = asyncio.ensure_future(engine.beat("ttl", WARNING, "worse"))
    await turns()
    rig.log.release()
    await beat
    await turns()
    [stored] = engine.state.local_checks()
    assert (stored.status, stored.output, catalog(engine)) == (WARNING, "worse", "worse")


async def test_stopping_brings_the_texts_into_the_log(store: str, clock: FakeClock) -> None:
    told = Tally()
    engine = Engine(open_log(store, now=clock.now, elapsed=clock.elapsed, writer="one"), clock, observer=told)
    await engine.start()
    await engine.propose(start_server())
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    await engine.stop()
    assert catalog(engine) == "news"
    assert told.troubles == []
    if store.startswith("sqlite"):
        again = Engine(open_log(store, now=clock.now, elapsed=clock.elapsed, writer="two"), clock)
        await again.start()
        assert (seen(again), catalog(again)) == ("news", "news")
        await again.stop()


async def test_a_text_that_could_not_be_written_is_told(rigged: Rigged, clock: FakeClock) -> None:
    rig = await rigged(check_update_interval_seconds=20.0)
    await with_ttl(rig.engine)
    await rig.engine.beat("ttl", PASSING, "news")
    rig.log.inject_not_stored("the disk is full")
    await clock.advance(10)
    assert "the disk is full" in rig.told.troubles
    assert (seen(rig.engine), catalog(rig.engine)) == ("news", "")


async def test_a_question_of_the_agent_shows_the_text_of_one_service(engine: Engine) -> None:
    await with_ttl(engine)
    await engine.beat("ttl", PASSING, "news")
    mine = asked(topics.LOCAL_CHECKS, lambda state: [one.output for one in state.local_checks_of("web")])
    assert engine.answer(mine).body == b'["news"]'
    assert Options().check_update_interval_seconds == 300.0
