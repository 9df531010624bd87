"""User events: numbered in one order, the newest 256 remembered (event_query_coordinate.md §A)."""

from registry.commands import FireEvent
from registry.model import topic as topics
from registry.model.event import UserEvent
from registry.state.events import REMEMBERED
from tests.unit.state.coordination import Keys


def fire(number: int, *, listed: bool = True) -> FireEvent:
    return FireEvent(UserEvent(id=str(number), name="deploy", payload=b"\xff"), listed=listed)


def test_events_are_numbered_and_wake_their_readers_without_an_index() -> None:
    world = Keys()
    for number in (1, 2):
        world.apply(fire(number))
        assert list(world.topics) == [topics.EVENTS]
    assert [(one.id, one.ltime) for one in world.state.events] == [("1", 1), ("2", 2)]
    assert world.indexes(topics.EVENTS) == [1]


def test_one_that_is_not_for_us_takes_a_number_only() -> None:
    world = Keys()
    world.apply(fire(1, listed=False))
    assert not world.changes
    world.apply(fire(2))
    assert [(one.id, one.ltime) for one in world.state.events] == [("2", 2)]


def test_the_oldest_is_forgotten_for_the_newest() -> None:
    world = Keys()
    for number in range(1, REMEMBERED + 4):
        world.apply(fire(number))
    assert REMEMBERED == 256
    assert [one.ltime for one in world.state.events] == list(range(4, REMEMBERED + 4))
