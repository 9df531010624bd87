"""Bodies of one dialect sent to the routes of another: registered whole, or not at all (dialects.md §1, §9 M-13)."""

from typing import Any

import pytest

from tests.contract.rest import RestClient

BODIES: dict[str, dict[str, Any]] = {
    "optiinfra": {
        "name": "n", "type": "t", "host": "h", "port": 1, "capabilities": ["c"], "version": "1", "metadata": {"a": 1},
    },
    "variant": {
        "agent_id": "i", "agent_type": "t", "agent_name": "n", "host": "h", "port": 1, "capabilities": ["c"],
        "version": "1", "status": "healthy",
    },
    "codevald": {"name": "n", "type": "t", "config": {"MaxConcurrentTasks": 5}},
    "service": {"ID": "i", "Name": "n", "Address": "h", "Port": 1, "Tags": ["c"], "Check": {"TTL": "10s"}},
    "entry": {
        "Node": "m", "Address": "10.0.0.9", "Service": {"ID": "i", "Service": "n", "Port": 1},
        "Check": {"CheckID": "k", "Name": "k", "ServiceID": "i", "Status": "passing"},
    },
    "check": {"ID": "k", "Name": "k", "TTL": "10s"},
    "fr0g": {
        "id": "i", "name": "n", "address": "h", "port": 1, "tags": ["c"], "meta": {"a": "1"},
        "check": {"http": "http://127.0.0.1:1/", "interval": "1h"},
    },
    "hive": {"agentType": "WORKER", "capabilities": ["c"], "metadata": {"a": "1"}, "namespace": "x"},
}  # fmt: skip
ROUTES = {
    "optiinfra": "POST /agents/register", "variant": "POST /api/v1/agents/register", "codevald": "POST /api/v1/agents",
    "service": "PUT /v1/agent/service/register", "entry": "PUT /v1/catalog/register",
    "check": "PUT /v1/agent/check/register",
}  # fmt: skip

# Which bodies a route takes, and how many records that makes. What is not here is refused.
TAKEN = {
    ("optiinfra", "optiinfra"): 1, ("variant", "variant"): 1, ("codevald", "codevald"): 1,
    ("codevald", "optiinfra"): 1,  # it has a name and a type, which is all that is needed
    ("service", "service"): 1, ("service", "fr0g"): 1, ("entry", "entry"): 1,
    ("check", "check"): 0,
}  # fmt: skip


async def counted(rest: RestClient) -> set[int]:
    """How many records each dialect lists."""
    catalog = 0
    for name in (await rest.get("/v1/catalog/services")).value:
        catalog += len((await rest.get(f"/v1/catalog/service/{name}")).value) if name != "consul" else 0
    return {
        (await rest.get("/agents")).value["count"], len((await rest.get("/api/v1/agents")).value), catalog,
    }  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", BODIES)
async def test_a_body_is_registered_whole_or_not_at_all(rest: RestClient, route: str, body: str) -> None:
    before = rest.server.engine.state.applied
    answer = await rest.ask(*ROUTES[route].split(), BODIES[body])
    taken = TAKEN.get((route, body))
    assert answer.status in ((200, 201) if taken is not None else (400,)), answer
    assert await counted(rest) == {taken or 0}
    checks = (await rest.get("/v1/agent/checks")).value
    if taken is None:
        assert (rest.server.engine.state.applied, checks) == (before, {})


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("spoilt", [b"", b"[]", b"null", b'"x"', b'{"name":"n","type":"t"', b"\xff\xfe{}", b"{}"])
async def test_what_is_no_registration_at_all_leaves_nothing(rest: RestClient, route: str, spoilt: bytes) -> None:
    before = rest.server.engine.state.applied
    answer = await rest.ask(*ROUTES[route].split(), spoilt)
    assert answer.status in ((400, 500) if route == "entry" else (400,)), answer  # Consul's word for no node is 500
    assert (rest.server.engine.state.applied, await counted(rest)) == (before, {0})


@pytest.mark.parametrize("known", ["optiinfra", "variant", "codevald", "service"])
@pytest.mark.parametrize("body", BODIES)
async def test_a_refused_body_leaves_what_was_there_as_it_was(rest: RestClient, known: str, body: str) -> None:
    await rest.ask(*ROUTES[known].split(), BODIES[known])
    paths = ("/agents", "/api/v1/agents", "/v1/agent/services", "/v1/agent/checks")
    before = [(await rest.get(path)).text for path in paths]
    for route, line in ROUTES.items():
        if (route, body) not in TAKEN:
            assert (await rest.ask(*line.split(), BODIES[body])).status == 400
    assert [(await rest.get(path)).text for path in paths] == before
