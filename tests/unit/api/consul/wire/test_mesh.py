"""Mesh configuration in its two forms: the catalog's and the agent's."""

import pytest

from registry.api.dialects.consul.wire import agent as wire_agent
from registry.api.dialects.consul.wire import catalog as wire
from registry.model.node import Node
from registry.model.service import (
    AccessLogs,
    EnvoyExtension,
    Expose,
    ExposePath,
    Instance,
    MeshGateway,
    Proxy,
    TransparentProxy,
    Upstream,
)
from registry.model.views import Entry

FULL = Proxy(
    destination_service_name="web", destination_service_id="web-1", local_service_address="127.0.0.1",
    local_service_port=80, local_service_socket_path="/s", mode="transparent",
    transparent_proxy=TransparentProxy(15001, True), config={"b": 1.0, "a": {"x": [1e21, None]}},
    upstreams=(
        Upstream(destination_type="service", destination_namespace="ns", destination_partition="ap",
                 destination_peer="p", destination_name="db", datacenter="dc2", local_bind_address="127.0.0.2",
                 local_bind_port=9191, local_bind_socket_path="/u", local_bind_socket_mode="0600",
                 config={"k": 2}, mesh_gateway=MeshGateway("local"), centrally_configured=True),
        Upstream(destination_name="q"),
    ),
    mesh_gateway=MeshGateway("remote"),
    expose=Expose(True, (ExposePath(1, "/h", 2, "http2", True), ExposePath(path="/i"))),
    access_logs=AccessLogs(True, True, "file", "/l", "{}", "t"),
    envoy_extensions=(EnvoyExtension("lua", True, {"n": 3}, "1", "2"), EnvoyExtension("x")),
)  # fmt: skip
CONFIG = '"Config":{"a":{"x":[1e+21,null]},"b":1}'
LOGS = (
    '"AccessLogs":{"Enabled":true,"DisableListenerLogs":true,"Type":"file","Path":"/l","JSONFormat":"{}",'
    '"TextFormat":"t"}'
)
TRANSPARENT = '"TransparentProxy":{"OutboundListenerPort":15001,"DialedDirectly":true}'
DESTINATION = (
    '"DestinationServiceName":"web","DestinationServiceID":"web-1","LocalServiceAddress":"127.0.0.1",'
    '"LocalServicePort":80,"LocalServiceSocketPath":"/s","Mode":"transparent"'
)
BINDING = (
    '"LocalBindAddress":"127.0.0.2","LocalBindPort":9191,"LocalBindSocketPath":"/u","LocalBindSocketMode":"0600",'
    '"Config":{"k":2},"MeshGateway":{"Mode":"local"},"CentrallyConfigured":true'
)


def in_catalog(proxy: Proxy | None, kind: str = "connect-proxy") -> str:
    row = Instance(node="n", id="p", name="p", kind=kind, proxy=proxy)
    body = wire.entries([Entry(Node(name="n"), row, ())]).decode()
    return body.partition('"Proxy":')[2].partition(',"Connect"')[0]


def at_agent(proxy: Proxy | None, kind: str = "connect-proxy") -> str:
    row = Instance(node="n", id="p", name="p", kind=kind, proxy=proxy)
    body = wire_agent.agent_services([row], "here").decode()
    return body.partition('"Proxy":')[2].partition(',"Datacenter":"here"')[0]


def test_the_catalogs_form() -> None:
    assert in_catalog(FULL) == (
        f'{{{TRANSPARENT},{LOGS},"EnvoyExtensions":['
        '{"Name":"lua","Required":true,"Arguments":{"n":3},"ConsulVersion":"1","EnvoyVersion":"2"},'
        '{"Name":"x","Required":false,"Arguments":null,"ConsulVersion":"","EnvoyVersion":""}],'
        f'{DESTINATION},{CONFIG},"Upstreams":['
        '{"DestinationType":"service","DestinationNamespace":"ns","DestinationPartition":"ap","DestinationPeer":"p",'
        f'"DestinationName":"db","Datacenter":"dc2",{BINDING}}},'
        '{"DestinationType":"","DestinationName":"q","Datacenter":"","MeshGateway":{}}],'
        '"MeshGateway":{"Mode":"remote"},"Expose":{"Checks":true,"Paths":['
        '{"ListenerPort":1,"Path":"/h","LocalPathPort":2,"Protocol":"http2","ParsedFromCheck":true},{"Path":"/i"}]}}'
    )


def test_the_agents_form() -> None:
    assert at_agent(FULL) == (
        f'{{{DESTINATION},{TRANSPARENT},{CONFIG},"Upstreams":['
        '{"DestinationType":"service","DestinationPartition":"ap","DestinationNamespace":"ns","DestinationPeer":"p",'
        f'"DestinationName":"db","Datacenter":"dc2",{BINDING}}},'
        '{"DestinationName":"q","MeshGateway":{}}],'
        '"MeshGateway":{"Mode":"remote"},"Expose":{"Checks":true,"Paths":['
        '{"ListenerPort":1,"Path":"/h","LocalPathPort":2,"Protocol":"http2","ParsedFromCheck":true},'
        f'{{"Path":"/i","ParsedFromCheck":false}}]}},{LOGS}}}'
    )


@pytest.mark.parametrize(
    "empty",
    [None, Proxy(), Proxy(transparent_proxy=TransparentProxy(), access_logs=AccessLogs(), config={}, upstreams=())],
)
def test_what_is_empty_is_left_out_of_both(empty: Proxy | None) -> None:
    assert in_catalog(empty) == '{"Mode":"","MeshGateway":{},"Expose":{}}'
    assert at_agent(empty) == '{"MeshGateway":{},"Expose":{}}'


@pytest.mark.parametrize(
    "kind", ["connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"]
)
def test_the_agent_shows_the_configuration_of_proxies_and_gateways(kind: str) -> None:
    assert at_agent(Proxy(config={"x": "y"}), kind) == '{"Config":{"x":"y"},"MeshGateway":{},"Expose":{}}'


@pytest.mark.parametrize("kind", ["", "other"])
def test_and_of_no_other_kind(kind: str) -> None:
    assert at_agent(Proxy(mode="direct"), kind) == ""
    assert in_catalog(Proxy(mode="direct"), kind) == '{"Mode":"direct","MeshGateway":{},"Expose":{}}'
