"""Catalog and health answers are Consul's bytes: order of fields, what is left out, null, [] and {}."""

import json

from msgspec.structs import replace

from registry.api.dialects.consul.wire import catalog as wire
from registry.model.check import Check, CheckDefinition
from registry.model.node import Locality, Node
from registry.model.service import Instance, Proxy, ServiceAddress, Weights
from registry.model.views import Entry, NodeView, Placed

NODE = Node(
    name="n1", id="40e4a748-2192-161a-0510-9bf59fe950b5", address="127.0.0.1", datacenter="dc1",
    tagged_addresses={"wan": "198.18.0.1", "lan": "127.0.0.1"}, meta={"rack": "r1"}, create_index=6, modify_index=7,
)  # fmt: skip
NODE_JSON = (
    '{"ID":"40e4a748-2192-161a-0510-9bf59fe950b5","Node":"n1","Address":"127.0.0.1","Datacenter":"dc1",'
    '"TaggedAddresses":{"lan":"127.0.0.1","wan":"198.18.0.1"},"Meta":{"rack":"r1"},"CreateIndex":6,"ModifyIndex":7}'
)
BARE_NODE = Node(name="x", create_index=1, modify_index=1)
BARE_NODE_JSON = (
    '{"ID":"","Node":"x","Address":"","Datacenter":"","TaggedAddresses":null,"Meta":null,'
    '"CreateIndex":1,"ModifyIndex":1}'
)
BARE = Instance(node="n1", id="b", name="bare", create_index=11, modify_index=12)
BARE_JSON = (
    '{"ID":"b","Service":"bare","Tags":[],"Address":"","Meta":null,"Weights":{"Passing":1,"Warning":1},'
    '"EnableTagOverride":false,"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"",'
    '"CreateIndex":11,"ModifyIndex":12}'
)
FULL = Instance(
    node="n1", id="w", name="web", kind="typical", tags=("b", "a"), address="10.0.0.1",
    tagged_addresses={"wan": ServiceAddress("198.18.0.2", 81), "lan": ServiceAddress("10.0.0.1", 80)},
    meta={"z": "1", "a": "<2>"}, port=80, socket_path="/s", weights=Weights(10, 0), enable_tag_override=True,
    locality=Locality("r"), native=True, virtual_address="240.0.0.1", create_index=3, modify_index=4,
)  # fmt: skip
FULL_JSON = (
    '{"Kind":"typical","ID":"w","Service":"web","Tags":["b","a"],"Address":"10.0.0.1","TaggedAddresses":{'
    '"consul-virtual":{"Address":"240.0.0.1","Port":80},"lan":{"Address":"10.0.0.1","Port":80},'
    '"wan":{"Address":"198.18.0.2","Port":81}},"Meta":{"a":"\\u003c2\\u003e","z":"1"},"Port":80,"SocketPath":"/s",'
    '"Weights":{"Passing":10,"Warning":0},"EnableTagOverride":true,"Locality":{"Region":"r"},'
    '"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{"Native":true},"PeerName":"",'
    '"CreateIndex":3,"ModifyIndex":4}'
)
CHECK = Check(
    node="n1", id="c", name="C", status="passing", notes="N", output="O\n", service_id="w", service_name="web",
    service_tags=("b",), type="http", interval="10s", timeout="1s", exposed_port=21500, create_index=5, modify_index=6,
)  # fmt: skip
CHECK_JSON = (
    '{"Node":"n1","CheckID":"c","Name":"C","Status":"passing","Notes":"N","Output":"O\\n","ServiceID":"w",'
    '"ServiceName":"web","ServiceTags":["b"],"Type":"http","Interval":"10s","Timeout":"1s","ExposedPort":21500,'
    '"Definition":{},"CreateIndex":5,"ModifyIndex":6}'
)
NODE_CHECK = Check(node="n1", id="serfHealth", name="S", status="passing", create_index=1, modify_index=2)
NODE_CHECK_JSON = (
    '{"Node":"n1","CheckID":"serfHealth","Name":"S","Status":"passing","Notes":"","Output":"","ServiceID":"",'
    '"ServiceName":"","ServiceTags":[],"Type":"","Interval":"","Timeout":"","ExposedPort":0,"Definition":{},'
    '"CreateIndex":1,"ModifyIndex":2}'
)


def test_nodes() -> None:
    assert wire.nodes([NODE, BARE_NODE]).decode() == f"[{NODE_JSON},{BARE_NODE_JSON}]"
    assert wire.nodes([]) == b"[]"


def test_a_node_with_empty_maps_and_a_locality_shows_them() -> None:
    row = Node(name="x", tagged_addresses={}, meta={}, locality=Locality("r", "z"))

    assert b'"TaggedAddresses":{},"Meta":{},"Locality":{"Region":"r","Zone":"z"},"CreateIndex"' in wire.nodes([row])


def test_health_entries() -> None:
    found = wire.entries([Entry(NODE, FULL, (NODE_CHECK, CHECK)), Entry(BARE_NODE, BARE, ())])

    assert found.decode() == (
        f'[{{"Node":{NODE_JSON},"Service":{FULL_JSON},"Checks":[{NODE_CHECK_JSON},{CHECK_JSON}]}},'
        f'{{"Node":{BARE_NODE_JSON},"Service":{BARE_JSON},"Checks":[]}}]'
    )


def test_check_lists() -> None:
    assert wire.checks([CHECK, NODE_CHECK]).decode() == f"[{CHECK_JSON},{NODE_CHECK_JSON}]"


def test_service_names_with_their_tags() -> None:
    assert wire.service_names({"web": ("b", "a"), "consul": ()}) == b'{"consul":[],"web":["b","a"]}'
    assert wire.service_names({}) == b"{}"


def test_catalog_rows_show_the_node_and_the_service_side_by_side() -> None:
    assert wire.service_nodes([Placed(NODE, FULL)]).decode() == (
        '[{"ID":"40e4a748-2192-161a-0510-9bf59fe950b5","Node":"n1","Address":"127.0.0.1","Datacenter":"dc1",'
        '"TaggedAddresses":{"lan":"127.0.0.1","wan":"198.18.0.1"},"NodeMeta":{"rack":"r1"},"ServiceKind":"typical",'
        '"ServiceID":"w","ServiceName":"web","ServiceTags":["b","a"],"ServiceAddress":"10.0.0.1",'
        '"ServiceTaggedAddresses":{"consul-virtual":{"Address":"240.0.0.1","Port":80},'
        '"lan":{"Address":"10.0.0.1","Port":80},"wan":{"Address":"198.18.0.2","Port":81}},'
        '"ServiceWeights":{"Passing":10,"Warning":0},"ServiceMeta":{"a":"\\u003c2\\u003e","z":"1"},"ServicePort":80,'
        '"ServiceSocketPath":"/s","ServiceEnableTagOverride":true,'
        '"ServiceProxy":{"Mode":"","MeshGateway":{},"Expose":{}},"ServiceConnect":{"Native":true},'
        '"ServiceLocality":{"Region":"r"},"CreateIndex":3,"ModifyIndex":4}]'
    )


def test_catalog_rows_of_a_bare_service() -> None:
    """The node's name stands as the service's registration spelled it."""
    assert wire.service_nodes([Placed(BARE_NODE, replace(BARE, node="X"))]).decode() == (
        '[{"ID":"","Node":"X","Address":"","Datacenter":"","TaggedAddresses":null,"NodeMeta":null,"ServiceKind":"",'
        '"ServiceID":"b","ServiceName":"bare","ServiceTags":[],"ServiceAddress":"",'
        '"ServiceWeights":{"Passing":1,"Warning":1},"ServiceMeta":{},"ServicePort":0,"ServiceSocketPath":"",'
        '"ServiceEnableTagOverride":false,"ServiceProxy":{"Mode":"","MeshGateway":{},"Expose":{}},'
        '"ServiceConnect":{},"ServiceLocality":null,"CreateIndex":11,"ModifyIndex":12}]'
    )


def test_merging_central_configuration_takes_the_node_from_proxies_and_gateways_only() -> None:
    proxy = Instance(node="n1", id="p", name="p", kind="connect-proxy", proxy=Proxy(destination_service_name="web"))
    gateway = Instance(node="n1", id="g", name="g", kind="mesh-gateway")

    plain, *merged = json.loads(wire.merged_service_nodes([Placed(NODE, row) for row in (BARE, proxy, gateway)]))

    assert plain["Address"] == "127.0.0.1"
    assert [(row["ID"], row["Node"], row["Address"], row["Datacenter"]) for row in merged] == [("", "n1", "", "")] * 2
    assert [(row["TaggedAddresses"], row["NodeMeta"]) for row in merged] == [(None, None)] * 2


def test_the_services_of_a_node_by_id() -> None:
    found = wire.node_services(NodeView(NODE, (FULL, BARE)))

    assert found.decode() == f'{{"Node":{NODE_JSON},"Services":{{"b":{BARE_JSON},"w":{FULL_JSON}}}}}'
    assert wire.node_services(NodeView(NODE, ())).decode() == f'{{"Node":{NODE_JSON},"Services":{{}}}}'
    assert wire.node_services(None) == b"null"


def test_the_services_of_a_node_as_a_list() -> None:
    found = wire.node_service_list(NodeView(NODE, (BARE, FULL)))

    assert found.decode() == f'{{"Node":{NODE_JSON},"Services":[{BARE_JSON},{FULL_JSON}]}}'


def test_no_services_are_null_unless_a_filter_took_them() -> None:
    nobody = NodeView(NODE, ())

    assert wire.node_service_list(nobody).decode() == f'{{"Node":{NODE_JSON},"Services":null}}'
    assert wire.node_service_list(nobody, filtered=True).decode() == f'{{"Node":{NODE_JSON},"Services":[]}}'
    assert wire.node_service_list(None) == b'{"Node":null,"Services":null}'
    assert wire.node_service_list(None, filtered=True) == b'{"Node":null,"Services":[]}'


def test_the_definition_of_a_check_shows_every_field_in_order_and_no_empty_one() -> None:
    second = 1_000_000_000
    row = CheckDefinition(
        interval_ns=10 * second, timeout_ns=second // 2, ttl_ns=15 * second,
        deregister_critical_service_after_ns=5400 * second, output_max_size=100, http="http://x",
        header={"b": ("1", "2"), "a": ()}, method="GET", body="B", disable_redirects=True, tls_server_name="z",
        tls_skip_verify=True, tcp="t:1", tcp_use_tls=True, udp="u:1", h2ping="h:1", h2ping_use_tls=True,
        os_service="o", script_args=("s", ""), docker_container_id="d", shell="/bin/sh", grpc="g:1",
        grpc_use_tls=True, alias_node="an", alias_service="as", session_name="sn", success_before_passing=2,
        failures_before_warning=3, failures_before_critical=4,
    )  # fmt: skip
    found = wire.checks([Check(node="n", id="c", definition=row)]).decode()

    assert found.partition('"Definition":')[2].partition(',"CreateIndex"')[0] == (
        '{"Interval":"10s","OutputMaxSize":100,"Timeout":"500ms","DeregisterCriticalServiceAfter":"1h30m0s",'
        '"HTTP":"http://x","TLSServerName":"z","TLSSkipVerify":true,"Header":{"a":[],"b":["1","2"]},"Method":"GET",'
        '"Body":"B","DisableRedirects":true,"TCP":"t:1","TCPUseTLS":true,"UDP":"u:1","H2PING":"h:1",'
        '"OSService":"o","H2PingUseTLS":true,"ScriptArgs":["s",""],"DockerContainerID":"d","Shell":"/bin/sh",'
        '"GRPC":"g:1","GRPCUseTLS":true,"AliasNode":"an","AliasService":"as","SessionName":"sn","TTL":15000000000}'
    )
    assert b'"Definition":{},' in wire.checks([Check(node="n", id="c", definition=CheckDefinition())])
