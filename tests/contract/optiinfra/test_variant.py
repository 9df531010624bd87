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


async def test_a_repeat_that_says_the_same_is_a_sign_of_life_and_no_news(rest: RestClient) -> None:
    """It moves no index, so it wakes nobody who waits for a change of the service."""
    await rest.post("/api/v1/agents/register", AGENT)
    before = (await rest.get("/v1/health/service/resource")).headers["X-Consul-Index"]
    for _ in range(3):
        await rest.server.advance(40)
        assert (await rest.post("/api/v1/agents/register", AGENT)).status == 200
    assert (await rest.get("/v1/health/service/resource")).headers["X-Consul-Index"] == before
    agent = await shown(rest)
    assert agent["status"] == "healthy"
    if not rest.server.engine.shared:  # whose time the test does not move
        assert agent["last_seen"] > agent["registered_at"]
    await rest.server.advance(50)
    assert (await shown(rest))["status"] == "unreachable"
    await rest.post("/api/v1/agents/register", AGENT)
    assert (await shown(rest))["status"] == "healthy"


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "2"}, {"status": "degraded"}, {"capabilities": []}, {"host": "other"}, {"metadata": {"a": 1}},
        {"agent_type": "cost"}, {"agent_name": "other"},
    ],
)  # fmt: skip
async def test_a_repeat_that_says_something_else_is_news(rest: RestClient, changed: dict[str, Any]) -> None:
    await rest.post("/api/v1/agents/register", AGENT)
    before = (await rest.get("/v1/health/service/resource")).headers["X-Consul-Index"]
    assert (await rest.post("/api/v1/agents/register", {**AGENT, **changed})).status == 200
    assert (await rest.get("/v1/health/service/resource")).headers["X-Consul-Index"] > before


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("http://app:9000/x", ("app", 9000)), ("https://app", ("app", 443)), ("app:9000", ("app", 9000)),
        ("http://[::1]:80", ("::1", 80)), ("http://me:secret@app:9000?x=/", ("app", 9000)), ("app", ("app", 0)),
        ("app:9000/x", ("app", 9000)), ("//app:9000", ("app", 9000)), ("grpc://app", ("app", 0)),
    ],
)  # fmt: skip
async def test_an_endpoint_names_host_and_port(rest: RestClient, endpoint: str, address: tuple[str, int]) -> None:
    body = {"agent_id": "a-1", "agent_type": "t", "capabilities": [], "version": "1", "endpoint": endpoint}
    assert (await rest.post("/api/v1/agents/register", body)).status == 200
    agent = await shown(rest)
    assert (agent["name"], agent["host"], agent["port"]) == ("a-1", *address)


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        ({"host": "h", "port": 1}, ("h", 1)), ({"host": "h"}, ("h", 9000)), ({"port": 1}, ("app", 1)),
        ({"host": "h:2"}, ("h", 2)), ({"host": "::1"}, ("::1", 9000)),
    ],
)  # fmt: skip
async def test_of_an_endpoint_counts_what_is_not_sent_beside_it(
    rest: RestClient, sent: dict[str, Any], address: tuple[str, int]
) -> None:
    body = {"agent_id": "a-1", "agent_type": "t", "endpoint": "http://app:9000", **sent}
    assert (await rest.post("/api/v1/agents/register", body)).status == 200
    agent = await shown(rest)
    assert (agent["host"], agent["port"]) == address


@pytest.mark.parametrize(
    "endpoint", ["http://", "http://:80", "http://app:x", "http://app:70000", "::1", "http://[::1"]
)
async def test_an_endpoint_that_is_none_is_refused(rest: RestClient, endpoint: str) -> None:
    answer = await rest.post("/api/v1/agents/register", {"agent_id": "a", "agent_type": "t", "endpoint": endpoint})
    assert answer.status == 400, answer
    assert answer.value["error"].startswith("endpoint: ")


@pytest.mark.parametrize("agent_id", ["a/b", "a b", "ü", "100%", "%2F", "a?b#c", "cost:1~2", "register"])
async def test_any_id_beats_at_the_url_it_is_told(rest: RestClient, agent_id: str) -> None:
    """An id is one percent-encoded segment of a path (dialects.md §1.9)."""
    reply = (await rest.post("/api/v1/agents/register", {**AGENT, "agent_id": agent_id})).value
    assert reply["agent_id"] == agent_id
    await rest.server.advance(50)
    assert (await rest.get("/agents")).value["agents"][0]["status"] == "unreachable"
    assert (await rest.post(reply["heartbeat_url"], {})).status == 200
    assert (await rest.get("/agents")).value["agents"][0]["status"] == "healthy"


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
