"""`/health`, `/health/ready` and `/metrics`: pages for every kind of client. Source: dialects.md §7.2, §7.4."""

import re
import secrets
from pathlib import Path

import pytest

from registry import testing
from registry.log.sqlite import SqliteLog
from registry.testing import FakeClock
from tests.contract.consul.agent import register
from tests.contract.consul.exchange import Client

BODY = (
    '{"status":"healthy","service":"registry","timestamp":"2023-11-14T22:13:20.000000Z","version":"0.1.0",'
    '"redis":true,"services":%d,"registered_services":%d,'
    '"components":{"registry":"healthy","task_router":"healthy","coordinator":"healthy"}}'
)

# The latter are the Hive's, fr0g's and OptiInfra's (dialects.md §5.7, §6.4, §7.4).
OURS = ("registry_", "service_registry_", "fr0g_registry_", "agent_", "active_agents", "http_request")


async def fresh(consul: Client, path: str, *headers: str) -> tuple[int, str, str]:
    """Status, content type and text; these pages may differ each time they are read."""
    answer = await consul.send(f"GET {path}", *headers)
    return answer.status, answer.headers["content-type"], answer.text


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health?pretty", "/health?ns=x"])
async def test_health_is_one_compact_body_for_all(consul: Client, path: str) -> None:
    assert await fresh(consul, path) == (200, "application/json; charset=utf-8", BODY % (0, 0))


async def test_health_counts_what_clients_have_registered(consul: Client) -> None:
    await register(consul, Name="a")
    await register(consul, Name="a", ID="b")
    await consul.register("elsewhere", Service={"Service": "c"})
    assert (await fresh(consul, "/health"))[2] == BODY % (3, 3)


async def test_the_service_can_be_called_something_else() -> None:
    async with testing.server(health_service_name="fr0g") as server:
        consul = Client(server)
        assert '"service":"fr0g"' in (await fresh(consul, "/health"))[2]
        await consul.close()


async def test_a_full_disk_is_told_without_the_word_that_clients_search_for(tmp_path: Path) -> None:
    """The body says it and the balancer's page by its status too; nobody greps `healthy` out of `unhealthy`."""
    clock = FakeClock()
    log = SqliteLog(
        tmp_path / "registry.db", now=clock.now, elapsed=clock.elapsed, writer=secrets.token_hex(4), max_pages=40
    )
    async with testing.server(log=log, clock=clock) as server:
        consul = Client(server)
        answers = [
            await consul.put("/v1/catalog/register", {"Node": f"n{n}", "Address": "a" * 20_000}) for n in range(20)
        ]
        assert (answers[-1].status, "full" in answers[-1].text) == (503, True)
        assert str(tmp_path) not in answers[-1].text
        status, _, text = await fresh(consul, "/health")
        assert (status, '"status":"degraded"' in text, "unhealthy" in text) == (200, True, False)
        assert (await fresh(consul, "/health/ready"))[0] == 503
        await consul.close()


async def test_metrics_are_prometheus_text_under_names_of_our_own(consul: Client) -> None:
    await register(consul, Name="a")
    await consul.get("/v1/catalog/services")
    status, content_type, text = await fresh(consul, "/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    names = set(re.findall(r"^([a-z0-9_]+)", text, re.MULTILINE))
    assert all(name.startswith(OURS) for name in names)
    wanted = 'registry_http_requests_total{endpoint="/v1/agent/service/register",method="PUT",status="200"} 1.0'
    assert wanted in text


async def test_metrics_as_openmetrics_where_that_is_asked_for(consul: Client) -> None:
    _, content_type, text = await fresh(consul, "/metrics", "Accept: application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/metrics"])
async def test_own_pages_are_read_and_nothing_else(consul: Client, path: str) -> None:
    answer = await consul.send(f"HEAD {path}")
    assert (answer.status, answer.body) == (200, b"")
    for method in ("PUT", "POST", "DELETE", "OPTIONS"):
        answer = await consul.send(f"{method} {path}")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    answer = await consul.send(f"GET {path}?a=%zz")
    assert answer.status == 400
    assert answer.text.startswith("The query string cannot be read")


@pytest.mark.parametrize("path", ["/health/", "/metrics/", "/Health", "/health/live"])
async def test_paths_beside_them_are_nobodys(consul: Client, path: str) -> None:
    answer = await consul.send(f"GET {path}")
    assert (answer.status, answer.text.startswith("Invalid URL path: if attempting")) == (404, True)


async def test_an_id_that_is_sent_in_comes_back(consul: Client) -> None:
    assert (await consul.send("GET /health", "X-Request-Id: abc-1")).headers["x-request-id"] == "abc-1"
    for wrong in ("x" * 65, ""):
        assert (await consul.send("GET /health", f"X-Request-Id: {wrong}")).headers["x-request-id"] != wrong
