"""The variant under /api/v1/agents that some of OptiInfra's agents speak (dialects.md §3.5)."""

from typing import Any

import pytest

from tests.contract.rest import RestClient

AGENT = {
    "agent_id": "a-1", "agent_type": "resource", "agent_name": "label", "host": "h", "port": 8004,
    "capabilities": ["scale"], "version": "1.0", "status": "healthy", "health_check_endpoint": "/health",
}  # fmt: skip


async def shown(rest: RestClient, agent_id: str = "a-1") -> Any:
    return (await rest.get(f"/agents/{agent_id}")).value


async def test_an_agent_brings_its_own_id_and_a_repeat_writes_it_anew(rest: RestClient) -> None:
    for version in ("1.0", "1.1"):
        answer = await rest.post("/api/v1/agents/register", {**AGENT, "version": version})
        assert answer.status == 200
        assert (answer.value["agent_id"], answer.value["heartbeat_interval_seconds"]) == ("a-1", 30)
    agent = await shown(rest)
    assert (agent["name"], agent["type"], agent["host"], agent["port"]) == ("label", "resource", "h", 8004)
    assert (agent["version"], agent["metadata"]) == ("1.1", {"health_check_endpoint": "/health"})
    assert (await rest.get("/agents")).value["count"] == 1


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("http://app:9000/x", ("app", 9000)), ("https://app", ("app", 443)), ("app:9000", ("app", 9000)),
        ("http://[::1]:80", ("::1", 80)),
    ],
)  # fmt: skip
async def test_an_endpoint_names_host_and_port(rest: RestClient, endpoint: str, address: tuple[str, int]) -> None:
    body = {"agent_id": "a-1", "agent_type": "t", "capabilities": [], "version": "1", "endpoint": endpoint}
    assert (await rest.post("/api/v1/agents/register", body)).status == 200
    agent = await shown(rest)
    assert (agent["name"], agent["host"], agent["port"]) == ("a-1", *address)


@pytest.mark.parametrize("body", [{}, {"agent_id": "a-1"}, {"agent_type": "t"}, {**AGENT, "endpoint": 1, "host": None}])
async def test_a_bad_registration_is_refused(rest: RestClient, body: Any) -> None:
    answer = await rest.post("/api/v1/agents/register", body)
    assert (answer.status, list(answer.value)) == (400, ["error"])
    assert (await rest.get("/agents")).value["count"] == 0


async def test_beats_come_by_path_or_by_body(rest: RestClient) -> None:
    await rest.post("/api/v1/agents/register", AGENT)
    for path, body in (
        ("/api/v1/agents/a-1/heartbeat", {"status": "active"}),
        (
            "/api/v1/agents/heartbeat",
            {"agent_id": "a-1", "status": "degraded", "timestamp": "2024-01-01T00:00:00", "metrics": {"cpu": 5}},
        ),
    ):
        await rest.server.advance(40)
        answer = await rest.post(path, body)
        assert (answer.status, answer.value["received"]) == (200, True)
    agent = await shown(rest)
    assert (agent["status"], agent["metadata"]["cpu"]) == ("degraded", 5)
    for path, body in (("/api/v1/agents/x/heartbeat", {}), ("/api/v1/agents/heartbeat", {"agent_id": "x"})):
        assert (await rest.post(path, body)).status == 404
    assert (await rest.post("/api/v1/agents/heartbeat", {})).status == 400


async def test_removed_is_removed(rest: RestClient) -> None:
    await rest.post("/api/v1/agents/register", AGENT)
    assert [(await rest.ask("DELETE", "/api/v1/agents/a-1")).status for _ in range(2)] == [200, 404]
