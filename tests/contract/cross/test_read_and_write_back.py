"""A Consul client that reads an instance and writes it back as it was changes nothing (dialects.md §8.4)."""

from typing import Any

import pytest

from tests.contract.rest import RestClient

NATIVE: dict[str, Any] = {
    "cpu": 45.5, "tags": ["a"], "on": True, "nothing": None, "name": "mine", "a b": 1, "a_b": 2, "": "empty",
    "consul-x": "x", "deep": {"b": 1, "a": [None]}, "long": "x" * 513, "agent_source": "me", "ü": "ö",
}  # fmt: skip
AGENT = {"name": "n", "type": "t", "host": "h", "port": 1, "version": "1", "metadata": NATIVE}


async def written_back(rest: RestClient, service_id: str, **changed: Any) -> None:
    """Register what agent/service shows, as tools do."""
    found = (await rest.get(f"/v1/agent/service/{service_id}")).value
    body = {
        "ID": found["ID"], "Name": found["Service"], "Tags": found["Tags"], "Meta": found["Meta"],
        "Address": found["Address"], "Port": found["Port"], "Weights": found["Weights"],
        "EnableTagOverride": found["EnableTagOverride"], **changed,
    }  # fmt: skip
    answer = await rest.put("/v1/agent/service/register", body)
    assert answer.status == 200, answer


async def views(rest: RestClient, agent_id: str) -> list[str]:
    """The record as every dialect shows it."""
    paths = (
        f"/agents/{agent_id}", f"/api/v1/agents/{agent_id}", f"/v1/agent/service/{agent_id}", "/v1/health/service/t",
        "/v1/agent/checks",
    )  # fmt: skip
    return [(await rest.get(path)).text for path in paths]


async def indexes(rest: RestClient) -> tuple[list[str], int]:
    """What a blocking reader of Consul would wait on, and how long the log is."""
    paths = (
        "/v1/health/service/t", "/v1/catalog/services", "/v1/catalog/service/t", "/v1/health/state/any",
        "/v1/catalog/nodes",
    )  # fmt: skip
    return [(await rest.get(path)).headers["X-Consul-Index"] for path in paths], rest.server.engine.state.applied


@pytest.mark.parametrize("host", ["h", "10.0.0.9", "::1"])
@pytest.mark.parametrize("entry", ["optiinfra", "variant", "codevald"])
async def test_writing_back_what_was_read_moves_no_index(rest: RestClient, entry: str, host: str) -> None:
    if entry == "optiinfra":
        agent_id = (await rest.post("/agents/register", {**AGENT, "host": host})).value["agent_id"]
    elif entry == "variant":
        body = {"agent_id": "own", "agent_type": "t", "host": host, "port": 1, "metadata": NATIVE}
        agent_id = (await rest.post("/api/v1/agents/register", body)).value["agent_id"]
    else:
        agent_id = (await rest.post("/api/v1/agents", {"name": "n", "type": "t", "metadata": NATIVE})).value["id"]
    before, at = await views(rest, agent_id), await indexes(rest)
    await written_back(rest, agent_id)
    assert await indexes(rest) == at
    assert await views(rest, agent_id) == before


async def test_one_changed_pair_changes_one_entry_and_no_native_value(rest: RestClient) -> None:
    agent_id = (await rest.post("/agents/register", AGENT)).value["agent_id"]
    meta = (await rest.get(f"/v1/agent/service/{agent_id}")).value["Meta"]
    assert meta["agent_meta_dropped"] == "1"
    changed = {key: value for key, value in meta.items() if key != "on"}
    await written_back(rest, agent_id, Meta={**changed, "cpu": "50", "new": "1", "version": "2"})
    agent = (await rest.get(f"/agents/{agent_id}")).value
    expected = {key: value for key, value in NATIVE.items() if key != "on"}
    assert agent["metadata"] == {**expected, "cpu": "50", "new": "1"}
    assert (agent["version"], agent["name"], len(agent["metadata"]["long"])) == ("2", "n", 513)


async def test_another_name_moves_the_agent(rest: RestClient) -> None:
    """M-3: the old service loses it; every dialect sees the new type."""
    agent_id = (await rest.post("/agents/register", AGENT)).value["agent_id"]
    await written_back(rest, agent_id, Name="other")
    assert (await rest.get("/v1/health/service/t")).value == []
    assert (await rest.get("/agents/type/t")).value["count"] == 0
    agent = (await rest.get(f"/agents/{agent_id}")).value
    assert (agent["type"], agent["status"], agent["metadata"]) == ("other", "healthy", NATIVE)
    [view] = (await rest.get("/api/v1/agents?type=other")).value
    assert view["id"] == agent_id
    [instance] = (await rest.get("/v1/health/service/other")).value
    assert instance["Service"]["Meta"]["agent_source"] == "optiinfra", "its source is kept from birth"
