"""Checks of the agent: registration, signs of life, what happens without them.

Source: agent.md §1 (delayed outputs), §4.3, §7, §8.
"""

from typing import Any

import pytest

from registry import testing
from tests.contract.consul.agent import (
    CHECK,
    checks,
    in_catalog,
    register,
    register_check,
    say,
    services,
    told,
)
from tests.contract.consul.exchange import Client

UNKNOWN = 'Unknown check ID "{}". Ensure that the check ID is passed, not the check name.'
EXPIRED = "TTL expired (last output before timeout follows): "

REFUSED: list[tuple[Any, int, str]] = [
    (b"", 400, "Request decode failed: EOF"),
    ({"Name": "c", "CheckID": "c", "TTL": "1m"}, 400, 'Request decode failed: json: unknown field "CheckID"'),
    ({"Name": "c", "TTL": "10"}, 400, 'Request decode failed: time: missing unit in duration "10"'),
    ({"ID": "c", "Status": "x"}, 400, "Missing check name"),
    ({"Name": "c", "Status": "Passing"}, 400, "Bad check status"),
    ({"Name": "c"}, 400, "Invalid check: TTL must be > 0 for TTL checks"),
    ({"Name": "c", "TTL": True}, 400, "Invalid check: TTL must be > 0 for TTL checks"),
    ({"Name": "c", "TTL": "-1s"}, 400, "Invalid check: TTL must be > 0 for TTL checks"),
    ({"Name": "c", "AliasNode": "n", "TTL": "1s"}, 400, "Invalid check: TTL must be not be set for Alias checks"),
    ({"Name": "c", "AliasNode": "n", "TCP": "x:1", "Interval": "1s"}, 400,
     "Invalid check: Interval cannot be set for Alias checks"),
    ({"Name": "c", "TTL": "1s", "FailuresBeforeWarning": 3, "FailuresBeforeCritical": 2}, 400,
     "Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical"),
    ({"Name": "c", "TTL": "1s", "ServiceID": "nobody"}, 404, 'ServiceID "nobody" does not exist'),
    ({"Name": "c", "TTL": "1s", "service_id": "nobody"}, 404, 'ServiceID "nobody" does not exist'),
    ({"Name": "c", "OSService": "x", "Interval": "1s", "ServiceID": "nobody"}, 404,
     'ServiceID "nobody" does not exist'),
    ({"Name": "c", "OSService": "x", "Interval": "1s"}, 500, "not implemented"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "text"), REFUSED)
async def test_a_check_is_refused_and_leaves_nothing(consul: Client, body: Any, status: int, text: str) -> None:
    assert await told(consul, CHECK, body) == (status, text)
    assert await checks(consul) == {}


async def test_scripts_have_to_be_allowed_after_all_else_is_right() -> None:
    script = {"Name": "c", "Args": ["/bin/true"], "Interval": "10s"}
    text = "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
    async with testing.server(enable_local_script_checks=True) as server:
        consul = Client(server)
        assert await told(consul, CHECK, {**script, "ServiceID": "x"}) == (404, 'ServiceID "x" does not exist')
        assert await told(consul, CHECK, script) == (500, text)
        body = {"Name": "new", "Checks": [{"TTL": "1m"}, script | {"Name": ""}]}
        assert await told(consul, "/v1/agent/service/register", body) == (500, text)
        assert (await services(consul), await checks(consul)) == ([], {})
        await consul.close()


async def test_a_check_of_the_node_to_the_byte(consul: Client) -> None:
    await register_check(
        consul, Name="disk", Notes="n", HTTP="http://x", Interval="90s", DeregisterCriticalServiceAfter="1h"
    )
    assert (await consul.get("/v1/agent/checks")).text == (
        '{"disk":{"Node":"test-node","CheckID":"disk","Name":"disk","Status":"critical","Notes":"n","Output":"",'
        '"ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"http","Interval":"1m30s","Timeout":"0s",'
        '"ExposedPort":0,"Definition":{},"CreateIndex":0,"ModifyIndex":0}}'
    )


async def test_a_check_of_a_service_takes_its_name_and_tags(consul: Client) -> None:
    await register(consul, Name="web", ID="w1", Tags=["a"])
    await register_check(consul, ID="c", Name="n", TTL="1m", ServiceID="w1", Status="passing")
    [row] = (await consul.get("/v1/health/checks/web")).json
    assert (row["CheckID"], row["ServiceID"], row["ServiceTags"], row["Status"]) == ("c", "w1", ["a"], "passing")


async def test_registering_a_check_again_keeps_what_it_says(consul: Client) -> None:
    await register_check(consul, Name="c", TTL="1m")
    await say(consul, "warn", "c", "hm")
    await register_check(consul, ID="c", Name="renamed", TTL="2m", Status="passing", Notes="new")
    row = (await consul.get("/v1/agent/checks")).json["c"]
    assert (row["Name"], row["Notes"], row["Status"], row["Output"]) == ("renamed", "new", "warning", "hm")


async def test_a_check_that_only_the_catalog_knew_has_nothing_to_keep(consul: Client) -> None:
    """The agent never heard what was written past it, so its own registration counts."""
    await consul.add("test-node", Check={"CheckID": "c", "Name": "c", "Status": "passing", "Output": "o"})
    await register_check(consul, Name="c", TTL="1m")
    assert await checks(consul) == {"c": ("", "critical", "")}
    assert await in_catalog(consul, "c") == ("critical", "")


async def test_the_servers_own_check_can_be_stood_in_for(consul: Client) -> None:
    await register_check(consul, ID="serfHealth", Name="mine", TTL="1m")
    assert await in_catalog(consul, "serfHealth") == ("critical", "")
    assert await told(consul, "/v1/agent/check/deregister/serfHealth") == (200, "")
    assert await in_catalog(consul, "serfHealth") == ("passing", "Agent alive and reachable")


# Signs of life


@pytest.mark.parametrize(("word", "status"), [("pass", "passing"), ("warn", "warning"), ("fail", "critical")])
async def test_a_word_is_a_status_and_its_note_the_output(consul: Client, word: str, status: str) -> None:
    await register_check(consul, ID="a/b c", Name="c", TTL="1m")
    await say(consul, word, "a/b c", "a + b&c")
    assert await checks(consul) == {"a/b c": ("", status, "a + b&c")}
    await say(consul, word, "a/b c")
    assert await checks(consul) == {"a/b c": ("", status, "")}


WRONG_SIGNS: list[tuple[str, Any, int, str]] = [
    ("pass/nobody", None, 404, UNKNOWN.format("nobody")),
    ("pass/", None, 404, UNKNOWN.format("")),
    ("pass/TTL", None, 404, UNKNOWN.format("TTL")),
    ("warn/http", None, 500, 'CheckID "http" does not have associated TTL'),
    ("fail/ttl?ns=x", None, 400, 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'),
    ("update/ttl", b"", 400, "Request decode failed: EOF"),
    ("update/ttl", {"Status": "passing", "Note": "x"}, 400, 'Request decode failed: json: unknown field "Note"'),
    ("update/nobody", {"Status": "foo"}, 400, "Invalid check status: 'foo'"),
    ("update/nobody?ns=x", {}, 400, "Invalid check status: ''"),
    ("update/nobody", {"Status": "passing"}, 404, UNKNOWN.format("nobody")),
    ("update/http", {"Status": "passing"}, 500, 'CheckID "http" does not have associated TTL'),
    ("deregister/nobody", None, 404, UNKNOWN.format("nobody")),
    ("deregister/serfHealth", None, 404, UNKNOWN.format("serfHealth")),
]


@pytest.mark.parametrize(("path", "body", "status", "text"), WRONG_SIGNS)
async def test_what_is_no_sign_of_life(consul: Client, path: str, body: Any, status: int, text: str) -> None:
    await register_check(consul, Name="ttl", TTL="1m")
    await register_check(consul, Name="http", HTTP="http://x", Interval="1m")
    assert await told(consul, f"/v1/agent/check/{path}", body) == (status, text)
    assert await checks(consul) == {"http": ("", "critical", ""), "ttl": ("", "critical", "")}


async def test_an_update_carries_its_output_in_the_body(consul: Client) -> None:
    await register_check(consul, Name="c", TTL="1m")
    assert await told(consul, "/v1/agent/check/update/c", {"status": "warning", "OUTPUT": "o"}) == (200, "")
    assert await checks(consul) == {"c": ("", "warning", "o")}
    assert await told(consul, "/v1/agent/check/update/c", []) == (
        400, "Request decode failed: json: cannot unmarshal array into Go value of type agent.checkUpdate")  # fmt: skip


@pytest.mark.parametrize(("limit", "kept"), [(0, 4096), (5, 5), (99_999, 4096)])
async def test_a_long_output_is_cut_and_says_so(consul: Client, limit: int, kept: int) -> None:
    await register_check(consul, Name="c", TTL="1m", OutputMaxSize=limit)
    await consul.put("/v1/agent/check/update/c", {"Status": "passing", "Output": "x" * 5000})
    cut = f"{'x' * kept} ... (captured {kept} of 5000 bytes)"
    assert await checks(consul) == {"c": ("", "passing", cut)}


async def test_a_new_note_shows_at_the_agent_at_once_and_in_the_catalog_later(consul: Client) -> None:
    await register_check(consul, Name="c", TTL="1h")
    await say(consul, "pass", "c", "one")
    assert await in_catalog(consul, "c") == ("passing", "one")
    index = await consul.index("/v1/health/state/any")
    await say(consul, "pass", "c", "two")
    assert await checks(consul) == {"c": ("", "passing", "two")}
    await consul.server.advance(149)
    assert (await in_catalog(consul, "c"), await consul.index("/v1/health/state/any")) == (("passing", "one"), index)
    await consul.server.advance(2)
    assert await in_catalog(consul, "c") == ("passing", "two")
    await say(consul, "pass", "c", "three")
    await say(consul, "warn", "c", "four")
    assert await in_catalog(consul, "c") == ("warning", "four")


async def test_outputs_are_never_late_where_that_is_turned_off() -> None:
    async with testing.server(check_update_interval_seconds=0.0) as server:
        consul = Client(server)
        await register_check(consul, Name="c", TTL="1h", Status="passing")
        await say(consul, "pass", "c", "now")
        await server.advance(0)
        assert await in_catalog(consul, "c") == ("passing", "now")
        await consul.close()


async def test_the_same_sign_of_life_wakes_nobody(consul: Client) -> None:
    await register(consul, Name="web", Check={"TTL": "1m"})
    await say(consul, "pass", "service:web", "fine")
    reader = await consul.follow("/v1/health/service/web")
    for _ in range(3):
        await say(consul, "pass", "service:web", "fine")
    assert not reader.done()
    await say(consul, "fail", "service:web")
    assert (await reader).json[0]["Checks"][1]["Status"] == "critical"


# Silence


async def test_a_silent_check_is_critical_and_tells_what_was_said_last(consul: Client) -> None:
    await register(consul, Name="web", Check={"TTL": "10s"})
    await say(consul, "pass", "service:web", "all is well")
    await consul.server.advance(9.5)
    assert await in_catalog(consul, "service:web") == ("passing", "all is well")
    await consul.server.advance(1.5)
    said = ("critical", f"{EXPIRED}all is well")
    assert (await checks(consul), await in_catalog(consul, "service:web")) == ({"service:web": ("web", *said)}, said)


async def test_a_check_that_never_said_anything_only_expires(consul: Client) -> None:
    await register_check(consul, Name="c", TTL="10s", Status="passing")
    await consul.server.advance(11)
    assert await in_catalog(consul, "c") == ("critical", "TTL expired")


async def test_each_sign_of_life_and_each_registration_starts_the_time_anew(consul: Client) -> None:
    body = {"Name": "web", "Check": {"TTL": "10s", "Status": "passing"}}
    await register(consul, **body)
    for renew in ("register", "pass", "register", "pass"):
        await consul.server.advance(8)
        await (register(consul, **body) if renew == "register" else say(consul, "pass", "service:web"))
    assert await in_catalog(consul, "service:web") == ("passing", "")


async def test_a_text_of_expiry_is_not_repeated_within_itself(consul: Client) -> None:
    """A program that only registers, again and again, does not make the text grow."""
    await register_check(consul, Name="c", TTL="10s")
    await say(consul, "pass", "c", "once")
    for _ in range(3):
        await consul.server.advance(11)
        assert (await checks(consul))["c"][2] in (f"{EXPIRED}once", "TTL expired")
        await register_check(consul, Name="c", TTL="10s")
    assert (await checks(consul))["c"] == ("", "critical", "TTL expired")


async def test_life_comes_back_with_the_next_sign(consul: Client) -> None:
    await register_check(consul, Name="c", TTL="10s")
    await consul.server.advance(60)
    await say(consul, "pass", "c", "back")
    assert await in_catalog(consul, "c") == ("passing", "back")
    await consul.server.advance(11)
    assert await in_catalog(consul, "c") == ("critical", f"{EXPIRED}back")


# Services that are critical for too long


async def gone_after(consul: Client, seconds: int) -> int:
    """After how many seconds there is no service left."""
    for second in range(seconds):
        if not await services(consul):
            return second
        await consul.server.advance(1)
    return -1


@pytest.mark.parametrize(("limit", "least"), [("90s", 90), ("10s", 60), ("1ns", 60)])
async def test_a_service_that_stays_critical_is_removed(consul: Client, limit: str, least: int) -> None:
    check = {"TTL": "10s", "DeregisterCriticalServiceAfter": limit}
    await register(consul, Name="web", Port=1, Check=check, Connect={"SidecarService": {}})
    assert 10 + least <= await gone_after(consul, 200) <= 10 + least + 2
    assert await checks(consul) == {}


async def test_nothing_is_removed_that_recovers_or_was_only_born_critical(consul: Client) -> None:
    limit = "1m"
    await register(consul, Name="a", Check={"TTL": "1h", "DeregisterCriticalServiceAfter": limit})
    await register(consul, Name="b", Check={"TTL": "24h", "DeregisterCriticalServiceAfter": limit})
    for word in ("fail", "pass", "fail"):
        await say(consul, word, "service:a")
        await consul.server.advance(50)
    await say(consul, "pass", "service:a")
    await consul.server.advance(150)
    assert await services(consul) == ["a", "b"]


async def test_registering_again_starts_the_time_of_being_critical_anew(consul: Client) -> None:
    body = {"Name": "web", "Check": {"TTL": "1h", "DeregisterCriticalServiceAfter": "1m"}}
    await register(consul, **body)
    await say(consul, "fail", "service:web")
    await consul.server.advance(50)
    await register(consul, **body)
    await consul.server.advance(50)
    assert await services(consul) == ["web"]
    await say(consul, "fail", "service:web", "still")
    assert await gone_after(consul, 100) in (60, 61)


async def test_the_floor_of_a_minute_is_a_setting() -> None:
    async with testing.server(deregister_critical_minimum_seconds=5.0) as server:
        consul = Client(server)
        await register(consul, Name="web", Check={"TTL": "1h", "DeregisterCriticalServiceAfter": "7s"})
        await say(consul, "fail", "service:web")
        assert await gone_after(consul, 60) in (7, 8)
        await consul.close()


# Filters


async def test_names_in_a_filter_are_looked_at_only_when_there_is_a_check(consul: Client) -> None:
    """Consul's special rule; the text has no prefix then."""
    assert (await consul.get("/v1/agent/checks?filter=Nope%20%3D%3D%20x")).text == "{}"
    broken = await consul.get("/v1/agent/checks?filter=Nope%20%3D%3D")
    assert broken.status == 500
    assert broken.text.startswith("Failed to create boolean expression evaluator: 1:8 (7): no match found")
    await register_check(consul, Name="c", TTL="1m", Notes="hello")
    answer = await consul.get("/v1/agent/checks?filter=Nope%20%3D%3D%20x")
    assert (answer.status, answer.text) == (500, 'Selector "Nope" is not valid')
    assert list((await consul.get("/v1/agent/checks?filter=Notes%20matches%20%60%5Ehe%60")).json) == ["c"]
    assert (await consul.get("/v1/agent/checks?filter=Status%20%3D%3D%20passing")).text == "{}"
