"""py-consul's synchronous client against a running server: what its users do all day."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import consul
import pytest
from consul import Check
from consul.exceptions import BadRequest

Background = Callable[..., Future[Any]]


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[consul.Consul]:
    host, port = address
    with consul.Consul(host=host, port=port) as client:
        yield client


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["Service"]["ID"] for entry in entries]


def test_registered_service_is_seen_by_agent_catalog_and_health(client: consul.Consul, name: str) -> None:
    assert client.agent.service.register(
        name, service_id=f"{name}-1", address="10.0.0.1", port=8080, tags=["blue"], meta={"zone": "a"}
    )

    local = client.agent.services()[f"{name}-1"]
    assert (local["Service"], local["Address"], local["Port"]) == (name, "10.0.0.1", 8080)
    assert (local["Tags"], local["Meta"]) == (["blue"], {"zone": "a"})
    _, services = client.catalog.services()
    assert services[name] == ["blue"]
    _, rows = client.catalog.service(name)
    assert [(row["ServiceID"], row["ServiceAddress"], row["ServicePort"]) for row in rows] == [
        (f"{name}-1", "10.0.0.1", 8080)
    ]
    _, entries = client.health.service(name)
    assert ids(entries) == [f"{name}-1"]
    assert entries[0]["Service"]["Weights"] == {"Passing": 1, "Warning": 1}


def test_weights_tagged_addresses_and_tag_override_are_kept(client: consul.Consul, name: str) -> None:
    client.agent.service.register(
        name,
        port=80,
        weights={"Passing": 10, "Warning": 2},
        enable_tag_override=True,
        tagged_addresses={"lan": {"address": "192.168.0.1", "port": 8000}},
    )

    definition = client.agent.service_definition(name)
    assert definition["Weights"] == {"Passing": 10, "Warning": 2}
    assert definition["EnableTagOverride"] is True
    assert definition["TaggedAddresses"] == {"lan": {"Address": "192.168.0.1", "Port": 8000}}
    assert definition["ContentHash"]


def test_deregistered_service_is_gone_everywhere_with_its_checks(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name, check=Check.ttl("1m"))
    assert client.agent.service.deregister(name)

    assert name not in client.agent.services()
    assert f"service:{name}" not in client.agent.checks()
    assert client.health.service(name)[1] == []
    assert name not in client.catalog.services()[1]


@pytest.mark.parametrize(
    ("beat", "status", "found"), [("ttl_pass", "passing", 1), ("ttl_warn", "warning", 0), ("ttl_fail", "critical", 0)]
)
def test_ttl_check_takes_the_status_it_is_told(
    client: consul.Consul, name: str, beat: str, status: str, found: int
) -> None:
    client.agent.service.register(name, check=Check.ttl("1m"))
    assert client.health.service(name, passing=True)[1] == []  # a TTL check is critical until its first beat

    assert getattr(client.agent.check, beat)(f"service:{name}", notes="because")

    check = client.agent.checks()[f"service:{name}"]
    assert (check["Status"], check["Output"], check["ServiceName"]) == (status, "because", name)
    assert len(client.health.service(name, passing=True)[1]) == found
    assert [check["Status"] for check in client.health.checks(name)[1]] == [status]


def test_silent_ttl_becomes_critical(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name, check=Check.ttl("500ms"))
    client.agent.check.ttl_pass(f"service:{name}")
    index, entries = client.health.service(name, passing=True)
    assert len(entries) == 1

    index, entries = client.health.service(name, passing=True, index=index, wait="5s")
    assert entries == []


def test_beating_an_unknown_check_is_refused(client: consul.Consul, name: str) -> None:
    with contextlib.suppress(consul.ConsulException):  # a 404 makes the client answer False; Consul 1.8 says 500
        assert not client.agent.check.ttl_pass(f"service:{name}")


def test_several_checks_are_numbered_and_all_must_pass(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name, check=Check.ttl("1m"), extra_checks=[Check.ttl("2m")])
    client.agent.check.ttl_pass(f"service:{name}:1")
    assert client.health.service(name, passing=True)[1] == []

    client.agent.check.ttl_pass(f"service:{name}:2")
    assert len(client.health.service(name, passing=True)[1]) == 1


def test_replace_existing_checks_drops_the_old_ones(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name, check=Check.ttl("1m"))
    client.agent.service.register(name, replace_existing_checks=True)

    assert client.health.checks(name)[1] == []


def test_check_registered_alone_follows_its_service(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name)
    client.agent.check.register("disk", check=Check.ttl("1m"), check_id=f"{name}-disk", service_id=name, notes="room")

    check = client.agent.checks()[f"{name}-disk"]
    assert (check["Name"], check["Notes"], check["ServiceID"], check["Type"]) == ("disk", "room", name, "ttl")
    assert client.agent.check.deregister(f"{name}-disk")
    assert f"{name}-disk" not in client.agent.checks()


def test_active_checks_are_accepted_and_typed(client: consul.Consul, name: str) -> None:
    checks = [Check.http("http://127.0.0.1:1/", "10m"), Check.tcp("127.0.0.1", 1, "10m", timeout="1s")]
    client.agent.service.register(name, check=checks[0], extra_checks=checks[1:])

    types = {check["Type"] for check in client.agent.checks(filter_expr=f'ServiceName == "{name}"').values()}
    assert types == {"http", "tcp"}


def test_tags_select_and_all_must_match(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name, service_id=f"{name}-1", tags=["blue", "eu"])
    client.agent.service.register(name, service_id=f"{name}-2", tags=["blue"])

    assert ids(client.health.service(name, tag="blue")[1]) == [f"{name}-1", f"{name}-2"]
    assert ids(client.health.service(name, tag=["blue", "eu"])[1]) == [f"{name}-1"]
    assert client.health.service(name, tag="green")[1] == []
    assert [row["ServiceID"] for row in client.catalog.service(name, tag="eu")[1]] == [f"{name}-1"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('Service.Meta.version == "2"', ["-2"]),
        ('"blue" in Service.Tags and Service.Port != 81', ["-1"]),
        ("Service.Meta is empty", ["-3"]),
        ('not Service.ID matches "-[12]$"', ["-3"]),
        ('Service.Tags contains "blue" or Service.Port == 82', ["-1", "-2"]),
    ],
)
def test_filter_expressions_select_instances(
    client: consul.Consul, name: str, expression: str, expected: list[str]
) -> None:
    client.agent.service.register(name, f"{name}-1", port=80, tags=["blue"], meta={"version": "1"})
    client.agent.service.register(name, f"{name}-2", port=82, tags=["green"], meta={"version": "2"})
    client.agent.service.register(name, f"{name}-3", port=83)

    assert ids(client.health.service(name, filter_expr=expression)[1]) == [name + end for end in expected]


def test_bad_filter_is_an_error_with_its_reason(client: consul.Consul, name: str) -> None:
    with pytest.raises(consul.ConsulException, match="Failed to create boolean expression evaluator"):
        client.health.service(name, filter_expr="Service.Port ==")


def test_blocked_reader_gets_the_change(client: consul.Consul, name: str, background: Background) -> None:
    """Several times, since a reader may come to the server only after the change it waits for."""
    client.agent.service.register(name, check=Check.ttl("1m"))
    index, _ = client.health.service(name, passing=True)
    for beat, found in [(client.agent.check.ttl_pass, [name]), (client.agent.check.ttl_fail, [])] * 5:
        reader = background(client.health.service, name, passing=True, index=index, wait="8s")
        beat(f"service:{name}")
        newer, entries = reader.result(5)
        assert int(newer) > int(index)
        assert ids(entries) == found
        index = newer


def test_reader_of_an_unknown_service_sees_its_first_instance(
    client: consul.Consul, name: str, background: Background
) -> None:
    index, entries = client.health.service(name)
    assert entries == []

    reader = background(client.health.service, name, index=index, wait="8s")
    client.agent.service.register(name)
    assert ids(reader.result(5)[1]) == [name]


def test_reader_sees_the_last_instance_go(client: consul.Consul, name: str, background: Background) -> None:
    client.agent.service.register(name)
    index, _ = client.catalog.service(name)

    reader = background(client.catalog.service, name, index=index, wait="8s")
    client.agent.service.deregister(name)
    assert reader.result(5)[1] == []


def test_wait_ends_with_the_same_answer_and_never_early(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name)
    index, before = client.health.service(name)

    began = time.monotonic()
    again, after = client.health.service(name, index=index, wait="300ms")
    assert time.monotonic() - began >= 0.3
    assert (again, after) == (index, before)


def test_registering_the_same_again_wakes_nobody(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name, port=80, tags=["blue"])
    index, _ = client.health.service(name)
    client.agent.service.register(name, port=80, tags=["blue"])

    assert client.health.service(name)[0] == index


def test_service_in_maintenance_is_not_passing(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name)
    assert client.agent.service.maintenance(name, True, "upgrade")

    check = client.agent.checks()[f"_service_maintenance:{name}"]
    assert (check["Status"], check["Notes"]) == ("critical", "upgrade")
    assert client.health.service(name, passing=True)[1] == []

    client.agent.service.maintenance(name, False)
    assert ids(client.health.service(name, passing=True)[1]) == [name]


def test_node_in_maintenance_hides_its_services(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name)
    client.agent.maintenance(True, "reboot")
    try:
        assert client.agent.checks()["_node_maintenance"]["Notes"] == "reboot"
        assert client.health.service(name, passing=True)[1] == []
    finally:
        client.agent.maintenance(False)
    assert ids(client.health.service(name, passing=True)[1]) == [name]


def test_catalog_registration_of_another_node(client: consul.Consul, name: str) -> None:
    service = {"ID": f"{name}-1", "Service": name, "Tags": ["a"], "Port": 6379}
    check = {"Name": "up", "CheckID": f"service:{name}-1", "Status": "passing", "ServiceID": f"{name}-1"}
    assert client.catalog.register(name, "10.9.8.7", service=service, check=check)

    _, node = client.catalog.node(name)
    assert node["Node"]["Address"] == "10.9.8.7"
    assert node["Services"][f"{name}-1"]["Port"] == 6379
    assert [node["Node"] for node in client.catalog.nodes(filter_expr=f'Node == "{name}"')[1]] == [name]
    assert ids(client.health.service(name, passing=True)[1]) == [f"{name}-1"]
    assert [check["CheckID"] for check in client.health.node(name)[1]] == [f"service:{name}-1"]
    assert f"{name}-1" not in client.agent.services()


def test_catalog_deregistration_of_check_service_and_node(client: consul.Consul, name: str) -> None:
    service = {"ID": f"{name}-1", "Service": name}
    check = {"Name": "up", "Status": "passing", "ServiceID": f"{name}-1"}
    client.catalog.register(name, "10.9.8.7", service=service, check=check)

    client.catalog.deregister(name, check_id="up")
    assert client.health.checks(name)[1] == []
    client.catalog.deregister(name, service_id=f"{name}-1")
    assert client.catalog.service(name)[1] == []
    client.catalog.deregister(name)
    assert client.catalog.node(name)[1] is None


@pytest.mark.parametrize("consistency", ["default", "consistent", "stale"])
def test_every_read_mode_sees_the_write(client: consul.Consul, name: str, consistency: str) -> None:
    client.agent.service.register(name)
    assert len(client.catalog.service(name, consistency=consistency)[1]) == 1


def test_checks_by_state(client: consul.Consul, name: str) -> None:
    client.agent.service.register(name, check=Check.ttl("1m"))
    client.agent.check.ttl_warn(f"service:{name}")

    assert f"service:{name}" in [check["CheckID"] for check in client.health.state("warning")[1]]
    assert f"service:{name}" not in [check["CheckID"] for check in client.health.state("passing")[1]]
    assert f"service:{name}" in [check["CheckID"] for check in client.health.state("any")[1]]


def test_the_server_describes_itself(client: consul.Consul) -> None:
    itself = client.agent.self()
    (member,) = client.agent.members()
    assert itself["Config"]["Datacenter"] == "dc1"
    assert itself["Config"]["NodeName"] == member["Name"]
    assert (member["Status"], member["Tags"]["role"]) == (1, "consul")
    assert client.catalog.datacenters() == ["dc1"]
    assert client.status.leader() in client.status.peers()
    assert member["Name"] in [node["Node"] for node in client.catalog.nodes()[1]]


def test_unusual_names_survive_the_way_through_the_url(client: consul.Consul, name: str) -> None:
    odd = f"{name} ä/ö?&+%"
    client.agent.service.register(odd, service_id=f"{name}/1")

    assert ids(client.health.service(odd)[1]) == [f"{name}/1"]
    assert client.agent.service.deregister(f"{name}/1")
    assert client.health.service(odd)[1] == []


def test_registration_without_a_name_is_refused(client: consul.Consul) -> None:
    with pytest.raises(BadRequest, match="Missing service name"):
        client.agent.service.register("", port=80)
