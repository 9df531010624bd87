"""The metrics that fr0g's and OptiInfra's operators look for (dialects.md §6.4, §7.4)."""

import re

from registry import testing
from tests.contract.fr0g.conftest import Shapes
from tests.contract.rest import RestClient

REGISTER = "/v1/agent/service/register"


async def samples(client: RestClient) -> dict[str, float]:
    lines = (await client.get("/metrics")).text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


async def test_every_name_is_there_after_one_call_of_each_kind(shapes: Shapes) -> None:
    for service_id in ("web-1", "web-2"):
        await shapes.fr0g.put(REGISTER, {"id": service_id, "name": "web"})
    for path in ("/v1/catalog/services", "/v1/health/service/web-1"):
        await shapes.fr0g.get(path)
    await shapes.fr0g.put("/v1/agent/service/deregister/web-2")
    found = await samples(shapes.fr0g)
    expected = {
        'service_registrations_total{service_name="web"}': 2.0,
        'service_deregistrations_total{service_name="web"}': 1.0,
        'discovery_requests_total{endpoint="register"}': 2.0,
        'discovery_requests_total{endpoint="deregister"}': 1.0,
        'discovery_requests_total{endpoint="services"}': 1.0,
        'discovery_requests_total{endpoint="health"}': 1.0,
        'discovery_duration_seconds_count{endpoint="register"}': 2.0,
        'redis_operations_total{operation="save",status="success"}': 2.0,
        'redis_operations_total{operation="save",status="error"}': 0.0,
        'redis_operations_total{operation="delete",status="success"}': 1.0,
        'redis_operations_total{operation="delete",status="error"}': 0.0,
        'services_total{health_status="passing"}': 1.0,
        'services_total{health_status="warning"}': 0.0,
        'services_total{health_status="critical"}': 0.0,
    }
    assert {name: found.get(f"fr0g_registry_{name}") for name in expected} == expected
    assert {"fr0g_registry_cache_hits_total", "fr0g_registry_cache_misses_total"} <= found.keys()
    bounds = re.findall(r'discovery_duration_seconds_bucket\{endpoint="health",le="([^"]+)"', "\n".join(found))
    assert bounds == ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"]


async def test_the_set_of_optiinfra(shapes: Shapes) -> None:
    body = {"name": "a", "type": "cost", "host": "h", "port": 1}
    one = (await shapes.consul.post("/agents/register", body)).value["agent_id"]
    other = (await shapes.consul.post("/agents/register", {**body, "name": "b"})).value["agent_id"]
    await shapes.consul.post(f"/agents/{one}/unregister")
    await shapes.consul.post(f"/agents/{other}/heartbeat", {"status": "degraded"})
    found = await samples(shapes.consul)
    expected = {
        'agent_registrations_total{agent_type="cost"}': 2.0,
        'agent_deregistrations_total{agent_type="cost"}': 1.0,
        'active_agents{agent_type="cost"}': 1.0,
        f'agent_health_status{{agent="{other}",agent_type="cost"}}': 0.5,
        'http_requests_total{endpoint="/agents/register",method="POST",status="201"}': 2.0,
        'http_request_duration_seconds_count{endpoint="/agents/register",method="POST"}': 2.0,
    }
    assert {name: found.get(name) for name in expected} == expected


async def test_names_that_clients_make_up_are_bounded() -> None:
    async with testing.server(metrics_max_labels=2, shape="fr0g") as server:
        client = RestClient(server)
        await client.know_agents()
        for name in ("a", "b", "c", "d", "a"):
            await client.put(REGISTER, {"name": name})
        text = "\n".join(await samples(client))
        found = await samples(client)
        await client.close()
    name = "fr0g_registry_service_registrations_total"
    counted = {key: value for key, value in found.items() if key.startswith(name)}
    labels = {"a": 2.0, "b": 1.0, "other": 2.0}
    assert counted == {f'{name}{{service_name="{label}"}}': value for label, value in labels.items()}
    assert text.count("agent_health_status{") == 2
    assert found['active_agents{agent_type="other"}'] == 2
