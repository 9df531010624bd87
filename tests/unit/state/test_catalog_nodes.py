"""Who may write which node: identity, renaming, and what counts as a change (catalog.md §1.3)."""

from typing import Any

import pytest

from registry.commands import Register
from registry.errors import Conflict
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING, SERF_HEALTH
from registry.model.node import Locality
from tests.makers import HERE, HERE_ID, World, check, deregister, node, register

ONE = "aaaaaaaa-0000-0000-0000-000000000001"
TWO = "bbbbbbbb-0000-0000-0000-000000000002"


@pytest.fixture
def world() -> World:
    return World()


def serf_health(status: str) -> Any:
    return check(SERF_HEALTH, status=status)


def test_a_node_is_stored_with_its_indexes(world: World) -> None:
    world.apply(register(on="N1", node_meta={"a": "1"}))
    stored = world.state.node("n1")
    assert stored is not None
    assert (stored.name, stored.meta, stored.create_index, stored.modify_index) == ("N1", {"a": "1"}, 2, 2)


def test_registering_a_node_again_unchanged_moves_nothing(world: World) -> None:
    world.apply(register(on="n1"))
    assert world.apply(register(on="n1")) == []
    assert world.indexes(topics.NODES) == [2]


def test_a_name_in_another_case_is_the_same_node(world: World) -> None:
    world.apply(register(on="n1"))
    assert world.apply(register(on="N1")) == []
    assert [one.name for one in world.state.nodes()] == [HERE, "n1"]


@pytest.mark.parametrize(
    "change",
    [
        {"address": "10.0.0.2"},
        {"id": ONE},
        {"datacenter": "dc2"},
        {"meta": {}},
        {"tagged_addresses": {"lan": "10.0.0.1"}},
    ],
    ids=str,
)
def test_a_difference_that_counts_is_stored(world: World, change: dict[str, Any]) -> None:
    world.apply(register(on="n1"))
    world.apply(Register(node=node("n1", **change)))
    stored = world.state.node("n1")
    assert stored is not None
    assert {name: getattr(stored, name) for name in change} == change
    assert (stored.create_index, stored.modify_index) == (2, 3)


def test_a_change_of_the_locality_alone_is_not_stored(world: World) -> None:
    world.apply(register(on="n1"))
    assert world.apply(Register(node=node("n1", locality=Locality("r1")))) == []


def test_skip_node_update_leaves_the_row_as_it_is(world: World) -> None:
    world.apply(register(on="n1"))
    world.apply(register("web", on="n1", node_address="10.9.9.9", skip_node_update=True))
    stored = world.state.node("n1")
    assert stored is not None
    assert (stored.address, stored.modify_index) == ("10.0.0.1", 2)


def test_skip_node_update_creates_a_node_that_is_missing(world: World) -> None:
    world.apply(register("web", on="n1", node_address="", skip_node_update=True))
    stored = world.state.node("n1")
    assert stored is not None
    assert stored.address == ""


def test_a_registration_without_id_takes_the_id_away(world: World) -> None:
    world.apply(register(on="n1", node_id=ONE))
    world.apply(register(on="n1"))
    assert world.state.node("n1") == node("n1", create_index=2, modify_index=3)
    assert world.state.node_key(ONE) is None


def test_a_known_id_under_a_new_name_renames_the_node(world: World) -> None:
    world.apply(register("web", on="n1", node_id=ONE, checks=(check("c1"),)))
    world.apply(register(on="n2", node_id=ONE))
    assert [one.name for one in world.state.nodes()] == [HERE, "n2"]
    renamed = world.state.node("n2")
    assert renamed is not None
    assert (renamed.create_index, renamed.modify_index) == (2, 3)
    assert world.state.placed("web") == []
    assert world.state.checks_of_node("n1") == []


def test_an_id_is_known_in_any_case(world: World) -> None:
    world.apply(register(on="n1", node_id=ONE.upper()))
    world.apply(register(on="n2", node_id=ONE))
    assert [one.name for one in world.state.nodes()] == [HERE, "n2"]


def test_a_node_is_found_by_a_prefix_of_its_id_in_any_case(world: World) -> None:
    world.apply(register(on="n1", node_id=ONE.upper()))
    assert world.state.node_key("AAaa") == world.state.node_key("aaAA") == "n1"


def test_a_row_without_id_is_adopted(world: World) -> None:
    world.apply(register("web", on="n1"))
    world.apply(register(on="n1", node_id=ONE))
    assert world.state.node_key(ONE) == "n1"
    assert len(world.state.placed("web")) == 1


def test_a_living_node_keeps_its_name(world: World) -> None:
    world.apply(register(on="n1", node_id=ONE, checks=(serf_health(PASSING),)))
    with pytest.raises(Conflict) as refused:
        world.apply(register(on="n1", node_id=TWO))
    assert refused.value.reason == "node-reserved"
    assert refused.value.values["owner"] == ONE


def test_a_dead_node_gives_its_name_and_what_runs_on_it_away(world: World) -> None:
    world.apply(register("web", on="n1", node_id=ONE, checks=(serf_health(CRITICAL),)))
    world.apply(register(on="n1", node_id=TWO))
    assert world.state.node_key(TWO) == "n1"
    assert world.state.node_key(ONE) is None
    assert len(world.state.placed("web")) == 1


def test_a_rename_to_the_name_of_a_living_node_is_refused(world: World) -> None:
    world.apply(register(on="n1", node_id=ONE, checks=(serf_health(PASSING),)))
    world.apply(register(on="n2", node_id=TWO))
    with pytest.raises(Conflict) as refused:
        world.apply(register(on="n1", node_id=TWO))
    assert refused.value.reason == "node-reserved-rename"
    assert [one.name for one in world.state.nodes()] == [HERE, "n1", "n2"]


def test_our_own_node_keeps_its_name(world: World) -> None:
    """A rename would take every service registered here away with it."""
    with pytest.raises(Conflict) as refused:
        world.apply(register(on="n1", node_id=HERE_ID))
    assert refused.value.reason == "node-reserved-rename"
    assert [one.name for one in world.state.nodes()] == [HERE]


def test_an_id_that_our_own_node_had_lost_goes_back_to_it(world: World) -> None:
    world.apply(register(on=HERE))
    world.apply(register(on="n1", node_id=HERE_ID))
    world.apply(deregister(on=HERE))
    assert world.state.node_key(HERE_ID) == HERE
    assert [one.id for one in world.state.nodes()] == [HERE_ID, ""]


def test_a_node_that_comes_wakes_those_who_look_for_it_by_name_or_id(world: World) -> None:
    touched = world.apply(register(on="N1", node_id=ONE))
    for name in ("n1", "aa", "aaaaaaaa-0000", ONE):
        assert (topics.MISSING_NODE, name) in touched
    assert (topics.MISSING_NODE, "a") not in touched


def test_an_ambiguous_prefix_names_no_node(world: World) -> None:
    world.apply(register(on="n1", node_id=ONE))
    world.apply(register(on="n2", node_id="aaaaaaaa-0000-0000-0000-000000000002"))
    assert world.state.node_key("aaaaaaaa") is None
    assert world.state.index((topics.MISSING_NODE, "aaaaaaaa")) == 1


@pytest.mark.parametrize("change", [deregister(on="n2"), register(on="n2")], ids=["it goes", "its id goes"])
def test_who_asked_for_an_ambiguous_prefix_hears_when_it_names_one_node(world: World, change: Any) -> None:
    world.apply(register(on="n1", node_id=ONE))
    world.apply(register(on="n2", node_id="aaaaaaaa-0000-0000-0000-000000000002"))
    touched = world.apply(change)
    assert (topics.MISSING_NODE, "aaaaaaaa") in touched
    assert world.state.index((topics.MISSING_NODE, "aaaaaaaa")) == 2


def test_of_a_prefix_of_odd_length_the_last_character_does_not_count(world: World) -> None:
    world.apply(register(on="n1", node_id=ONE))
    assert world.state.node_key("aaaax") == "n1"
    assert world.state.node_key("a") is None
