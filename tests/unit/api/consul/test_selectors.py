"""What `filter=` may name in each answer, and what it finds there."""

from typing import Any

import pytest

from registry.api.dialects.consul import selectors
from registry.api.dialects.consul.wire.agent import MemberShape
from registry.errors import InvalidRequest
from registry.model.check import Check
from registry.model.filter import Selectors, compiled
from registry.model.node import Locality, Node
from registry.model.service import (
    AccessLogs,
    EnvoyExtension,
    Expose,
    ExposePath,
    Instance,
    MeshGateway,
    Proxy,
    ServiceAddress,
    TransparentProxy,
    Upstream,
    Weights,
)
from registry.model.views import Entry, NodeView, Placed

NODE = Node(name="n1", id="i1", address="10.0.0.1", datacenter="dc1", tagged_addresses={"lan": "10.0.0.2"},
            meta={"rack": "r1", "a-b": "x"}, locality=Locality("r"), create_index=6, modify_index=7)  # fmt: skip
PROXY = Proxy(
    destination_service_name="dn", destination_service_id="di", local_service_address="la", local_service_port=1,
    local_service_socket_path="ls", mode="transparent", transparent_proxy=TransparentProxy(15001, True),
    config={"k": "v"},
    upstreams=(Upstream(destination_type="service", destination_name="db", destination_namespace="ns",
                        destination_partition="ap", destination_peer="pe", datacenter="dc2", local_bind_address="ba",
                        local_bind_port=9, local_bind_socket_path="bs", local_bind_socket_mode="0600",
                        mesh_gateway=MeshGateway("local")), Upstream(destination_name="q")),
    mesh_gateway=MeshGateway("remote"), expose=Expose(True, (ExposePath(2, "/h", 3, "http", True),)),
    access_logs=AccessLogs(True, True, "file", "/l", "{}", "t"),
    envoy_extensions=(EnvoyExtension("lua", True, None, "1", "2"),),
)  # fmt: skip
SERVICE = Instance(
    node="n1", id="web-1", name="web", kind="connect-proxy", tags=("v1", "b"), address="10.0.0.3", port=80,
    socket_path="/s", tagged_addresses={"wan": ServiceAddress("1.2.3.4", 81)}, meta={"v": "1"},
    weights=Weights(10, 2), enable_tag_override=True, proxy=PROXY, virtual_address="240.0.0.1",
    create_index=3, modify_index=4,
)  # fmt: skip
PLAIN = Instance(node="n1", id="p", name="plain")
NATIVE = Instance(node="n1", id="nat", name="nat", native=True)
CHECK = Check(node="n1", id="c1", name="C", status="critical", notes="N", output="O", service_id="web-1",
              service_name="web", service_tags=("v1",), type="http", interval="10s", timeout="1s",
              exposed_port=7)  # fmt: skip
PLACED = Placed(NODE, SERVICE)
ENTRY = Entry(NODE, SERVICE, (CHECK, Check(node="n1", id="c2", status="passing")))
MEMBER = MemberShape("n1", "10.0.0.1", 8301, {"dc": "dc1"}, 1)
VIEW = NodeView(NODE, (SERVICE,), (CHECK,))

NODE_FIELDS = [
    'ID == "i1"', "Node == n1", 'Address == "10.0.0.1"', "Datacenter == dc1", 'Partition == ""', 'PeerName == ""',
    'TaggedAddresses.lan == "10.0.0.2"', '"lan" in TaggedAddresses', "Meta.rack == r1", 'Meta["a-b"] == x',
]  # fmt: skip
PROXY_FIELDS = [
    "DestinationServiceName == dn", "DestinationServiceID == di", "LocalServiceAddress == la", "LocalServicePort == 1",
    "LocalServiceSocketPath == ls", "Mode == transparent", "MeshGateway.Mode == remote", "Expose.Checks == true",
    "Expose.Paths is not empty", "Expose.Paths.ListenerPort == 2", 'Expose.Paths.Path == "/h"',
    "Expose.Paths.LocalPathPort == 3", "Expose.Paths.Protocol == http", "Expose.Paths.ParsedFromCheck == true",
    "Upstreams is not empty", "Upstreams.DestinationType == service", "Upstreams.DestinationName == q",
    "Upstreams.DestinationNamespace == ns", "Upstreams.DestinationPartition == ap", "Upstreams.DestinationPeer == pe",
    "Upstreams.Datacenter == dc2", "Upstreams.LocalBindAddress == ba", "Upstreams.LocalBindPort == 9",
    "Upstreams.LocalBindSocketPath == bs", 'Upstreams.LocalBindSocketMode == "0600"',
    "Upstreams.MeshGateway.Mode == local", "TransparentProxy.OutboundListenerPort == 15001",
    "TransparentProxy.DialedDirectly == true", "AccessLogs.Enabled == true",
    "AccessLogs.DisableListenerLogs == true", "AccessLogs.Type == file", 'AccessLogs.Path == "/l"',
    'AccessLogs.JSONFormat == "{}"', "AccessLogs.TextFormat == t",
]  # fmt: skip
EXTENSION_FIELDS = [
    "EnvoyExtensions is not empty", "EnvoyExtensions.Name == lua", "EnvoyExtensions.Required == true",
    'EnvoyExtensions.ConsulVersion == "1"', 'EnvoyExtensions.EnvoyVersion == "2"',
]  # fmt: skip
SERVICE_FIELDS = [
    'Kind == "connect-proxy"', 'ID == "web-1"', "Service == web", "v1 in Tags", 'Address == "10.0.0.3"',
    'TaggedAddresses.wan.Address == "1.2.3.4"', "TaggedAddresses.wan.Port == 81", "wan in TaggedAddresses",
    'Meta.v == "1"', "Port == 80", 'SocketPath == "/s"', "Weights.Passing == 10", "Weights.Warning == 2",
    "EnableTagOverride == true", 'PeerName == ""', *(f"Proxy.{one}" for one in PROXY_FIELDS),
]  # fmt: skip
CHECK_FIELDS = [
    "Node == n1", "CheckID == c1", "Name == C", "Status == critical", "Notes == N", "Output == O",
    'ServiceID == "web-1"', "ServiceName == web", "v1 in ServiceTags", "Type == http", 'Interval == "10s"',
    'Timeout == "1s"', "ExposedPort == 7", 'PeerName == ""',
]  # fmt: skip


def of(prefix: str, fields: list[str]) -> list[str]:
    """The same comparisons one object further in; `v1 in Tags` has its selector at the end."""
    return [
        f"{left} in {prefix}{right}" if (left := one.partition(" in ")[0]) and (right := one.partition(" in ")[2])
        else f"{prefix}{one}" for one in fields
    ]  # fmt: skip


def holds(text: str, table: Selectors, row: Any) -> bool:
    return compiled(text, table)(row)


@pytest.mark.parametrize("text", NODE_FIELDS)
def test_fields_of_a_node(text: str) -> None:
    assert holds(text, selectors.NODE, NODE)
    assert holds(of("Node.", [text])[0], selectors.ENTRY, ENTRY)


@pytest.mark.parametrize("text", [*SERVICE_FIELDS, *of("Proxy.", EXTENSION_FIELDS), "Connect.Native == false",
                                  "`consul-virtual` in TaggedAddresses",
                                  'TaggedAddresses["consul-virtual"].Port == 80'])  # fmt: skip
def test_fields_of_a_service_in_the_catalog(text: str) -> None:
    assert holds(text, selectors.SERVICE, SERVICE)
    assert holds(of("Service.", [text])[0], selectors.ENTRY, ENTRY)


@pytest.mark.parametrize("text", SERVICE_FIELDS)
def test_fields_of_a_service_at_the_agent(text: str) -> None:
    assert holds(text, selectors.AGENT_SERVICE, SERVICE)


@pytest.mark.parametrize("text", [
    'ID == "i1"', "Node == n1", 'Address == "10.0.0.1"', "Datacenter == dc1", 'TaggedAddresses.lan == "10.0.0.2"',
    "NodeMeta.rack == r1", 'ServiceKind == "connect-proxy"', 'ServiceID == "web-1"', "ServiceName == web",
    "b in ServiceTags", 'ServiceAddress == "10.0.0.3"', "ServiceTaggedAddresses.wan.Port == 81",
    '"consul-virtual" in ServiceTaggedAddresses', "ServiceWeights.Passing == 10", "ServiceWeights.Warning == 2",
    'ServiceMeta.v == "1"', "ServicePort == 80", 'ServiceSocketPath == "/s"', "ServiceEnableTagOverride == true",
    "ServiceConnect.Native == false", 'PeerName == ""', *of("ServiceProxy.", [*PROXY_FIELDS, *EXTENSION_FIELDS]),
])  # fmt: skip
def test_fields_of_a_catalog_row(text: str) -> None:
    assert holds(text, selectors.SERVICE_NODE, PLACED)


@pytest.mark.parametrize("text", CHECK_FIELDS)
def test_fields_of_a_check(text: str) -> None:
    assert holds(text, selectors.CHECK, CHECK)
    assert holds(of("Checks.", [text])[0], selectors.ENTRY, ENTRY)


@pytest.mark.parametrize("text", [
    "Name == n1", "Port == 8301", "Tags.dc == dc1", "Status == 1", "ProtocolMin == 1", "ProtocolMax == 5",
    "ProtocolCur == 2", "DelegateMin == 2", "DelegateMax == 5", "DelegateCur == 4",
])  # fmt: skip
def test_fields_of_a_member(text: str) -> None:
    assert holds(text, selectors.MEMBER, MEMBER)


@pytest.mark.parametrize("text", [
    *(one for one in NODE_FIELDS if "Datacenter" not in one), "Services.Service == web", "Checks.Status == critical",
    "Services is not empty", "Checks is not empty",
])  # fmt: skip
def test_fields_of_a_node_of_the_interface(text: str) -> None:
    assert holds(text, selectors.UI_NODE, VIEW)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        *((selectors.NODE, name) for name in ("CreateIndex", "ModifyIndex", "Locality", "Namespace", "node", "Name")),
        *((selectors.SERVICE, name) for name in ("CreateIndex", "Locality", "Proxy.Config", "Namespace", "Datacenter")),
        *((selectors.SERVICE_NODE, name) for name in ("Service", "Meta", "ServiceLocality", "Partition")),
        *((selectors.CHECK, name) for name in ("Definition", "ModifyIndex", "Namespace", "ID")),
        *((selectors.MEMBER, name) for name in ("Addr", "Node")),
        *((selectors.ENTRY, name) for name in ("Nope", "Service.CreateIndex", "ServiceID")),
        (selectors.UI_NODE, "Datacenter"),
    ],
)
def test_names_that_are_none(table: Selectors, name: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        compiled(f"{name} == x", table)

    assert refusal.value.reason == "filter-selector"
    assert "is not valid" in str(refusal.value.values["problem"])


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (selectors.SERVICE, "Tags == x"),
        (selectors.NODE, "Meta == x"),
        (selectors.CHECK, "ExposedPort matches x"),
        (selectors.ENTRY, "Service == x"),
        (selectors.ENTRY, "Checks == x"),
        (selectors.SERVICE, "Proxy.Upstreams == x"),
        (selectors.SERVICE, "Port == x"),
        (selectors.SERVICE, "EnableTagOverride == maybe"),
    ],
)
def test_operators_and_values_that_a_type_has_not(table: Selectors, text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        compiled(text, table)

    assert refusal.value.reason == "filter-selector"


@pytest.mark.parametrize("text", ['Proxy.Mode == ""', "Proxy.Upstreams is empty", "Connect.Native == false",
                                  "Proxy.TransparentProxy.OutboundListenerPort == 0",
                                  "Proxy.AccessLogs.Enabled == false"])  # fmt: skip
def test_the_catalog_has_mesh_objects_for_every_service(text: str) -> None:
    assert holds(text, selectors.SERVICE, PLAIN)


@pytest.mark.parametrize("text", ['Proxy.Mode == ""', "Proxy.Mode != x", "Proxy.Upstreams is empty",
                                  "Connect.Native == false", "Connect.Native != true"])  # fmt: skip
def test_at_the_agent_comparisons_through_objects_that_are_not_there_match_nothing(text: str) -> None:
    assert not holds(text, selectors.AGENT_SERVICE, PLAIN)


def test_at_the_agent_a_native_service_and_a_gateway_have_theirs() -> None:
    gateway = Instance(node="n1", id="g", name="g", kind="mesh-gateway")

    assert holds("Connect.Native == true", selectors.AGENT_SERVICE, NATIVE)
    assert holds("Connect.Native == true", selectors.SERVICE, NATIVE)
    assert holds("Proxy.Upstreams is empty", selectors.AGENT_SERVICE, gateway)
    assert not holds("Proxy.TransparentProxy.DialedDirectly == false", selectors.AGENT_SERVICE, gateway)


def test_the_agent_shows_neither_the_mesh_address_nor_extensions() -> None:
    assert not holds('"consul-virtual" in TaggedAddresses', selectors.AGENT_SERVICE, SERVICE)
    assert holds("Proxy.EnvoyExtensions is empty", selectors.AGENT_SERVICE, SERVICE)
