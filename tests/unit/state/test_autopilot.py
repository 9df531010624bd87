"""The autopilot's configuration: replaced whole, or only over the index that is meant (§B.2 of the operator's page)."""

from registry.commands import SetAutopilot
from registry.model.autopilot import Autopilot
from tests.unit.state.coordination import Keys


def test_it_is_replaced_whole() -> None:
    world = Keys()
    assert world.apply(SetAutopilot(Autopilot(min_quorum=3))) is True
    made = world.state.autopilot.create_index
    assert world.apply(SetAutopilot(Autopilot(max_trailing_logs=9))) is True
    found = world.state.autopilot
    assert (found.min_quorum, found.max_trailing_logs) == (0, 9)
    assert (found.create_index, found.modify_index) == (made, world.index)


def test_check_and_set_takes_place_over_the_index_that_is_there() -> None:
    """With 0 it never does, not even where nothing was ever written."""
    world = Keys()
    assert world.apply(SetAutopilot(Autopilot(min_quorum=1), cas=0)) is False
    world.apply(SetAutopilot(Autopilot()))
    made = world.index
    assert world.apply(SetAutopilot(Autopilot(min_quorum=1), cas=made + 1)) is False
    assert world.state.autopilot.min_quorum == 0
    assert world.apply(SetAutopilot(Autopilot(min_quorum=1), cas=made)) is True
    assert world.state.autopilot.min_quorum == 1
