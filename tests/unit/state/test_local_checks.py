"""Checks of our own node: registration, results, expiry, and since when they count as critical (agent.md §7, §8)."""

from typing import Any

import pytest
from msgspec.structs import replace

from registry.commands import DeregisterLocalCheck, ExpireTtl, RegisterLocalCheck, UpdateCheck
from registry.errors import InvalidRequest, NotFound
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING, WARNING, Check, CheckDefinition
from registry.state.changes import Changes
from registry.state.snapshot import digest
from tests.makers import HERE, World, check, register, register_local, register_ttl, ttl


@pytest.fixture
def world() -> World:
    return World()


def stored(world: World, check_id: str = "ttl") -> Check:
    found = world.state.local_check(check_id)
    assert found is not None
    return found


def expire(world: World, last_output: str = "") -> list[Any]:
    return world.apply(ExpireTtl("ttl", stored(world).create_index, last_output))


# Registration


def test_a_check_takes_node_name_and_tags_from_where_it_belongs(world: World) -> None:
    world.apply(register_local("web", service_id="web1", tags=("a",)))
    world.apply(register_ttl(service_id="web1"))
    found = stored(world)
    assert (found.node, found.service_name, found.service_tags, found.status) == (HERE, "web", ("a",), CRITICAL)


def test_a_result_gives_a_check_the_name_and_tags_that_its_service_has_by_now(world: World) -> None:
    world.apply(register_local("web", service_id="web1", tags=("a",)))
    world.apply(register_ttl(service_id="web1"))
    world.apply(register_local("api", service_id="web1", tags=("b",)))
    assert (stored(world).service_name, stored(world).service_tags) == ("web", ("a",))
    touched = world.apply(UpdateCheck("ttl", PASSING, "fine"))
    assert (stored(world).service_name, stored(world).service_tags) == ("api", ("b",))
    assert {(topics.SERVICE_CHECKS, "web"), (topics.SERVICE_CHECKS, "api")} <= set(touched)


@pytest.mark.parametrize("service_id", ["gone", "WEB1"])
def test_a_check_of_an_unknown_service_is_refused(world: World, service_id: str) -> None:
    world.apply(register_local("web", service_id="web1"))
    with pytest.raises(NotFound) as refused:
        world.apply(register_ttl(service_id=service_id))
    assert (refused.value.reason, refused.value.values) == ("check-service", {"id": service_id})


def test_registering_a_check_again_keeps_its_status_and_output(world: World) -> None:
    world.apply(register_ttl())
    world.apply(UpdateCheck("ttl", PASSING, "fine"))
    world.apply(register_ttl(notes="new", status=WARNING))
    found = stored(world)
    assert (found.status, found.output, found.notes) == (PASSING, "fine", "new")


def test_registering_the_same_check_again_moves_nothing(world: World) -> None:
    world.apply(register_ttl())
    assert world.apply(register_ttl()) == []
    assert stored(world).modify_index == 2


def test_a_new_ttl_is_stored_without_moving_an_index(world: World) -> None:
    """What only the agent runs is nothing that a reader of the catalog can see."""
    world.apply(register_ttl(seconds=10))
    assert world.apply(register_ttl(seconds=20)) == [topics.LOCAL_CHECKS]
    assert stored(world).runs == CheckDefinition(ttl_ns=20 * 10**9)
    assert world.indexes(topics.CHECKS) == [2]


def test_deregistering_a_check_needs_its_exact_id(world: World) -> None:
    world.apply(register_ttl())
    with pytest.raises(NotFound) as refused:
        world.apply(DeregisterLocalCheck("TTL"))
    assert (refused.value.reason, refused.value.values) == ("check", {"id": "TTL"})
    world.apply(DeregisterLocalCheck("ttl"))
    assert world.state.local_checks() == []


def test_a_check_that_only_the_catalog_knows_is_none_of_the_agents(world: World) -> None:
    world.apply(register(on=HERE, skip_node_update=True, checks=(check("c1"),)))
    with pytest.raises(NotFound):
        world.apply(UpdateCheck("c1", PASSING))
    with pytest.raises(NotFound):
        world.apply(DeregisterLocalCheck("c1"))


# Results


def test_a_result_sets_status_and_output_and_moves_the_indexes(world: World) -> None:
    world.apply(register_local("web"))
    world.apply(register_ttl(service_id="web"))
    touched = world.apply(UpdateCheck("ttl", WARNING, "so so"))
    assert (stored(world).status, stored(world).output) == (WARNING, "so so")
    assert world.indexes((topics.HEALTH, "web"), topics.CHECKS) == [4, 4]
    assert {(topics.STATE, CRITICAL), (topics.STATE, WARNING), (topics.HEALTH, "web")} <= set(touched)


def test_the_same_result_again_moves_nothing(world: World) -> None:
    world.apply(register_ttl())
    world.apply(UpdateCheck("ttl", PASSING, "fine"))
    assert world.apply(UpdateCheck("ttl", PASSING, "fine")) == []
    assert world.indexes(topics.CHECKS) == [3]


def test_a_result_of_a_run_that_a_new_check_has_overtaken_is_void(world: World) -> None:
    world.apply(register_ttl())
    world.apply(DeregisterLocalCheck("ttl"))
    world.apply(register_ttl())
    assert world.apply(UpdateCheck("ttl", PASSING, "late", create_index=2)) == []
    assert stored(world).status == CRITICAL


def test_a_sign_of_life_for_a_check_without_ttl_is_refused(world: World) -> None:
    world.apply(RegisterLocalCheck(check("c1", node="", runs=CheckDefinition(http="http://h", interval_ns=10**9))))
    with pytest.raises(InvalidRequest) as refused:
        world.apply(UpdateCheck("c1", PASSING, ttl=True))
    assert (refused.value.reason, refused.value.values) == ("not-ttl", {"id": "c1"})


# Expiry


def test_a_ttl_that_runs_out_makes_the_check_critical(world: World) -> None:
    world.apply(register_ttl())
    world.apply(UpdateCheck("ttl", PASSING))
    expire(world)
    assert (stored(world).status, stored(world).output) == (CRITICAL, "TTL expired")


def test_the_last_output_follows_in_the_text_of_an_expiry(world: World) -> None:
    world.apply(register_ttl())
    world.apply(UpdateCheck("ttl", PASSING, "fine"))
    expire(world, "fine")
    assert stored(world).output == "TTL expired (last output before timeout follows): fine"


def test_the_expiry_of_a_check_that_is_critical_already_moves_no_index(world: World) -> None:
    world.apply(register_ttl())
    assert expire(world) == [topics.LOCAL_CHECKS]
    assert (stored(world).output, world.indexes(topics.CHECKS)) == ("", [2])
    assert (stored(world).critical_at, stored(world).critical_index) == (world.time, 3)


@pytest.mark.parametrize(
    "command", [ExpireTtl("ttl", 99), ExpireTtl("gone", 2), ExpireTtl("c1", 3)], ids=["newer check", "gone", "no ttl"]
)
def test_an_expiry_is_void_for_a_check_it_was_not_meant_for(world: World, command: ExpireTtl) -> None:
    world.apply(register_ttl())
    world.apply(RegisterLocalCheck(check("c1", node="")))
    assert world.apply(command) == []


# Since when a check counts as critical


def critical_since(world: World) -> tuple[float, int]:
    return stored(world).critical_at, stored(world).critical_index


def test_being_registered_critical_does_not_count(world: World) -> None:
    world.apply(register_ttl())
    assert critical_since(world) == (0.0, 0)


def test_the_first_update_to_critical_counts_and_later_ones_do_not_move_it(world: World) -> None:
    world.apply(register_ttl())
    world.apply(UpdateCheck("ttl", CRITICAL, "a"))
    first = (world.time, world.index)
    assert critical_since(world) == first
    world.apply(UpdateCheck("ttl", CRITICAL, "b"))
    expire(world)
    assert critical_since(world) == first


@pytest.mark.parametrize("status", [PASSING, WARNING])
def test_any_other_status_ends_the_count(world: World, status: str) -> None:
    world.apply(register_ttl())
    world.apply(UpdateCheck("ttl", CRITICAL))
    world.apply(UpdateCheck("ttl", status))
    assert critical_since(world) == (0.0, 0)


def test_registering_again_starts_the_count_anew(world: World) -> None:
    world.apply(register_ttl())
    world.apply(UpdateCheck("ttl", CRITICAL, "down"))
    world.apply(register_ttl())
    assert (critical_since(world), stored(world).output) == ((0.0, 0), "down")
    world.apply(UpdateCheck("ttl", CRITICAL, "down"))
    assert critical_since(world) == (world.time, world.index)


def test_a_catalog_write_counts_like_any_other_update(world: World) -> None:
    world.apply(register_local("web"))
    world.apply(register_ttl(service_id="web", status=PASSING))
    sent = replace(ttl(service_id="web"), runs=None, output="said the catalog")
    world.apply(register(on=HERE, skip_node_update=True, checks=(sent,)))
    assert critical_since(world) == (world.time, world.index)
    world.apply(register(on=HERE, skip_node_update=True, checks=(replace(sent, status=PASSING),)))
    assert critical_since(world) == (0.0, 0)


# Texts that the log does not have yet


def test_a_newer_text_shows_for_the_agent_and_not_in_the_catalog(world: World) -> None:
    world.apply(register_local("web"))
    world.apply(register_ttl(service_id="web"))
    lay(world, "news")
    assert [one.output for one in world.state.local_checks()] == ["news"]
    assert [one.output for one in world.state.local_checks_of("web")] == ["news"]
    assert [one.output for one in world.state.entries("web")[0].checks] == ["Agent alive and reachable", ""]


@pytest.mark.parametrize(
    "ending",
    [
        UpdateCheck("ttl", PASSING, "stored"),
        UpdateCheck("ttl", CRITICAL, "stored"),
        DeregisterLocalCheck("ttl"),
    ],
    ids=str,
)
def test_a_newer_text_ends_with_what_the_log_says_of_the_check(world: World, ending: Any) -> None:
    world.apply(register_ttl())
    lay(world, "news")
    world.apply(ending)
    world.apply(register_ttl())
    assert [one.output for one in world.state.local_checks()] != ["news"]


def test_a_newer_text_outlives_a_registration_of_the_same_check(world: World) -> None:
    world.apply(register_ttl())
    lay(world, "news")
    world.apply(register_ttl(notes="changed"))
    assert [one.output for one in world.state.local_checks()] == ["news"]


def test_a_newer_text_is_no_part_of_the_state_that_replicas_share(world: World) -> None:
    world.apply(register_ttl())
    before = digest(world.state)
    lay(world, "news")
    assert digest(world.state) == before


def test_a_text_for_a_check_that_is_gone_is_forgotten(world: World) -> None:
    lay(world, "news")
    world.apply(register_ttl())
    assert [one.output for one in world.state.local_checks()] == [""]


def lay(world: World, text: str) -> None:
    world.state.lay_output("ttl", text, Changes())
