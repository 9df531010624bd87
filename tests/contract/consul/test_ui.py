"""The pages of Consul's interface, as tools read them. Source: status_operator_snapshot_ui.md part D."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.consul.exchange import Client

UI = "/v1/internal/ui"
META = {"x-consul-index", "x-consul-knownleader", "x-consul-lastcontact", "x-consul-query-backend"}


def check(name: str, status: str = "passing", **more: Any) -> dict[str, Any]:
    return {"CheckID": more.pop("CheckID", name), "Name": name, "Status": status, **more}


def meta(headers: dict[str, str]) -> set[str]:
    """The headers that only some answers have."""
    return {name for name in headers if name.startswith("x-consul-")} - {"x-consul-default-acl-policy"}


@pytest.fixture
async def shop(consul: Client) -> Client:
    """Two nodes with `web`, one proxy in front of it, and a proxy of a service that nobody runs."""
    for node, status in (("n1", "passing"), ("n2", "warning")):
        await consul.register(
            node, NodeMeta={"rack": node},
            Service={"ID": f"web-{node}", "Service": "web", "Tags": ["b", "a"] if node == "n1" else ["c", "a"],
                     "Meta": {"external-source": "k8s"}},
            Checks=[check("disk", status), check("http", "critical" if node == "n2" else status, CheckID=f"h-{node}",
                                                 ServiceID=f"web-{node}")],
        )  # fmt: skip
    for name, target in (("web-proxy", "web"), ("db-proxy", "db")):
        await consul.add(
            "n1", Check=check("proxy", CheckID=name, ServiceID=name),
            Service={"Service": name, "Kind": "connect-proxy", "Port": 1,
                     "Proxy": {"DestinationServiceName": target, "Mode": "transparent"}},
        )  # fmt: skip
    return consul


def summary(name: str, *counts: int, **more: Any) -> dict[str, Any]:
    return {
        "Name": name, "Datacenter": "dc1", "Tags": None, "Nodes": ["n1"], "ExternalSources": None,
        "InstanceCount": 1, "ChecksPassing": counts[0], "ChecksWarning": counts[1], "ChecksCritical": counts[2],
        "GatewayConfig": {}, "TransparentProxy": False, "ConnectNative": False, "ConnectedWithProxy": False,
        "ConnectedWithGateway": False, **more,
    }  # fmt: skip


async def test_services_are_summed_up_by_name(shop: Client) -> None:
    answer = await shop.get(f"{UI}/services")
    assert answer.json == [
        summary("consul", 1, 0, 0, Nodes=["test-node"], Tags=None),
        summary(
            "db", 2, 0, 0, Datacenter="", Nodes=None, InstanceCount=0, TransparentProxy=True, ConnectedWithProxy=True
        ),
        summary("db-proxy", 2, 0, 0, Kind="connect-proxy"),
        summary(
            "web", 3, 1, 1, Tags=["a", "b", "c"], Nodes=["n1", "n2"], ExternalSources=["k8s"], InstanceCount=2,
            TransparentProxy=True, ConnectedWithProxy=True,
        ),
        summary("web-proxy", 2, 0, 0, Kind="connect-proxy"),
    ]  # fmt: skip
    assert list(answer.json[2])[:3] == ["Kind", "Name", "Datacenter"]
    assert meta(answer.headers) == META


async def test_a_filter_drops_instances_before_they_are_summed_up(shop: Client) -> None:
    [found] = (await shop.get(f"{UI}/services?filter=" + quote("Node.Node == n2 and Service.Service == web"))).json
    assert (found["Name"], found["InstanceCount"], found["ConnectedWithProxy"]) == ("web", 1, False)
    assert (found["ChecksPassing"], found["ChecksWarning"], found["ChecksCritical"]) == (0, 1, 1)


async def test_one_proxy_in_another_mode_makes_its_service_not_transparent(shop: Client) -> None:
    proxy = {"Service": "web-proxy", "ID": "second", "Kind": "connect-proxy", "Port": 2}
    await shop.add("n2", Service={**proxy, "Proxy": {"DestinationServiceName": "web"}})
    found = {one["Name"]: one["TransparentProxy"] for one in (await shop.get(f"{UI}/services")).json}
    assert (found["web"], found["db"]) == (False, True)


async def test_nothing_comes_from_peers(shop: Client) -> None:
    assert (await shop.get(f"{UI}/services?peer=east")).text == "[]"


async def test_a_node_to_the_byte(consul: Client) -> None:
    await consul.register("n1", Service={"Service": "w"}, Check=check("c", ServiceID="w"))
    node = (
        '{"ID":"","Node":"n1","Address":"10.0.0.1","TaggedAddresses":null,"Meta":null,"Services":[{"ID":"w",'
        '"Service":"w","Tags":null,"Address":"","Meta":null,"Weights":{"Passing":1,"Warning":1},'
        '"EnableTagOverride":false,"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"",'
        '"CreateIndex":2,"ModifyIndex":2}],"Checks":[{"Node":"n1","CheckID":"c","Name":"c","Status":"passing",'
        '"Notes":"","Output":"","ServiceID":"w","ServiceName":"w","ServiceTags":null,"Type":"","Interval":"",'
        '"Timeout":"","ExposedPort":0,"Definition":{},"CreateIndex":2,"ModifyIndex":2}]}'
    )
    assert (await consul.get(f"{UI}/node/N1")).text == node
    nodes = await consul.get(f"{UI}/nodes?filter=" + quote("Node == n1"))
    assert (nodes.text, meta(nodes.headers)) == (f"[{node}]", META)


async def test_a_bare_node_and_the_servers_own(consul: Client) -> None:
    """A node at the server's address is taken for the gossip member that is there."""
    await consul.register("bare", "10.9.9.9")
    await consul.register("alias", "127.0.0.1", NodeMeta={"a": "b"})
    rows = (await consul.get(f"{UI}/nodes")).json
    assert [row["Node"] for row in rows] == ["alias", "bare", "test-node"]
    assert rows[0]["Meta"] == {"a": "b", "consul-version": "1.21.4"}
    assert (rows[1]["Services"], rows[1]["Checks"], rows[1]["Meta"]) == ([], [], None)


@pytest.mark.parametrize(("accept", "found"), [("gzip", META), ("identity", set()), ("gzip;q=0", set())])
async def test_a_node_that_is_not_there(consul: Client, accept: str, found: set[str]) -> None:
    answer = await consul.get(f"{UI}/node/nobody", f"Accept-Encoding: {accept}")
    assert (answer.status, answer.body) == (404, b"")
    assert "content-type" not in answer.headers
    assert meta(answer.headers) == found


REFUSED: list[tuple[str, int, str]] = [
    ("node/", 400, "Missing node name"),
    ("nodes?ns=x", 400, 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'),
    ("services?partition=x", 400, 'Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature'),
    ("nodes?dc=dc2", 500, "No path to datacenter"),
    ("node/n1?dc=dc2", 500, "No path to datacenter"),
    ("services?dc=dc2", 500, "No path to datacenter"),
    ("catalog-overview?dc=dc2", 500, "No path to datacenter"),
    ("nodes?filter=Nope+%3D%3D+x", 500,
     'Failed to create boolean expression evaluator: Selector "Nope" is not valid'),
    ("services?filter=Node+%3D%3D+x", 500,
     'Failed to create boolean expression evaluator: Invalid match operator "Equal" for selector "Node"'),
    ("services?index=x", 400, "Invalid index"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status", "text"), REFUSED)
async def test_pages_are_refused(consul: Client, path: str, status: int, text: str) -> None:
    answer = await consul.get(f"{UI}/{path}")
    assert (answer.status, answer.text) == (status, text)


@pytest.mark.parametrize("page", ["nodes", "services", "node/n1"])
async def test_a_page_waits_for_what_it_shows(shop: Client, page: str) -> None:
    reader = await shop.follow(f"{UI}/{page}")
    await shop.add("n1", Check=check("disk", "critical"))
    assert '"critical"' in (await reader).text or page == "services"


async def test_the_overview_counts_by_the_worst_check(shop: Client) -> None:
    """Nodes by their own checks, instances by theirs, checks by name."""
    answer = await shop.get(f"{UI}/catalog-overview")
    assert answer.json["Nodes"] == [{"Total": 3, "Passing": 2, "Warning": 1, "Critical": 0}]
    services = {one["Name"]: list(one.values())[1:] for one in answer.json["Services"]}
    assert list(services) == ["consul", "db-proxy", "web", "web-proxy"]
    assert (services["web"], services["consul"]) == ([2, 1, 0, 1], [1, 1, 0, 0])
    checks = {one["Name"]: list(one.values())[1:] for one in answer.json["Checks"]}
    assert list(checks) == ["Serf Health Status", "disk", "http", "proxy"]
    assert checks["http"] == [2, 1, 0, 1]
    assert meta(answer.headers) == set()


# One service between its neighbours


TOPOLOGY = f"{UI}/service-topology"


async def proxy(consul: Client, service: str, *upstreams: str, mode: str = "", **more: Any) -> None:
    """A proxy of a service on n1, with the upstreams that it names."""
    described = {
        "DestinationServiceName": service, "Mode": mode,
        "Upstreams": [{"DestinationName": one, "LocalBindPort": port, **more}
                      for port, one in enumerate(upstreams, 2)],
    }  # fmt: skip
    name = f"{service}-proxy"
    await consul.register("n1", Service={"Service": name, "Kind": "connect-proxy", "Port": 1, "Proxy": described})


async def neighbours(consul: Client, name: str) -> dict[str, list[tuple[str, str]]]:
    """Both sides of a service, each neighbour with why it is one."""
    found = (await consul.get(f"{TOPOLOGY}/{name}?kind=")).json
    return {side: [(one["Name"], one["Source"]) for one in found[side]] for side in ("Upstreams", "Downstreams")}


async def test_a_topology_to_the_byte(consul: Client) -> None:
    await consul.register("n1", Service={"Service": "web"}, Check=check("c", ServiceID="web"))
    await proxy(consul, "shop", "web")
    assert (await consul.get(f"{TOPOLOGY}/shop?kind=")).text == (
        '{"Protocol":"tcp","TransparentProxy":false,"Upstreams":[{"Name":"web","Datacenter":"dc1","Tags":null,'
        '"Nodes":["n1"],"ExternalSources":null,"InstanceCount":1,"ChecksPassing":1,"ChecksWarning":0,'
        '"ChecksCritical":0,"GatewayConfig":{},"TransparentProxy":false,"ConnectNative":false,'
        '"Source":"proxy-registration","Intention":{"Allowed":true,"HasPermissions":false,"ExternalSource":"",'
        '"HasExact":false,"DefaultAllow":true}}],"Downstreams":[],"FilteredByACLs":false}'
    )


async def test_a_proxy_names_who_is_called(consul: Client) -> None:
    await consul.register("n1", Service={"Service": "Web"})
    await proxy(consul, "shop", "web", "nobody")
    await proxy(consul, "far", "web", Datacenter="dc2")
    assert await neighbours(consul, "shop") == {"Upstreams": [("Web", "proxy-registration")], "Downstreams": []}
    assert await neighbours(consul, "web") == {"Upstreams": [], "Downstreams": [("shop", "proxy-registration")]}


async def test_who_can_dial_anything_may_call_all_of_the_mesh(consul: Client) -> None:
    """Through a transparent proxy, or by itself; nobody calls what has no part in the mesh, nor itself."""
    await consul.register("n1", Service={"Service": "native", "Port": 1, "Connect": {"Native": True}})
    await consul.register("n1", Service={"Service": "plain"})
    await proxy(consul, "direct")
    await proxy(consul, "open", "direct", mode="transparent")
    allowed = "default-allow"
    assert await neighbours(consul, "open") == {
        "Upstreams": [("direct", "proxy-registration"), ("native", allowed)],
        "Downstreams": [("native", allowed)],
    }
    assert await neighbours(consul, "direct") == {
        "Upstreams": [], "Downstreams": [("native", allowed), ("open", "proxy-registration")],
    }  # fmt: skip
    for name in ("plain", "unknown"):
        expected = [("native", allowed), ("open", allowed)]
        assert await neighbours(consul, name) == {"Upstreams": [], "Downstreams": expected}
    assert (await consul.get(f"{TOPOLOGY}/open?kind=")).json["TransparentProxy"] is True


async def test_a_topology_waits_for_the_catalog(consul: Client) -> None:
    reader = await consul.follow(f"{TOPOLOGY}/web?kind=")
    await proxy(consul, "shop", "web", mode="transparent")
    answer = await reader
    assert [one["Name"] for one in answer.json["Downstreams"]] == ["shop"]
    assert meta(answer.headers) == META


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("service-topology/?kind=", 400, "Missing service name"),
        ("service-topology/web", 400, "Missing service kind"),
        ("service-topology/web?kind=mesh-gateway", 400, 'Unsupported service kind "mesh-gateway"'),
        ("service-topology/web?kind=&dc=nowhere", 500, "No path to datacenter"),
        ("gateway-services-nodes/", 400, "Missing gateway name"),
        ("gateway-intentions/", 400, "Missing gateway name"),
        ("gateway-intentions/g?dc=nowhere", 500, "No path to datacenter"),
        ("exported-services", 500, "must provide PeerName"),
        ("metrics-proxy/api/v1/query", 404, "Metrics proxy is not enabled"),
    ],
)
async def test_what_the_pages_of_the_mesh_refuse(consul: Client, target: str, status: int, text: str) -> None:
    answer = await consul.get(f"{UI}/{target}")
    assert (answer.status, answer.text) == (status, text)


@pytest.mark.parametrize(
    "target",
    [
        f"{UI}/gateway-services-nodes/g",
        f"{UI}/gateway-intentions/g",
        f"{UI}/exported-services?peer=p",
        "/v1/exported-services",
    ],
)
async def test_nothing_is_linked_or_exported(consul: Client, target: str) -> None:
    answer = await consul.get(target)
    assert (answer.status, answer.text) == (200, "[]")
    assert meta(answer.headers) == META
    reader = await consul.follow(target, wait="1s")
    await consul.server.advance(1.1)
    assert (await reader).text == "[]"
