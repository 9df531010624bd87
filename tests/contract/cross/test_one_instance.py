"""One instance through every dialect, byte for byte apart from times (dialects.md §10)."""

import re
from typing import Any

from tests.contract.rest import RestClient

TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"')
NODE_ADDRESS = "10.0.0.5"
WEB = {
    "ID": "web-1", "Name": "web", "Port": 8080, "Tags": ["api", "v2"], "Meta": {"version": "2.1", "team": "x"},
    "Check": {"CheckID": "web-http", "HTTP": "http://127.0.0.1:1/", "Interval": "1h", "Status": "passing"},
}  # fmt: skip
COST = {
    "name": "cost-agent-1", "type": "cost", "host": "h", "port": 8001, "capabilities": ["spot_migration"],
    "version": "1.0.0", "metadata": {"cpu_usage": 45.5, "tags": ["a"]},
}  # fmt: skip


async def shown(rest: RestClient, path: str) -> str:
    """The body of an answer with its times left out."""
    answer = await rest.get(path)
    assert answer.status == 200, answer
    return TIME.sub("T", answer.text)


async def web(rest: RestClient) -> None:
    """The record of §10.1: its node stands at an address, itself has none."""
    node = rest.server.engine.state.server.node
    assert (await rest.put("/v1/catalog/register", {"Node": node, "Address": NODE_ADDRESS})).status == 200
    assert (await rest.put("/v1/agent/service/register", WEB)).status == 200


async def checks(rest: RestClient, service: str) -> dict[str, str]:
    """Status of the checks of a service's instances, without the node's."""
    answer = (await rest.get(f"/v1/health/checks/{service}")).value
    return {check["CheckID"]: check["Status"] for check in answer}


async def opti(rest: RestClient, agent_id: str) -> Any:
    answer = await rest.get(f"/agents/{agent_id}")
    return answer.value if answer.status == 200 else answer.status


async def codevald(rest: RestClient, agent_id: str) -> Any:
    answer = await rest.get(f"/api/v1/agents/{agent_id}")
    return answer.value if answer.status == 200 else answer.status


# Born in Consul

OPTI_WEB = (
    '{"id":"web-1","name":"web-1","type":"web","host":"10.0.0.5","port":8080,"capabilities":["api","v2"],'
    '"status":"healthy","version":"2.1","registered_at":T,"last_seen":T,"metadata":{"team":"x","version":"2.1"}}'
)
CODEVALD_WEB = (
    '{"id":"web-1","name":"web-1","type":"web","state":"running","metadata":{"capabilities":"api,v2",'
    '"host":"10.0.0.5","port":"8080","team":"x","version":"2.1"},"created_at":T,"updated_at":T,"last_heartbeat":T,'
    '"is_healthy":true}'
)


async def test_an_instance_of_consul_in_optiinfra(rest: RestClient) -> None:
    await web(rest)
    assert await shown(rest, "/agents/web-1") == OPTI_WEB
    for path in ("/agents", "/agents/type/web"):
        assert await shown(rest, path) == f'{{"agents":[{OPTI_WEB}],"count":1}}'


async def test_an_instance_of_consul_in_codevaldcortex(rest: RestClient) -> None:
    await web(rest)
    assert await shown(rest, "/api/v1/agents/web-1") == CODEVALD_WEB
    for path in ("/api/v1/agents", "/api/v1/agents?type=web"):
        assert await shown(rest, path) == f"[{CODEVALD_WEB}]"


async def test_a_heartbeat_merges_metadata_and_leaves_the_checks_of_consul_alone(rest: RestClient) -> None:
    await web(rest)
    before = await checks(rest, "web")
    answer = await rest.post("/agents/web-1/heartbeat", {"status": "healthy", "metadata": {"team": "y", "load": 3}})
    assert answer.status == 200
    assert await checks(rest, "web") == before == {"web-http": "passing"}
    [instance] = (await rest.get("/v1/health/service/web")).value
    assert instance["Service"]["Meta"] == {"version": "2.1", "team": "y", "load": "3"}
    assert (await rest.post("/agents/web-1/unregister")).status == 200
    assert (await rest.get("/v1/agent/services")).text == "{}"


async def test_the_lifecycle_of_an_instance_of_consul_is_a_check(rest: RestClient) -> None:
    await web(rest)
    assert (await rest.post("/api/v1/agents/web-1/tasks", {"type": "t"})).status == 409
    stopped = await rest.post("/api/v1/agents/web-1/stop")
    assert (stopped.status, stopped.value["state"]) == (200, "stopped")
    assert await checks(rest, "web") == {"web-http": "passing", "agent-state:web-1": "critical"}
    assert (await rest.get("/v1/health/service/web?passing")).value == []
    started = await rest.post("/api/v1/agents/web-1/start")
    assert (started.status, started.value["state"]) == (200, "running")
    assert await checks(rest, "web") == {"web-http": "passing", "agent-state:web-1": "passing"}


async def test_a_critical_check_of_consul_is_seen_in_every_dialect(rest: RestClient) -> None:
    body = {**WEB, "Check": {"CheckID": "ttl", "TTL": "20s", "Status": "passing"}}
    assert (await rest.put("/v1/agent/service/register", body)).status == 200
    for verb, status, alive in (("warn", "degraded", True), ("fail", "unhealthy", False), ("pass", "healthy", True)):
        assert (await rest.put(f"/v1/agent/check/{verb}/ttl")).status == 200
        assert ((await opti(rest, "web-1"))["status"], (await codevald(rest, "web-1"))["is_healthy"]) == (status, alive)
    await rest.server.advance(21)
    assert ((await opti(rest, "web-1"))["status"], (await codevald(rest, "web-1"))["is_healthy"]) == (
        "unreachable", False,
    )  # fmt: skip


# Born elsewhere, seen by Consul


async def consul(rest: RestClient, service: str) -> Any:
    """The only instance of a service, as health/service shows it."""
    [found] = (await rest.get(f"/v1/health/service/{service}")).value
    return found


async def test_an_optiinfra_agent_in_consul(rest: RestClient) -> None:
    agent_id = (await rest.post("/agents/register", COST)).value["agent_id"]
    found = await consul(rest, "cost")
    service = found["Service"]
    assert [service[key] for key in ("ID", "Service", "Tags", "Address", "Port")] == [
        agent_id, "cost", ["spot_migration"], "h", 8001,
    ]  # fmt: skip
    assert list(service["Meta"].items()) == sorted(
        {"name": "cost-agent-1", "version": "1.0.0", "agent_source": "optiinfra", "cpu_usage": "45.5",
         "tags": '["a"]'}.items()
    )  # fmt: skip
    [check] = [one for one in found["Checks"] if one["ServiceID"]]
    assert [check[key] for key in ("CheckID", "Name", "Type", "Status")] == [
        f"service:{agent_id}", "Service 'cost' check", "ttl", "passing",
    ]  # fmt: skip
    await rest.server.advance(46)
    assert await checks(rest, "cost") == {f"service:{agent_id}": "critical"}
    await rest.server.advance(60)
    assert (await rest.get("/v1/health/service/cost")).value == []
    assert await opti(rest, agent_id) == await codevald(rest, agent_id) == 404


async def test_an_optiinfra_agent_in_codevaldcortex(rest: RestClient) -> None:
    agent_id = (await rest.post("/agents/register", COST)).value["agent_id"]
    assert await shown(rest, f"/api/v1/agents/{agent_id}") == (
        f'{{"id":"{agent_id}","name":"cost-agent-1","type":"cost","state":"running","metadata":{{'
        '"capabilities":"spot_migration","cpu_usage":"45.5","host":"h","port":"8001","tags":"[\\"a\\"]",'
        '"version":"1.0.0"},"created_at":T,"updated_at":T,"last_heartbeat":T,"is_healthy":true}'
    )


async def test_a_codevaldcortex_agent_in_consul_and_in_optiinfra(rest: RestClient) -> None:
    agent_id = (await rest.post("/api/v1/agents", {"name": "w1", "type": "worker"})).value["id"]
    service = (await consul(rest, "worker"))["Service"]
    assert (service["ID"], service.get("Port", 0), service["Tags"]) == (agent_id, 0, [])
    assert service["Meta"] == {"name": "w1", "state": "created", "agent_source": "codevald"}
    assert await checks(rest, "worker") == {f"service:{agent_id}": "passing", f"agent-state:{agent_id}": "warning"}
    assert (await rest.get("/v1/health/service/worker?passing")).value == []
    await rest.post(f"/api/v1/agents/{agent_id}/start")
    [found] = (await rest.get("/v1/health/service/worker?passing")).value
    assert found["Service"]["Meta"]["state"] == "running"
    assert await shown(rest, f"/agents/{agent_id}") == (
        f'{{"id":"{agent_id}","name":"w1","type":"worker","host":"127.0.0.1","port":0,"capabilities":[],'
        '"status":"healthy","version":"","registered_at":T,"last_seen":T,"metadata":{"state":"running"}}'
    )
