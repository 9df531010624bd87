"""Instances and checks of the catalog: upserts, what counts as a change, removal (catalog.md §1.4, §2)."""

from typing import Any

import pytest

from registry.commands import Register
from registry.errors import InvalidRequest
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING, CheckDefinition
from registry.model.node import Locality
from registry.model.service import Proxy, ServiceAddress, Weights
from tests.makers import (
    HERE,
    World,
    check,
    deregister,
    instance,
    node,
    proxy_of,
    register,
    register_local,
    register_row,
)


@pytest.fixture
def world() -> World:
    return World()


def test_node_instance_and_checks_are_one_write(world: World) -> None:
    world.apply(register("web", checks=(check("c1", "web"), check("c2"))))
    found = world.state.entries("WEB")
    assert [(entry.node.name, entry.instance.id, [one.id for one in entry.checks]) for entry in found] == [
        ("n1", "web", ["c2", "c1"])
    ]
    assert world.indexes((topics.HEALTH, "web"), topics.NODES, topics.SERVICES, topics.CHECKS) == [2, 2, 2, 2]


def test_the_same_registration_again_moves_no_index_and_wakes_nobody(world: World) -> None:
    again = register("web", tags=("a",), meta={"v": "1"}, checks=(check("c1", "web"), check("c2")))
    world.apply(again)
    assert world.apply(again) == []
    assert world.indexes((topics.HEALTH, "web"), (topics.NODE, "n1"), topics.CHECKS) == [2, 2, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "odd"},
        {"tags": ("a",)},
        {"address": "10.0.0.9"},
        {"tagged_addresses": {"lan": ServiceAddress("10.0.0.9", 1)}},
        {"port": 81},
        {"meta": {}},
        {"weights": Weights(2, 1)},
        {"enable_tag_override": True},
        {"proxy": Proxy(mode="direct")},
        {"native": True},
        {"service_id": "WEB"},
    ],
    ids=str,
)
def test_a_difference_of_an_instance_that_counts_is_stored(world: World, change: dict[str, Any]) -> None:
    world.apply(register_row(instance("web")))
    world.apply(register_row(instance("web", **change)))
    stored = world.state.placed("web")[0].instance
    assert (stored.create_index, stored.modify_index) == (2, 3)
    assert world.index == world.state.index((topics.HEALTH, "web")) == 3


@pytest.mark.parametrize("change", [{"socket_path": "/s"}, {"locality": Locality("r1")}], ids=str)
def test_a_change_of_socket_path_or_locality_alone_is_not_stored(world: World, change: dict[str, Any]) -> None:
    world.apply(register_row(instance("web")))
    assert world.apply(register_row(instance("web", **change))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": CRITICAL},
        {"output": "o"},
        {"notes": "n"},
        {"name": "other"},
        {"check_id": "C1"},
        {"definition": CheckDefinition(http="http://h")},
    ],
    ids=str,
)
def test_a_difference_of_a_check_that_counts_is_stored(world: World, change: dict[str, Any]) -> None:
    world.apply(register("web", checks=(check("c1", "web", name="c"),)))
    world.apply(register("web", checks=(check(service_id="web", **{"check_id": "c1", "name": "c", **change}),)))
    stored = world.state.checks_of_node("n1")
    assert [(one.create_index, one.modify_index) for one in stored] == [(2, 3)]


@pytest.mark.parametrize("change", [{"type": "t"}, {"interval": "1s"}, {"timeout": "1s"}, {"exposed_port": 1}], ids=str)
def test_type_interval_timeout_and_port_of_a_check_do_not_count(world: World, change: dict[str, Any]) -> None:
    world.apply(register("web", checks=(check("c1", "web"),)))
    assert world.apply(register("web", checks=(check("c1", "web", **change),))) == []


def test_a_check_has_the_name_and_tags_of_its_instance_whatever_it_says(world: World) -> None:
    sent = check("c1", "web1", service_name="wrong", service_tags=("wrong",))
    world.apply(register("web", service_id="web1", tags=("a",), checks=(sent,)))
    stored = world.state.checks_of_service("web")
    assert [(one.service_name, one.service_tags) for one in stored] == [("web", ("a",))]


def test_new_tags_of_an_instance_leave_its_checks_as_they_are(world: World) -> None:
    """Consul lets the tags of a check go stale."""
    world.apply(register("web", tags=("a",), checks=(check("c1", "web"),)))
    world.apply(register("web", tags=("b",)))
    assert [one.service_tags for one in world.state.checks_of_service("web")] == [("a",)]


def test_a_check_may_name_an_instance_that_is_there_already(world: World) -> None:
    world.apply(register("web"))
    world.apply(register(checks=(check("c1", "WEB"),)))
    assert [one.id for one in world.state.checks_of_service("web")] == ["c1"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (Register(node=node("n1"), checks=(check("c1", node="n2"),)), "check-node"),
        (register(checks=(check("c1", "gone"),)), "check-service-unknown"),
        (register("web", meta={"bad key": "1"}), "stored-meta"),
        (register("web", checks=(check(""),)), "check-without-id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_registration_that_cannot_be_stored_changes_nothing(world: World, command: Register, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        world.apply(command)
    assert refused.value.reason == reason
    assert world.state.node("n1") is None
    assert world.indexes(topics.NODES, topics.SERVICES, topics.CHECKS) == [1, 1, 1]


def test_an_instance_that_changes_its_name_leaves_the_old_one(world: World) -> None:
    world.apply(register("web", service_id="x"))
    touched = world.apply(register("db", service_id="x"))
    assert world.state.placed("web") == []
    assert (topics.HEALTH, "web") in touched
    assert world.indexes((topics.HEALTH, "web"), (topics.HEALTH, "db")) == [3, 3]


def test_a_check_that_moves_to_another_instance_is_news_for_both(world: World) -> None:
    world.apply(register("web", checks=(check("c1", "web"),)))
    world.apply(register("db"))
    touched = world.apply(register(checks=(check("c1", "db"),)))
    assert [len(world.state.entries(name)[0].checks) for name in ("web", "db")] == [0, 1]
    assert {(topics.HEALTH, "web"), (topics.HEALTH, "db")} <= set(touched)
    assert world.indexes((topics.HEALTH, "web"), (topics.HEALTH, "db")) == [4, 4]


def test_a_node_check_that_becomes_one_of_an_instance_is_news_for_all(world: World) -> None:
    world.apply(register("web", checks=(check("c1"),)))
    world.apply(register("db"))
    touched = world.apply(register(checks=(check("c1", "db"),)))
    assert [len(world.state.entries(name)[0].checks) for name in ("web", "db")] == [0, 1]
    assert {(topics.HEALTH, "web"), (topics.HEALTH, "db")} <= set(touched)


def test_deregistering_an_instance_takes_its_checks_and_leaves_the_others(world: World) -> None:
    world.apply(register("web", checks=(check("c1", "web"), check("c2"))))
    world.apply(deregister("WEB", check_id="c2"))
    assert world.state.placed("web") == []
    assert [one.id for one in world.state.checks_of_node("n1")] == ["c2"]


def test_deregistering_a_check_leaves_its_instance(world: World) -> None:
    world.apply(register("web", checks=(check("c1", "web"),)))
    world.apply(deregister(check_id="C1"))
    assert [entry.checks for entry in world.state.entries("web")] == [()]


def test_deregistering_a_node_takes_all_that_is_on_it(world: World) -> None:
    world.apply(register("web", checks=(check("c1", "web"), check("c2"))))
    world.apply(register("web", on="n2"))
    world.apply(deregister(on="N1"))
    assert [one.name for one in world.state.nodes()] == [HERE, "n2"]
    assert [placed.node.name for placed in world.state.placed("web")] == ["n2"]
    assert world.state.checks_of_node("n1") == []


@pytest.mark.parametrize("nothing", [deregister("gone"), deregister(check_id="gone"), deregister(on="gone")], ids=str)
def test_deregistering_what_is_not_there_changes_nothing(world: World, nothing: Any) -> None:
    world.apply(register("web", checks=(check("c1"),)))
    assert world.apply(nothing) == []
    assert world.indexes(topics.NODES, topics.SERVICES, topics.CHECKS) == [2, 2, 2]


def test_a_catalog_write_on_our_node_changes_a_local_row_in_place(world: World) -> None:
    """One table: the row stays local, the agent shows what the catalog wrote (DESIGN.md §3)."""
    world.apply(register_local("web"))
    world.apply(register("web", on=HERE, skip_node_update=True, port=99))
    stored = world.state.local_service("web")
    assert stored is not None
    assert stored.port == 99


def test_a_catalog_deregistration_removes_a_local_row_for_good(world: World) -> None:
    world.apply(register_local("web", check("c1")))
    world.apply(deregister("web", on=HERE))
    assert world.state.local_services() == []
    assert world.state.local_checks() == []


def test_a_catalog_check_on_a_local_row_keeps_what_is_run(world: World) -> None:
    runs = CheckDefinition(ttl_ns=10**10)
    world.apply(register_local("web", check("c1", runs=runs)))
    sent = check("c1", "web", name="c1", status=CRITICAL, output="said the catalog")
    world.apply(register(on=HERE, skip_node_update=True, checks=(sent,)))
    stored = world.state.local_check("c1")
    assert stored is not None
    assert (stored.runs, stored.status, stored.output) == (runs, CRITICAL, "said the catalog")


def test_tags_of_a_service_are_those_of_all_its_instances(world: World) -> None:
    world.apply(register("web", service_id="1", tags=("b", "a")))
    world.apply(register("web", service_id="2", on="n2", tags=("c", "a")))
    assert world.state.service_tags() == {"consul": (), "web": ("a", "b", "c")}


def test_each_spelling_of_a_service_name_is_listed(world: World) -> None:
    world.apply(register("web", service_id="1", tags=("a",)))
    world.apply(register("Web", service_id="2", tags=("b",)))
    assert list(world.state.service_tags().items()) == [("Web", ("b",)), ("consul", ()), ("web", ("a",))]


def test_mesh_addresses_are_numbered_by_name_and_reused(world: World) -> None:
    def address(service_id: str) -> str:
        return world.state.instances["n1"][service_id].virtual_address

    world.apply(register_row(proxy_of("web")))
    world.apply(register_row(instance("db", native=True)))
    world.apply(register_row(proxy_of("web", "web-proxy-2")))
    world.apply(register_row(instance("plain")))
    assert [address(one) for one in ("web-proxy", "db", "web-proxy-2", "plain")] == [
        "240.0.0.1",
        "240.0.0.2",
        "240.0.0.1",
        "",
    ]
    world.apply(deregister("web-proxy"))
    world.apply(register_row(proxy_of("cache")))
    assert address("cache-proxy") == "240.0.0.3"
    world.apply(deregister("web-proxy-2"))
    world.apply(register_row(proxy_of("queue")))
    assert address("queue-proxy") == "240.0.0.1"


def test_an_instance_that_fronts_another_service_now_has_that_one_s_address(world: World) -> None:
    world.apply(register_row(proxy_of("web", "p")))
    world.apply(register_row(proxy_of("db", "p")))
    assert [placed.instance.virtual_address for placed in world.state.connect_placed("db")] == ["240.0.0.2"]
    assert world.state.connect_placed("web") == []
    world.apply(register_row(proxy_of("cache", "q")))
    assert [placed.instance.virtual_address for placed in world.state.connect_placed("cache")] == ["240.0.0.1"]


def test_passing_is_the_status_as_it_is_spelled(world: World) -> None:
    world.apply(register(checks=(check("c1", status="Passing"), check("c2", status=PASSING))))
    assert [one.status for one in world.state.checks_in_state("PASSING") if one.node == "n1"] == ["Passing", "passing"]
