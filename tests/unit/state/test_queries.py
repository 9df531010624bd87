"""In which order rows are read, and by which names they are found (common.md §14)."""

import pytest

from registry.commands import RegisterLocalCheck
from registry.model.check import PASSING
from tests.makers import HERE, World, check, proxy_of, register, register_local, register_row


@pytest.fixture
def world() -> World:
    made = World()
    made.apply(register("web", on="b", service_id="2", checks=(check("z", "2"), check("Y"), check("x"))))
    made.apply(register("Web", on="b", service_id="10", checks=(check("B", "10"), check("a", "10"))))
    made.apply(register("WEB", on="A", service_id="1"))
    made.apply(register_row(proxy_of("web", "p", node="b")))
    return made


def test_nodes_are_in_the_order_of_their_folded_names(world: World) -> None:
    assert [one.name for one in world.state.nodes()] == ["A", "b", HERE]


def test_instances_are_in_the_order_of_node_and_id(world: World) -> None:
    found = [(node.name, instance.id) for node, instance in world.state.placed("wEB")]
    assert found == [("A", "1"), ("b", "10"), ("b", "2")]
    assert [(node.name, one.id) for node, one in world.state.all_placed()] == [*found, ("b", "p"), (HERE, "consul")]


def test_an_entry_has_the_checks_of_the_node_before_its_own(world: World) -> None:
    found = {entry.instance.id: [one.id for one in entry.checks] for entry in world.state.entries("web")}
    assert found == {"1": [], "10": ["x", "Y", "a", "B"], "2": ["x", "Y", "z"]}


def test_an_entry_of_the_mesh_has_the_proxys_checks(world: World) -> None:
    [entry] = world.state.connect_entries("WEB")
    assert (entry.instance.id, [one.id for one in entry.checks]) == ("p", ["x", "Y"])


def test_checks_are_in_the_order_of_node_and_id(world: World) -> None:
    state = world.state
    assert [one.id for one in state.checks_of_node("B")] == ["a", "B", "x", "Y", "z"]
    assert [one.id for one in state.checks_of_service("web")] == ["a", "B", "z"]
    assert [one.id for one in state.checks_in_state("PASSING")] == ["a", "B", "x", "Y", "z", "serfHealth"]
    assert state.all_checks() == state.checks_in_state(PASSING)


def test_a_node_is_seen_with_all_that_is_on_it(world: World) -> None:
    view = world.state.node_view("B")
    assert view is not None
    assert [one.id for one in view.instances] == ["10", "2", "p"]
    assert [one.id for one in view.checks] == ["a", "B", "x", "Y", "z"]


def test_unknown_names_find_nothing(world: World) -> None:
    state = world.state
    assert (state.node("none"), state.node_view("none")) == (None, None)
    assert [*state.placed("none"), *state.entries("none"), *state.connect_entries("none")] == []
    assert [*state.checks_of_node("none"), *state.checks_of_service("none"), *state.checks_in_state("none")] == []


def test_the_agent_finds_its_rows_by_exact_ids_and_names(world: World) -> None:
    world.apply(register_local("web", check("c1"), service_id="L1"))
    world.apply(RegisterLocalCheck(check("n1", node="")))
    state = world.state
    assert state.local_service("L1") is not None
    assert state.local_service("l1") is state.local_service("2") is None
    assert [one.id for one in state.local_services_named("web")] == ["L1"]
    assert state.local_services_named("Web") == []
    assert [one.id for one in state.local_checks()] == ["c1", "n1"]
    assert [one.id for one in state.local_node_checks()] == ["n1"]
    assert [one.id for one in state.local_checks_of("L1")] == ["c1"]
    assert state.local_checks_of("l1") == []


def test_a_list_that_was_read_does_not_change_with_the_state(world: World) -> None:
    before = world.state.entries("web")
    copy = list(before)
    world.apply(register("web", on="b", service_id="2", port=1))
    assert before == copy
