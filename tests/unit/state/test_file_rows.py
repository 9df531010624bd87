"""Rows of configuration files: a reload adds, changes and removes exactly those."""

import pytest

from registry.commands import DeregisterLocal, RegisterLocalCheck, ReplaceFileRows, UpdateCheck
from registry.errors import InvalidRequest, NotFound
from registry.model.check import PASSING
from registry.model.service import Local
from tests.makers import World, check, register_local, sidecar_of


@pytest.fixture
def world() -> World:
    return World()


def rows(world: World) -> tuple[list[str], list[str]]:
    return [one.id for one in world.state.local_services()], [one.id for one in world.state.local_checks()]


def test_files_define_services_and_checks_of_that_origin(world: World) -> None:
    world.apply(ReplaceFileRows(services=(register_local("web", check("c1")),), checks=(check("c2", "web"),)))
    assert rows(world) == (["web"], ["c1", "c2"])
    assert {one.local for one in world.state.local_services()} == {Local("file")}
    assert {one.local for one in world.state.local_checks()} == {Local("file")}


def test_a_reload_removes_what_is_no_longer_written_and_nothing_else(world: World) -> None:
    world.apply(register_local("api", check("api")))
    world.apply(ReplaceFileRows(services=(register_local("web", check("c1")), register_local("db")), checks=(check(),)))
    world.apply(ReplaceFileRows(services=(register_local("db"),)))
    assert rows(world) == (["api", "db"], ["api"])


def test_a_check_that_stays_keeps_its_status(world: World) -> None:
    reload = ReplaceFileRows(services=(register_local("web", check("c1", status="critical")),))
    world.apply(reload)
    world.apply(UpdateCheck("c1", PASSING, "fine"))
    world.apply(reload)
    [stored] = world.state.local_checks()
    assert (stored.status, stored.output) == (PASSING, "fine")


def test_the_same_files_again_move_nothing(world: World) -> None:
    reload = ReplaceFileRows(services=(register_local("web", check("c1")),), checks=(check("c2"),))
    world.apply(reload)
    assert world.apply(reload) == []


def test_whether_the_files_say_something_new_is_known_beforehand(world: World) -> None:
    """A start with unchanged files writes nothing."""
    sidecar = sidecar_of("web", port=1)
    files = ReplaceFileRows(
        services=(register_local("web", check("c1"), sidecar=sidecar),), checks=(check("c2", "web"),)
    )
    assert not world.state.changes_nothing(files)
    world.apply(files)
    assert world.state.changes_nothing(files)
    assert not world.state.changes_nothing(ReplaceFileRows(services=files.services))
    assert not world.state.changes_nothing(ReplaceFileRows(checks=(check("c2", "web", notes="new"),)))
    no_ports = ReplaceFileRows(services=(register_local("db", sidecar=sidecar_of("db")),))
    assert not world.state.changes_nothing(no_ports)


def test_a_change_of_case_in_an_id_is_a_change_and_not_another_service(world: World) -> None:
    world.apply(ReplaceFileRows(services=(register_local("web", check("C1", status="critical"), service_id="Web"),)))
    world.apply(UpdateCheck("C1", PASSING))
    world.apply(ReplaceFileRows(services=(register_local("web", check("c1", status="critical")),)))
    assert rows(world) == (["web"], ["c1"])
    assert [one.status for one in world.state.local_checks()] == [PASSING]


def test_a_check_of_a_file_may_belong_to_a_service_registered_over_http(world: World) -> None:
    world.apply(register_local("web"))
    world.apply(ReplaceFileRows(checks=(check("c1", "web"),)))
    assert [one.id for one in world.state.local_checks_of("web")] == ["c1"]


def test_a_check_of_a_file_may_belong_to_a_sidecar_of_the_same_file(world: World) -> None:
    web = register_local("web", sidecar=sidecar_of("web", port=1))
    world.apply(ReplaceFileRows(services=(web,), checks=(check("c1", "web-sidecar-proxy"),)))
    assert [one.id for one in world.state.local_checks_of("web-sidecar-proxy")] == ["c1"]


def test_a_check_of_an_unknown_service_refuses_the_reload(world: World) -> None:
    world.apply(ReplaceFileRows(services=(register_local("db"),)))
    with pytest.raises(NotFound) as refused:
        world.apply(ReplaceFileRows(services=(register_local("new"),), checks=(check("c1", "web"),)))
    assert refused.value.reason == "check-service"
    assert rows(world) == (["db"], [])


def test_a_check_of_a_service_that_the_reload_removes_refuses_it(world: World) -> None:
    """The service was only defined by the files, which no longer do."""
    world.apply(ReplaceFileRows(services=(register_local("web"),)))
    with pytest.raises(NotFound) as refused:
        world.apply(ReplaceFileRows(checks=(check("c1", "web"),)))
    assert refused.value.reason == "check-service"
    assert rows(world) == (["web"], [])


def test_sidecars_of_one_reload_get_different_ports(world: World) -> None:
    services = tuple(register_local(name, sidecar=sidecar_of(name), sidecar_ports=(21000, 21001)) for name in "ab")
    world.apply(ReplaceFileRows(services=services))
    found = {one.id: one.port for one in world.state.local_services()}
    assert (found["a-sidecar-proxy"], found["b-sidecar-proxy"]) == (21000, 21001)


def test_without_ports_for_all_sidecars_the_reload_changes_nothing(world: World) -> None:
    services = tuple(register_local(name, sidecar=sidecar_of(name), sidecar_ports=(21000, 21000)) for name in "ab")
    with pytest.raises(InvalidRequest):
        world.apply(ReplaceFileRows(services=services))
    assert rows(world) == ([], [])


def test_a_sidecar_goes_when_the_file_no_longer_asks_for_it(world: World) -> None:
    world.apply(ReplaceFileRows(services=(register_local("web", sidecar=sidecar_of("web", port=1)),)))
    world.apply(ReplaceFileRows(services=(register_local("web"),)))
    assert rows(world) == (["web"], [])


def test_a_row_registered_over_http_after_the_file_is_no_longer_the_files(world: World) -> None:
    world.apply(ReplaceFileRows(services=(register_local("web"),)))
    world.apply(register_local("web"))
    world.apply(ReplaceFileRows())
    assert rows(world) == (["web"], [])


def test_a_definition_named_consul_stands_in_for_the_servers_own_row(world: World) -> None:
    world.apply(ReplaceFileRows(services=(register_local("consul", port=1),)))
    assert [placed.instance.port for placed in world.state.placed("consul")] == [1]
    world.apply(ReplaceFileRows())
    assert [placed.instance.port for placed in world.state.placed("consul")] == [8300]


def test_what_a_file_defines_can_be_deregistered_over_http(world: World) -> None:
    world.apply(ReplaceFileRows(services=(register_local("web", check("c1")),)))
    world.apply(RegisterLocalCheck(check("c2", "web", node="")))
    world.apply(DeregisterLocal("web"))
    assert rows(world) == ([], [])
