"""What the catalog refuses and what it makes of what it takes (catalog.md §1, §2)."""

import pytest

from registry.api.dialects.consul.registration.catalog import catalog_deregistration
from registry.commands import Deregister
from registry.model.check import CheckDefinition
from registry.model.node import Locality, Node
from registry.model.service import ServiceAddress, Weights
from tests.unit.api.consul.registration.bodies import DEREGISTER, answer, catalog, sent

ID = "40e4a748-2192-161a-0510-9bf59fe950b5"


def refused(**fields):
    return answer(catalog, {"Node": "n", "Address": "a", **fields})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"PeerName": "p"}, "cannot register requests with PeerName in them"),
        ({"Service": {"PeerName": "p"}}, "cannot register requests with PeerName in them"),
        ({"Check": {"PeerName": "p"}}, "cannot register requests with PeerName in them"),
        ({"Checks": [{}, {"PeerName": "p"}]}, "cannot register requests with PeerName in them"),
        ({"Datacenter": "mars"}, "No path to datacenter"),
        ({"Datacenter": "DC1"}, "No path to datacenter"),
        ({"Node": ""}, "Must provide node"),
        ({"ID": "not-a-uuid"}, "Bad node ID: uuid string is wrong length"),
        ({"ID": ID.replace("-", "x", 1)}, "Bad node ID: uuid is improperly formatted"),
        ({"ID": "z" + ID[1:]}, "Bad node ID: encoding/hex: invalid byte: U+007A 'z'"),
        ({"ID": ID[:-1] + "\x01"}, "Bad node ID: encoding/hex: invalid byte: U+0001"),
        ({"ID": ID[:-2] + "é"}, "Bad node ID: encoding/hex: invalid byte: U+00C3 'Ã'"),
        ({"Address": ""}, "Must provide address if SkipNodeUpdate is not set"),
        ({"Service": {}}, "Must provide service name (Service.Service)"),
        ({"Service": {"Port": 1}}, "Must provide service name (Service.Service)"),
        ({"Service": {"ID": "i"}}, "Must provide service name (Service.Service) when service ID is provided"),
        ({"Service": {"Service": "s", "Address": "0.0.0.0"}}, "Invalid service address"),
        ({"Service": {"Service": "s", "Address": "[::]"}}, "Invalid service address"),
        ({"Service": {"Locality": {"Zone": "z"}}}, "1 error occurred:\n\t* zone cannot be set without region\n\n"),
    ],
)  # fmt: skip
def test_a_registration_is_refused_with_500(fields, text):
    assert refused(**fields) == (500, text)


def test_the_first_rule_that_is_broken_answers():
    broken = {"PeerName": "p", "Datacenter": "mars", "ID": "zz", "Service": {"ID": "i", "Kind": "connect-proxy"}}
    repairs = [
        ("cannot register", {"PeerName": ""}),
        ("No path to datacenter", {"Datacenter": "dc1"}),
        ("Must provide node", {"Node": "n"}),
        ("Bad node ID", {"ID": ""}),
        ("Must provide address", {"SkipNodeUpdate": True}),
        ("2 errors occurred", {"Service": {"ID": "i", "Address": "::"}}),
        ("Must provide service name", {"Service": {"Service": "s", "Address": "::"}}),
        ("Invalid service address", {"Service": None}),
    ]
    for text, repair in repairs:
        assert answer(catalog, broken)[1].startswith(text)
        broken |= repair
    assert answer(catalog, broken) == (200, "")


def test_a_node_is_taken_as_it_is():
    command = catalog({
        "Node": "n", "ID": ID, "Address": "not an address", "TaggedAddresses": {"any": "x"},
        "NodeMeta": {"any key!": ""}, "Locality": {"Region": "r"}, "Datacenter": "dc1", "Token": "t",
        "CreateIndex": 5, "ModifyIndex": 7,
    })  # fmt: skip
    assert command.node == Node(
        name="n", id=ID, address="not an address", datacenter="dc1", tagged_addresses={"any": "x"},
        meta={"any key!": ""}, locality=Locality("r"),
    )  # fmt: skip
    assert (command.service, command.checks, command.skip_node_update) == (None, (), False)
    assert catalog({"Node": "n", "SkipNodeUpdate": True}).skip_node_update


def test_empty_and_absent_maps_of_a_node_differ():
    assert catalog({"Node": "n", "Address": "a"}).node.meta is None
    assert catalog({"Node": "n", "Address": "a", "NodeMeta": {}}).node.meta == {}


def test_a_service_is_taken_as_it_is():
    service = {
        "Service": "s", "Kind": "k", "Tags": ["b", "a", "b"], "Address": "10.0.0.1", "Port": -3, "SocketPath": "/s",
        "Meta": {"bad key": "the state says so"}, "TaggedAddresses": {"lan_ipv4": {"Address": "x", "Port": 1}},
        "EnableTagOverride": True, "Connect": {"Native": True}, "Proxy": {"Upstreams": [{"DestinationName": "u"}]},
    }  # fmt: skip
    row = catalog({"Node": "n", "Address": "a", "Service": service}).service
    assert row is not None
    assert (row.node, row.id, row.name, row.kind) == ("n", "s", "s", "k")
    assert (row.tags, row.address, row.port, row.socket_path) == (("b", "a", "b"), "10.0.0.1", -3, "/s")
    assert (row.meta, row.native) == ({"bad key": "the state says so"}, True)
    assert row.tagged_addresses == {"lan_ipv4": ServiceAddress("x", 1)}
    assert row.proxy is not None
    assert row.proxy.upstreams is not None
    assert row.proxy.upstreams[0].destination_type == ""


@pytest.mark.parametrize(
    ("weights", "stored"),
    [
        (None, Weights(1, 1)),
        ({}, Weights(1, 1)),
        ({"Passing": 5}, Weights(5, 0)),
        ({"Passing": 0, "Warning": 5}, Weights(1, 1)),
        ({"Passing": -1, "Warning": 5}, Weights(1, 1)),
        ({"Passing": 1, "Warning": -1}, Weights(1, 1)),
        ({"Passing": 65536, "Warning": 1}, Weights(1, 1)),
        ({"Passing": 65535, "Warning": 65535}, Weights(65535, 65535)),
    ],
)
def test_unusable_weights_are_no_error_but_even(weights, stored):
    row = catalog({"Node": "n", "Address": "a", "Service": {"Service": "s", "Weights": weights}}).service
    assert row is not None
    assert row.weights == stored


def test_checks_come_first_then_the_single_one_with_their_defaults():
    command = catalog({
        "Node": "n", "Address": "a", "Check": {"CheckID": "only-id"},
        "Checks": [{"Name": "c", "Status": "Weird"}, {"Node": "N", "CheckID": "x", "Name": "y", "Status": "passing"}],
    })  # fmt: skip
    rows = [(one.node, one.id, one.name, one.status) for one in command.checks]
    assert rows == [("n", "c", "c", "Weird"), ("N", "x", "y", "passing"), ("n", "only-id", "", "critical")]
    assert [one.definition for one in command.checks] == [None, None, None]


def test_a_check_is_kept_whole():
    (row,) = catalog({"Node": "n", "Address": "a", "Check": {
        "Name": "c", "Notes": "n", "Output": "o", "ServiceID": "s", "ServiceName": "sn", "ServiceTags": ["t"],
        "Type": "mine", "Interval": "7s", "Timeout": "any text", "ExposedPort": 9, "CreateIndex": 1,
        "Definition": {
            "Interval": "10s", "Timeout": 5000000000, "DeregisterCriticalServiceAfter": "90m", "OutputMaxSize": 3,
            "HTTP": "h", "Header": {"a": ["b"]}, "Method": "GET", "Body": "b", "TLSServerName": "n",
            "TLSSkipVerify": True, "DisableRedirects": True, "TCP": "t", "TCPUseTLS": True, "UDP": "u", "H2PING": "p",
            "H2PingUseTLS": True, "OSService": "o", "ScriptArgs": ["a"], "DockerContainerID": "d", "Shell": "s",
            "GRPC": "g", "GRPCUseTLS": True, "AliasNode": "an", "AliasService": "as", "SessionName": "sn", "TTL": "1s",
        },
    }}).checks  # fmt: skip
    assert (row.notes, row.output, row.service_id, row.service_name, row.service_tags) == ("n", "o", "s", "sn", ("t",))
    assert (row.type, row.interval, row.timeout, row.exposed_port) == ("mine", "7s", "any text", 9)
    assert row.runs is None
    assert row.definition == CheckDefinition(
        interval_ns=10**10, timeout_ns=5 * 10**9, deregister_critical_service_after_ns=5400 * 10**9, output_max_size=3,
        http="h", header={"a": ("b",)}, method="GET", body="b", tls_server_name="n", tls_skip_verify=True,
        disable_redirects=True, tcp="t", tcp_use_tls=True, udp="u", h2ping="p", h2ping_use_tls=True, os_service="o",
        script_args=("a",), docker_container_id="d", shell="s", grpc="g", grpc_use_tls=True, alias_node="an",
        alias_service="as", session_name="sn", ttl_ns=10**9,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("definition", "word"),
    [
        (None, ""),
        ({}, ""),
        ({"TCP": "x"}, ""),
        ({"TCP": "x", "Interval": "1s"}, "tcp"),
        ({"TTL": "1s"}, "ttl"),
        ({"AliasService": "s"}, "alias"),
        ({"ScriptArgs": ["a"], "Interval": "1s"}, "script"),
        ({"H2PING": "x", "Interval": "1s"}, "h2ping"),
        ({"OSService": "x", "Interval": "1s"}, "os_service"),
    ],
)
def test_the_type_follows_from_the_definition(definition, word):
    (row,) = catalog({"Node": "n", "Address": "a", "Check": {"Name": "c", "Definition": definition}}).checks
    assert row.type == word


def test_http2_pings_of_the_catalog_use_tls_only_when_told_to():
    definition = {"H2PING": "x", "Interval": "1s"}
    (row,) = catalog({"Node": "n", "Address": "a", "Check": {"Name": "c", "Definition": definition}}).checks
    assert row.definition is not None
    assert not row.definition.h2ping_use_tls


def removal(body):
    return catalog_deregistration(DEREGISTER(sent(body)), "dc1")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"Node": "n", "Datacenter": "mars"}, 500, "No path to datacenter"),
        ({"Datacenter": "mars"}, 500, "No path to datacenter"),
        ({"ServiceID": "s"}, 500, "Must provide node"),
        ({"Node": "n", "Nonsense": 1}, 400, 'Request decode failed: json: unknown field "Nonsense"'),
        ("", 400, "Request decode failed: EOF"),
    ],
)
def test_a_removal_is_refused(body, status, text):
    assert answer(removal, body) == (status, text)


def test_a_removal_names_a_service_or_a_check_or_a_node():
    body = {"node": "n", "ServiceID": "s", "CheckID": "c", "Address": "x", "Token": "t", "Datacenter": "dc1"}
    assert removal(body) == Deregister("n", "s", "c")
    assert removal({"Node": "n"}) == Deregister("n")


def test_what_belongs_to_a_peer_is_not_here_to_be_removed():
    assert removal({"Node": "n", "PeerName": "p"}) is None
