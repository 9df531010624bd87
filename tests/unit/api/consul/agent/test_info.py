"""What the agent says about itself and its pool, and what it can be told."""

import asyncio
import json
import re
import socket
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from registry import testing
from registry.errors import SettingsError

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def at(document: Any, *path: str) -> Any:
    for name in path:
        document = document[name]
    return document


async def test_self_is_an_object_of_objects(agent) -> None:
    """The Go client decodes it into a map of maps."""
    answer = await agent.get("/v1/agent/self")

    assert list(answer.json) == ["Config", "DebugConfig", "Coord", "Member", "Stats", "Meta"]
    assert all(isinstance(one, dict) for one in answer.json.values())
    assert all(isinstance(value, str) for part in answer.json["Stats"].values() for value in part.values())
    assert list(answer.json["DebugConfig"]) == sorted(answer.json["DebugConfig"])


async def test_self_says_who_and_what_the_agent_is(agent) -> None:
    await agent.service("web", Checks=[{"TTL": "1m"}, {"TCP": "127.0.0.1:1", "Interval": "1h"}])
    await agent.check("disk")

    found = (await agent.get("/v1/agent/self")).json

    assert at(found, "Config", "NodeName") == at(found, "Member", "Name") == "test-node"
    assert UUID.fullmatch(at(found, "Config", "NodeID"))
    assert (at(found, "Config", "Version"), at(found, "Config", "Server")) == ("1.21.4", True)
    assert at(found, "DebugConfig", "SerfAdvertiseAddrLAN") == "tcp://127.0.0.1:8301"
    assert at(found, "Stats", "agent") == {"check_monitors": "1", "check_ttls": "2", "checks": "3", "services": "1"}
    assert at(found, "Stats", "raft", "applied_index") == str(agent.server.engine.state.applied)
    assert at(found, "Stats", "consul", "leader_addr") == (await agent.get("/v1/status/leader")).json
    assert at(found, "Meta", "consul-version") == "1.21.4"


async def test_self_shows_the_settings_but_no_secret() -> None:
    async with testing.server(
        log_level="warn", sidecar_min_port=5, default_query_seconds=60.0, response_headers={"X-A": "b"}
    ) as server:
        server.app.edge.settings = replace(server.app.settings, store="redis://user:s3cret@10.0.0.1:6379/0")
        async with aiohttp.ClientSession() as session, session.get(server.url + "/v1/agent/self") as answer:
            text = await answer.text()

    shown = json.loads(text)["DebugConfig"]
    assert shown["Logging"] == {"LogJSON": False, "LogLevel": "WARN"}
    assert (shown["ConnectSidecarMinPort"], shown["DefaultQueryTime"]) == (5, "1m0s")
    assert shown["StoreURL"] == "redis://user:***@10.0.0.1:6379/0"
    assert "s3cret" not in text


async def test_version(agent) -> None:
    answer = await agent.get("/v1/agent/version")

    assert list(answer.json) == ["SHA", "BuildDate", "HumanVersion", "FIPS"]
    assert answer.json["HumanVersion"] == "1.21.4"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json["BuildDate"])


async def test_host_tells_the_truth_about_the_machine(agent) -> None:
    found = (await agent.get("/v1/agent/host")).json

    assert at(found, "Host", "hostname") == socket.gethostname()
    assert at(found, "Memory", "total") >= at(found, "Memory", "used") > 0
    assert 0 < at(found, "Disk", "usedPercent") < 100
    assert at(found, "Disk", "total") >= at(found, "Disk", "free")
    assert len(found["CPU"]) >= 1
    assert found["CPU"][0]["cpu"] == 0
    assert found["CollectionTime"] == round(agent.server.clock.now() * 1e9)
    assert found["Errors"] is None


async def test_the_only_member_is_the_server_itself(agent) -> None:
    (member,) = (await agent.get("/v1/agent/members")).json

    assert (member["Name"], member["Addr"], member["Port"], member["Status"]) == ("test-node", "127.0.0.1", 8301, 1)
    assert {name: member["Tags"][name] for name in ("dc", "role", "port", "segment", "bootstrap", "acls")} == {
        "dc": "dc1", "role": "consul", "port": "8300", "segment": "", "bootstrap": "1", "acls": "0",
    }  # fmt: skip
    assert member["Tags"]["build"].split(":")[0] == "1.21.4"
    assert (await agent.get('/v1/agent/members?filter=Tags["dc"]==dc1&segment=_all')).json == [member]
    assert (await agent.get('/v1/agent/members?filter=Tags["dc"]==dc2')).json == []
    assert (await agent.get("/v1/agent/members?wan=1")).text == "null"
    assert (await agent.get("/v1/agent/members?wan=")).json == [member]


async def test_joining_oneself_is_done_already(agent) -> None:
    for address in ("127.0.0.1:8301", "127.0.0.1", "localhost:8301"):
        answer = await agent.put(f"/v1/agent/join/{address}")
        assert (answer.status, answer.text) == (200, "")


async def test_joining_others_is_tried_and_fails(agent) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        answer = await agent.put(f"/v1/agent/join/127.0.0.1:{port}")

    problem = f"Failed to join 127.0.0.1:{port}: dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert (answer.status, answer.text) == (500, f"1 error occurred:\n\t* {problem}\n\n")


async def test_joining_somebody_who_answers_but_has_no_pool(agent) -> None:
    answer = await agent.put(f"/v1/agent/join/127.0.0.1:{agent.server.port}")

    assert answer.status == 500
    assert answer.text.startswith(f"1 error occurred:\n\t* Failed to join 127.0.0.1:{agent.server.port}: ")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("join/", "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n"),
        ("join/x?wan=1", "WAN Federation is disabled"),
        ("force-leave/other", "agent: No node found with name 'other'"),
        ("force-leave/test-node?wan", "agent: No node found with name ''"),
    ],
)
async def test_what_a_pool_of_one_refuses(agent, target: str, text: str) -> None:
    answer = await agent.put(f"/v1/agent/{target}")

    assert (answer.status, answer.text) == (500, text)


async def test_forcing_oneself_out_changes_nothing(agent) -> None:
    assert (await agent.put("/v1/agent/force-leave/test-node?prune")).status == 200
    assert len((await agent.get("/v1/agent/members")).json) == 1


async def test_tokens_are_refused_while_access_control_is_off(agent) -> None:
    answer = await agent.put("/v1/agent/token/default", {"Token": "t"})

    assert (answer.status, answer.text) == (401, "ACL support disabled")


async def test_a_reload_that_fails_says_so_and_names_no_file(agent, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> None:
        raise SettingsError("config_file", "/etc/registry/secret.toml: not TOML")

    monkeypatch.setattr(agent.server.app.edge, "reload", broken)

    answer = await agent.put("/v1/agent/reload")

    assert answer.status == 500
    assert "Reload failed" in answer.text
    assert "secret" not in answer.text


async def test_leaving_answers_and_then_stops(agent) -> None:
    assert (await agent.put("/v1/agent/leave")).status == 200

    assert await asyncio.wait_for(agent.server.app.until_stopped(), 5) == 0


async def test_the_monitor_shows_a_registration(agent) -> None:
    async with agent.session.get(agent.server.url + "/v1/agent/monitor?loglevel=Info") as answer:
        assert answer.status == 200
        assert "content-type" not in answer.headers
        await agent.service("web", ID="web-1")
        line = (await answer.content.readline()).decode()

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[INFO\]  agent: .*service=web-1.*\n", line)


async def test_the_monitor_in_json(agent) -> None:
    async with agent.session.get(agent.server.url + "/v1/agent/monitor?logjson&loglevel=DEBUG") as answer:
        await agent.service("web", ID="web-1")
        line = json.loads(await answer.content.readline())

    assert (line["@level"], line["@module"], line["service"]) == ("info", "agent", "web-1")


async def test_a_monitor_that_goes_is_forgotten(agent) -> None:
    events = agent.server.app.events
    quiet = events.threshold
    async with agent.session.get(agent.server.url + "/v1/agent/monitor?loglevel=debug") as answer:
        await agent.service("web")
        await answer.content.readline()
        assert events.threshold < quiet
    while events.threshold != quiet:  # as soon as the next line cannot be sent
        await agent.service("web", Port=1)
        await agent.service("web", Port=2)


async def test_levels_that_are_none(agent) -> None:
    answer = await agent.get("/v1/agent/monitor?loglevel=loud")

    assert (answer.status, answer.text) == (400, "Unknown log level: loud")


async def test_metrics_have_the_gauges_that_clients_look_for(agent) -> None:
    await agent.service("web")
    answer = await agent.get("/v1/agent/metrics")

    gauges = {one["Name"]: one for one in answer.json["Gauges"]}
    runtime = f"consul.{socket.gethostname()}.runtime."
    assert {name.removeprefix(runtime) for name in gauges if name.startswith(runtime)} == {
        "alloc_bytes", "free_count", "heap_objects", "malloc_count", "num_goroutines", "sys_bytes",
        "total_gc_pause_ns", "total_gc_runs",
    }  # fmt: skip
    assert gauges[runtime + "alloc_bytes"]["Value"] > 1_000_000
    assert gauges[f"consul.{socket.gethostname()}.state.service_instances"] == {
        "Name": f"consul.{socket.gethostname()}.state.service_instances", "Value": 2, "Labels": {"datacenter": "dc1"},
    }  # fmt: skip
    assert list(gauges) == sorted(gauges)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d0 \+0000 UTC", answer.json["Timestamp"])
    assert answer.json["Points"] == []


async def test_metrics_of_an_interval(agent) -> None:
    await agent.server.advance(10 - agent.server.clock.now() % 10)
    for port in (1, 2, 3):
        await agent.service("web", Port=port)
    await agent.server.advance(10)

    found = (await agent.get("/v1/agent/metrics")).json

    (applies,) = [one for one in found["Counters"] if one["Name"] == "consul.raft.apply"]
    assert (applies["Count"], applies["Sum"], applies["Rate"], applies["Mean"]) == (3, 3, 0.3, 1)
    (requests,) = [one for one in found["Samples"] if one["Labels"].get("path") == "v1_agent_service_register"]
    assert (requests["Name"], requests["Count"], requests["Labels"]["method"]) == ("consul.api.http", 3, "PUT")
    assert set(requests) == {"Name", "Count", "Rate", "Sum", "Min", "Max", "Mean", "Stddev", "Labels"}


async def test_a_stream_of_metrics_has_one_object_for_each_interval(agent) -> None:
    async with agent.session.get(agent.server.url + "/v1/agent/metrics/stream") as answer:
        await agent.server.advance(10)
        first = json.loads(await answer.content.readline())
        await agent.server.advance(10)
        second = json.loads(await answer.content.readline())

    assert first["Timestamp"] < second["Timestamp"]


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        ("?format=prometheus", "*/*"),
        ("", "application/openmetrics-text; version=1.0.0"),
        ("", "text/html, text/plain;version=0.4.0"),
    ],
)
async def test_prometheus_is_off_unless_it_has_a_retention_time(agent, target: str, accept: str) -> None:
    answer = await agent.get(f"/v1/agent/metrics{target}", Accept=accept)

    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["x-consul-reason"] == "Prometheus is not enabled since its retention time is not positive"


@pytest.mark.parametrize("accept", ["text/plain;version=0.0.4", "text/plain", "*/*"])
async def test_others_get_json(agent, accept: str) -> None:
    answer = await agent.get("/v1/agent/metrics", Accept=accept)

    assert answer.headers["content-type"] == "application/json"
    assert answer.json["Gauges"]


async def test_prometheus_text_under_consuls_names() -> None:
    async with testing.server(prometheus_retention_seconds=60.0, telemetry_disable_hostname=True) as server:
        url = server.url + "/v1/agent/metrics?format=prometheus"
        async with aiohttp.ClientSession() as session:
            await session.get(server.url + "/v1/agent/self")
            async with session.get(url) as answer:
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                text = await answer.text()

    assert re.search(r"^consul_runtime_alloc_bytes \d", text, re.MULTILINE)
    assert 'consul_api_http_count{method="GET",path="v1_agent_self"} 1.0' in text
    assert "registry_instances 1.0" in text
