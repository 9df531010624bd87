"""Alias checks: what they follow, from which command on, and what they say (agent.md §8.6)."""

import pytest
from msgspec.structs import replace

from registry.commands import DeregisterLocal, DeregisterLocalCheck, RegisterLocalCheck, UpdateCheck
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING, WARNING, Check, CheckDefinition
from registry.state.snapshot import Frozen, digest, restored
from tests.makers import World, check, deregister, register, register_local, ttl

UNKNOWN = "Service db could not be found on node "


def alias(of: str = "db", node: str = "", service_id: str = "web", **fields: object) -> Check:
    """A check of `web` that follows `db`."""
    runs = CheckDefinition(alias_service=of, alias_node=node)
    return check("follows", service_id, **{"node": "", "status": CRITICAL, "type": "alias", "runs": runs, **fields})


def seen(world: World, check_id: str = "follows") -> tuple[str, str]:
    found = world.state.local_check(check_id)
    assert found is not None
    return found.status, found.output


@pytest.fixture
def world() -> World:
    made = World()
    made.apply(register_local("web", alias()))
    return made


def test_a_registration_is_answered_with_its_aliases_evaluated(world: World) -> None:
    assert seen(world) == (CRITICAL, UNKNOWN)
    world.apply(register_local("db"))
    assert seen(world) == (PASSING, "No checks found.")
    world.apply(register_local("other", replace(alias(), id="second")))
    assert seen(world, "second") == (PASSING, "No checks found.")


def test_it_follows_each_change_of_its_target_in_the_same_command(world: World) -> None:
    world.apply(register_local("db", ttl("db-ttl", status=PASSING)))
    assert seen(world) == (PASSING, "All checks passing.")
    touched = world.apply(UpdateCheck("db-ttl", WARNING, "slow"))
    assert seen(world) == (WARNING, 'Aliased check "db-ttl" failing: slow')
    assert (topics.HEALTH, "web") in touched, "whoever watches the follower hears of it"
    world.apply(UpdateCheck("db-ttl", CRITICAL, "down"))
    assert seen(world) == (CRITICAL, 'Aliased check "db-ttl" failing: down')
    world.apply(DeregisterLocalCheck("db-ttl"))
    assert seen(world) == (PASSING, "No checks found.")
    world.apply(DeregisterLocal("db"))
    assert seen(world) == (CRITICAL, UNKNOWN)


def test_the_worst_of_the_checks_counts(world: World) -> None:
    world.apply(register_local("db", ttl("a", status=WARNING), ttl("b", status=CRITICAL), ttl("c", status=PASSING)))
    assert seen(world)[0] == CRITICAL
    world.apply(UpdateCheck("b", PASSING, ""))
    assert seen(world)[0] == WARNING


def test_checks_of_the_whole_node_count_too(world: World) -> None:
    world.apply(register_local("db", ttl("db-ttl", status=PASSING)))
    world.apply(RegisterLocalCheck(ttl("disk", status=CRITICAL, output="full")))
    assert seen(world) == (CRITICAL, 'Aliased check "disk" failing: full')
    world.apply(UpdateCheck("disk", PASSING, "room"))
    assert seen(world) == (PASSING, "All checks passing.")


def test_an_alias_of_another_node_follows_its_catalog_rows() -> None:
    world = World()
    world.apply(register_local("web", alias(node="n1")))
    assert seen(world) == (PASSING, "No checks found."), "a node that is not in the catalog"
    world.apply(register("other"))
    assert seen(world) == (CRITICAL, f"{UNKNOWN}n1")
    world.apply(register("db", checks=(check("c1", "db", status=CRITICAL, output="down"),)))
    assert seen(world) == (CRITICAL, 'Aliased check "c1" failing: down')
    world.apply(deregister(on="n1"))
    assert seen(world) == (PASSING, "No checks found.")


def test_aliases_of_aliases_are_settled_and_circles_end() -> None:
    world = World()
    world.apply(register_local("a", ttl("ttl", status=PASSING)))
    world.apply(register_local("b", replace(alias("a", service_id="b"), id="b-follows-a")))
    world.apply(register_local("c", replace(alias("b", service_id="c"), id="c-follows-b")))
    world.apply(UpdateCheck("ttl", CRITICAL, "down"))
    assert seen(world, "c-follows-b")[0] == CRITICAL
    world.apply(UpdateCheck("ttl", PASSING, ""))
    assert seen(world, "c-follows-b")[0] == PASSING
    world.apply(register_local("x", replace(alias("y", service_id="x"), id="x-y")))
    world.apply(register_local("y", replace(alias("x", service_id="y"), id="y-x")))
    assert seen(world, "x-y")[0] in (PASSING, CRITICAL)


def test_an_alias_that_stays_what_it_is_moves_no_index(world: World) -> None:
    world.apply(register_local("db", ttl("db-ttl", status=PASSING)))
    before = world.state.local_check("follows")
    world.apply(register_local("db2"))
    world.apply(register_local("db", ttl("db-ttl", status=PASSING), port=99))
    assert world.state.local_check("follows") == before


def test_a_restored_state_goes_on_following(world: World) -> None:
    world.apply(register_local("db", ttl("db-ttl", status=PASSING)))
    again = World(started=False)
    again.state = restored(chunk for chunk in Frozen(world.state).chunks() if chunk)
    again.index, again.time = world.index, world.time
    for each in (world, again):
        each.apply(UpdateCheck("db-ttl", CRITICAL, "down"))
    assert seen(again) == (CRITICAL, 'Aliased check "db-ttl" failing: down')
    assert digest(again.state) == digest(world.state)
