"""Services of the agent by hash and by filter. Source: agent.md §4.1, §4.2; common.md §8.5, §12."""

from typing import Any
from urllib.parse import quote

import pytest

from registry import testing
from tests.contract.consul.agent import register
from tests.contract.consul.exchange import Answer, Client

HASHES: list[tuple[dict[str, Any], str]] = [
    ({"ID": "foo", "Name": "foo", "Tags": ["bar", "baz"], "Port": 8000}, "3e352f348d44f7eb"),
    ({"Name": "redis"}, "187c36c3787e9644"),
    ({"ID": "web1", "Name": "web", "Tags": ["a", "b"], "Meta": {"v": "1"}, "Port": 80, "Address": "10.0.0.1"},
     "f75300ccca4574bf"),
    ({"Name": "n", "Port": 1, "Connect": {"Native": True}}, "f76ee53c563f438c"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "known"), HASHES)
async def test_known_hashes(consul: Client, body: dict[str, Any], known: str) -> None:
    await register(consul, **body)
    answer = await consul.get(f"/v1/agent/service/{body.get('ID', body['Name'])}")
    assert (answer.json["ContentHash"], answer.headers["x-consul-contenthash"]) == (known, known)


async def waiting(consul: Client, query: str = "") -> "tuple[Any, str]":
    """A reader parked on the hash of service `w`, and that hash."""
    known = (await consul.get("/v1/agent/service/w")).headers["x-consul-contenthash"]
    return await consul.watch(f"/v1/agent/service/w?hash={known}{query}"), known


async def test_only_another_definition_ends_a_wait_for_a_hash(consul: Client) -> None:
    body = {"Name": "w", "Port": 80, "Check": {"TTL": "1m"}}
    await register(consul, **body)
    reader, known = await waiting(consul)
    await register(consul, **body)
    await consul.put("/v1/agent/check/pass/service:w?note=new")
    await register(consul, Name="other")
    await consul.put("/v1/agent/service/maintenance/w?enable=true")
    assert consul.parked == 1
    await register(consul, **body | {"Port": 81})
    answer: Answer = await reader
    assert answer.json["Port"] == 81
    assert answer.headers["x-consul-contenthash"] == answer.json["ContentHash"] != known


async def test_a_wait_for_a_hash_ends_with_404_when_the_service_goes(consul: Client) -> None:
    await register(consul, Name="w")
    reader, _ = await waiting(consul)
    await consul.put("/v1/agent/service/deregister/w")
    answer = await reader
    assert (answer.status, answer.text) == (404, "unknown service ID: w")


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("&wait=10s", 10), ("", 300), ("&wait=0s", 300), ("&wait=-1s", 300), ("&wait=1h", 600), ("&index=99&wait=5s", 5)],
)
async def test_a_wait_for_a_hash_ends_with_its_time(consul: Client, query: str, seconds: int) -> None:
    await register(consul, Name="w")
    reader, known = await waiting(consul, query)
    await consul.server.advance(seconds - 1)
    assert not reader.done()
    await consul.server.advance(1)
    answer = await reader
    assert (answer.status, answer.json["ContentHash"]) == (200, known)


async def test_a_wait_for_a_hash_is_answered_when_the_server_goes() -> None:
    """It must not hold up the end of the server until its time is over."""
    async with testing.server() as server:
        consul = Client(server)
        await register(consul, Name="w")
        reader, known = await waiting(consul)
        await consul.close()
    answer = await reader
    assert (answer.status, answer.json["ContentHash"]) == (200, known)


@pytest.mark.parametrize("query", ["", "?hash=", "?hash=0", "?index=99", "?wait=10s"])
async def test_without_the_hash_that_is_there_nobody_waits(consul: Client, query: str) -> None:
    await register(consul, Name="w")
    assert (await consul.get(f"/v1/agent/service/w{query}")).status == 200


# Filters

FILTERED = {
    '"a" in Tags': "web",
    "Service == web": "web",
    "Meta.v == `1`": "web",
    '"k-1" in Meta': "web",
    'Port == "0x50"': "web",
    "Proxy.DestinationServiceName == web": "proxy",
    "Kind == `connect-proxy` and not Port == 80": "proxy",
    "TaggedAddresses.lan_ipv4.Port == 80": "web",
    "Connect.Native == true": "native",
    "Tags is empty and Meta is empty and Kind == ``": "native",
    "Weights.Warning == 3": "native",
}


@pytest.mark.parametrize(("text", "found"), FILTERED.items())
async def test_services_are_filtered_by_their_fields(consul: Client, text: str, found: str) -> None:
    meta = {"v": "1", "k-1": "x"}
    await register(consul, Name="web", Port=80, Tags=["a"], Meta=meta, Address="10.0.0.1")
    await register(consul, Name="proxy", Kind="connect-proxy", Port=5, Proxy={"DestinationServiceName": "web"})
    await register(consul, Name="native", Port=1, Connect={"Native": True}, Weights={"Passing": 2, "Warning": 3})
    assert list((await consul.get(f"/v1/agent/services?filter={quote(text)}")).json) == [found]


async def test_a_filter_that_cannot_be_used_is_refused_before_there_is_a_service(consul: Client) -> None:
    answer = await consul.get("/v1/agent/services?filter=Name%20%3D%3D%20x")
    text = 'Failed to create boolean expression evaluator: Selector "Name" is not valid'
    assert (answer.status, answer.text) == (500, text)
