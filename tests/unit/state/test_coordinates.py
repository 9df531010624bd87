"""Where nodes are: kept for those that are there, one in each segment (event_query_coordinate.md §C)."""

import pytest

from registry.commands import Deregister, PutCoordinate
from registry.model import topic as topics
from registry.model.coordinate import Coordinate
from tests.makers import register
from tests.unit.state.coordination import Keys

HERE, THERE = Coordinate(vec=(0.0,)), Coordinate(vec=(1.0,))


@pytest.fixture
def world() -> Keys:
    found = Keys()
    found.apply(register(on="n1"))
    return found


def test_the_newest_of_each_segment_counts_and_is_shown_as_it_was_spelled(world: Keys) -> None:
    for update in (PutCoordinate("n1", HERE), PutCoordinate("N1", THERE), PutCoordinate("n1", HERE, "far")):
        world.apply(update)
        assert list(world.topics) == [topics.COORDINATES, (topics.COORDINATE, "n1")]
        assert world.indexes(topics.COORDINATES, (topics.COORDINATE, "n1")) == [world.index] * 2
    found = world.state.coordinates["n1"].values()
    assert [(one.node, one.segment, one.coordinate) for one in found] == [("N1", "", THERE), ("n1", "far", HERE)]


def test_a_node_that_is_not_there_is_nowhere(world: Keys) -> None:
    world.apply(PutCoordinate("none", HERE))
    assert not world.changes
    assert world.state.coordinates == {}


def test_a_coordinate_goes_with_its_node(world: Keys) -> None:
    world.apply(PutCoordinate("n1", HERE))
    world.apply(Deregister("n1", "", ""))
    assert world.state.coordinates == {}
    assert world.indexes(topics.COORDINATES) == [world.index]
    assert topics.COORDINATES in world.topics
