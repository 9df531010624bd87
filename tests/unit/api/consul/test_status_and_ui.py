"""Status, datacenters, the pages of the interface, and the registry's own pages."""

import asyncio
import json
import re

import aiohttp
import pytest

from registry import __version__, testing


async def test_the_server_leads_itself(agent) -> None:
    assert (await agent.get("/v1/status/leader")).text == '"127.0.0.1:8300"'
    assert (await agent.get("/v1/status/peers?dc=dc1")).text == '["127.0.0.1:8300"]'
    assert "x-consul-index" not in (await agent.get("/v1/status/leader")).headers


@pytest.mark.parametrize("target", ["status/leader?dc=x", "status/peers?dc=x", "internal/ui/catalog-overview?dc=x"])
async def test_other_datacenters_are_out_of_reach(agent, target: str) -> None:
    answer = await agent.get(f"/v1/{target}")

    assert (answer.status, answer.text) == (500, "No path to datacenter")


async def test_an_ipv6_address_stands_in_brackets() -> None:
    async with testing.server(advertise="fd00::1") as server, aiohttp.ClientSession() as session:
        answer = await session.get(server.url + "/v1/status/leader")
        assert await answer.json() == "[fd00::1]:8300"


async def test_datacenters(agent) -> None:
    assert (await agent.get("/v1/catalog/datacenters?wait=nonsense&ns=x")).text == '["dc1"]'
    conflict = await agent.get("/v1/catalog/datacenters?stale&consistent")
    assert (conflict.status, conflict.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert conflict.text == 'Cannot specify ?stale with ?consistent, conflicting semantics.["dc1"]'
    assert (await agent.get("/v1/coordinate/datacenters")).text == "[]"


async def test_cached_datacenters_are_a_hit_from_the_second_time_on(agent) -> None:
    answers = [await agent.get("/v1/catalog/datacenters?cached") for _ in range(2)]

    assert [(one.headers["x-cache"], one.headers.get("age")) for one in answers] == [("MISS", None), ("HIT", "0")]


async def test_pages_of_the_interface_have_an_index_and_no_read_mode(agent) -> None:
    await agent.service("web")
    for page in ("nodes", "services", "node/test-node"):
        headers = (await agent.get(f"/v1/internal/ui/{page}")).headers
        assert int(headers["x-consul-index"]) == agent.server.engine.state.applied
        assert "x-consul-effective-consistency" not in headers
    assert "x-consul-index" not in (await agent.get("/v1/internal/ui/catalog-overview")).headers


async def test_nodes_of_the_interface(agent) -> None:
    await agent.node("n2", NodeMeta={"rack": "a"}, Service={"ID": "s", "Service": "web"}, Check={"Name": "c"})

    (shown,) = (await agent.get("/v1/internal/ui/nodes?filter=Meta.rack==a")).json

    assert (shown["Node"], [one["ID"] for one in shown["Services"]], [one["Name"] for one in shown["Checks"]]) == (
        "n2", ["s"], ["c"],
    )  # fmt: skip
    assert (await agent.get("/v1/internal/ui/node/N2")).json == shown
    assert (await agent.get("/v1/internal/ui/nodes?filter=Services.Service==web")).json == [shown]
    own = (await agent.get("/v1/internal/ui/node/test-node")).json
    assert [one["CheckID"] for one in own["Checks"]] == ["serfHealth"]


async def test_a_node_that_is_not_there(agent) -> None:
    answer = await agent.get("/v1/internal/ui/node/ghost")
    assert (answer.status, answer.text) == (404, "")
    assert "content-type" not in answer.headers
    assert "x-consul-index" in answer.headers  # the client of these tests takes gzip
    missing = await agent.get("/v1/internal/ui/node/")
    assert (missing.status, missing.text) == (400, "Missing node name")


async def test_a_node_is_not_found_by_its_id(agent) -> None:
    own = agent.server.engine.state.server.id
    assert (await agent.get(f"/v1/internal/ui/node/{own}")).status == 404


async def test_services_of_the_interface(agent) -> None:
    await agent.service("web", Check={"TTL": "1m"})
    await agent.node("n2", Service={"Service": "web", "Tags": ["a"]})

    found = {one["Name"]: one for one in (await agent.get("/v1/internal/ui/services")).json}

    assert list(found) == ["consul", "web"]
    assert (found["web"]["Nodes"], found["web"]["InstanceCount"]) == (["n2", "test-node"], 2)
    assert (found["web"]["ChecksPassing"], found["web"]["ChecksCritical"]) == (1, 1)  # serfHealth is one of them
    (filtered,) = (await agent.get("/v1/internal/ui/services?filter=a+in+Service.Tags")).json
    assert filtered["InstanceCount"] == 1
    assert (await agent.get("/v1/internal/ui/services?peer=east")).json == []


async def test_a_page_of_the_interface_waits_for_a_change(agent) -> None:
    index = (await agent.get("/v1/internal/ui/services")).headers["x-consul-index"]
    waiting = asyncio.ensure_future(agent.get(f"/v1/internal/ui/services?index={index}&wait=5m"))
    await agent.server.parked(1)
    await agent.service("web")

    assert [one["Name"] for one in (await waiting).json] == ["consul", "web"]


@pytest.mark.parametrize("target", ["nodes?filter=Nope==1", "services?filter=Nope==1", "services?dc=x", "node/a?dc=x"])
async def test_errors_after_the_parameters_carry_index_headers(agent, target: str) -> None:
    answer = await agent.get(f"/v1/internal/ui/{target}")

    assert answer.status == 500
    assert (answer.headers["x-consul-index"], answer.headers["x-consul-knownleader"]) == ("1", "false")


async def test_the_overview_follows_the_catalog(agent) -> None:
    before = (await agent.get("/v1/internal/ui/catalog-overview")).json
    assert before["Nodes"] == [{"Total": 1, "Passing": 1, "Warning": 0, "Critical": 0}]
    await agent.node("n2", Check={"Name": "disk", "Status": "critical"})

    after = (await agent.get("/v1/internal/ui/catalog-overview")).json
    assert after["Nodes"] == [{"Total": 2, "Passing": 1, "Warning": 0, "Critical": 1}]
    assert [one["Name"] for one in after["Checks"]] == ["Serf Health Status", "disk"]


async def test_health_of_the_registry_is_one_body_for_all(agent) -> None:
    await agent.service("web")
    await agent.node("n2", Service={"Service": "db"})

    answer = await agent.get("/health")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert {**answer.json, "timestamp": ""} == {
        "status": "healthy", "service": "registry", "timestamp": "", "version": __version__, "redis": True,
        "services": 2, "registered_services": 2,
        "components": {"registry": "healthy", "task_router": "healthy", "coordinator": "healthy"},
    }  # fmt: skip
    assert re.fullmatch(r"2023-11-14T22:13:\d\d\.\d{6}Z", answer.json["timestamp"])
    assert '": ' not in answer.text  # shell scripts look for "status":"healthy"
    assert "x-consul-default-acl-policy" not in answer.headers


async def test_a_store_that_refuses_writes_is_told_by_the_body_and_to_balancers(agent) -> None:
    assert (await agent.get("/health/ready")).status == 200
    agent.server.app.metrics.appended(1, 0.1, "not-stored")

    health, ready = await agent.get("/health"), await agent.get("/health/ready")

    assert (health.status, health.json["status"]) == (200, "degraded")
    assert (ready.status, ready.json["status"]) == (503, "degraded")
    assert "unhealthy" not in health.text + ready.text
    await agent.server.advance(10)
    assert (await agent.get("/health/ready")).status == 200


async def test_redis_is_said_to_be_away_only_where_it_is_the_store() -> None:
    async with testing.server() as server, aiohttp.ClientSession() as session:
        server.app.metrics.appended(1, 0.1, "unknown")
        async with session.get(server.url + "/health") as answer:
            assert (await answer.json())["redis"] is True
        server.app.edge.settings = type("Settings", (), {
            "store_url": "redis://10.0.0.1", "health_service_name": "x", "response_headers": {},
        })  # fmt: skip
        async with session.get(server.url + "/health") as answer:
            assert (await answer.json())["redis"] is False


async def test_the_page_of_metrics(agent) -> None:
    await agent.service("web")
    answer = await agent.get("/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "registry_instances 2.0" in answer.text
    line = 'registry_http_requests_total{endpoint="/v1/agent/service/register",method="PUT",status="200"} 1.0'
    assert line in answer.text
    openmetrics = await agent.get("/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/metrics", "/health", "/health/ready"])
async def test_own_pages_are_read_and_nothing_else(agent, path: str) -> None:
    assert (await agent.send("HEAD", path)).status == 200
    refusal = await agent.send("POST", path)
    assert (refusal.status, refusal.headers["allow"]) == (405, "GET, HEAD")


async def test_the_page_of_metrics_is_quick_with_many_services(agent) -> None:
    """It must not look at instances one by one: sizes only, at any number of services."""
    for number in range(50):
        await agent.service(f"s{number}")
    text = (await agent.get("/metrics")).text

    assert not [line for line in text.splitlines() if line.startswith("registry_") and "s49" in line]
    assert "registry_services 51.0" in text
    assert json.loads((await agent.get("/health")).text)["services"] == 50
