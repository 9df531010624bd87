"""Which index each write moves and whom it wakes: the table of catalog.md §10, row by row."""

from typing import NamedTuple

import pytest

from registry.commands import Command
from registry.model import topic as topics
from registry.model.check import CRITICAL
from registry.model.topic import Topic
from tests.makers import HERE, World, about, check, deregister, proxy_of, register, register_row

WEB, DB, NONE = (topics.HEALTH, "web"), (topics.HEALTH, "db"), (topics.HEALTH, "none")
N1 = (topics.NODE, "n1")


@pytest.fixture
def world() -> World:
    """Two nodes with a `web` each, of which n1 has a service check, a node check and a `db` as well."""
    made = World()
    made.apply(register("web", checks=(check("web-check", "web"), check("node-check"))))
    made.apply(register("db"))
    made.apply(register("web", on="n2"))
    made.apply(register(on="n3"))
    return made


class Case(NamedTuple):
    """A write and what it moves. `tables` names some of: n(odes), s(ervices), c(hecks)."""

    command: Command
    tables: str
    topics: tuple[Topic, ...]


CASES = {
    "new node": Case(register(on="n4"), "n", ((topics.NODE, "n4"),)),
    "changed node": Case(register(on="n1", node_address="10.0.0.9"), "n", (N1, WEB, DB)),
    "new service": Case(register("cache"), "ns", (N1, (topics.HEALTH, "cache"))),
    "changed service": Case(register("web", port=81), "ns", (N1, WEB)),
    "service deleted, instances remain": Case(deregister("web"), "nsc", (N1, WEB)),
    "new service check": Case(register(checks=(check("new", "web"),)), "c", (WEB,)),
    "changed service check": Case(register(checks=(check("web-check", "web", status=CRITICAL),)), "c", (WEB,)),
    "new node check": Case(register(checks=(check("new"),)), "c", (WEB, DB)),
    "changed node check": Case(register(checks=(check("node-check", status=CRITICAL),)), "c", (WEB, DB)),
    "service check deleted": Case(deregister(check_id="web-check"), "c", (WEB,)),
    "node check deleted": Case(deregister(check_id="node-check"), "sc", (WEB, DB)),
    "empty node deleted": Case(deregister(on="n3"), "n", ((topics.NODE, "n3"),)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_write_moves_the_indexes_of_the_table_and_no_other(world: World, case: Case) -> None:
    watched = [topics.NODES, topics.SERVICES, topics.CHECKS, N1, (topics.NODE, "n2"), WEB, DB, NONE, *case.topics]
    before = world.indexes(*watched)
    world.apply(case.command)
    moved = {topic for topic, old, new in zip(watched, before, world.indexes(*watched), strict=True) if old != new}
    tables = {"n": topics.NODES, "s": topics.SERVICES, "c": topics.CHECKS}
    # a name without instances shows the tables' indexes until a service has died out
    assert moved == {*(tables[letter] for letter in case.tables), *case.topics, NONE}


def test_a_node_with_services_and_checks_moves_all_tables_when_deleted(world: World) -> None:
    world.apply(deregister(on="n1"))
    assert world.indexes(topics.NODES, topics.SERVICES, topics.CHECKS, N1, WEB, DB) == [6] * 6
    assert world.indexes((topics.NODE, "n2")) == [4]


def test_a_name_that_died_out_shows_when_and_so_does_every_unknown_name(world: World) -> None:
    world.apply(deregister("db"))
    world.apply(register("web", port=81))
    assert world.indexes(DB, (topics.SERVICE, "db"), NONE, (topics.SERVICE, "none")) == [6, 6, 6, 6]


def test_an_unknown_name_shows_the_newest_write_while_none_has_died_out(world: World) -> None:
    world.apply(register(checks=(check("new"),)))
    assert world.indexes(NONE, (topics.SERVICE, "none"), (topics.CONNECT_HEALTH, "none")) == [6, 5, 6]


def test_an_unknown_node_shows_when_any_node_went_and_1_before(world: World) -> None:
    unknown = (topics.NODE, "gone"), (topics.MISSING_NODE, "gone")
    assert world.indexes(*unknown) == [1, 1]
    world.apply(deregister(on="n3"))
    world.apply(register(on="n4"))
    assert world.indexes(*unknown) == [6, 6]


def test_an_index_is_never_0() -> None:
    assert World(started=False).indexes(topics.NODES, WEB, topics.LOCAL_SERVICES, topics.GATEWAYS) == [1, 1, 1, 1]


def test_no_index_is_below_the_floor_of_a_restored_log(world: World) -> None:
    world.state.indexes.floor = 1_000_000
    assert world.indexes(topics.NODES, WEB, NONE, topics.GATEWAYS) == [1_000_000] * 4


def test_catalog_service_is_raised_by_a_check_and_woken_only_by_service_rows(world: World) -> None:
    touched = world.apply(register(checks=(check("web-check", "web", status=CRITICAL),)))
    assert world.indexes((topics.SERVICE, "web")) == [6]
    assert (topics.SERVICE, "web") not in touched


def test_catalog_nodes_is_raised_by_a_service_and_woken_only_by_node_rows(world: World) -> None:
    touched = world.apply(register("cache"))
    assert world.indexes(topics.NODES) == [6]
    assert topics.NODES not in touched


def test_a_connect_topic_follows_the_proxies_of_a_name(world: World) -> None:
    mesh, mesh_rows = (topics.CONNECT_HEALTH, "web"), (topics.CONNECT, "web")
    touched = world.apply(register_row(proxy_of("web")))
    assert {mesh, mesh_rows} <= set(touched)
    assert world.indexes(mesh) == [6]
    touched = world.apply(register(checks=(check("proxy-check", "web-proxy"),)))
    assert mesh in touched
    assert mesh_rows not in touched
    assert world.indexes(mesh) == [7]


def test_connect_shows_the_index_of_the_given_name_while_it_is_reached(world: World) -> None:
    """catalog.md §7: computed for the given name, whose instances are not the ones shown."""
    world.apply(register_row(proxy_of("web")))
    assert world.indexes((topics.CONNECT, "web")) == [4]
    world.apply(register_row(proxy_of("nobody")))
    assert world.indexes((topics.CONNECT, "nobody")) == [7]
    world.apply(deregister("nobody-proxy"))
    assert world.indexes((topics.CONNECT, "nobody")) == [8]


def test_names_in_any_case_share_their_index(world: World) -> None:
    world.apply(register("WEB", service_id="other", on="N2"))
    assert world.indexes(WEB) == [6]
    assert [placed.instance.id for placed in world.state.placed("wEb")] == ["web", "other", "web"]


def test_every_row_of_the_catalog_shows_when_it_was_made_and_changed(world: World) -> None:
    world.apply(register("web", port=81, checks=(check("web-check", "web", status=CRITICAL),)))
    [entry, _] = world.state.entries("web")
    assert (entry.node.create_index, entry.node.modify_index) == (2, 2)
    assert (entry.instance.create_index, entry.instance.modify_index) == (2, 6)
    assert [(one.create_index, one.modify_index) for one in entry.checks] == [(2, 2), (2, 6)]


def test_local_rows_have_no_index_of_their_own(world: World) -> None:
    assert world.indexes(topics.LOCAL_SERVICES, topics.LOCAL_CHECKS, (topics.LOCAL_SERVICE, "x")) == [1, 1, 1]
    assert about(topics.LOCAL_SERVICES).query(world.state) == []
    assert world.state.server.node == HERE
