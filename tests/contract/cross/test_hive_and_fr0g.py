"""The same instances through the gRPC of the Hive and in the fr0g shape (dialects.md §10)."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from registry import testing

pytest.importorskip("grpc_reflection", reason="needs the extra grpc")

import grpc.aio

from tests.contract.cross.test_one_instance import COST, TIME, checks, web
from tests.contract.hive.hive import Hive, pb

grpc.aio.init_grpc_aio()  # else the last channel of a test to go would wait for grpcio's thread on whatever loop runs

WEB_METADATA = {"agent_type": "web", "endpoint": "10.0.0.5:8080", "team": "x", "version": "2.1"}
FR0G_WEB = (
    '"address":"10.0.0.5","health":"passing","id":"web-1","last_seen":T,"meta":{"team":"x","version":"2.1"},'
    '"name":"web","port":8080,"tags":["api","v2"]}'
)


@pytest.fixture
async def hive() -> AsyncIterator[Hive]:
    """A client of all dialects of one registry."""
    async with testing.server(grpc_port=0, fr0g_port=0, shutdown_grace_seconds=0.1) as server:
        client = Hive(server)
        await client.know_agents()
        yield client
        await client.close()


async def fr0g(hive: Hive, path: str) -> tuple[int, str]:
    """Status and body of a look-up in the fr0g shape, its times left out."""
    host, port = hive.server.app.addresses[-1]
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as answer:
        return answer.status, TIME.sub("T", await answer.text())


async def consul(hive: Hive, service: str) -> Any:
    [found] = (await hive.rest.get(f"/v1/health/service/{service}")).value
    return found


async def test_an_instance_of_consul_in_the_hive(hive: Hive) -> None:
    await web(hive.rest)
    agent = await hive.get("web-1")
    assert (agent.agent_id, agent.agent_type, list(agent.capabilities)) == ("web-1", 0, ["api", "v2"])
    assert dict(agent.metadata) == WEB_METADATA
    assert (agent.status, agent.namespace, agent.cluster, agent.version) == (pb.HEALTHY, "default", "local", "2.1")
    assert (agent.telemetry, agent.schema_version) == (pb.AgentTelemetry(), 1)
    assert await hive.discovered("api") == await hive.listed() == ["web-1"]
    assert await hive.listed(agent_type="web") == ["web-1"]
    assert await hive.discovered(agent_type="web") == ["web-1"]


async def test_an_instance_of_consul_in_the_fr0g_shape(hive: Hive) -> None:
    await web(hive.rest)
    assert await fr0g(hive, "/v1/catalog/services") == (200, f'{{"web-1":{{"Status":"passing",{FR0G_WEB}}}')
    assert await fr0g(hive, "/v1/catalog/service/web") == (200, f"[{{{FR0G_WEB}]")


async def test_a_critical_check_of_consul_is_seen_in_both(hive: Hive) -> None:
    body = {"ID": "web-1", "Name": "web", "Check": {"CheckID": "ttl", "TTL": "20s", "Status": "passing"}}
    assert (await hive.rest.put("/v1/agent/service/register", body)).status == 200
    for verb, status, word, found in (
        ("warn", "DEGRADED", "warning", ["web-1"]), ("fail", "UNHEALTHY", "critical", []),
        ("pass", "HEALTHY", "passing", ["web-1"]),
    ):  # fmt: skip
        await hive.rest.put(f"/v1/agent/check/{verb}/ttl")
        assert await hive.status("web-1") == status
        assert await hive.discovered() == found
        assert f'"health":"{word}"' in (await fr0g(hive, "/v1/catalog/service/web"))[1]
    await hive.server.advance(21)
    assert await hive.status("web-1") == "UNHEALTHY"


async def test_an_optiinfra_agent_in_both(hive: Hive) -> None:
    agent_id = (await hive.rest.post("/agents/register", COST)).value["agent_id"]
    agent = await hive.get(agent_id)
    assert dict(agent.metadata) == {
        "agent_type": "cost", "name": "cost-agent-1", "endpoint": "h:8001", "agent_source": "optiinfra",
        "cpu_usage": "45.5", "tags": '["a"]',
    }  # fmt: skip
    assert (list(agent.capabilities), agent.version) == (["spot_migration"], "1.0.0")
    assert (await fr0g(hive, f"/v1/health/service/{agent_id}"))[0] == 200
    assert (await hive.call("Heartbeat", pb.HeartbeatRequest(agent_id=agent_id))).status == pb.HEALTHY


async def test_an_agent_of_the_hive_in_the_others(hive: Hive) -> None:
    agent_id = await hive.register(
        pb.WORKER, ["code"], version="2.0", namespace="blue", metadata={"endpoint": "10.0.0.8:9000", "zone": "a"}
    )
    found = await consul(hive, "worker")
    service = found["Service"]
    assert (service["ID"], service["Tags"], service["Address"], service["Port"]) == (
        agent_id, ["code"], "10.0.0.8", 9000,
    )  # fmt: skip
    assert service["Meta"] == {
        "version": "2.0", "namespace": "blue", "agent_source": "hive", "endpoint": "10.0.0.8:9000", "zone": "a",
    }  # fmt: skip
    for rate, check, word, alive in ((0.29, "critical", "unhealthy", False), (0.3, "warning", "degraded", True),
                                     (0.5, "passing", "healthy", True)):  # fmt: skip
        await hive.beat(agent_id, rate)
        assert await checks(hive.rest, "worker") == {f"service:{agent_id}": check}
        assert (await hive.rest.get(f"/agents/{agent_id}")).value["status"] == word
        assert (await hive.rest.get(f"/api/v1/agents/{agent_id}")).value["is_healthy"] is alive
    opti = (await hive.rest.get(f"/agents/{agent_id}")).value
    assert (opti["type"], opti["host"], opti["port"], opti["version"]) == ("worker", "10.0.0.8", 9000, "2.0")
    assert (opti["metadata"]["namespace"], opti["metadata"]["telemetry"]["success_rate"]) == ("blue", 0.5)
    cortex = (await hive.rest.get(f"/api/v1/agents/{agent_id}")).value
    assert cortex["metadata"] == {
        "capabilities": "code", "endpoint": "10.0.0.8:9000", "host": "10.0.0.8", "namespace": "blue", "port": "9000",
        "version": "2.0", "zone": "a",
    }  # fmt: skip


async def test_an_agent_of_the_hive_that_fails_is_not_removed_while_it_beats(hive: Hive) -> None:
    """§2.3: what removes an agent is silence, not a bad rate."""
    agent_id = await hive.register()
    for _ in range(12):
        await hive.beat(agent_id, 0.1)
        await hive.server.advance(30)
        assert await hive.status(agent_id) == "UNHEALTHY"


@pytest.mark.parametrize(
    "metadata", [{}, {"endpoint": "10.0.0.8:9000", "name": "n", "version": "z"}, {f"k{n}": "v" for n in range(80)}]
)
async def test_a_consul_client_writes_an_agent_back_and_changes_nothing(hive: Hive, metadata: dict[str, str]) -> None:
    """§8.4: whether its address was told or is the caller's."""
    agent_id = await hive.register(version="2.0", namespace="blue", metadata=metadata)
    before, applied = await hive.get(agent_id), hive.server.engine.state.applied
    found = (await hive.rest.get(f"/v1/agent/service/{agent_id}")).value
    body = {"Name": "worker", **{key: found[key] for key in ("ID", "Tags", "Meta", "Address", "Port", "Weights")}}
    assert (await hive.rest.put("/v1/agent/service/register", body)).status == 200
    assert hive.server.engine.state.applied == applied
    assert await hive.get(agent_id) == before


async def test_what_one_removes_is_gone_in_all(hive: Hive) -> None:
    agent_id = await hive.register()
    assert (await hive.rest.post(f"/agents/{agent_id}/unregister")).status == 200
    refused = await hive.refused("Heartbeat", pb.HeartbeatRequest(agent_id=agent_id))
    assert (refused.code, "não encontrado" in refused.details) == (grpc.StatusCode.NOT_FOUND, True)
    assert await fr0g(hive, f"/v1/health/service/{agent_id}") == (404, "Service not found\n")
