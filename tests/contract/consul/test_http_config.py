"""Settings that change how every request is answered, and what a fresh server holds. Source: common.md §7, §15, §16."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from registry import testing
from tests.contract.consul.exchange import Client


@asynccontextmanager
async def configured(**settings: Any) -> AsyncIterator[Client]:
    async with testing.server(**settings) as server:
        client = Client(server)
        yield client
        await client.close()


async def test_blocked_endpoints_are_refused_by_prefix_whatever_the_method() -> None:
    text = "Endpoint is blocked by agent configuration"
    async with configured(block_endpoints=("/v1/agent", "/v1/kv/private", "/v1/catalog/service/web")) as consul:
        for line in (
            "GET /v1/agent/services",
            "OPTIONS /v1/agent/services",
            "POST /v1/agent/services",
            "PUT /v1/agent/service/register?ns=x",
            "GET /v1/kv/private/key",
            "GET /v1/catalog/service/website",
        ):
            answer = await consul.send(line)
            assert (answer.status, answer.text, answer.headers["vary"]) == (403, text, "Accept-Encoding"), line
        assert (await consul.get("/v1/catalog/service/db")).status == 200
        assert (await consul.send("GET /v1/agent")).status == 404
        assert (await consul.send("GET /v1/agent/services?a=%zz")).status == 500


async def test_writes_are_refused_from_elsewhere() -> None:
    async with configured(allow_write_http_from=("10.0.0.0/8", "::1/128")) as consul:
        answer = await consul.put("/v1/catalog/register", {"Node": "n", "Address": "1"})
        assert (answer.status, answer.text) == (403, "Access is restricted")
        assert (await consul.get("/v1/catalog/nodes")).status == 200
        assert (await consul.send("OPTIONS /v1/catalog/register")).status == 200
        assert (await consul.send("HEAD /v1/catalog/nodes")).status == 405
        assert (await consul.send("POST /v1/catalog/register")).status == 405
    async with configured(allow_write_http_from=("10.0.0.0/8", "127.0.0.0/8")) as consul:
        await consul.register("n")


async def test_without_the_cache_cached_means_nothing() -> None:
    async with configured(use_cache=False) as consul:
        for _ in range(2):
            answer = await consul.send("GET /v1/health/service/web?cached")
            assert (answer.status, "x-cache" in answer.headers) == (200, False)
        assert (await consul.get("/v1/health/service/web?cached&consistent")).status == 400


async def test_without_coordinates_nobody_is_asked_for_any() -> None:
    async with configured(disable_coordinates=True) as consul:
        for line in ("GET datacenters", "GET nodes?stale&consistent", "GET node/x", "PUT update"):
            method, path = line.split(" ")
            answer = await consul.send(f"{method} /v1/coordinate/{path}")
            assert (answer.status, answer.text) == (401, "Coordinate support disabled")
        assert (await consul.send("OPTIONS /v1/coordinate/nodes")).status == 200
        assert (await consul.get("/v1/catalog/nodes?near=_agent")).status == 200


async def test_the_bounds_of_a_wait_are_settings() -> None:
    async with configured(default_query_seconds=5, max_query_seconds=20) as consul:
        for query, seconds in (("", 5), ("&wait=10s", 10), ("&wait=1h", 20)):
            watcher = await consul.watch(f"/v1/catalog/services?index=1{query}")
            await consul.server.advance(seconds - 0.5)
            assert consul.parked == 1
            await consul.server.advance(0.5)
            assert (await watcher).status == 200


@pytest.mark.parametrize("target", ["/v1/catalog/services", "/v1/agent/services", "/v1/catalog/datacenters"])
async def test_dev_mode_indents_without_ending_the_line(target: str) -> None:
    async with configured(dev=True) as consul, configured() as plain:
        compact = await plain.get(target)
        indented = await consul.get(target)
        assert indented.text == json.dumps(compact.json, indent=4)
        assert (await consul.get(f"{target}?pretty")).text == indented.text + "\n"


async def test_a_fresh_server_holds_its_node_its_service_and_its_check(consul: Client) -> None:
    node_id = (await consul.send("GET /v1/agent/self")).json["Config"]["NodeID"]
    addresses = '{"lan":"127.0.0.1","lan_ipv4":"127.0.0.1","wan":"127.0.0.1","wan_ipv4":"127.0.0.1"}'
    node = (
        f'{{"ID":"{node_id}","Node":"test-node","Address":"127.0.0.1","Datacenter":"dc1",'
        f'"TaggedAddresses":{addresses},"Meta":{{"consul-network-segment":"","consul-version":"1.21.4"}},'
        '"CreateIndex":1,"ModifyIndex":1}'
    )
    check = (
        '{"Node":"test-node","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Notes":"",'
        '"Output":"Agent alive and reachable","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"",'
        '"Interval":"","Timeout":"","ExposedPort":0,"Definition":{},"CreateIndex":1,"ModifyIndex":1}'
    )
    service = (
        '{"ID":"consul","Service":"consul","Tags":[],"Address":"","Meta":{"non_voter":"false","raft_version":"3",'
        '"read_replica":"false","serf_protocol_current":"2","serf_protocol_max":"5","serf_protocol_min":"1",'
        '"version":"1.21.4"},"Port":8300,"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,'
        '"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"","CreateIndex":1,"ModifyIndex":1}'
    )
    assert (await consul.get("/v1/catalog/nodes")).text == f"[{node}]"
    assert (await consul.get("/v1/health/state/any")).text == f"[{check}]"
    entry = f'[{{"Node":{node},"Service":{service},"Checks":[{check}]}}]'
    assert (await consul.get("/v1/health/service/consul")).text == entry
    assert (await consul.get("/v1/agent/services")).text == (await consul.get("/v1/agent/checks")).text == "{}"
