"""Instances registered through the agent's interface: upserts, sidecars, maintenance, removal (agent.md §6)."""

from typing import Any

import pytest
from msgspec.structs import replace

from registry.commands import DeregisterLocal, Reap, RegisterLocal, RegisterLocalCheck, SetMaintenance
from registry.errors import InvalidRequest, NotFound
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING
from registry.model.node import Locality
from registry.model.service import Local, ServiceAddress
from tests.makers import (
    HERE,
    World,
    check,
    instance,
    proxy_of,
    register_local,
    register_row,
    sidecar_of,
    ttl,
)

PORTS = (21000, 21255)


@pytest.fixture
def world() -> World:
    return World()


def with_sidecar(name: str = "web", **fields: Any) -> RegisterLocal:
    return register_local(name, **{"sidecar": sidecar_of(name, default_checks=True), "sidecar_ports": PORTS, **fields})


def local_ids(world: World) -> list[str]:
    return [one.id for one in world.state.local_services()]


def check_ids(world: World) -> list[str]:
    return [one.id for one in world.state.local_checks()]


# Registration


def test_a_registration_shows_for_the_agent_and_in_the_catalog(world: World) -> None:
    world.apply(register_local("web", check("c1")))
    assert local_ids(world) == ["web"]
    assert check_ids(world) == ["c1"]
    [entry] = world.state.entries("web")
    assert (entry.node.name, [one.id for one in entry.checks]) == (HERE, ["serfHealth", "c1"])


def test_the_same_registration_again_moves_nothing(world: World) -> None:
    world.apply(register_local("web", check("c1")))
    assert world.apply(register_local("web", check("c1"))) == []
    assert world.indexes((topics.HEALTH, "web"), topics.CHECKS) == [2, 2]


def test_a_check_that_exists_keeps_its_status_and_output(world: World) -> None:
    """A restart of the registering process never makes a healthy instance flap (Consul #868)."""
    world.apply(register_local("web", check("c1", status=PASSING, output="fine")))
    world.apply(register_local("web", check("c1", status=CRITICAL, notes="new")))
    [stored] = world.state.local_checks()
    assert (stored.status, stored.output, stored.notes) == (PASSING, "fine", "new")


def test_checks_that_are_not_sent_again_stay(world: World) -> None:
    world.apply(register_local("web", check("c1")))
    world.apply(register_local("web", check("c2")))
    assert check_ids(world) == ["c1", "c2"]


def test_replacing_checks_removes_all_that_are_not_sent(world: World) -> None:
    """Maintenance and checks registered separately go as well."""
    world.apply(register_local("web", check("c1")))
    world.apply(RegisterLocalCheck(check("c2", "web", node="")))
    world.apply(SetMaintenance(True, "web"))
    world.apply(register_local("web", check("c1"), replace_checks=True))
    assert check_ids(world) == ["c1"]
    world.apply(register_local("web", replace_checks=True))
    assert check_ids(world) == []


def test_replacing_checks_leaves_those_of_others_alone(world: World) -> None:
    world.apply(register_local("db", check("db")))
    world.apply(RegisterLocalCheck(check("node", node="")))
    world.apply(register_local("web", replace_checks=True))
    assert check_ids(world) == ["db", "node"]


@pytest.mark.parametrize("change", [{"socket_path": "/s"}, {"locality": Locality("r1")}], ids=str)
def test_the_agent_shows_a_change_that_the_catalog_would_not_store(world: World, change: dict[str, Any]) -> None:
    world.apply(register_local("web"))
    world.apply(register_local("web", **change))
    stored = world.state.local_service("web")
    assert stored is not None
    assert {name: getattr(stored, name) for name in change} == change


def test_ids_that_differ_in_case_are_one_row_and_the_later_wins(world: World) -> None:
    world.apply(register_local("web", check("c1"), service_id="Web1"))
    world.apply(register_local("web", service_id="web1"))
    assert local_ids(world) == ["web1"]
    assert world.state.local_service("Web1") is None
    assert [one.id for one in world.state.local_checks_of("web1")] == ["c1"]
    assert world.state.local_checks_of("Web1") == []


def test_an_instance_that_the_catalog_wrote_becomes_local(world: World) -> None:
    world.apply(register_row(instance("web", node=HERE)))
    assert local_ids(world) == []
    world.apply(register_local("web"))
    assert local_ids(world) == ["web"]


# Deregistration


def test_deregistering_takes_the_checks_along(world: World) -> None:
    world.apply(register_local("web", check("c1")))
    world.apply(DeregisterLocal("web"))
    assert (local_ids(world), check_ids(world), world.state.placed("web")) == ([], [], [])


@pytest.mark.parametrize("service_id", ["", "WEB", "catalog-only"])
def test_deregistering_needs_the_exact_id_of_a_local_row(world: World, service_id: str) -> None:
    world.apply(register_local("web"))
    world.apply(register_row(instance("catalog-only", node=HERE)))
    with pytest.raises(NotFound) as refused:
        world.apply(DeregisterLocal(service_id))
    assert (refused.value.reason, refused.value.values) == ("service", {"id": service_id})
    assert local_ids(world) == ["web"]


def test_an_agent_service_named_consul_stands_in_for_the_servers_own_row(world: World) -> None:
    world.apply(register_local("consul", port=9999))
    assert [placed.instance.port for placed in world.state.placed("consul")] == [9999]
    assert local_ids(world) == ["consul"]
    world.apply(DeregisterLocal("consul"))
    assert [placed.instance.port for placed in world.state.placed("consul")] == [8300]
    assert local_ids(world) == []


# Sidecars


def test_a_sidecar_comes_with_its_port_and_two_checks(world: World) -> None:
    world.apply(with_sidecar("web"))
    sidecar = world.state.local_service("web-sidecar-proxy")
    assert sidecar is not None
    assert (sidecar.port, sidecar.local) == (21000, Local("api", sidecar_of="web"))
    checks = world.state.local_checks_of("web-sidecar-proxy")
    assert [(one.id, one.name, one.type) for one in checks] == [
        ("service:web-sidecar-proxy:1", "Connect Sidecar Listening", "tcp"),
        ("service:web-sidecar-proxy:2", "Connect Sidecar Aliasing web", "alias"),
    ]
    assert [one.runs and (one.runs.tcp or one.runs.alias_service) for one in checks] == [":21000", "web"]


def test_a_sidecar_with_an_address_is_checked_there_and_tagged_with_it(world: World) -> None:
    sidecar = sidecar_of("web", default_checks=True)
    placed = replace(sidecar, service=replace(sidecar.service, address="10.0.0.7"))
    world.apply(register_local("web", sidecar=placed, sidecar_ports=PORTS))
    stored = world.state.local_service("web-sidecar-proxy")
    assert stored is not None
    assert stored.tagged_addresses == {name: ServiceAddress("10.0.0.7", 21000) for name in ("lan_ipv4", "wan_ipv4")}
    [listening, _] = world.state.local_checks_of("web-sidecar-proxy")
    assert listening.runs is not None
    assert listening.runs.tcp == "10.0.0.7:21000"


def test_each_sidecar_takes_the_lowest_port_that_no_local_service_uses(world: World) -> None:
    world.apply(register_local("db", port=21001))
    world.apply(with_sidecar("a"))
    world.apply(with_sidecar("b"))
    assert [world.state.local_service(f"{name}-sidecar-proxy").port for name in "ab"] == [21000, 21002]  # type: ignore[union-attr]


def test_a_sidecar_keeps_its_port_when_registered_again(world: World) -> None:
    world.apply(with_sidecar("a"))
    world.apply(with_sidecar("b"))
    world.apply(DeregisterLocal("a"))
    assert world.apply(with_sidecar("b")) == []
    assert world.state.local_service("b-sidecar-proxy").port == 21001  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("ports", "reason"), [((21000, 21000), "sidecar-ports"), ((0, 0), "sidecar-ports-disabled")], ids=str
)
def test_without_a_port_for_the_sidecar_nothing_is_registered(
    world: World, ports: tuple[int, int], reason: str
) -> None:
    world.apply(register_local("db", port=21000))
    with pytest.raises(InvalidRequest) as refused:
        world.apply(with_sidecar("web", sidecar_ports=ports))
    assert refused.value.reason == reason
    assert local_ids(world) == ["db"]


def test_a_sidecar_with_a_port_of_its_own_needs_none_of_the_range(world: World) -> None:
    world.apply(register_local("web", sidecar=sidecar_of("web", port=5000)))
    assert world.state.local_service("web-sidecar-proxy").port == 5000  # type: ignore[union-attr]


def test_deregistering_an_instance_removes_the_sidecar_it_brought(world: World) -> None:
    world.apply(with_sidecar("web"))
    world.apply(DeregisterLocal("web"))
    assert (local_ids(world), check_ids(world)) == ([], [])


def test_a_service_that_is_only_named_like_a_sidecar_stays(world: World) -> None:
    world.apply(register_local("web"))
    world.apply(register_local("web-sidecar-proxy"))
    world.apply(DeregisterLocal("web"))
    assert local_ids(world) == ["web-sidecar-proxy"]


def test_registering_the_parent_again_without_it_leaves_the_sidecar(world: World) -> None:
    world.apply(with_sidecar("web"))
    world.apply(register_local("web"))
    assert local_ids(world) == ["web", "web-sidecar-proxy"]
    world.apply(DeregisterLocal("web"))
    assert local_ids(world) == []


def test_deregistering_the_sidecar_leaves_its_parent(world: World) -> None:
    world.apply(with_sidecar("web"))
    world.apply(DeregisterLocal("web-sidecar-proxy"))
    assert local_ids(world) == ["web"]


def test_a_sidecar_is_reached_under_its_parents_name(world: World) -> None:
    world.apply(with_sidecar("web"))
    assert [placed.instance.id for placed in world.state.connect_placed("web")] == ["web-sidecar-proxy"]


# Maintenance


def test_maintenance_of_a_service_is_a_critical_check_of_it(world: World) -> None:
    world.apply(register_local("web", tags=("a",), service_id="web1"))
    world.apply(SetMaintenance(True, "web1", "moving"))
    [stored] = world.state.local_checks_of("web1")
    assert (stored.id, stored.name, stored.status, stored.notes, stored.output, stored.type) == (
        "_service_maintenance:web1", "Service Maintenance Mode", CRITICAL, "moving", "", "maintenance",
    )  # fmt: skip
    assert (stored.service_id, stored.service_name, stored.service_tags) == ("web1", "web", ("a",))


def test_maintenance_of_the_node_is_a_critical_check_of_it(world: World) -> None:
    world.apply(SetMaintenance(True))
    [stored] = world.state.local_node_checks()
    assert (stored.id, stored.name, stored.status, stored.type) == (
        "_node_maintenance", "Node Maintenance Mode", CRITICAL, "maintenance",
    )  # fmt: skip
    assert stored.notes.startswith("Maintenance mode is enabled for this node, but no reason was provided.")


def test_entering_maintenance_again_changes_nothing_and_keeps_the_first_reason(world: World) -> None:
    world.apply(SetMaintenance(True, None, "first"))
    assert world.apply(SetMaintenance(True, None, "second")) == []
    assert [one.notes for one in world.state.local_node_checks()] == ["first"]


def test_leaving_maintenance_removes_the_check(world: World) -> None:
    world.apply(register_local("web"))
    world.apply(SetMaintenance(True, "web"))
    world.apply(SetMaintenance(False, "web"))
    assert check_ids(world) == []
    assert world.apply(SetMaintenance(False, "web")) == []


@pytest.mark.parametrize("enable", [True, False])
def test_maintenance_of_an_unknown_service_is_refused(world: World, enable: bool) -> None:
    with pytest.raises(NotFound) as refused:
        world.apply(SetMaintenance(enable, "web"))
    assert refused.value.reason == "service"


# Removal of what stayed critical


def test_a_reaped_instance_goes_with_its_checks_and_its_sidecar(world: World) -> None:
    world.apply(with_sidecar("web", service_id="web"))
    world.apply(RegisterLocalCheck(ttl("c1", 10, "web", critical_at=world.time, critical_index=7)))
    world.apply(Reap("c1", 7))
    assert (local_ids(world), check_ids(world)) == ([], [])


def test_a_reap_is_void_once_the_check_is_critical_for_another_reason(world: World) -> None:
    world.apply(register_local("web", ttl("c1", critical_at=world.time, critical_index=7)))
    assert world.apply(Reap("c1", 6)) == []
    assert world.apply(Reap("gone", 7)) == []
    assert local_ids(world) == ["web"]


def test_a_proxy_registered_by_itself_belongs_to_nobody(world: World) -> None:
    world.apply(register_local("web"))
    world.apply(RegisterLocal(service=replace(sidecar_of("web", port=1))))
    world.apply(DeregisterLocal("web"))
    assert local_ids(world) == ["web-sidecar-proxy"]
    assert proxy_of("web").connect_name == "web"
