"""Answers kept ready: when they are used, when they go, and how many there may be."""

from typing import Any

import msgspec
import pytest

from registry.core.engine import Question
from registry.core.topics import REQUESTS_PER_ANSWER, Topics
from registry.model import topic as topics
from registry.state.changes import Changes
from registry.testing import FakeClock
from tests.makers import World, about, asked, check, deregister, health_of, register


@pytest.fixture
def world() -> World:
    made = World()
    made.apply(register("web", checks=(check("c1", "web"),)))
    return made


@pytest.fixture
def ready(world: World) -> Topics:
    return over(world)


def over(world: World, **limits: int) -> Topics:
    made = Topics(FakeClock(), **limits)
    made.state = world.state
    return made


def apply(world: World, ready: Topics, command: Any) -> None:
    changes = Changes()
    for topic in world.apply(command):
        changes.topics[topic] = None
    ready.changed(changes)


def sized(number: int, size: int) -> Question:
    """An answer of `size` bytes on the topic of all checks."""
    return asked(topics.CHECKS, lambda state: "", key=number, encode=lambda rows: bytes(size))


def test_an_answer_is_computed_once_while_nothing_changes(ready: Topics) -> None:
    first = ready.answer(health_of("web"))
    assert ready.answer(health_of("web")) is first
    assert (ready.hits, ready.misses, ready.bytes) == (1, 1, len(first.body))


def test_a_change_of_its_rows_ends_an_answer(world: World, ready: Topics) -> None:
    first = ready.answer(health_of("web"))
    apply(world, ready, register("web", port=81))
    second = ready.answer(health_of("web"))
    assert (first.live, second.live) == (False, True)
    assert msgspec.json.decode(second.body)[0][1]["port"] == 81


def test_a_change_elsewhere_leaves_it_alone(world: World, ready: Topics) -> None:
    first = ready.answer(health_of("web"))
    apply(world, ready, register("db", on="n2"))
    assert ready.answer(health_of("web")) is first


def test_an_index_that_moves_alone_keeps_the_bytes(world: World, ready: Topics) -> None:
    """A check raises `catalog/service` without changing it."""
    question = about((topics.SERVICE, "web"))
    first = ready.answer(question)
    apply(world, ready, register("web", checks=(check("c1", "web", output="new"),)))
    second = ready.answer(question)
    assert second.body is first.body
    assert (first.index, second.index) == (2, 3)
    assert (first.live, second.live) == (False, True)
    assert (ready.misses, ready.bytes) == (1, len(first.body))


def test_answers_that_live_on_no_topic_are_computed_anew(ready: Topics) -> None:
    question = health_of("web", keep=False)
    assert ready.answer(question) is not ready.answer(question)
    assert ready.bytes == 0


def test_a_name_without_rows_is_not_remembered(world: World, ready: Topics) -> None:
    ready.answer(health_of("none"))
    assert ready.bytes == 0
    ready.answer(health_of("web"))
    apply(world, ready, deregister("web"))
    ready.answer(health_of("web"))
    assert ready.bytes == 0


def test_a_topic_has_a_limited_number_of_answers_and_drops_what_nobody_asks_for(world: World) -> None:
    ready = over(world, answers_per_topic=3)
    kept = [ready.answer(health_of("web", key=number)) for number in range(3)]
    ready.answer(health_of("web", key=0))
    ready.answer(health_of("web", key="new"))
    assert [one.live for one in kept] == [True, False, True]


def test_an_index_that_moves_drops_no_other_answer(world: World) -> None:
    ready = over(world, answers_per_topic=2)
    questions = [about((topics.SERVICE, "web"), key=number) for number in range(2)]
    bodies = [ready.answer(one).body for one in questions]
    for _ in range(5):
        apply(world, ready, register("web", checks=(check("c1", "web", output=str(world.index)),)))
        assert [ready.answer(one).body for one in questions] == bodies
    assert (ready.misses, ready.bytes) == (2, sum(map(len, bodies)))


def test_all_answers_together_have_a_limited_size(world: World) -> None:
    ready = over(world, answers_bytes=1000)
    kept = [ready.answer(sized(number, 300)) for number in range(4)]
    assert [one.live for one in kept] == [False, True, True, True]
    assert ready.bytes == 900


def test_what_is_asked_for_outlives_what_is_not(world: World) -> None:
    ready = over(world, answers_bytes=1000)
    popular = ready.answer(sized(0, 300))
    for number in range(1, 10):
        ready.answer(sized(number, 300))
        ready.answer(sized(0, 300))
    assert popular.live


def test_an_answer_that_is_larger_than_all_memory_is_given_and_not_kept(world: World) -> None:
    ready = over(world, answers_bytes=1000)
    answer = ready.answer(sized(0, 5000))
    assert (len(answer.body), answer.live, ready.bytes) == (5000, False, 0)


def test_a_request_is_remembered_as_long_as_its_answer_lives(world: World, ready: Topics) -> None:
    answer = ready.answer(health_of("web"))
    ready.remember(b"GET /", answer, "how")
    assert ready.remembered == {b"GET /": "how"}
    apply(world, ready, register("web", port=81))
    assert ready.remembered == {}


def test_a_request_that_is_remembered_already_keeps_its_answer(ready: Topics) -> None:
    ready.remember("request", ready.answer(health_of("web")), "first")
    ready.remember("request", ready.answer(about(topics.NODES)), "second")
    assert ready.remembered == {"request": "first"}


def test_when_every_answer_is_asked_for_the_oldest_goes(world: World) -> None:
    ready = over(world, answers_per_topic=2)
    kept = [ready.answer(health_of("web", key=number)) for number in (0, 1)]
    for number in (0, 1):
        ready.answer(health_of("web", key=number))
    ready.answer(health_of("web", key="new"))
    assert [one.live for one in kept] == [False, True]


def test_one_answer_remembers_a_limited_number_of_requests(ready: Topics) -> None:
    answer = ready.answer(health_of("web"))
    for number in range(REQUESTS_PER_ANSWER + 5):
        ready.remember(number, answer, "how")
    assert len(ready.remembered) == REQUESTS_PER_ANSWER


def test_everything_goes_with_a_reset(world: World, ready: Topics) -> None:
    kept = [ready.answer(one) for one in (health_of("web"), about(topics.NODES), about(topics.GATEWAYS))]
    changes = Changes()
    changes.everything = True
    ready.changed(changes)
    assert [one.live for one in kept] == [False] * 3
    assert (ready.bytes, ready.remembered) == (0, {})


def test_a_topic_takes_no_memory_once_its_answers_are_gone(world: World, ready: Topics) -> None:
    for number in range(2000):
        ready.answer(health_of("web", key=number % 7))
        apply(world, ready, register("web", port=number))
    assert ready._watched == {}
    assert len(ready._order) <= 1100  # what is dead is swept before it doubles what lives
