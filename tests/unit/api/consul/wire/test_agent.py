"""The agent's forms: AgentService, its checks, local health and members."""

from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.wire import agent as wire_agent
from registry.api.dialects.consul.wire.agent import MemberShape
from registry.model.check import Check, CheckDefinition
from registry.model.node import Locality
from registry.model.service import Instance, ServiceAddress, Weights

BARE_JSON = (
    '{"ID":"b","Service":"bare","Tags":[],"Meta":{},"Port":0,"Address":"","Weights":{"Passing":1,"Warning":1},'
    '"EnableTagOverride":false,"Datacenter":"dc1"}'
)
FULL = Instance(
    node="n1", id="w", name="web", kind="k", tags=("b", "a"), address="10.0.0.1",
    tagged_addresses={"wan": ServiceAddress("198.18.0.2", 81), "lan": ServiceAddress("10.0.0.1", 80)},
    meta={"z": "1", "a": "2"}, port=80, socket_path="/s", weights=Weights(10, 2), enable_tag_override=True,
    locality=Locality("r"), native=True, virtual_address="240.0.0.1", create_index=3, modify_index=4,
)  # fmt: skip
FULL_JSON = (
    '{"Kind":"k","ID":"w","Service":"web","Tags":["b","a"],"Meta":{"a":"2","z":"1"},"Port":80,"Address":"10.0.0.1",'
    '"SocketPath":"/s","TaggedAddresses":{"lan":{"Address":"10.0.0.1","Port":80},'
    '"wan":{"Address":"198.18.0.2","Port":81}},"Weights":{"Passing":10,"Warning":2},"EnableTagOverride":true,'
    '%s"Connect":{"Native":true},"Datacenter":"dc1","Locality":{"Region":"r","Zone":""}}'
)
CHECK = Check(
    node="n1", id="c", name="C", status="warning", notes="N", output="O", service_id="w", service_name="web",
    service_tags=("b",), type="ttl", interval="0s", timeout="0s", exposed_port=7,
    definition=CheckDefinition(http="http://x"), create_index=5, modify_index=6,
)  # fmt: skip
NO_DEFINITION = (
    '{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"","Header":null,"Method":"",'
    '"Body":"","TLSServerName":"","TLSSkipVerify":false,"TCP":"","TCPUseTLS":false,"UDP":"","GRPC":"","OSService":"",'
    '"GRPCUseTLS":false}'
)


def test_services_by_id_without_hash_indexes_or_mesh_address() -> None:
    found = wire_agent.agent_services([FULL, Instance(node="n1", id="b", name="bare")], "dc1")

    assert found.decode() == f'{{"b":{BARE_JSON},"w":{FULL_JSON % ""}}}'
    assert wire_agent.agent_services([], "dc1") == b"{}"


def test_one_service_shows_its_hash() -> None:
    assert encoded(wire_agent.agent_service(FULL, "dc1", "3e35")).decode() == FULL_JSON % '"ContentHash":"3e35",'


def test_checks_by_id_with_neither_definition_nor_indexes() -> None:
    assert wire_agent.agent_checks([CHECK]).decode() == (
        '{"c":{"Node":"n1","CheckID":"c","Name":"C","Status":"warning","Notes":"N","Output":"O","ServiceID":"w",'
        '"ServiceName":"web","ServiceTags":["b"],"Type":"ttl","Interval":"0s","Timeout":"0s","ExposedPort":7,'
        '"Definition":{},"CreateIndex":0,"ModifyIndex":0}}'
    )


def test_local_health_hides_what_a_check_does() -> None:
    untagged = Check(node="n1", id="d", status="passing", service_tags=())
    found = encoded(
        wire_agent.local_health("warning", Instance(node="n1", id="b", name="bare"), [CHECK, untagged], "dc1")
    )

    assert found.decode() == (
        f'{{"AggregatedStatus":"warning","Service":{BARE_JSON},"Checks":['
        '{"Node":"n1","CheckID":"c","Name":"C","Status":"warning","Notes":"N","Output":"O","ServiceID":"w",'
        f'"ServiceName":"web","ServiceTags":["b"],"Type":"","ExposedPort":0,"Definition":{NO_DEFINITION},'
        '"CreateIndex":0,"ModifyIndex":0},'
        '{"Node":"n1","CheckID":"d","Name":"","Status":"passing","Notes":"","Output":"","ServiceID":"",'
        f'"ServiceName":"","ServiceTags":null,"Type":"","ExposedPort":0,"Definition":{NO_DEFINITION},'
        '"CreateIndex":0,"ModifyIndex":0}]}'
    )


def test_local_health_of_an_unknown_service() -> None:
    assert encoded(wire_agent.unknown_health()) == b'{"AggregatedStatus":"critical","Service":null,"Checks":null}'


def test_a_member() -> None:
    assert encoded(MemberShape("n1", "127.0.0.1", 8301, {"role": "consul", "dc": "dc1"}, 1)) == (
        b'{"Name":"n1","Addr":"127.0.0.1","Port":8301,"Tags":{"dc":"dc1","role":"consul"},"Status":1,"ProtocolMin":1,'
        b'"ProtocolMax":5,"ProtocolCur":2,"DelegateMin":2,"DelegateMax":5,"DelegateCur":4}'
    )
