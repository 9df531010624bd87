"""How much is registered. Source: status_operator_snapshot_ui.md part B.4."""

from typing import Any

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.test_operator import said

USAGE = "/v1/operator/usage"


async def counts(consul: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await consul.get(USAGE)).json["Usage"]["dc1"]
    return found


async def test_an_empty_registry_to_the_byte(consul: Client) -> None:
    answer = await consul.get(USAGE)
    assert answer.text == (
        '{"Usage":{"dc1":{"Services":1,"ServiceInstances":1,"ConnectServiceInstances":{"api-gateway":0,'
        '"connect-native":0,"connect-proxy":0,"ingress-gateway":0,"mesh-gateway":0,"terminating-gateway":0},'
        f'"BillableServiceInstances":0,"Nodes":1}}}},"Index":{answer.index},"LastContact":0,"KnownLeader":true,'
        '"ConsistencyLevel":"leader","NotModified":false,"Backend":0,"ResultsFilteredByACLs":false}'
    )
    assert answer.headers["x-consul-effective-consistency"] == "leader"


async def test_instances_are_counted_by_kind_as_they_come_and_go(consul: Client) -> None:
    await consul.register("n1", Service={"ID": "a", "Service": "web"})
    await consul.add("n1", Service={"ID": "b", "Service": "web", "Port": 1, "Connect": {"Native": True}})
    proxy = {"ID": "p", "Service": "web-proxy", "Kind": "connect-proxy", "Port": 1}
    await consul.add("n1", Service={**proxy, "Proxy": {"DestinationServiceName": "web"}})
    found = await counts(consul)
    assert (found["Services"], found["ServiceInstances"], found["BillableServiceInstances"]) == (3, 4, 2)
    assert (found["Nodes"], found["ConnectServiceInstances"]["connect-native"]) == (2, 1)
    assert found["ConnectServiceInstances"]["connect-proxy"] == 1

    await consul.add("n1", Service={"ID": "b", "Service": "web"})
    await consul.add("n1", Service={"ID": "p", "Service": "other"})
    found = await counts(consul)
    assert (found["Services"], found["ServiceInstances"], found["BillableServiceInstances"]) == (3, 4, 3)
    assert not any(found["ConnectServiceInstances"].values())

    await consul.deregister("n1")
    found = await counts(consul)
    assert (found["Services"], found["ServiceInstances"], found["Nodes"]) == (1, 1, 1)


async def test_only_the_number_of_instances_moves_the_index(consul: Client) -> None:
    await consul.register("n1", Service={"ID": "a", "Service": "web"})
    before = await consul.index(USAGE)
    await consul.register("n2")
    assert (await counts(consul))["Nodes"] == 3
    await consul.add("n1", Service={"ID": "a", "Service": "web", "Port": 1})
    assert await consul.index(USAGE) == before
    await consul.deregister("n1", ServiceID="a")
    answer = await consul.get(USAGE)
    assert answer.index > before
    assert answer.json["Index"] == answer.index


async def test_a_reader_waits_for_another_number_of_instances(consul: Client) -> None:
    reader = await consul.follow(USAGE)
    await consul.register("n2")
    assert not reader.done()
    await consul.register("n1", Service={"Service": "web"})
    answer = await reader
    assert answer.json["Usage"]["dc1"]["ServiceInstances"] == 2


async def test_how_it_was_read_is_part_of_the_answer(consul: Client) -> None:
    for query, mode in (("stale&dc=nowhere", "stale"), ("global", "leader"), ("consistent", "consistent")):
        answer = await consul.get(f"{USAGE}?{query}")
        assert answer.json["ConsistencyLevel"] == answer.headers["x-consul-effective-consistency"] == mode
    assert (await consul.get(f"{USAGE}?pretty")).text.startswith('{\n    "Usage": {\n        "dc1": {')


@pytest.mark.parametrize(("name", "what"), [("ns", "Namespaces are"), ("partition", "Partitions are")])
async def test_what_the_enterprise_edition_sums_up_apart(consul: Client, name: str, what: str) -> None:
    text = f'Invalid query parameter: "{name}" - {what} a Consul Enterprise feature'
    assert said(await consul.get(f"{USAGE}?{name}=x")) == (400, text)
