"""The interface's pages: nodes with everything on them, services summed up, and the overview."""

import json
from typing import Any

from registry.api.dialects.consul.ui import wire as wire_ui
from registry.model.check import Check
from registry.model.node import Node
from registry.model.service import Instance, Proxy
from registry.model.views import Entry, NodeView


def check(node: str, name: str, status: str, service: str = "") -> Check:
    return Check(node=node, id=name, name=name, status=status, service_id=service, service_name=service)


def node(name: str, **fields: Any) -> Node:
    return Node(name=name, datacenter="dc1", **fields)


def instance(on: str, service_id: str, name: str, **fields: Any) -> Instance:
    return Instance(node=on, id=service_id, name=name, **fields)


def proxy(on: str, service_id: str, destination: str, mode: str = "") -> Instance:
    shape = Proxy(destination_service_name=destination, mode=mode)
    return instance(on, service_id, service_id, kind="connect-proxy", proxy=shape)


def summed(*entries: Entry) -> dict[str, dict[str, Any]]:
    return {one["Name"]: one for one in json.loads(wire_ui.ui_services(entries))}


def test_a_node_shows_null_where_nothing_was_given() -> None:
    view = NodeView(
        node("ui-1", address="10.0.0.1", meta={"m": "1"}, create_index=1, modify_index=2),
        (instance("ui-1", "u1", "ui-a", create_index=23, modify_index=23),),
        (Check(node="ui-1", id="n1", name="n1", status="warning", create_index=23, modify_index=24),),
    )

    assert wire_ui.ui_node(view, {}).decode() == (
        '{"ID":"","Node":"ui-1","Address":"10.0.0.1","TaggedAddresses":null,"Meta":{"m":"1"},"Services":['
        '{"ID":"u1","Service":"ui-a","Tags":null,"Address":"","Meta":null,"Weights":{"Passing":1,"Warning":1},'
        '"EnableTagOverride":false,"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"",'
        '"CreateIndex":23,"ModifyIndex":23}],"Checks":['
        '{"Node":"ui-1","CheckID":"n1","Name":"n1","Status":"warning","Notes":"","Output":"","ServiceID":"",'
        '"ServiceName":"","ServiceTags":null,"Type":"","Interval":"","Timeout":"","ExposedPort":0,"Definition":{},'
        '"CreateIndex":23,"ModifyIndex":24}]}'
    )
    assert wire_ui.ui_node(None, {}) == b""


def test_a_member_of_the_pool_that_does_not_say_its_version_is_given_it() -> None:
    views = [NodeView(node("a", address="10.0.0.1"), ()), NodeView(node("b", address="10.0.0.2"), ()),
             NodeView(node("c", address="10.0.0.1", meta={"consul-version": "1.8.7"}), ())]  # fmt: skip

    shown = json.loads(wire_ui.ui_nodes(views, {"10.0.0.1": "1.21.4"}))

    assert [one["Meta"] for one in shown] == [{"consul-version": "1.21.4"}, None, {"consul-version": "1.8.7"}]
    assert all(one["Services"] == [] and one["Checks"] == [] for one in shown)


def test_a_service_sums_up_its_instances() -> None:
    shared = check("b", "node", "warning")
    entries = (
        Entry(node("b"), instance("b", "1", "web", tags=("z", "a"), meta={"external-source": "k8s"}),
              (shared, check("b", "p", "passing", "1"))),
        Entry(node("b"), instance("b", "2", "web", tags=("z",), native=True),
              (shared, check("b", "x", "critical", "2"))),
        Entry(node("a"), instance("a", "3", "web"), ()),
    )  # fmt: skip

    assert wire_ui.ui_services(entries).decode() == (
        '[{"Name":"web","Datacenter":"dc1","Tags":["a","z"],"Nodes":["a","b"],"ExternalSources":["k8s"],'
        '"InstanceCount":3,"ChecksPassing":1,"ChecksWarning":1,"ChecksCritical":1,"GatewayConfig":{},'
        '"TransparentProxy":false,"ConnectNative":true,"ConnectedWithProxy":false,"ConnectedWithGateway":false}]'
    )
    assert wire_ui.ui_services([]) == b"[]"


def test_the_checks_of_a_proxy_speak_for_its_destination_too() -> None:
    found = summed(
        Entry(node("a"), instance("a", "w", "web"), (check("a", "w", "passing", "w"),)),
        Entry(node("b"), proxy("b", "px", "web"), (check("b", "px", "critical", "px"),)),
    )

    assert (found["web"]["ChecksPassing"], found["web"]["ChecksCritical"]) == (1, 1)
    assert (found["web"]["ConnectedWithProxy"], found["web"]["InstanceCount"]) == (True, 1)
    assert (found["px"]["Kind"], found["px"]["ChecksCritical"]) == ("connect-proxy", 1)
    assert found["px"]["ConnectedWithProxy"] is False
    assert "Kind" not in found["web"]


def test_a_destination_without_instances_is_listed() -> None:
    ghost = summed(Entry(node("a"), proxy("a", "px", "ghost"), ()))["ghost"]

    assert (ghost["InstanceCount"], ghost["Nodes"], ghost["Tags"], ghost["Datacenter"]) == (0, None, None, "")
    assert ghost["ConnectedWithProxy"] is True


def test_a_service_is_transparent_when_all_its_proxies_are() -> None:
    one = Entry(node("a"), proxy("a", "p1", "web", "transparent"), ())
    other = Entry(node("a"), proxy("a", "p2", "web", "direct"), ())

    assert summed(one)["web"]["TransparentProxy"] is True
    assert summed(one, other)["web"]["TransparentProxy"] is False
    assert summed(other, one)["web"]["TransparentProxy"] is False


def test_the_overview_counts_nodes_instances_and_checks() -> None:
    checks = [
        check("a", "Serf", "passing"), check("b", "disk", "warning"), check("b", "mem", "critical"),
        check("a", "c", "critical", "w1"), check("b", "c", "passing", "w2"),
    ]  # fmt: skip
    nodes = [node("a"), node("B"), node("none")]
    entries = [
        Entry(nodes[0], instance("a", "w1", "web"), (checks[0], checks[3])),
        Entry(nodes[1], instance("b", "w2", "web"), (*checks[1:3], checks[4])),
        Entry(nodes[2], instance("none", "d", "db"), ()),
    ]

    assert wire_ui.ui_overview(nodes, entries, checks).decode() == (
        '{"Nodes":[{"Total":3,"Passing":2,"Warning":0,"Critical":1}],'
        '"Services":[{"Name":"db","Total":1,"Passing":1,"Warning":0,"Critical":0},'
        '{"Name":"web","Total":2,"Passing":1,"Warning":0,"Critical":1}],'
        '"Checks":[{"Name":"Serf","Total":1,"Passing":1,"Warning":0,"Critical":0},'
        '{"Name":"c","Total":2,"Passing":1,"Warning":0,"Critical":1},'
        '{"Name":"disk","Total":1,"Passing":0,"Warning":1,"Critical":0},'
        '{"Name":"mem","Total":1,"Passing":0,"Warning":0,"Critical":1}]}'
    )
    assert wire_ui.ui_overview([], [], []) == b'{"Nodes":null,"Services":null,"Checks":null}'
