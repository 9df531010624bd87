"""OptiInfra's seven routes (dialects.md §3.1 to §3.3)."""

import re
from typing import Any

import pytest

from registry import testing
from tests.contract.rest import RestClient

COST = {
    "name": "cost-agent-1", "type": "cost", "host": "h", "port": 8001, "capabilities": ["spot_migration"],
    "version": "1.0.0", "metadata": {"cpu_usage": 45.5, "tags": ["a"]},
}  # fmt: skip
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def registered(rest: RestClient, **changed: Any) -> str:
    await rest.server.advance(0.01)  # so that lists are in this order
    answer = await rest.post("/agents/register", {**COST, **changed})
    assert answer.status == 201, answer
    return str(answer.value["agent_id"])


async def status(rest: RestClient, agent_id: str) -> str:
    answer = await rest.get(f"/agents/{agent_id}")
    return str(answer.value["status"]) if answer.status == 200 else str(answer.status)


async def test_a_registration_is_answered_with_an_id_and_where_to_beat(rest: RestClient) -> None:
    answer = await rest.post("/agents/register", COST)
    reply = answer.value
    assert (answer.status, answer.headers["Content-Type"]) == (201, "application/json; charset=utf-8")
    assert UUID4.fullmatch(reply["agent_id"])
    assert TIME.fullmatch(reply["registered_at"])
    assert answer.text == (
        f'{{"agent_id":"{reply["agent_id"]}","registered_at":"{reply["registered_at"]}",'
        f'"heartbeat_url":"/agents/{reply["agent_id"]}/heartbeat","heartbeat_interval_seconds":30}}'
    )


async def test_an_agent_is_shown_with_its_fields_in_their_order(rest: RestClient) -> None:
    agent_id = await registered(rest)
    text = re.sub(TIME, "T", (await rest.get(f"/agents/{agent_id}")).text)
    shown = (
        f'{{"id":"{agent_id}","name":"cost-agent-1","type":"cost","host":"h","port":8001,'
        '"capabilities":["spot_migration"],"status":"healthy","version":"1.0.0","registered_at":"T","last_seen":"T",'
        '"metadata":{"cpu_usage":45.5,"tags":["a"]}}'
    )
    assert text == shown
    for path in ("/agents", "/agents/type/cost"):
        assert re.sub(TIME, "T", (await rest.get(path)).text) == f'{{"agents":[{shown}],"count":1}}'
    assert (await rest.get("/agents/type/other")).text == '{"agents":[],"count":0}'


async def test_what_was_not_sent_is_empty_and_metadata_is_absent(rest: RestClient) -> None:
    minimal = {"name": "n", "type": "t", "host": "h", "port": 1}
    agent_id = (await rest.post("/agents/register", minimal)).value["agent_id"]
    agent = (await rest.get(f"/agents/{agent_id}")).value
    assert (agent["capabilities"], agent["version"], "metadata" in agent) == ([], "", False)


@pytest.mark.parametrize("field", ["name", "type", "host", "port"])
@pytest.mark.parametrize("missing", [None, "", 0])
async def test_fields_that_are_missing_are_named(rest: RestClient, field: str, missing: object) -> None:
    if (missing == "" and field == "port") or (missing == 0 and field != "port"):
        missing = None
    answer = await rest.post("/agents/register", {**COST, field: missing})
    assert (answer.status, answer.value) == (400, {"error": f"{field} is required"})
    assert (await rest.get("/agents")).value["count"] == 0


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF"), (b"[]", "a list where an object is needed"), (b"{", None), (b"{}", "name is required"),
        ({**COST, "port": "8001"}, "port: a string where a whole number is needed"),
        ({**COST, "port": 8001.5}, "port: a number where a whole number is needed"),
        ({**COST, "port": -5}, "port: -5 is not within 1 to 65535"),
        ({**COST, "port": 70000}, "port: 70000 is not within 1 to 65535"),
        ({**COST, "name": 5}, "name: a number where a string is needed"),
        ({**COST, "capabilities": [1]}, "capabilities: a list where a list of strings is needed"),
        ({**COST, "metadata": []}, "metadata: a list where an object is needed"),
        ({**COST, "type": "consul"}, "type: consul is the registry's own service"),
        (b'{"Name":"x","Address":"h"}', "type is required"),  # a body of Consul's
    ],
)  # fmt: skip
async def test_a_bad_registration_registers_nothing(rest: RestClient, body: Any, problem: str | None) -> None:
    answer = await rest.post("/agents/register", body)
    assert answer.status == 400
    assert list(answer.value) == ["error"]
    assert problem is None or answer.value["error"] == problem
    assert (await rest.get("/agents")).value["count"] == 0


def nested(levels: int) -> bytes:
    """A list in a list in a list …"""
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"18446744073709551615", 18446744073709551615), (b"-9223372036854775808", -9223372036854775808),
        (b"18446744073709551616", 18446744073709551616.0), (b"-9223372036854775809", -9223372036854775809.0),
        (b'{"a":[123456789012345678901234567890]}', {"a": [123456789012345678901234567890.0]}),
    ],
)  # fmt: skip
async def test_whole_numbers_of_any_size_are_kept_those_beyond_64_bits_as_go_reads_them(
    rest: RestClient, value: bytes, kept: Any
) -> None:
    body = b'{"name":"n","type":"t","host":"h","port":1,"metadata":{"k":%s}}' % value
    answer = await rest.post("/agents/register", body)
    assert answer.status == 201, answer
    shown = (await rest.get(f"/agents/{answer.value['agent_id']}")).value["metadata"]
    assert (repr(shown["k"]), shown["k"]) == (repr(kept), kept)
    beat = await rest.post(answer.value["heartbeat_url"], b'{"metadata":{"beat":%s}}' % value)
    assert beat.status == 200, beat
    assert (await rest.get("/agents")).value["agents"][0]["metadata"]["beat"] == kept


@pytest.mark.parametrize("value", [nested(100), nested(5_000), nested(100_000), b"1" + b"0" * 309, b"1e309"])
@pytest.mark.parametrize("path", ["register", "ID/heartbeat"])
async def test_metadata_that_cannot_be_kept_is_refused(rest: RestClient, path: str, value: bytes) -> None:
    agent_id = await registered(rest)
    before = (await rest.get("/agents")).value
    body = b'{"name":"n","type":"t","host":"h","port":1,"metadata":{"k":%s}}' % value
    answer = await rest.post(f"/agents/{path.replace('ID', agent_id)}", body)
    assert (answer.status, list(answer.value)) == (400, ["error"])
    assert (await rest.get("/agents")).value == before


async def test_metadata_may_be_nested_a_hundred_levels_deep(rest: RestClient) -> None:
    body = b'{"name":"n","type":"t","host":"h","port":1,"metadata":{"k":%s}}' % nested(99)
    url = (await rest.post("/agents/register", body)).value["heartbeat_url"]
    assert (await rest.post(url, body)).status == 200
    assert (await rest.get("/agents")).text.count("[") == 1 + 1 + 99  # of the agents, of the capabilities


async def test_keys_are_read_in_any_case_and_unknown_ones_passed_over(rest: RestClient) -> None:
    body = b'{"NAME":"a","Name":"b","Type":"t","HOST":"h","port":1,"status":"x","Version":null,"nothing":{}}'
    answer = await rest.ask("POST", "/agents/register", body, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 201
    assert (await rest.get("/agents")).value["agents"][0]["name"] == "b"


async def test_null_is_absent_also_beside_the_same_key_in_another_spelling(rest: RestClient) -> None:
    """As for Go, where null leaves a field as it is."""
    body = b'{"Name":"a","name":null,"type":"t","host":"h","PORT":null,"port":1,"Port":null,"metadata":null}'
    assert (await rest.post("/agents/register", body)).status == 201
    [agent] = (await rest.get("/agents")).value["agents"]
    assert (agent["name"], agent["port"]) == ("a", 1)


@pytest.mark.parametrize(
    ("sent", "host", "port"), [("10.0.0.1:9000", "10.0.0.1", 9000), ("[2001:db8::1]:9000", "2001:db8::1", 9000)]
)
async def test_a_host_may_bring_its_port(rest: RestClient, sent: str, host: str, port: int) -> None:
    agent_id = await registered(rest, host=sent, port=None)
    agent = (await rest.get(f"/agents/{agent_id}")).value
    assert (agent["host"], agent["port"]) == (host, port)


@pytest.mark.parametrize("host", ["::1", "2001:db8::8001", "h", "h:", "h:0", "h:port", "h:٣", "h:123456"])
async def test_a_host_without_a_port_needs_one_beside_it(rest: RestClient, host: str) -> None:
    """The end of an IPv6 address is none."""
    answer = await rest.post("/agents/register", {**COST, "host": host, "port": None})
    assert (answer.status, answer.value) == (400, {"error": "port is required"})
    assert (await rest.get(f"/agents/{await registered(rest, host=host)}")).value["host"] == host


async def test_each_registration_is_a_new_agent(rest: RestClient) -> None:
    first, second = await registered(rest), await registered(rest)
    assert first != second
    assert [one["id"] for one in (await rest.get("/agents")).value["agents"]] == [first, second]


async def test_a_restarted_agent_takes_the_place_of_its_dead_self(rest: RestClient) -> None:
    dead = await registered(rest)
    other = await registered(rest, port=9999)
    await rest.server.advance(46)
    fresh = await registered(rest)
    assert [await status(rest, one) for one in (dead, other, fresh)] == ["404", "unreachable", "healthy"]


# Heartbeats


async def test_a_heartbeat_is_answered_with_when_to_beat_again(rest: RestClient) -> None:
    agent_id = await registered(rest)
    answer = await rest.post(f"/agents/{agent_id}/heartbeat", {})
    assert re.sub(TIME, "T", answer.text) == '{"received":true,"next_interval_seconds":30,"timestamp":"T"}'


@pytest.mark.parametrize(("seconds", "told"), [(0.01, 1), (0.4, 1), (1.0, 1), (2.6, 3), (90.0, 90)])
async def test_the_interval_is_in_whole_seconds_and_never_none(seconds: float, told: int) -> None:
    """The helper waits for as long as it is told: for 0 it would beat without a rest."""
    async with testing.server(optiinfra_heartbeat_seconds=seconds) as server:
        rest = RestClient(server)
        await rest.know_agents()
        reply = (await rest.post("/agents/register", COST)).value
        assert reply["heartbeat_interval_seconds"] == told
        assert (await rest.post(reply["heartbeat_url"], {})).value["next_interval_seconds"] == told
        await rest.close()


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        *((word, "healthy") for word in ("healthy", "active", "ok", "running", "passing", "HEALTHY", "busy")),
        *((word, "degraded") for word in ("degraded", "warning")),
        *((word, "unhealthy") for word in ("unhealthy", "critical", "failed", "error", "unreachable")),
    ],
)
async def test_a_word_means_a_status(rest: RestClient, word: str, shown: str) -> None:
    agent_id = await registered(rest)
    await rest.post(f"/agents/{agent_id}/heartbeat", {"status": word})
    agent = (await rest.get(f"/agents/{agent_id}")).value
    assert agent["status"] == shown
    assert agent["metadata"].get("reported_status") == ("busy" if word == "busy" else None)


async def test_without_a_status_the_reported_one_stays(rest: RestClient) -> None:
    agent_id = await registered(rest)
    await rest.post(f"/agents/{agent_id}/heartbeat", {"status": "degraded"})
    for body in ({}, {"status": ""}, {"status": None}):
        await rest.post(f"/agents/{agent_id}/heartbeat", body)
        assert await status(rest, agent_id) == "degraded"


async def test_metadata_of_a_beat_is_merged_at_its_top(rest: RestClient) -> None:
    agent_id = await registered(rest)
    await rest.post(f"/agents/{agent_id}/heartbeat", {"metadata": {"tags": {"b": 1}, "new": None}})
    assert (await rest.get(f"/agents/{agent_id}")).value["metadata"] == {
        "cpu_usage": 45.5, "new": None, "tags": {"b": 1},
    }  # fmt: skip


async def test_the_body_of_a_beat_is_judged_before_its_id(rest: RestClient) -> None:
    for body, expected in ((b"", 400), (b"x", 400), (b"[]", 400), ({"status": 1}, 400), ({}, 404)):
        answer = await rest.post("/agents/none/heartbeat", body)
        assert answer.status == expected, body
    assert answer.value == {"error": "Agent not found"}


async def test_a_silent_agent_is_unreachable_at_46_s_and_gone_at_106_s(rest: RestClient) -> None:
    agent_id = await registered(rest)
    for seconds, expected in ((44, "healthy"), (2, "unreachable"), (58, "unreachable"), (2, "404")):
        await rest.server.advance(seconds)
        assert await status(rest, agent_id) == expected


@pytest.mark.timeout(60)  # a quarter of an hour goes by in steps of 0.25 s, each of which asks the store
async def test_a_beat_brings_an_agent_back_for_ten_minutes(rest: RestClient) -> None:
    agent_id = await registered(rest)
    await rest.server.advance(120)
    assert await status(rest, agent_id) == "404"
    assert (await rest.post(f"/agents/{agent_id}/heartbeat", {"status": "healthy"})).status == 200
    assert await status(rest, agent_id) == "healthy"
    await rest.server.advance(106 + 595)
    assert (await rest.post(f"/agents/{agent_id}/heartbeat", {})).status == 200
    await rest.server.advance(106 + 605)
    assert (await rest.post(f"/agents/{agent_id}/heartbeat", {})).status == 404


async def test_the_last_sign_of_life_is_shown(rest: RestClient) -> None:
    agent_id = await registered(rest)
    before = (await rest.get(f"/agents/{agent_id}")).value["last_seen"]
    await rest.server.advance(31)
    assert (await rest.get(f"/agents/{agent_id}")).value["last_seen"] == before
    await rest.post(f"/agents/{agent_id}/heartbeat", {})
    assert (await rest.get(f"/agents/{agent_id}")).value["last_seen"] > before


# Unregistering


async def test_who_unregisters_is_gone_and_may_do_so_again(rest: RestClient) -> None:
    agent_id = await registered(rest)
    for _ in range(2):
        answer = await rest.ask("POST", f"/agents/{agent_id}/unregister", b"whatever")
        assert (answer.status, answer.text) == (200, '{"message":"Agent unregistered successfully"}')
        assert await status(rest, agent_id) == "404"
    assert (await rest.post(f"/agents/{agent_id}/heartbeat", {})).status == 404


# Lists


async def test_lists_are_narrowed_by_capability_and_health(rest: RestClient) -> None:
    both = await registered(rest, capabilities=["a", "b"])
    one = await registered(rest, capabilities=["a"])
    await rest.post(f"/agents/{one}/heartbeat", {"status": "degraded"})
    for query, expected in (
        ("", [both, one]), ("?capability=a", [both, one]), ("?capability=a&capability=b", [both]),
        ("?status=healthy", [both]), ("?status=degraded", [one]), ("?status=unreachable", []),
        ("?status=degraded&capability=b", []), ("?status=other", [both, one]), ("?capability=c", []),
    ):  # fmt: skip
        for path in ("/agents", "/agents/type/cost"):
            assert [agent["id"] for agent in (await rest.get(path + query)).value["agents"]] == expected, query


async def test_consuls_services_are_agents_too(rest: RestClient) -> None:
    service = {
        "ID": "web-1", "Name": "web", "Port": 8080, "Tags": ["api", "v2"], "Meta": {"version": "2.1", "team": "x"},
        "Check": {"TTL": "10s", "Status": "passing"},
    }  # fmt: skip
    await rest.put("/v1/agent/service/register", service)
    await rest.put("/v1/agent/service/register", {"Name": "proxy", "Kind": "mesh-gateway", "Port": 1})
    text = re.sub(TIME, "T", (await rest.get("/agents")).text)
    assert text == (
        '{"agents":[{"id":"web-1","name":"web-1","type":"web","host":"127.0.0.1","port":8080,"capabilities":["api","v2"],'
        '"status":"healthy","version":"2.1","registered_at":"T","last_seen":"T",'
        '"metadata":{"team":"x","version":"2.1"}}],"count":1}'
    )
    await rest.put("/v1/agent/check/fail/service:web-1")
    assert await status(rest, "web-1") == "unhealthy"
    await rest.post("/agents/web-1/heartbeat", {"status": "healthy", "metadata": {"load": 1}})
    assert await status(rest, "web-1") == "healthy"
    assert (await rest.get("/v1/agent/service/web-1")).value["Meta"] == {"version": "2.1", "team": "x", "load": "1"}
    await rest.post("/agents/web-1/unregister")
    assert (await rest.get("/v1/agent/service/web-1")).status == 404


async def test_a_service_of_another_node_is_shown_and_cannot_be_beaten(rest: RestClient) -> None:
    row = {"Node": "far", "Address": "10.0.0.9", "Service": {"ID": "db/1", "Service": "db", "Port": 5}}
    await rest.put("/v1/catalog/register", row)
    agent = (await rest.get("/agents/far~db%2F1")).value
    assert (agent["id"], agent["host"], agent["port"]) == ("far~db/1", "10.0.0.9", 5)
    assert (await rest.post("/agents/far~db%2F1/heartbeat", {})).status == 404
    await rest.post("/agents/far~db%2F1/unregister")
    assert (await rest.get("/v1/catalog/service/db")).value == []


# Paths


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "//agents", 200), ("GET", "/agents/", 200), ("POST", "//agents/register", 400),
        ("GET", "/agents/register", 404), ("PUT", "/agents", 404), ("DELETE", "/agents/x", 404),
        ("GET", "/agents/x/heartbeat", 404), ("GET", "/agents/%zz", 400), ("POST", "/agents", 404),
    ],
)  # fmt: skip
async def test_paths(rest: RestClient, method: str, path: str, expected: int) -> None:
    answer = await rest.ask(method, path, b"" if method == "POST" else None)
    assert answer.status == expected
    if expected == 404 and path != "/agents/register":
        assert (answer.text, answer.headers["Content-Type"]) == ("404 page not found", "text/plain; charset=utf-8")


async def test_after_half_a_minute_everything_still_answers(rest: RestClient) -> None:
    await registered(rest)
    await rest.server.advance(31)
    assert (await rest.get("/agents")).value["count"] == 1
    assert (await rest.get("/health")).value["status"] == "healthy"
