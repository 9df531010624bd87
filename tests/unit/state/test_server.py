"""The server's own rows: made at the first start, following its address, back within the command that removes them."""

from typing import Any

import pytest

from registry.commands import Command, Deregister, DeregisterLocalCheck, RaiseLevel, RegisterLocalCheck
from registry.errors import Conflict
from registry.model import topic as topics
from registry.model.check import CRITICAL, SERF_HEALTH
from tests.makers import HERE, HERE_ID, World, check, deregister, register, register_local, start_server


@pytest.fixture
def world() -> World:
    return World()


def own(world: World) -> tuple[list[str], list[str], list[str]]:
    view = world.state.node_view(HERE)
    assert view is not None
    return [view.node.id], [one.id for one in view.instances], [one.id for one in view.checks]


def test_the_first_start_makes_node_service_and_check(world: World) -> None:
    assert own(world) == ([HERE_ID], ["consul"], [SERF_HEALTH])
    [health] = world.state.checks_of_node(HERE)
    assert (health.name, health.status, health.output) == (
        "Serf Health Status", "passing", "Agent alive and reachable",
    )  # fmt: skip
    assert world.indexes(topics.NODES, topics.SERVICES, topics.CHECKS) == [1, 1, 1]


def test_the_servers_own_rows_are_not_local(world: World) -> None:
    assert (world.state.local_services(), world.state.local_checks()) == ([], [])


def test_starting_again_unchanged_moves_nothing(world: World) -> None:
    assert world.apply(start_server()) == []


def test_a_changed_address_is_written_to_the_node_row(world: World) -> None:
    world.apply(start_server(address="10.1.1.1", tagged_addresses={"lan": "10.1.1.1"}))
    stored = world.state.node(HERE)
    assert stored is not None
    assert (stored.address, stored.tagged_addresses, stored.create_index) == ("10.1.1.1", {"lan": "10.1.1.1"}, 1)


def test_a_changed_version_is_written_to_the_service(world: World) -> None:
    world.apply(start_server(service_meta={"version": "2"}))
    [placed] = world.state.placed("consul")
    assert (placed.instance.meta, placed.instance.create_index) == ({"version": "2"}, 1)


@pytest.mark.parametrize("other", [{"node": "elsewhere"}, {"id": "22222222-2222-2222-2222-222222222222"}], ids=str)
def test_a_log_that_belongs_to_another_server_is_refused(world: World, other: dict[str, Any]) -> None:
    with pytest.raises(Conflict) as refused:
        world.apply(start_server(**other))
    assert refused.value.reason == "server-identity"
    assert [one.name for one in world.state.nodes()] == [HERE]


@pytest.mark.parametrize(
    "removal",
    [deregister(on=HERE), deregister("consul", on="HERE"), deregister(on=HERE, check_id="serfhealth")],
    ids=["node", "service", "check"],
)
def test_what_the_server_needs_comes_back_within_the_command_that_removes_it(world: World, removal: Deregister) -> None:
    before = own(world)
    world.apply(removal)
    assert own(world) == before
    assert world.index == world.state.index(topics.CATALOG) == 2


@pytest.mark.parametrize(
    "taken", [RegisterLocalCheck(check(SERF_HEALTH, node="")), register_local("web", check(SERF_HEALTH))], ids=str
)
def test_a_check_that_an_agent_registered_in_its_place_gives_the_servers_own_back(world: World, taken: Command) -> None:
    world.apply(register_local("web"))
    world.apply(taken)
    assert [one.id for one in world.state.local_checks()] == [SERF_HEALTH]
    if isinstance(taken, RegisterLocalCheck):
        world.apply(DeregisterLocalCheck(SERF_HEALTH))
    else:
        world.apply(register_local("web", replace_checks=True))
    assert world.state.local_checks() == []
    assert [(one.id, one.service_id) for one in world.state.checks_of_node(HERE)] == [(SERF_HEALTH, "")]


def test_another_node_is_removed_for_good(world: World) -> None:
    world.apply(register("web", on="n2", checks=(check(SERF_HEALTH),)))
    world.apply(deregister(on="n2"))
    assert [one.name for one in world.state.nodes()] == [HERE]


def test_a_catalog_write_on_our_node_stays_until_the_next_start(world: World) -> None:
    world.apply(register(on=HERE, node_address="10.9.9.9", checks=(check(SERF_HEALTH, status=CRITICAL),)))
    stored = world.state.node(HERE)
    assert stored is not None
    assert stored.address == "10.9.9.9"
    world.apply(start_server())
    stored = world.state.node(HERE)
    assert stored is not None
    assert (stored.address, stored.id) == ("127.0.0.1", HERE_ID)


def test_the_level_only_ever_rises(world: World) -> None:
    world.apply(RaiseLevel(2))
    world.apply(RaiseLevel(1))
    assert world.state.level == 2
