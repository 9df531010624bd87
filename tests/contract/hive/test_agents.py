"""The unary calls of the Hive's registry (dialects.md §5.4)."""

import uuid
from typing import Any

import grpc
import pytest

from tests.contract.hive.hive import Hive, pb

Code = grpc.StatusCode
MARKER = "não encontrado"  # what its clients look for before they register again
NOBODY = "00000000-0000-4000-8000-000000000000"


# Register


async def test_a_registration_is_answered_with_an_id_a_token_and_the_time(hive: Hive) -> None:
    request = pb.RegisterRequest(agent_type=pb.SCOUT, capabilities=["scan", "map"], metadata={"endpoint": "h:1"})
    reply = await hive.call("Register", request)
    assert uuid.UUID(reply.agent_id).version == 4
    assert reply.registration_token == f"token-{reply.agent_id}"
    record = hive.server.engine.state.record(reply.agent_id)  # the store tells the time, which may be a Redis's own
    assert record is not None
    assert reply.registered_at == int(record.instance.registered_at)
    agent = await hive.get(reply.agent_id)
    assert agent == pb.AgentInfo(
        agent_id=reply.agent_id, agent_type=pb.SCOUT, capabilities=["scan", "map"], metadata={"endpoint": "h:1"},
        telemetry=pb.AgentTelemetry(), status=pb.HEALTHY, registered_at=reply.registered_at,
        last_seen=reply.registered_at, namespace="default", cluster="local", version="1.0.0", schema_version=1,
    )  # fmt: skip


async def test_what_is_sent_is_shown(hive: Hive) -> None:
    telemetry = pb.AgentTelemetry(
        success_rate=0.9,
        avg_duration_ms=7,
        total_executions=10,
        failed_executions=1,
        last_execution_at=1_700_000_000_123,
    )
    metadata = {"agent_id": "mine", "namespace": "x", "version": "0", "ação": "é"}
    agent_id = await hive.register(
        namespace="prod", cluster="c1", version="2.0", telemetry=telemetry, metadata=metadata
    )
    agent = await hive.get(agent_id)
    assert (agent.namespace, agent.cluster, agent.version, agent.telemetry) == ("prod", "c1", "2.0", telemetry)
    assert dict(agent.metadata) == metadata
    assert agent.agent_id == agent_id != "mine"


async def test_registering_again_makes_another_agent(hive: Hive) -> None:
    first, second = await hive.register(), await hive.register()
    assert first != second
    assert await hive.listed() == [first, second]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"capabilities": ()}, "capabilities"),
        ({"kind": 0}, "agent_type"),
        ({"kind": 5}, "agent_type"),
        ({"kind": -1}, "agent_type"),
        ({"telemetry": pb.AgentTelemetry(success_rate=1.1)}, "success_rate"),
        ({"metadata": {"k": "x" * 70_000}}, "max_metadata_bytes"),
    ],
)
async def test_a_bad_registration_registers_nothing(hive: Hive, fields: dict[str, Any], said: str) -> None:
    given = {"agent_type": fields.pop("kind", pb.WORKER), "capabilities": ["code"], **fields}
    refusal = await hive.refused("Register", pb.RegisterRequest(**given))
    assert refusal.code is Code.INVALID_ARGUMENT
    assert said in refusal.details
    assert await hive.listed() == []


@pytest.mark.parametrize(
    ("metadata", "host", "port"),
    [
        ({"endpoint": "10.0.0.7:9000"}, "10.0.0.7", 9000),
        ({"endpoint": "https://agent.example/x", "host": "other"}, "agent.example", 443),
        ({"endpoint": "[::1]:80"}, "::1", 80),
        ({"endpoint": "a:b:c", "host": "h", "port": "5"}, "h", 5),
        ({"host": "h", "port": "70000"}, "h", 0),
        ({"address": "a", "http_port": "8", "grpc_port": "9"}, "a", 8),
        ({"address": "a", "http_port": "no", "grpc_port": "9"}, "a", 9),
        ({"http_port": "8"}, "127.0.0.1", 0),
        ({}, "127.0.0.1", 0),
    ],
)
async def test_its_address_is_read_from_its_metadata(
    hive: Hive, metadata: dict[str, str], host: str, port: int
) -> None:
    agent_id = await hive.register(metadata=metadata)
    service = (await hive.rest.get(f"/v1/agent/service/{agent_id}")).value
    assert (service["Address"], service["Port"]) == (host, port)


async def test_consul_sees_an_agent(hive: Hive) -> None:
    agent_id = await hive.register(version="1.2", namespace="prod", metadata={"version": "x", "zone": "a"})
    await hive.beat(agent_id, 0.4)
    (found,) = (await hive.rest.get("/v1/health/service/worker")).value
    service, checks = found["Service"], [one for one in found["Checks"] if one["ServiceID"]]
    assert (service["ID"], service["Tags"]) == (agent_id, ["code"])
    assert service["Meta"] == {
        "version": "1.2", "namespace": "prod", "agent_source": "hive", "meta_version": "x", "zone": "a",
    }  # fmt: skip
    assert [(one["CheckID"], one["Type"], one["Status"]) for one in checks] == [
        (f"service:{agent_id}", "ttl", "warning")
    ]  # fmt: skip


# Heartbeat


@pytest.mark.parametrize(
    ("rate", "executions", "expected"),
    [
        (0.29, 10, "UNHEALTHY"), (0.3, 10, "DEGRADED"), (0.49, 10, "DEGRADED"), (0.5, 10, "HEALTHY"),
        (1.0, 1, "HEALTHY"), (0.0, 10, "UNHEALTHY"), (0.0, 0, "HEALTHY"), (0.95, 0, "HEALTHY"), (0.2, 0, "UNHEALTHY"),
    ],
)  # fmt: skip
async def test_a_success_rate_means_a_status(hive: Hive, rate: float, executions: int, expected: str) -> None:
    agent_id = await hive.register()
    reply = await hive.beat(agent_id, rate, executions)
    assert pb.AgentStatus.Name(reply.status) == expected == await hive.status(agent_id)
    assert reply.last_seen == int(hive.server.clock.now())


async def test_without_telemetry_the_status_stays(hive: Hive) -> None:
    agent_id = await hive.register()
    assert (await hive.beat(agent_id)).status == pb.HEALTHY
    await hive.beat(agent_id, 0.4)
    assert (await hive.beat(agent_id)).status == pb.DEGRADED
    assert (await hive.get(agent_id)).telemetry.success_rate == 0.4
    await hive.server.advance(61)
    assert await hive.status(agent_id) == "UNHEALTHY"
    assert (await hive.beat(agent_id)).status == pb.DEGRADED


async def test_telemetry_is_replaced_as_a_whole(hive: Hive) -> None:
    agent_id = await hive.register()
    await hive.beat(agent_id, 0.9, 10, avg_duration_ms=5, last_execution_at=9)
    await hive.beat(agent_id, 0.8, 11)
    assert (await hive.get(agent_id)).telemetry == pb.AgentTelemetry(success_rate=0.8, total_executions=11)


async def test_a_beat_moves_the_last_sign_of_life(hive: Hive) -> None:
    agent_id = await hive.register()
    before = (await hive.get(agent_id)).last_seen
    await hive.server.advance(30)
    assert (await hive.get(agent_id)).last_seen == before
    await hive.beat(agent_id)
    assert (await hive.get(agent_id)).last_seen == before + 30


@pytest.mark.parametrize("agent_id", [NOBODY, "not-a-uuid", "", "é/~", "x" * 100_000, "😀" * 10_000])
async def test_a_beat_of_nobody_is_told_so_in_the_words_its_clients_know(hive: Hive, agent_id: str) -> None:
    refusal = await hive.refused("Heartbeat", pb.HeartbeatRequest(agent_id=agent_id))
    assert refusal.code is Code.NOT_FOUND
    assert MARKER in refusal.details


@pytest.mark.parametrize(
    "telemetry",
    [
        {"success_rate": -0.1}, {"success_rate": 1.01}, {"success_rate": float("nan")}, {"avg_duration_ms": -1},
        {"total_executions": -1}, {"failed_executions": -1},
    ],
)  # fmt: skip
async def test_telemetry_out_of_range_changes_nothing(hive: Hive, telemetry: dict[str, Any]) -> None:
    agent_id = await hive.register()
    request = pb.HeartbeatRequest(agent_id=agent_id, telemetry=pb.AgentTelemetry(**telemetry))
    refusal = await hive.refused("Heartbeat", request)
    assert refusal.code is Code.INVALID_ARGUMENT
    assert next(iter(telemetry)) in refusal.details
    assert (await hive.get(agent_id)).telemetry == pb.AgentTelemetry()


async def test_a_silent_agent_is_unhealthy_until_it_is_removed(hive: Hive) -> None:
    agent_id = await hive.register()
    for seconds, expected in ((59, "HEALTHY"), (2, "UNHEALTHY"), (120, "UNHEALTHY"), (118, "UNHEALTHY")):
        await hive.server.advance(seconds)
        assert await hive.status(agent_id) == expected
        assert await hive.discovered() == ([agent_id] if expected == "HEALTHY" else [])
    await hive.server.advance(3)
    assert await hive.status(agent_id) == "NOT_FOUND"


async def test_an_agent_that_fails_but_lives_is_not_removed(hive: Hive) -> None:
    agent_id = await hive.register()
    for beat in range(12):
        await hive.beat(agent_id, 0.1, beat + 1)
        await hive.server.advance(30)
    assert await hive.status(agent_id) == "UNHEALTHY"


@pytest.mark.timeout(60)  # a quarter of an hour goes by in steps of 0.25 s, each of which asks the store
async def test_a_beat_brings_a_removed_agent_back_for_ten_minutes(hive: Hive) -> None:
    agent_id = await hive.register(version="3")
    await hive.server.advance(310)
    assert await hive.status(agent_id) == "NOT_FOUND"
    assert (await hive.beat(agent_id)).status == pb.HEALTHY
    assert (await hive.get(agent_id)).version == "3"
    await hive.server.advance(300 + 605)
    assert MARKER in (await hive.refused("Heartbeat", pb.HeartbeatRequest(agent_id=agent_id))).details


async def test_anybodys_agent_can_be_beaten(hive: Hive) -> None:
    await hive.rest.put("/v1/agent/service/register", {"Name": "web", "Check": {"TTL": "10s"}})
    assert await hive.status("web") == "UNHEALTHY"
    assert (await hive.beat("web", 0.9)).status == pb.HEALTHY
    row = {"Node": "far", "Address": "10.0.0.9", "Service": {"Service": "db"}}
    await hive.rest.put("/v1/catalog/register", row)
    assert await hive.status("far~db") == "HEALTHY"
    assert MARKER in (await hive.refused("Heartbeat", pb.HeartbeatRequest(agent_id="far~db"))).details


# Deregister and GetAgent


async def test_who_deregisters_is_gone_for_good(hive: Hive) -> None:
    agent_id = await hive.register()
    for expected in (True, False):
        reply = await hive.call("Deregister", pb.DeregisterRequest(agent_id=agent_id))
        assert reply.success is expected
    assert MARKER in (await hive.refused("Heartbeat", pb.HeartbeatRequest(agent_id=agent_id))).details


@pytest.mark.parametrize("agent_id", ["", "no-uuid", NOBODY])
async def test_deregistering_nobody_is_no_error(hive: Hive, agent_id: str) -> None:
    assert (await hive.call("Deregister", pb.DeregisterRequest(agent_id=agent_id))).success is False


async def test_an_id_that_nobody_has(hive: Hive) -> None:
    refusal = await hive.refused("GetAgent", pb.GetAgentRequest(agent_id=NOBODY))
    assert refusal.code is Code.NOT_FOUND
    assert MARKER in refusal.details
    for agent_id in ("", "web-1", "é" * 10_000):
        assert (await hive.refused("GetAgent", pb.GetAgentRequest(agent_id=agent_id))).code is Code.INVALID_ARGUMENT


async def test_consuls_services_are_agents_too(hive: Hive) -> None:
    service = {
        "ID": "web-1", "Name": "web", "Port": 8080, "Tags": ["api", "v2"], "Meta": {"version": "2.1", "team": "x"},
    }  # fmt: skip
    await hive.rest.put("/v1/agent/service/register", service)
    agent = await hive.get("web-1")
    assert agent.agent_type == pb.AGENT_TYPE_UNSPECIFIED
    assert dict(agent.metadata) == {"agent_type": "web", "endpoint": "127.0.0.1:8080", "team": "x", "version": "2.1"}
    assert (list(agent.capabilities), agent.status, agent.version) == (["api", "v2"], pb.HEALTHY, "2.1")
    assert (agent.namespace, agent.cluster, agent.telemetry) == ("default", "local", pb.AgentTelemetry())
    assert await hive.discovered("api") == ["web-1"]
    assert (await hive.call("Deregister", pb.DeregisterRequest(agent_id="web-1"))).success is True


async def test_another_systems_agent_brings_its_metadata_as_strings(hive: Hive) -> None:
    body = {"name": "n", "type": "Guard", "host": "::1", "port": 5, "metadata": {"cpu": 1.5, "name": "own", "l": [1]}}
    agent_id = (await hive.rest.post("/agents/register", body)).value["agent_id"]
    agent = await hive.get(agent_id)
    assert agent.agent_type == pb.GUARD
    assert dict(agent.metadata) == {
        "name": "own", "endpoint": "[::1]:5", "agent_source": "optiinfra", "cpu": "1.5", "l": "[1]",
    }  # fmt: skip
