"""Agents of CodeValdCortex: creating, reading, listing and finding them. Source: dialects.md §4.1, §4.2, §4.5."""

import re
from typing import Any

import pytest

from registry import testing
from tests.contract.codevald.cortex import AGENTS, TIME, Cortex, after_birth

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


# A new one


async def test_a_new_agent_is_created_under_an_id_of_ours(cortex: Cortex) -> None:
    status, agent = await cortex.told(f"POST {AGENTS}", {"name": "w1", "type": "worker"})
    assert status == 201
    assert UUID4.fullmatch(agent.pop("id"))
    assert TIME.fullmatch(agent["created_at"])
    assert after_birth(agent, "updated_at") == 0
    assert after_birth(agent, "last_heartbeat") == pytest.approx(0, abs=0.2)
    times = {key: agent[key] for key in ("created_at", "updated_at", "last_heartbeat")}
    assert agent == {
        "name": "w1", "type": "worker", "state": "created", "metadata": {}, **times, "is_healthy": True,
    }  # fmt: skip


async def test_each_creation_is_another_agent(cortex: Cortex) -> None:
    assert await cortex.created() != await cortex.created()
    assert len(await cortex.listed()) == 2


async def test_metadata_is_kept_and_shown_as_strings(cortex: Cortex) -> None:
    """The original server ignores it; native values are kept for those who show them."""
    metadata = {"zone": "a", "cpu": 2.5, "gpu": False, "labels": ["x", "y"], "none": None}
    agent_id = await cortex.created(metadata=metadata)
    assert (await cortex.agent(agent_id))["metadata"] == {
        "cpu": "2.5", "gpu": "false", "labels": '["x","y"]', "none": "", "zone": "a",
    }  # fmt: skip
    assert (await cortex.get(f"/agents/{agent_id}")).value["metadata"] == {**metadata, "state": "created"}


async def test_keys_are_taken_in_any_case_and_unknown_ones_ignored(cortex: Cortex) -> None:
    body = b'{"NAME": "w1", "Type": "worker", "state": "running", "config": null, "more": [1]}'
    status, agent = await cortex.told(f"POST {AGENTS}", body)
    assert (status, agent["name"], agent["type"], agent["state"]) == (201, "w1", "worker", "created")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF"),
        (b"{", ""),
        (b"[]", "an object"),
        (b"{}", "name is required"),
        (b'{"name": "w1"}', "type is required"),
        (b'{"name": "", "type": "worker"}', "name is required"),
        (b'{"name": 1, "type": "worker"}', "name: a number where a string is needed"),
        (b'{"name": "w1", "type": "Consul"}', "type: Consul is the registry's own service"),
        (b'{"name": "w1", "type": "w", "config": 5}', "config: a number where an object is needed"),
        (b'{"name": "w1", "type": "w", "config": {"TaskTimeout": "soon"}}', "TaskTimeout: time: invalid duration"),
        (b'{"name": "w1", "type": "w", "config": {"MaxConcurrentTasks": -1}}', "MaxConcurrentTasks: -1 is not within"),
        (b'{"name": "w1", "type": "w", "metadata": "x"}', "metadata: a string where an object is needed"),
    ],
)
async def test_what_is_wrong_with_a_body_is_told_and_nothing_created(cortex: Cortex, body: bytes, problem: str) -> None:
    status, answer = await cortex.told(f"POST {AGENTS}", body)
    assert (status, list(answer)) == (400, ["error"])
    assert problem in answer["error"]
    assert await cortex.listed() == []


async def test_metadata_has_a_limit(cortex: Cortex) -> None:
    status, _ = await cortex.told(f"POST {AGENTS}", {"name": "w", "type": "w", "metadata": {"x": "y" * 70_000}})
    assert status == 413


# The limit


async def limited(cortex: Cortex) -> tuple[int, Any]:
    return await cortex.told(f"POST {AGENTS}", {"name": "w", "type": "worker"})


async def test_agents_that_are_not_stopped_are_limited() -> None:
    """Row 5 of dialects.md §4.4: one that is stopped makes room, and so does one that is deleted."""
    async with testing.server(codevald_max_agents=2) as server:
        cortex = Cortex(server)
        await cortex.know_agents()
        first, second = await cortex.created(), await cortex.started()
        await cortex.put("/v1/agent/service/register", {"Name": "web"})
        assert await limited(cortex) == (429, {"error": "agent limit reached: 2"})
        await cortex.moved(first, "stop")
        assert (await limited(cortex))[0] == 201
        assert (await limited(cortex))[0] == 429
        assert (await cortex.call(f"DELETE {AGENTS}/{second}")).status == 200
        assert (await limited(cortex))[0] == 201
        await cortex.close()


async def test_without_a_limit_there_may_be_any_number() -> None:
    async with testing.server(codevald_max_agents=0) as server:
        cortex = Cortex(server)
        await cortex.know_agents()
        assert [(await limited(cortex))[0] for _ in range(101)] == [201] * 101
        await cortex.close()


async def test_a_hundred_agents_are_the_usual_limit(cortex: Cortex) -> None:
    answers = [(await limited(cortex))[0] for _ in range(101)]
    assert (answers[:100], answers[100]) == ([201] * 100, 429)


# One of them


async def test_an_agent_is_known_to_consul_as_an_instance_with_two_checks(cortex: Cortex) -> None:
    """dialects.md §10.2."""
    agent_id = await cortex.started(metadata={"zone": "a"})
    service = (await cortex.consul("/v1/agent/services"))[agent_id]
    assert (service["Service"], service["ID"], service["Address"], service["Port"]) == ("worker", agent_id, "", 0)
    assert service["Meta"] == {"name": "w1", "state": "running", "agent_source": "codevald", "zone": "a"}
    (entry,) = await cortex.consul("/v1/health/service/worker?passing")
    found = {check["CheckID"]: (check["Type"], check["Status"]) for check in entry["Checks"] if check["ServiceID"]}
    assert found == {f"service:{agent_id}": ("ttl", "passing"), f"agent-state:{agent_id}": ("", "passing")}


async def test_an_instance_of_consul_is_an_agent_that_runs(cortex: Cortex) -> None:
    """dialects.md §10.1, byte for byte apart from times."""
    await cortex.put("/v1/catalog/register", {
        "Node": "elsewhere", "Address": "10.0.0.5",
        "Service": {"ID": "web-1", "Service": "web", "Port": 8080, "Tags": ["api", "v2"],
                    "Meta": {"version": "2.1", "team": "x"}},
        "Check": {"CheckID": "c", "ServiceID": "web-1", "Status": "passing"},
    })  # fmt: skip
    answer = await cortex.get(f"{AGENTS}/elsewhere~web-1")
    assert TIME.sub("T", answer.text) == (
        '{"id":"elsewhere~web-1","name":"elsewhere~web-1","type":"web","state":"running","metadata":'
        '{"capabilities":"api,v2","host":"10.0.0.5","port":"8080","team":"x","version":"2.1"},'
        '"created_at":"T","updated_at":"T","last_heartbeat":"T","is_healthy":true}'
    )


async def test_what_an_instance_says_itself_goes_before_what_is_added(cortex: Cortex) -> None:
    await cortex.put(
        "/v1/agent/service/register", {"Name": "web", "Port": 80, "Tags": ["a"], "Meta": {"port": "443", "name": "W"}}
    )
    agent = await cortex.agent("web")
    assert agent["name"] == "W"
    assert agent["metadata"] == {"capabilities": "a", "host": "127.0.0.1", "name": "W", "port": "443"}


async def test_only_critical_instances_of_consul_are_not_healthy(cortex: Cortex) -> None:
    await cortex.put("/v1/agent/service/register", {"Name": "web", "Check": {"TTL": "10s", "Status": "passing"}})
    for verb, healthy in (("warn", True), ("fail", False), ("pass", True)):
        await cortex.put(f"/v1/agent/check/{verb}/service:web")
        assert (await cortex.agent("web"))["is_healthy"] is healthy
    await cortex.server.advance(11)
    assert (await cortex.agent("web"))["is_healthy"] is False


async def test_an_agent_of_optiinfra_is_one_too(cortex: Cortex) -> None:
    status, answer = await cortex.told(
        "POST /agents/register",
        {"name": "c1", "type": "cost", "host": "h", "port": 8001, "capabilities": ["spot"], "version": "1.0",
         "metadata": {"cpu": 45.5}},
    )  # fmt: skip
    assert status == 201
    agent = await cortex.agent(answer["agent_id"])
    assert (agent["name"], agent["type"], agent["state"], agent["is_healthy"]) == ("c1", "cost", "running", True)
    assert agent["metadata"] == {"capabilities": "spot", "cpu": "45.5", "host": "h", "port": "8001", "version": "1.0"}


@pytest.mark.parametrize("verb", ["start", "stop", "pause", "resume", "restart"])
async def test_nobody_of_this_id_can_be_moved(cortex: Cortex, verb: str) -> None:
    assert await cortex.told(f"POST {AGENTS}/nobody/{verb}") == (404, {"error": "agent not found"})


async def test_an_id_is_one_percent_encoded_segment(cortex: Cortex) -> None:
    await cortex.put("/v1/agent/service/register", {"Name": "web", "ID": "a/b c"})
    assert (await cortex.agent("a%2Fb%20c"))["id"] == "a/b c"


async def test_an_agent_that_is_deleted_is_gone_everywhere(cortex: Cortex) -> None:
    agent_id = await cortex.started()
    await cortex.submitted(agent_id)
    assert (await cortex.call(f"DELETE {AGENTS}/{agent_id}")).status == 200
    assert await cortex.told(f"GET {AGENTS}/{agent_id}") == (404, {"error": "agent not found"})
    assert agent_id not in await cortex.consul("/v1/agent/services")
    assert (await cortex.metrics())["current_running_tasks"] == 0


# All of them


async def names(cortex: Cortex, query: str = "") -> list[str]:
    return [agent["name"] for agent in await cortex.listed(query)]


async def test_a_list_has_the_order_in_which_agents_came(cortex: Cortex) -> None:
    for name in ("c", "a", "b"):
        await cortex.created(name)
        await cortex.server.advance(1)
    assert await names(cortex) == ["c", "a", "b"]


async def test_pages_are_ordered_by_id_and_tell_how_many_there_are(cortex: Cortex) -> None:
    ids = []
    for number in range(60):
        ids.append(await cortex.created(f"w{number}"))
        await cortex.server.advance(0.01)
    ids.sort()
    pages = [[one["id"] for one in await cortex.listed(f"?page={page}&limit=25")] for page in (1, 2, 3, 4)]
    assert pages == [ids[:25], ids[25:50], ids[50:], []]
    assert (await cortex.get(f"{AGENTS}?page=2&limit=25")).headers["X-Total-Count"] == "60"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", 60), ("?page=1", 50), ("?page=2", 10), ("?limit=7", 7), ("?limit=1000", 60), ("?limit=1001", 50),
        ("?limit=0", 50), ("?limit=-1", 50), ("?limit=x", 50), ("?page=0", 50), ("?page=x", 50), ("?page=", 50),
        ("?page=99999999999999999999", 50), ("?page=2147483648&limit=1000", 0),
    ],
)  # fmt: skip
async def test_bad_values_of_a_page_are_the_defaults(cortex: Cortex, query: str, shown: int) -> None:
    for number in range(60):
        await cortex.created(f"w{number}")
    assert len(await cortex.listed(query)) == shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?type=worker", ["running", "stopped"]),
        ("?type=Worker", []),
        ("?state=running", ["running", "plain"]),
        ("?state=stopped", ["stopped"]),
        ("?state=none", []),
        ("?healthy=true", ["running", "plain"]),
        ("?healthy=FALSE", ["stopped", "created"]),
        ("?type=worker&state=stopped", ["stopped"]),
        ("?type=worker&state=created", []),
        ("?type=worker&state=running&healthy=true", ["running"]),
        ("?type=worker&healthy=false&limit=1", ["stopped"]),
        ("?type=&state=&healthy=", ["running", "stopped", "created", "plain"]),
    ],
)
async def test_agents_are_found_by_what_all_given_parameters_say(cortex: Cortex, query: str, found: list[str]) -> None:
    """FindByType, FindByState, FindHealthy, FindByTypeAndState and Count; health is that of now (dialects.md §4.5)."""
    await cortex.started("running")
    await cortex.server.advance(1)
    await cortex.moved(await cortex.created("stopped"), "stop")
    await cortex.server.advance(1)
    await cortex.created("created", "coordinator")
    await cortex.server.advance(61)
    await cortex.put("/v1/agent/service/register", {"Name": "plain"})
    assert await names(cortex, query) == found
    if "limit" not in query:
        assert (await cortex.get(AGENTS + query)).headers["X-Total-Count"] == str(len(found))


async def test_a_health_that_is_neither_is_refused(cortex: Cortex) -> None:
    status, answer = await cortex.told(f"GET {AGENTS}?healthy=maybe")
    assert (status, answer) == (400, {"error": "healthy: maybe where true or false is needed"})


async def test_a_list_may_be_of_its_own_agents_only() -> None:
    async with testing.server(dialect_scope="own") as server:
        cortex = Cortex(server)
        await cortex.know_agents()
        await cortex.created()
        await cortex.put("/v1/agent/service/register", {"Name": "web"})
        assert await names(cortex) == ["w1"]
        assert (await cortex.agent("web"))["name"] == "web"
        await cortex.close()


# Routes


@pytest.mark.parametrize(
    "line",
    ["PUT /api/v1/agents", "GET /api/v1/agents/a/start", "POST /api/v1/metrics", "GET /api/v1/none", "GET /api/v1"],
)
async def test_what_is_no_route_is_404_whatever_the_method(cortex: Cortex, line: str) -> None:
    answer = await cortex.call(line)
    assert (answer.status, answer.text) == (404, "404 page not found")


async def test_slashes_too_many_do_not_count(cortex: Cortex) -> None:
    assert await cortex.told("GET //api/v1/agents/") == (200, [])


async def test_a_network_that_may_not_write_may_read() -> None:
    async with testing.server(allow_write_http_from=("192.0.2.0/24",)) as server:
        cortex = Cortex(server)
        status, answer = await cortex.told(f"POST {AGENTS}", {"name": "w", "type": "w"})
        assert (status, answer) == (403, {"error": "writes are not taken from 127.0.0.1"})
        assert await cortex.listed() == []
        await cortex.close()
