"""Checks that a proxy answers for: which they are, and the ports they have there."""

from typing import Any

import pytest

from registry.commands import DeregisterLocal, DeregisterLocalCheck, RegisterLocal, RegisterLocalCheck, UpdateCheck
from registry.model.check import PASSING, Check, CheckDefinition
from registry.model.service import CONNECT_PROXY, Expose, Proxy
from registry.state.exposed import HIGHEST_PORT, LOWEST_PORT
from tests.makers import World, check, register_local, register_ttl

SECOND = 10**9


def looks(check_id: str, service_id: str = "web", **runs: Any) -> Check:
    definition = CheckDefinition(interval_ns=SECOND, **runs)
    return check(check_id, service_id, node="", runs=definition, type=next(iter(runs)))


def proxy(
    service_id: str = "proxy", *, of: str = "web", address: str = "10.0.0.1", checks: bool = True
) -> RegisterLocal:
    answers = Proxy(destination_service_name=of, destination_service_id=of, expose=Expose(checks=checks))
    return register_local(service_id, kind=CONNECT_PROXY, proxy=answers, address=address)


WEB = register_local(
    "web", looks("g", grpc="h:1"), looks("h1", http="http://h/"), looks("h2", http="http://h/"), looks("t", tcp="h:1")
)


def ports(world: World) -> dict[str, int]:
    return {one.id: one.exposed_port for one in world.state.local_checks() if one.exposed_port}


@pytest.fixture
def world() -> World:
    return World()


EXPOSED = {"h1": LOWEST_PORT, "h2": LOWEST_PORT + 1, "g": LOWEST_PORT + 2}


@pytest.mark.parametrize("order", [(WEB, proxy()), (proxy(), WEB)])
def test_checks_over_http_and_grpc_have_ports_at_the_proxy(world: World, order: tuple[RegisterLocal, ...]) -> None:
    for command in order:
        world.apply(command)
    assert ports(world) == EXPOSED


def test_a_check_keeps_its_port_when_it_or_its_proxy_is_registered_again(world: World) -> None:
    world.apply(WEB)
    world.apply(proxy())
    assert world.apply(WEB) == []
    assert world.state.changes_nothing(WEB)
    world.apply(proxy(address="10.0.0.2"))
    world.apply(UpdateCheck("h1", PASSING, "fine"))
    world.apply(RegisterLocalCheck(looks("h1", http="http://other/")))
    assert ports(world) == EXPOSED


def test_the_proxy_that_moves_takes_its_checks_with_it(world: World) -> None:
    world.apply(WEB)
    world.apply(proxy())
    check = world.state.local_check("h1")
    assert check is not None
    assert world.state.exposed_at(check) == "10.0.0.1"
    world.apply(proxy(address="10.0.0.2"))
    assert {key for _, key in world.state.touched_checks} == set(EXPOSED), "those who run them are told"
    assert world.state.exposed_at(check) == "10.0.0.2"


@pytest.mark.parametrize("end", [DeregisterLocal("proxy"), proxy(checks=False), proxy(of="other")])
def test_without_the_proxy_checks_are_looked_at_directly(world: World, end: Any) -> None:
    world.apply(WEB)
    world.apply(proxy())
    world.apply(end)
    assert ports(world) == {}
    check = world.state.local_check("h1")
    assert check is not None
    assert world.state.exposed_at(check) is None


def test_a_port_that_is_free_again_is_given_to_the_next(world: World) -> None:
    world.apply(WEB)
    world.apply(proxy())
    world.apply(DeregisterLocalCheck("h1"))
    world.apply(RegisterLocalCheck(looks("late", http="http://h/")))
    assert ports(world) == {**{key: port for key, port in EXPOSED.items() if key != "h1"}, "late": LOWEST_PORT}


def test_another_type_of_check_under_the_id_has_no_port(world: World) -> None:
    world.apply(WEB)
    world.apply(proxy())
    world.apply(RegisterLocalCheck(looks("h1", tcp="h:1")))
    world.apply(register_ttl("h2", service_id="web"))
    assert ports(world) == {"g": EXPOSED["g"]}


def test_what_other_services_and_the_node_have_is_not_exposed(world: World) -> None:
    world.apply(WEB)
    world.apply(proxy(of="other"))
    world.apply(proxy("nobody", of=""))
    world.apply(RegisterLocalCheck(looks("node", service_id="", http="http://h/")))
    assert ports(world) == {}


def test_when_no_port_is_left_the_check_has_none(world: World) -> None:
    many = HIGHEST_PORT - LOWEST_PORT + 3
    world.apply(register_local("web", *(looks(f"c{number:03}", http="http://h/") for number in range(many))))
    world.apply(proxy())
    assert sorted(ports(world).values()) == list(range(LOWEST_PORT, HIGHEST_PORT))
