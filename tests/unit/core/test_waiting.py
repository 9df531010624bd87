"""Readers that wait: what they are answered with, what it costs, and what they leave behind."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from registry.core.engine import Engine
from registry.errors import InvalidRequest
from registry.model import topic as topics
from registry.model.check import CRITICAL
from registry.state.store import State
from registry.testing import FakeClock
from tests.conftest import Park
from tests.makers import about, asked, check, deregister, health_of, parked, register, turns

WEB = (topics.HEALTH, "web")


class Encoding:
    """An encoder that counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, rows: Any) -> bytes:
        self.calls += 1
        return msgspec.json.encode(rows)


def ports(body: bytes) -> list[int]:
    return [entry[1]["port"] for entry in msgspec.json.decode(body)]


def nothing_is_kept(engine: Engine) -> bool:
    return not engine.topics._watched and engine.topics.bytes == 0 and engine.topics.parked == 0


# What a reader is answered with


async def test_changes_stored_together_wake_once_with_the_last_of_them(engine: Engine, park: Park) -> None:
    encode = Encoding()
    await engine.propose(register("web", port=1))
    reader = await park(engine.after(health_of("web", encode=encode), engine.state.index(WEB), 60))
    before = encode.calls
    await asyncio.gather(*[engine.propose(register("web", port=port)) for port in range(2, 10)])
    answer, _ = await reader
    assert ports(answer.body) == [9]
    assert encode.calls == before + 1


async def test_an_instance_that_goes_and_comes_back_in_one_batch_is_news(engine: Engine, park: Park) -> None:
    await engine.propose(register("web"))
    reader = await park(engine.after(health_of("web"), engine.state.index(WEB), 60))
    await asyncio.gather(engine.propose(deregister("web")), engine.propose(register("web")))
    answer, _ = await reader
    assert len(ports(answer.body)) == 1
    assert answer.index == engine.state.index(WEB) == engine.state.applied


async def test_who_waits_for_a_write_is_answered_before_its_writer(engine: Engine, park: Park) -> None:
    reader = await park(engine.after(health_of("web"), engine.state.index(WEB), 60))
    await engine.propose(register("web"))
    assert reader.done()


async def test_a_reader_follows_a_service_through_its_end_and_its_return(engine: Engine, park: Park) -> None:
    index = 1
    for change, instances in ((register("web"), 1), (deregister("web"), 0), (register("web"), 1)):
        reader = await park(engine.after(health_of("web"), max(index, engine.state.index(WEB)), 60))
        await engine.propose(change)
        answer, _ = await reader
        assert len(ports(answer.body)) == instances
        assert answer.index > index
        index = answer.index


async def test_a_change_that_a_filter_hides_still_answers(engine: Engine, park: Park) -> None:
    """Filters do not influence blocking (common.md §8.2)."""
    nothing = asked(WEB, lambda state: [])
    await engine.propose(register("web"))
    reader = await park(engine.after(nothing, engine.state.index(WEB), 60))
    await engine.propose(register("web", port=81))
    answer, waited = await reader
    assert (answer.body, answer.index, waited) == (b"[]", engine.state.applied, True)


async def test_merged_results_that_are_the_same_keep_a_reader_waiting(engine: Engine, park: Park) -> None:
    question = asked(WEB, lambda state: len(state.entries("web")), only_if_different=True)
    await engine.propose(register("web"))
    reader = await park(engine.after(question, engine.state.index(WEB), 60))
    await engine.propose(register("web", port=81))
    await turns()
    assert not reader.done()
    await engine.propose(register("web", on="n2"))
    answer, _ = await reader
    assert answer.body == b"2"


async def test_at_the_deadline_nothing_is_computed_again(engine: Engine, park: Park, clock: FakeClock) -> None:
    """A parked `catalog/service` whose index a check has raised answers with the old one (common.md §8.2)."""
    rows = (topics.SERVICE, "web")
    await engine.propose(register("web"))
    index = engine.state.index(rows)
    reader = await park(engine.after(about(rows), index, 60))
    await engine.propose(register(checks=(check("c1", "web", status=CRITICAL),)))
    assert engine.state.index(rows) > index
    await clock.advance(60)
    answer, waited = await reader
    assert (answer.index, waited) == (index, True)
    again, waited = await engine.after(about(rows), index, 60)
    assert (again.index, waited) == (engine.state.applied, False)


async def test_a_wake_without_a_higher_index_gives_the_deadline_a_newer_answer(
    engine: Engine, park: Park, clock: FakeClock
) -> None:
    """Checks picked by their node: a node row wakes, but only checks move the index."""
    await engine.propose(register("web", checks=(check("c1", "web"),)))
    green = about(topics.CHECKS_BY_NODE)
    reader = await park(engine.after(green, engine.state.index(topics.CHECKS_BY_NODE), 60))
    await engine.propose(register(on="n1", node_meta={"colour": "green"}))
    await turns()
    assert not reader.done()
    await clock.advance(60)
    answer, _ = await reader
    assert [one["id"] for one in msgspec.json.decode(answer.body)] == ["c1"]


async def test_an_index_that_is_yet_to_come_waits_for_it(engine: Engine, park: Park, clock: FakeClock) -> None:
    """One larger than anything current blocks to the deadline, whatever happens (common.md §8.2)."""
    reader = await park(engine.after(health_of("web"), 1_000_000, 60))
    await engine.propose(register("web"))
    await engine.propose(register("web", port=81))
    await turns()
    assert not reader.done()
    await clock.advance(60)
    answer, _ = await reader
    assert (answer.index, ports(answer.body)) == (engine.state.applied, [81])


async def test_each_reader_has_a_deadline_of_its_own(engine: Engine, park: Park, clock: FakeClock) -> None:
    first = await park(engine.after(health_of("web"), engine.state.index(WEB), 10))
    second = await park(engine.after(health_of("web"), engine.state.index(WEB), 20))
    await clock.advance(10)
    assert (first.done(), second.done()) == (True, False)
    await clock.advance(10)
    assert second.done()


async def test_a_reader_of_an_older_index_is_answered_before_one_of_a_newer(engine: Engine, park: Park) -> None:
    await engine.propose(register("web"))
    now = engine.state.index(WEB)
    current = await park(engine.after(health_of("web"), now, 60))
    ahead = await park(engine.after(health_of("web"), now + 1, 60))
    await engine.propose(register("web", port=81))
    await turns()
    assert (current.done(), ahead.done()) == (True, False)
    await engine.propose(register("web", port=82))
    await turns()
    assert ahead.done()


# What it costs


async def test_a_thousand_readers_of_one_answer_cost_one_encoding(engine: Engine) -> None:
    encode = Encoding()
    await engine.propose(register("web"))
    question = health_of("web", encode=encode)
    index = engine.state.index(WEB)
    readers = [asyncio.ensure_future(engine.after(question, index, 60)) for _ in range(1000)]
    await turns(2)
    assert (engine.topics.parked, encode.calls) == (1000, 1)
    await engine.propose(register("web", port=81))
    answers = await asyncio.gather(*readers)
    assert encode.calls == 2
    assert len({id(answer.body) for answer, _ in answers}) == 1
    assert engine.topics.parked == 0


async def test_each_form_of_an_answer_is_encoded_once(engine: Engine) -> None:
    encode = Encoding()
    index = engine.state.index(WEB)
    questions = [health_of("web", key=key, encode=encode) for key in range(3)]
    readers = [asyncio.ensure_future(engine.after(one, index, 60)) for one in questions for _ in range(10)]
    await turns(2)
    before = encode.calls
    await engine.propose(register("web"))
    await asyncio.gather(*readers)
    assert encode.calls == before + 3


async def test_readers_of_other_names_are_not_computed_for(engine: Engine) -> None:
    encode = Encoding()
    readers = [
        await parked(engine, engine.after(health_of(f"s{number}", encode=encode), engine.state.index(WEB), 60))
        for number in range(50)
    ]
    before = encode.calls
    await engine.propose(register("s7"))
    await turns()
    assert [number for number, reader in enumerate(readers) if reader.done()] == [7]
    assert encode.calls == before + 1
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)


# What is left behind


async def test_a_reader_that_goes_away_leaves_nothing(engine: Engine) -> None:
    reader = await parked(engine, engine.after(health_of("web"), engine.state.index(WEB), 60))
    reader.cancel()
    await asyncio.wait({reader})
    assert nothing_is_kept(engine)


async def test_a_reader_that_goes_leaves_the_others_waiting(engine: Engine, park: Park) -> None:
    index = engine.state.index(WEB)
    gone = await park(engine.after(health_of("web"), index, 60))
    stays = await park(engine.after(health_of("web"), index, 60))
    gone.cancel()
    await asyncio.wait({gone})
    await engine.propose(register("web"))
    answer, _ = await stays
    assert len(ports(answer.body)) == 1


async def test_a_reader_answered_or_out_of_time_leaves_nothing(engine: Engine, park: Park, clock: FakeClock) -> None:
    waiting = await park(engine.after(health_of("web"), engine.state.index(WEB), 60))
    await clock.advance(60)
    await waiting
    assert nothing_is_kept(engine)
    looking = await park(engine.park(topics.LOCAL_CHECKS, lambda state: False, 60))
    await clock.advance(60)
    await looking
    assert nothing_is_kept(engine)


async def test_names_that_do_not_exist_do_not_fill_memory(engine: Engine) -> None:
    kinds = (topics.SERVICE, topics.HEALTH, topics.CONNECT, topics.NODE, topics.NODE_CHECKS, topics.STATE)
    for number in range(100):
        for kind in kinds:
            engine.answer(about((kind, f"none-{number}")))
            await engine.after(about((kind, f"none-{number}")), 0, 60)
    assert nothing_is_kept(engine)


async def test_names_that_have_gone_do_not_stay_in_memory(engine: Engine) -> None:
    for number in range(20):
        name, on = f"s{number}", f"n{number}"
        await engine.propose(register(name, on=on, checks=(check(f"c{number}", name),)))
        for kind, key in ((topics.HEALTH, name), (topics.NODE, on), (topics.NODE_CHECKS, on), (topics.NODE_PAGE, on)):
            engine.answer(about((kind, key)))
        await engine.propose(deregister(on=on))
        for kind, key in ((topics.HEALTH, name), (topics.NODE, on), (topics.NODE_CHECKS, on), (topics.NODE_PAGE, on)):
            engine.answer(about((kind, key)))
    assert nothing_is_kept(engine)


async def test_a_node_without_checks_is_not_kept_for_its_checks(engine: Engine) -> None:
    await engine.propose(register(on="n1"))
    engine.answer(about((topics.NODE_CHECKS, "n1")))
    await engine.propose(deregister(on="n1"))
    assert nothing_is_kept(engine)


# When something goes wrong


async def test_a_fault_in_one_query_is_told_to_its_readers_alone(engine: Engine, park: Park) -> None:
    def once(fail: dict[str, bool]) -> Callable[[State], Any]:
        def query(state: State) -> Any:
            if fail["now"]:
                raise KeyError("a bug")
            return []

        return query

    fail = {"now": False}
    index = engine.state.index(WEB)
    unlucky = await park(engine.after(asked(WEB, once(fail), key="unlucky"), index, 60))
    lucky = await park(engine.after(health_of("web"), index, 60))
    fail["now"] = True
    await engine.propose(register("web"))
    with pytest.raises(KeyError):
        await unlucky
    answer, _ = await lucky
    assert len(ports(answer.body)) == 1
    assert engine.failed is not None
    assert not engine.failed.done()


async def test_a_refused_write_wakes_nobody(engine: Engine, park: Park) -> None:
    reader = await park(engine.after(about(topics.CATALOG), engine.state.index(topics.CATALOG), 60))
    with pytest.raises(InvalidRequest):
        await engine.propose(register(on="n1", checks=(check("c1", "unknown"),)))
    await turns()
    assert not reader.done()


async def test_a_server_that_stops_answers_who_waits(engine: Engine, park: Park) -> None:
    reader = await park(engine.after(health_of("web"), engine.state.index(WEB), 60))
    looker = await park(engine.park(topics.LOCAL_CHECKS, lambda state: False, 60))
    await engine.stop()
    answer, waited = await reader
    assert (answer.body, waited) == (b"[]", True)
    await looker
