"""What is refused in the mesh part of a service: all problems at once, in Consul's order and words."""

import pytest

from registry.api.dialects.consul.go.text import listed
from tests.unit.api.consul.registration.bodies import answer, catalog, service

DUPLICATE = (
    'upstreams cannot contain duplicates of [type="service", name="b", partition="", namespace="", peer="", '
    'datacenter=""]'
)
TWICE = "upstreams cannot contain duplicates by local bind address and port or unix path; {} is specified twice"


def problems(**fields):
    """The problems of a service, which the agent and the catalog have to see alike."""
    status, text = answer(service, {"Name": "x", **fields})
    assert answer(catalog, {"Node": "n", "Address": "a", "Service": {"Service": "x", **fields}}) == (
        500, text.removeprefix("Validation failed: "),
    )  # fmt: skip
    assert status == 400
    assert text.startswith("Validation failed: ")
    found = [line.removeprefix("\t* ") for line in text.splitlines() if line.startswith("\t* ")]
    assert text == "Validation failed: " + listed(found)
    return found


def proxied(**proxy):
    return problems(Kind="connect-proxy", Port=1, Proxy={"DestinationServiceName": "a", **proxy})


def test_a_zone_needs_a_region():
    assert problems(Locality={"Zone": "z"}) == ["zone cannot be set without region"]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (
            {},
            [
                "Port or SocketPath must be set for a connect-proxy",
                "Proxy.DestinationServiceName must be non-empty for Connect proxy services",
            ],
        ),
        (
            {"SocketPath": "/s", "Proxy": {"DestinationServiceName": " "}},
            ["Proxy.DestinationServiceName must be non-empty for Connect proxy services"],
        ),
        (
            {"Port": 1, "Proxy": {"DestinationServiceName": "*"}},
            ["Proxy.DestinationServiceName must not be a wildcard for Connect proxy services"],
        ),
        (
            {"Port": 1, "Proxy": {"DestinationServiceName": "a"}, "Connect": {"Native": True}},
            ["A Proxy cannot also be Connect Native, only typical services"],
        ),
    ],
)
def test_a_proxy_needs_a_port_and_one_destination(fields, found):
    assert problems(Kind="connect-proxy", **fields) == found


@pytest.mark.parametrize(
    ("upstreams", "found"),
    [
        ([{}], ["upstream destination name cannot be empty"]),
        ([{"DestinationType": "prepared_query"}], ["upstream destination name cannot be empty"]),
        ([{"DestinationName": "*", "LocalBindPort": 1}], ["upstream destination name cannot be a wildcard"]),
        (
            [{"DestinationType": "prepared_query", "DestinationName": "*", "LocalBindPort": 1}],
            ["upstream destination name cannot be a wildcard"],
        ),
        (
            [{"DestinationName": "b", "DestinationPeer": "p", "Datacenter": "d"}],
            ["upstream cannot specify both destination peer and datacenter"],
        ),
        (
            [{"DestinationName": "b", "LocalBindPort": 1, "LocalBindSocketPath": "/s"}],
            ["only one of upstream local bind port or local socket path can be defined and nonzero"],
        ),
        ([{"DestinationType": "zz", "DestinationName": "b"}], ['unknown upstream destination type: "zz"']),
        (
            [{"DestinationName": "b"}],
            ["upstream local bind port or local socket path must be defined and nonzero"],
        ),
        ([{"DestinationName": "b", "LocalBindPort": 5}, {"DestinationName": "b", "LocalBindPort": 6}], [DUPLICATE]),
        (
            [{"DestinationName": "b", "LocalBindPort": 5}, {"DestinationName": "c", "LocalBindPort": 5}],
            [TWICE.format('"127.0.0.1:5"')],
        ),
        (
            [{"DestinationName": "b", "LocalBindPort": 5, "LocalBindAddress": "::1"},
             {"DestinationName": "c", "LocalBindPort": 5, "LocalBindAddress": "::1"}],
            [TWICE.format('"[::1]:5"')],
        ),
        (
            [{"DestinationName": "b", "LocalBindSocketPath": "/s"},
             {"DestinationName": "c", "LocalBindSocketPath": "/s"}],
            [TWICE.format('"/s"')],
        ),
        (
            [{}, {"DestinationName": "b", "LocalBindPort": 5}, {"DestinationName": "b", "LocalBindPort": 5}],
            ["upstream destination name cannot be empty", DUPLICATE],
        ),
    ],
)  # fmt: skip
def test_upstreams_have_names_and_listeners_of_their_own(upstreams, found):
    assert proxied(Upstreams=upstreams) == found


@pytest.mark.parametrize(
    "upstreams",
    [
        [{"DestinationName": "*", "CentrallyConfigured": True}],
        [{"DestinationName": "b", "CentrallyConfigured": True}, {"DestinationName": "c", "CentrallyConfigured": True}],
        [{"DestinationName": "b", "LocalBindPort": 1}, {"DestinationName": "b", "Datacenter": "d", "LocalBindPort": 2}],
        [{"DestinationName": "b", "LocalBindPort": 1},
         {"DestinationType": "prepared_query", "DestinationName": "b", "LocalBindPort": 2}],
    ],
)  # fmt: skip
def test_upstreams_that_differ_are_taken(upstreams):
    proxy = {"DestinationServiceName": "a", "Upstreams": upstreams}
    assert answer(service, {"Name": "x", "Kind": "connect-proxy", "Port": 1, "Proxy": proxy}) == (200, "")


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ([{"ListenerPort": 1}], ["expose.paths: empty path exposed"]),
        ([{"Path": "/a"}], ["expose.paths: invalid listener port: 0"]),
        ([{"Path": "/a", "ListenerPort": 65536}], ["expose.paths: invalid listener port: 65536"]),
        (
            [{"Path": "/a", "ListenerPort": 1, "Protocol": "tcp"}],
            ["protocol 'tcp' not supported for path: /a, must be in: [http http2]"],
        ),
        (
            [{"Path": "/a", "ListenerPort": 1}, {"Path": "/b", "ListenerPort": 1}],
            ["expose.paths: duplicate listener ports exposed"],
        ),
        (
            [{"Path": "/a", "ListenerPort": 1}, {"Path": "/a", "ListenerPort": 1}],
            ["expose.paths: duplicate paths exposed", "expose.paths: duplicate listener ports exposed"],
        ),
    ],
)
def test_exposed_paths_are_reachable_and_differ(paths, found):
    assert proxied(Expose={"Paths": paths}) == found


@pytest.mark.parametrize("kind", ["mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"])
def test_a_gateway_stands_for_nobody(kind):
    proxy = {
        "DestinationServiceName": "a", "DestinationServiceID": "a", "LocalServiceAddress": "a", "LocalServicePort": 1,
        "LocalServiceSocketPath": "/s", "Upstreams": [{}], "Config": {"a": 1}, "Mode": "m",
        "MeshGateway": {"Mode": "x"},
    }  # fmt: skip
    portless = [] if kind in ("ingress-gateway", "api-gateway") else [f"Port must be non-zero for a {kind}"]
    fields = ["DestinationServiceName", "DestinationServiceID", "LocalServiceAddress", "LocalServicePort"]
    fields += ["LocalServiceSocketPath", "Upstreams"]
    assert problems(Kind=kind, Proxy=proxy, Connect={"SidecarService": {}}) == [
        *portless,
        f"A {kind} cannot have a sidecar service defined",
        *(f"The Proxy.{field} configuration is invalid for a {kind}" for field in fields),
    ]


def test_a_sidecar_is_managed_by_the_agent():
    nested = {"ID": "own", "Connect": {"SidecarService": {}}}
    assert problems(Connect={"Native": True, "SidecarService": nested}) == [
        "A SidecarService cannot specify an ID as this is managed by the agent",
        "A SidecarService cannot have a nested SidecarService",
        "Port or SocketPath must be set for a Connect native service.",
    ]


def test_mesh_configuration_of_an_ordinary_service_is_not_looked_at():
    proxy = {"Upstreams": [{}], "Expose": {"Paths": [{}]}}
    assert answer(service, {"Name": "x", "Proxy": proxy}) == (200, "")
    assert answer(service, {"Name": "x", "Kind": "weird", "Proxy": proxy}) == (200, "")


def test_native_and_sidecar_go_together():
    assert answer(service, {"Name": "x", "Port": 1, "Connect": {"Native": True, "SidecarService": {}}}) == (200, "")
