"""The hard cases of living together that concern several dialects at once (dialects.md §9)."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.rest import RestClient

COST = {"name": "n", "type": "cost", "host": "h", "port": 1, "capabilities": ["b", "a", "b", ""], "version": ""}


async def optiinfra(rest: RestClient, **changed: Any) -> str:
    answer = await rest.post("/agents/register", {**COST, **changed})
    assert answer.status == 201, answer
    return str(answer.value["agent_id"])


async def codevald(rest: RestClient, **changed: Any) -> str:
    answer = await rest.post("/api/v1/agents", {"name": "w", "type": "worker", **changed})
    assert answer.status == 201, answer
    return str(answer.value["id"])


async def consul(rest: RestClient, **body: Any) -> None:
    answer = await rest.put("/v1/agent/service/register", body)
    assert answer.status == 200, answer


async def beat(rest: RestClient, agent_id: str, **body: Any) -> int:
    return (await rest.post(f"/agents/{agent_id}/heartbeat", body)).status


async def agent(rest: RestClient, agent_id: str) -> Any:
    answer = await rest.get(f"/agents/{agent_id}")
    return answer.value if answer.status == 200 else None


async def status(rest: RestClient, agent_id: str) -> str:
    return str(((await agent(rest, agent_id)) or {"status": "gone"})["status"])


async def checks(rest: RestClient, service_id: str) -> dict[str, str]:
    found = (await rest.get("/v1/agent/checks")).value.values()
    return {one["CheckID"]: one["Status"] for one in found if one["ServiceID"] == service_id}


async def test_m1_instances_of_other_nodes_have_their_nodes_name_before_their_id(rest: RestClient) -> None:
    there = {"Node": "m", "Address": "10.0.0.9", "Service": {"ID": "i", "Service": "far", "Port": 1}}
    assert (await rest.put("/v1/catalog/register", there)).status == 200
    for path in ("/agents/m~i", "/api/v1/agents/m~i"):
        assert (await rest.get(path)).value["id"] == "m~i"
    assert (await agent(rest, "m~i"))["host"] == "10.0.0.9"
    assert await agent(rest, "i") is None
    assert await beat(rest, "m~i") == 404
    assert (await rest.post("/api/v1/agents/m~i/stop")).status == 404
    await consul(rest, ID="m~i", Name="near")
    assert (await agent(rest, "m~i"))["type"] == "near", "an exact local id wins"


@pytest.mark.parametrize("odd", ["a/b", "ä b", "x%2Fy", "register2"])
async def test_m2_any_id_of_a_consul_client_is_an_id(rest: RestClient, odd: str) -> None:
    await consul(rest, ID=odd, Name="web", Check={"TTL": "10s"})
    path = quote(odd, safe="")
    for found in (f"/agents/{path}", f"/api/v1/agents/{path}"):
        assert (await rest.get(found)).value["id"] == odd
    assert await beat(rest, path) == 200
    assert (await rest.ask("DELETE", f"/api/v1/agents/{path}")).status == 200
    assert (await rest.get("/v1/agent/services")).value == {}


async def test_m5_one_word_for_a_type_is_one_service(rest: RestClient) -> None:
    first, second = await codevald(rest), await optiinfra(rest, type="worker")
    found = (await rest.get("/v1/catalog/service/worker")).value
    assert {one["ServiceID"]: one["ServiceMeta"]["agent_source"] for one in found} == {
        first: "codevald", second: "optiinfra",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["consul", "Consul"])
async def test_m6_the_servers_own_service_is_no_type_of_an_agent(rest: RestClient, word: str) -> None:
    assert (await rest.post("/agents/register", {**COST, "type": word})).status == 400
    assert (await rest.post("/api/v1/agents", {"name": "w", "type": word})).status == 400
    assert (await rest.post("/api/v1/agents/register", {"agent_id": "i", "agent_type": word})).status == 400
    await consul(rest, ID="mine", Name="consul")


@pytest.mark.parametrize("word", ["consul", "Consul"])
async def test_m6_nor_does_an_agent_take_the_place_of_its_instance(rest: RestClient, word: str) -> None:
    before = (await rest.get("/v1/catalog/service/consul")).value
    answer = await rest.post("/api/v1/agents/register", {"agent_id": word, "agent_type": "t"})
    assert (answer.status, answer.value) == (400, {"error": f"id: {word} is the registry's own service"})
    assert (await rest.get("/v1/catalog/service/consul")).value == before


async def test_m7_an_instance_without_a_name_is_called_by_its_id(rest: RestClient) -> None:
    await consul(rest, ID="web-1", Name="web")
    await consul(rest, ID="web-2", Name="web", Meta={"name": "label"})
    assert [one["name"] for one in (await rest.get("/agents")).value["agents"]] == ["web-1", "label"]
    assert [one["name"] for one in (await rest.get("/api/v1/agents")).value] == ["web-1", "label"]


async def test_m11_an_empty_address_is_the_nodes(rest: RestClient) -> None:
    await consul(rest, ID="web-1", Name="web", Port=80)
    node = (await rest.get("/v1/catalog/nodes")).value[0]["Address"]
    assert node
    assert (await agent(rest, "web-1"))["host"] == node
    assert (await rest.get("/api/v1/agents/web-1")).value["metadata"]["host"] == node
    agent_id = await codevald(rest)
    [found] = (await rest.get("/v1/catalog/service/worker")).value
    assert (found["ServiceAddress"], found["ServicePort"]) == ("", 0)
    assert (await rest.get("/v1/catalog/service/worker?filter=ServicePort+!=+0")).value == []
    assert (await rest.get(f"/api/v1/agents/{agent_id}")).value["metadata"] == {}


async def test_m16_a_registration_means_what_its_dialect_means(rest: RestClient) -> None:
    first, second = await optiinfra(rest), await optiinfra(rest)
    assert first != second
    before = rest.server.engine.state.applied
    for _ in range(2):
        await consul(rest, ID="web-1", Name="web", Port=80)
    assert rest.server.engine.state.applied == before + 1
    await consul(rest, ID=first, Name="cost", Address="elsewhere", Port=2)
    taken = await agent(rest, first)
    assert (taken["host"], taken["port"], taken["status"]) == ("elsewhere", 2, "healthy")
    [source] = {
        one["ServiceMeta"].get("agent_source") for one in (await rest.get("/v1/catalog/service/cost")).value
        if one["ServiceID"] == first
    }  # fmt: skip
    assert source == "optiinfra", "kept from birth"


async def test_m17_an_agent_is_born_passing_a_ttl_of_consul_critical(rest: RestClient) -> None:
    agent_id = await optiinfra(rest)
    await consul(rest, ID="web-1", Name="web", Check={"TTL": "10s"})
    assert (await checks(rest, agent_id), await checks(rest, "web-1")) == (
        {f"service:{agent_id}": "passing"}, {"service:web-1": "critical"},
    )  # fmt: skip
    assert await beat(rest, "web-1", status="healthy") == 200
    assert await checks(rest, "web-1") == {"service:web-1": "passing"}


async def test_m18_tags_are_kept_verbatim(rest: RestClient) -> None:
    agent_id = await optiinfra(rest)
    assert (await agent(rest, agent_id))["capabilities"] == ["b", "a", "b", ""]
    assert (await rest.get(f"/v1/agent/service/{agent_id}")).value["Tags"] == ["b", "a", "b", ""]
    assert (await rest.get(f"/api/v1/agents/{agent_id}")).value["metadata"]["capabilities"] == "b,a,b,"
    assert (await rest.get("/agents?capability=a&capability=b")).value["count"] == 1


async def test_m19_nobody_to_remove_is_said_in_each_dialects_way(rest: RestClient) -> None:
    assert (await rest.put("/v1/agent/service/deregister/x")).status == 404
    assert (await rest.post("/agents/x/unregister")).status == 200
    assert (await rest.ask("DELETE", "/api/v1/agents/x")).status == 404


@pytest.mark.parametrize(
    "removal",
    ["PUT /v1/agent/service/deregister/{}", "POST /agents/{}/unregister", "DELETE /api/v1/agents/{}"],
)
@pytest.mark.parametrize("birth", [optiinfra, codevald])
async def test_whoever_removes_an_agent_removes_all_of_it_for_good(rest: RestClient, removal: str, birth: Any) -> None:
    agent_id = await birth(rest)
    assert (await rest.ask(*removal.format(agent_id).split())).status == 200
    assert (await rest.get("/v1/agent/checks")).value == {}
    assert await beat(rest, agent_id) == 404, "an explicit removal leaves nothing to revive"


async def test_m22_a_namespace_of_the_hive_is_not_consuls(rest: RestClient) -> None:
    await consul(rest, ID="web-1", Name="web", Meta={"namespace": "blue", "cluster": "c9"})
    [found] = (await rest.get("/v1/catalog/service/web")).value
    assert found["Datacenter"] == "dc1"
    assert "Namespace" not in found
    assert (await agent(rest, "web-1"))["metadata"] == {"namespace": "blue", "cluster": "c9"}


async def test_m23_who_beats_does_not_change_how_long_a_beat_counts(rest: RestClient) -> None:
    cost, worker = await optiinfra(rest), await codevald(rest)
    assert (await rest.put(f"/v1/agent/check/pass/service:{cost}")).status == 200
    assert await beat(rest, worker) == 200
    await rest.server.advance(46)
    assert (await status(rest, cost), (await rest.get(f"/api/v1/agents/{worker}")).value["is_healthy"]) == (
        "unreachable", True,
    )  # fmt: skip
    await rest.server.advance(15)
    assert (await rest.get(f"/api/v1/agents/{worker}")).value["is_healthy"] is False


async def test_m24_the_limit_of_agents_counts_none_of_other_systems(rest: RestClient) -> None:
    for number in range(120):
        await consul(rest, ID=f"web-{number}", Name="web")
    assert await codevald(rest)


@pytest.mark.timeout(60)  # a quarter of an hour goes by in steps of 0.25 s, each of which asks the store
async def test_m25_a_removed_agent_that_beats_is_back_in_every_dialect(rest: RestClient) -> None:
    agent_id = await optiinfra(rest, metadata={"a": [1]})
    await rest.server.advance(120)
    assert await agent(rest, agent_id) is None
    assert (await rest.get(f"/api/v1/agents/{agent_id}")).status == 404
    assert await beat(rest, agent_id) == 200
    assert ((await agent(rest, agent_id))["metadata"], await status(rest, agent_id)) == ({"a": [1]}, "healthy")
    assert await checks(rest, agent_id) == {f"service:{agent_id}": "passing"}
    await rest.server.advance(106 + 601)
    assert await beat(rest, agent_id) == 404


async def test_an_agent_that_says_it_is_unhealthy_is_not_removed_while_it_beats(rest: RestClient) -> None:
    """§2.3: what removes an agent is silence, not a bad report."""
    agent_id = await optiinfra(rest)
    for _ in range(6):
        assert await beat(rest, agent_id, status="unhealthy") == 200
        await rest.server.advance(30)
        assert await status(rest, agent_id) == "unhealthy"
    await rest.server.advance(16)
    assert await status(rest, agent_id) == "unreachable"
    await rest.server.advance(50)
    assert await status(rest, agent_id) == "unreachable", "60 s from the end of its time, not from its first bad word"
    await rest.server.advance(11)
    assert await status(rest, agent_id) == "gone"


async def test_a_silent_agent_stays_unreachable_when_its_newest_text_is_stored(rest: RestClient) -> None:
    """A text that waits to be stored is no sign of life."""
    agent_id = await codevald(rest)
    assert (await rest.put(f"/v1/agent/check/fail/service:{agent_id}?note=hot")).status == 200
    assert await status(rest, agent_id) == "unhealthy"
    for _ in range(10):
        await rest.server.advance(61)
        assert await status(rest, agent_id) == "unreachable"


async def test_m27_a_consul_client_may_fail_remove_or_replace_the_check_of_liveness(rest: RestClient) -> None:
    agent_id = await optiinfra(rest)
    check = f"service:{agent_id}"
    assert (await rest.put(f"/v1/agent/check/fail/{check}")).status == 200
    assert await status(rest, agent_id) == "unhealthy"
    assert await beat(rest, agent_id, status="healthy") == 200
    assert (await rest.put(f"/v1/agent/check/deregister/{check}")).status == 200
    assert (await checks(rest, agent_id), await status(rest, agent_id)) == ({}, "healthy")
    assert await beat(rest, agent_id) == 200
    assert await checks(rest, agent_id) == {check: "passing"}, "the next beat brings it back"
    body = {
        "ID": check, "Name": "mine", "ServiceID": agent_id, "HTTP": "http://127.0.0.1:1/", "Interval": "1h",
        "Status": "warning",
    }  # fmt: skip
    assert (await rest.put(f"/v1/agent/check/deregister/{check}")).status == 200
    assert (await rest.put("/v1/agent/check/register", body)).status == 200
    assert await beat(rest, agent_id, status="healthy") == 200
    assert await checks(rest, agent_id) == {check: "warning"}, "it is theirs now: a beat only moves last_seen"
    await rest.server.advance(300)
    assert await status(rest, agent_id) == "unhealthy", "as their check finds it; no time of ours runs out"


async def test_m29_words_that_are_no_dns_labels_are_words(rest: RestClient) -> None:
    agent_id = await optiinfra(rest, type="Kosten & Nutzen", capabilities=["a.b/c d"])
    [one] = (await rest.get("/agents/type/Kosten%20%26%20Nutzen")).value["agents"]
    assert (one["id"], one["capabilities"]) == (agent_id, ["a.b/c d"])
    [found] = (await rest.get("/v1/health/service/Kosten%20%26%20Nutzen")).value
    assert found["Service"]["ID"] == agent_id
