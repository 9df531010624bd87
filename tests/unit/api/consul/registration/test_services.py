"""What a registration through the agent becomes: defaults, ids of checks, types, sidecars (agent.md §6, §8)."""

import pytest

from registry.model.check import CheckDefinition
from registry.model.node import Locality
from registry.model.service import (
    AccessLogs,
    EnvoyExtension,
    Expose,
    ExposePath,
    MeshGateway,
    Proxy,
    ServiceAddress,
    TransparentProxy,
    Upstream,
    Weights,
)
from tests.unit.api.consul.registration.bodies import check, service

SECOND = 10**9


def instance(**fields):
    return service({"Name": "web", **fields}).service.service


def checks(**fields):
    return service({"Name": "web", **fields}, scripts=True).service.checks


# Services


def test_a_bare_service_is_all_defaults():
    command = service({"Name": "web"})
    row = command.service.service
    assert (row.node, row.id, row.name) == ("", "web", "web")
    assert (row.tags, row.meta, row.tagged_addresses, row.proxy, row.locality) == (None, None, None, None, None)
    assert row.weights == Weights(1, 1)
    assert command.service.checks == ()
    assert command.sidecar is None
    assert command.sidecar_ports == (21000, 21255)


def test_every_field_is_kept():
    row = instance(
        ID="w1", Kind="k", Tags=["b", "a", "a"], Address="h", Port=-1, SocketPath="/s", Meta={"a": "b"},
        TaggedAddresses={"lan": {"Address": "x", "Port": 5}}, Weights={"Passing": 3, "Warning": 0},
        EnableTagOverride=True, Locality={"Region": "r", "Zone": "z"},
    )  # fmt: skip
    assert (row.id, row.kind, row.tags, row.address, row.port) == ("w1", "k", ("b", "a", "a"), "h", -1)
    assert (row.socket_path, row.meta, row.weights) == ("/s", {"a": "b"}, Weights(3, 0))
    assert row.tagged_addresses == {"lan": ServiceAddress("x", 5)}
    assert row.enable_tag_override
    assert row.locality == Locality("r", "z")


def test_empty_tags_and_meta_differ_from_none():
    row = instance(Tags=[], Meta={})
    assert (row.tags, row.meta) == ((), {})


def test_a_literal_address_becomes_tagged_addresses():
    assert instance(Address="10.0.0.7", Port=70).tagged_addresses == {
        "lan_ipv4": ServiceAddress("10.0.0.7", 70),
        "wan_ipv4": ServiceAddress("10.0.0.7", 70),
    }


def test_mesh_configuration_is_kept_whole():
    proxy = {
        "DestinationServiceName": "d", "DestinationServiceID": "d1", "LocalServiceAddress": "h", "LocalServicePort": 8,
        "LocalServiceSocketPath": "/l", "Mode": "transparent", "Config": {"a": 1, "b": [1.5, None]},
        "TransparentProxy": {"OutboundListenerPort": 1, "DialedDirectly": True}, "MeshGateway": {"Mode": "local"},
        "AccessLogs": {"Enabled": True, "DisableListenerLogs": True, "Type": "file", "Path": "/p", "JSONFormat": "{}",
                       "TextFormat": "t"},
        "EnvoyExtensions": [{"Name": "e", "Required": True, "Arguments": {"x": 1}, "ConsulVersion": ">1",
                             "EnvoyVersion": ">2"}],
        "Expose": {"Checks": True, "Paths": [{"ListenerPort": 1, "Path": "/p", "LocalPathPort": 2, "Protocol": "http",
                                              "ParsedFromCheck": True}]},
        "Upstreams": [
            {"DestinationName": "u", "DestinationNamespace": "n", "DestinationPartition": "p", "DestinationPeer": "e",
             "Datacenter": "dc", "LocalBindAddress": "a", "LocalBindPort": 9, "LocalBindSocketPath": "/u",
             "LocalBindSocketMode": "0600", "Config": {"c": 2}, "MeshGateway": {"Mode": "none"},
             "CentrallyConfigured": True},
        ],
    }  # fmt: skip
    assert instance(Proxy=proxy).proxy == Proxy(
        destination_service_name="d", destination_service_id="d1", local_service_address="h", local_service_port=8,
        local_service_socket_path="/l", mode="transparent", config={"a": 1, "b": [1.5, None]},
        transparent_proxy=TransparentProxy(1, True), mesh_gateway=MeshGateway("local"),
        access_logs=AccessLogs(True, True, "file", "/p", "{}", "t"),
        envoy_extensions=(EnvoyExtension("e", True, {"x": 1}, ">1", ">2"),),
        expose=Expose(True, (ExposePath(1, "/p", 2, "http", True),)),
        upstreams=(
            Upstream(
                destination_type="service", destination_name="u", destination_namespace="n", destination_partition="p",
                destination_peer="e", datacenter="dc", local_bind_address="a", local_bind_port=9,
                local_bind_socket_path="/u", local_bind_socket_mode="0600", config={"c": 2},
                mesh_gateway=MeshGateway("none"), centrally_configured=True,
            ),
        ),
    )  # fmt: skip


def test_empty_mesh_configuration_is_none():
    empty = {"Config": {}, "Upstreams": [], "Expose": {"Paths": []}, "MeshGateway": {}, "TransparentProxy": {}}
    assert instance(Proxy=empty | {"AccessLogs": {}, "EnvoyExtensions": []}).proxy is None


# Checks of a service


def test_one_check_is_named_after_its_service():
    (row,) = checks(ID="w1", Check={"TTL": "30s", "Notes": "n"})
    assert (row.node, row.id, row.name, row.status) == ("", "service:w1", "Service 'web' check", "critical")
    assert (row.notes, row.service_id, row.type) == ("n", "w1", "ttl")
    assert (row.interval, row.timeout, row.definition) == ("", "", None)
    assert row.runs == CheckDefinition(ttl_ns=30 * SECOND)


def test_several_checks_are_numbered_the_single_one_first():
    rows = checks(
        Check={"TTL": "1s"},
        Checks=[{"CheckID": "own", "Name": "named", "TTL": "1s"}, {"TTL": "1s", "Status": "passing"}],
    )
    assert [row.id for row in rows] == ["service:web:1", "own", "service:web:3"]
    assert [row.name for row in rows] == ["Service 'web' check", "named", "Service 'web' check"]
    assert [row.status for row in rows] == ["critical", "critical", "passing"]


def test_a_check_without_content_is_none_and_does_not_count():
    rows = checks(Check={"ServiceID": "x"}, Checks=[{"TTL": "1s"}])
    assert [row.id for row in rows] == ["service:web"]


def test_intervals_are_shown_as_go_writes_them():
    (row,) = checks(Check={"TCP": "h:1", "Interval": "90m", "Timeout": 1500000000})
    assert (row.type, row.interval, row.timeout) == ("tcp", "1h30m0s", "1.5s")


@pytest.mark.parametrize(
    ("definition", "word"),
    [
        ({"TTL": "1s"}, "ttl"),
        ({"HTTP": "h", "Interval": "1s"}, "http"),
        ({"GRPC": "h", "HTTP": "h", "Interval": "1s"}, "grpc"),
        ({"TCP": "h", "HTTP": "h", "Interval": "1s"}, "http"),
        ({"TCP": "h", "UDP": "h", "Interval": "1s"}, "tcp"),
        ({"UDP": "h", "Interval": "1s"}, "udp"),
        ({"AliasService": "s"}, "alias"),
        ({"AliasNode": "n"}, "alias"),
        ({"Args": ["a"], "Interval": "1s"}, "script"),
        ({"Args": ["a"], "DockerContainerID": "c", "Interval": "1s"}, "docker"),
        ({"H2PING": "h", "Interval": "1s"}, "h2ping"),
    ],
)
def test_the_type_says_what_a_check_does(definition, word):
    (row,) = checks(Check=definition)
    assert row.type == word


def test_a_definition_is_kept_whole():
    (row,) = checks(Check={
        "HTTP": "u", "Header": {"A": ["b", "c"], "D": []}, "Method": "PUT", "Body": "x", "DisableRedirects": True,
        "Interval": "1s", "Timeout": "2s", "DeregisterCriticalServiceAfter": "3s", "TLSServerName": "n",
        "TLSSkipVerify": True, "TCP": "t", "TCPUseTLS": True, "UDP": "u", "GRPC": "g", "GRPCUseTLS": True, "Shell": "s",
        "Args": ["a"], "DockerContainerID": "c", "SuccessBeforePassing": 1, "FailuresBeforeWarning": 2,
        "FailuresBeforeCritical": 3, "OutputMaxSize": 4,
    })  # fmt: skip
    assert row.runs == CheckDefinition(
        http="u", header={"A": ("b", "c"), "D": ()}, method="PUT", body="x", disable_redirects=True,
        interval_ns=SECOND, timeout_ns=2 * SECOND, deregister_critical_service_after_ns=3 * SECOND,
        tls_server_name="n", tls_skip_verify=True, tcp="t", tcp_use_tls=True, udp="u", grpc="g", grpc_use_tls=True,
        shell="s", script_args=("a",), docker_container_id="c", success_before_passing=1, failures_before_warning=2,
        failures_before_critical=3, output_max_size=4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "tls"),
    [({}, True), ({"H2PingUseTLS": True}, True), ({"H2PingUseTLS": False}, False), ({"h2ping_use_tls": False}, False),
     ({"H2PingUseTLS": False, "h2ping_use_tls": True}, True)],
)  # fmt: skip
def test_http2_pings_use_tls_unless_told_not_to(fields, tls):
    (row,) = checks(Check={"H2PING": "h:1", "Interval": "1s", **fields})
    assert row.runs is not None
    assert row.runs.h2ping_use_tls is tls


# Checks on their own


def test_a_check_on_its_own_takes_its_name_for_an_id_and_shows_zero_durations():
    row = check({"Name": "disk", "TTL": "30s", "Notes": "n", "Status": "warning", "ServiceID": "s"})
    assert (row.id, row.name, row.status, row.notes, row.service_id) == ("disk", "disk", "warning", "n", "s")
    assert (row.type, row.interval, row.timeout) == ("ttl", "0s", "0s")
    assert check({"ID": "d1", "Name": "disk", "TTL": "30s"}).id == "d1"


# Sidecars


def sidecar(sent, **parent):
    made = service({"Name": "web", "Port": 80, **parent, "Connect": {"SidecarService": sent}}).sidecar
    assert made is not None
    return made


def test_an_empty_sidecar_takes_everything_from_its_service():
    made = sidecar({}, ID="w1", Tags=["t"], Meta={"m": "1"}, Address="10.0.0.5", Locality={"Region": "r"})
    row = made.service
    assert (row.id, row.name, row.kind) == ("w1-sidecar-proxy", "web-sidecar-proxy", "connect-proxy")
    assert (row.tags, row.meta, row.address, row.locality) == (("t",), {"m": "1"}, "10.0.0.5", Locality("r"))
    assert row.proxy == Proxy(
        destination_service_name="web", destination_service_id="w1",
        local_service_address="127.0.0.1", local_service_port=80,
    )  # fmt: skip
    assert (row.port, row.tagged_addresses) == (0, None)  # both follow when the state has given it a port
    assert made.default_checks


def test_a_sidecar_keeps_what_it_says():
    made = sidecar(
        {
            "Name": "own", "Kind": "weird", "Port": 21055, "Address": "10.0.0.6", "Tags": ["s"], "Meta": {"s": "1"},
            "EnableTagOverride": True, "Weights": {"Passing": 2, "Warning": 2}, "Check": {"TTL": "1h"},
            "Proxy": {"DestinationServiceName": "other", "LocalServicePort": 44, "Upstreams": [
                {"DestinationName": "db", "LocalBindPort": 1}]},
        },
        Tags=["t"], Meta={"m": "1"}, Address="10.0.0.5",
    )  # fmt: skip
    row = made.service
    assert (row.id, row.name, row.kind, row.port) == ("web-sidecar-proxy", "own", "weird", 21055)
    assert (row.tags, row.meta, row.weights) == (("s",), {"s": "1"}, Weights(2, 2))
    assert row.tagged_addresses == {
        "lan_ipv4": ServiceAddress("10.0.0.6", 21055),
        "wan_ipv4": ServiceAddress("10.0.0.6", 21055),
    }
    assert row.proxy is not None
    assert (row.proxy.destination_service_name, row.proxy.destination_service_id) == ("other", "web")
    assert (row.proxy.local_service_address, row.proxy.local_service_port) == ("127.0.0.1", 44)
    assert row.proxy.upstreams is not None
    assert row.proxy.upstreams[0].destination_type == "service"
    assert [one.id for one in made.checks] == ["service:web-sidecar-proxy"]
    assert not made.default_checks


def test_a_sidecar_reaches_its_service_through_a_socket_where_there_is_one():
    proxy = sidecar({}, SocketPath="/s").service.proxy
    assert proxy is not None
    assert (proxy.local_service_socket_path, proxy.local_service_address, proxy.local_service_port) == ("/s", "", 0)
    proxy = sidecar({"Proxy": {"LocalServiceSocketPath": "/own"}}).service.proxy
    assert proxy is not None
    assert (proxy.local_service_socket_path, proxy.local_service_address) == ("/own", "")
    both = {"LocalServiceAddress": "h", "LocalServicePort": 7}
    proxy = sidecar({"Proxy": both}, SocketPath="/s").service.proxy
    assert proxy is not None
    assert (proxy.local_service_socket_path, proxy.local_service_address) == ("", "h")


def test_a_sidecar_without_a_usable_port_asks_for_one_and_unusable_weights_are_even():
    row = sidecar({"Port": -5, "Weights": {}}).service
    assert (row.port, row.weights) == (0, Weights(1, 1))


def test_the_service_itself_stays_as_it_is():
    command = service({"Name": "web", "Port": 80, "Connect": {"Native": True, "SidecarService": {}}})
    row = command.service.service
    assert (row.native, row.kind, row.proxy) == (True, "", None)
