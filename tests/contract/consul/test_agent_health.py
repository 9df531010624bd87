"""Local health in its formats, and maintenance. Source: agent.md §3.8, §5."""

from typing import Any

import pytest

from tests.contract.consul.agent import checks, in_catalog, register, register_check, say, told
from tests.contract.consul.exchange import Client

HEALTH = "/v1/agent/health/service"
NO_DEFINITION = (
    '"Definition":{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"","Header":null,'
    '"Method":"","Body":"","TLSServerName":"","TLSSkipVerify":false,"TCP":"","TCPUseTLS":false,"UDP":"","GRPC":"",'
    '"OSService":"","GRPCUseTLS":false},"CreateIndex":0,"ModifyIndex":0}'
)
DEFAULT = "Maintenance mode is enabled for this {}, but no reason was provided. This is a default message."


@pytest.fixture
async def web(consul: Client) -> Client:
    """Service `web` of three instances: one passes, one warns, one fails."""
    for number, word in enumerate(("pass", "warn", "fail")):
        await register(consul, Name="web", ID=f"web{number}", Check={"TTL": "1h"})
        await say(consul, word, f"service:web{number}", word)
    return consul


async def test_an_instance_to_the_byte(consul: Client) -> None:
    await register(consul, Name="web", ID="w", Tags=["a"], Check={"TTL": "1h", "Notes": "n"})
    await register_check(consul, Name="disk", TTL="1h", Status="passing")
    answer = await consul.get(f"{HEALTH}/id/w")
    assert answer.text == (
        '{"AggregatedStatus":"critical","Service":{"ID":"w","Service":"web","Tags":["a"],"Meta":{},"Port":0,'
        '"Address":"","Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"Datacenter":"dc1"},'
        '"Checks":[{"Node":"test-node","CheckID":"service:w","Name":"Service \'web\' check","Status":"critical",'
        '"Notes":"n","Output":"","ServiceID":"w","ServiceName":"web","ServiceTags":["a"],"Type":"","ExposedPort":0,'
        f"{NO_DEFINITION},"
        '{"Node":"test-node","CheckID":"disk","Name":"disk","Status":"passing","Notes":"","Output":"","ServiceID":"",'
        f'"ServiceName":"","ServiceTags":null,"Type":"","ExposedPort":0,{NO_DEFINITION}]}}'
    )
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("id/web0", 200, "passing"),
        ("id/web1", 429, "warning"),
        ("id/web2", 503, "critical"),
        ("name/web", 503, "critical"),
        ("id/web", 404, "ServiceId web not found"),
        ("id/WEB0", 404, "ServiceId WEB0 not found"),
        ("name/Web", 404, "ServiceName Web Not Found"),
    ],
)
async def test_the_status_code_says_how_it_is(web: Client, path: str, status: int, word: str) -> None:
    as_json = await web.get(f"{HEALTH}/{path}")
    assert (as_json.status, as_json.headers["x-consul-reason"]) == (status, word)
    as_text = await web.get(f"{HEALTH}/{path}?format=text")
    assert (as_text.status, as_text.headers["x-consul-reason"], as_text.text) == (status, word, word)
    assert as_text.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("query", "accept", "is_text"),
    [
        ("", "text/plain", True),
        ("?format=json", "text/plain; q=0.1, application/json", True),
        ("?format=text", "application/json", True),
        ("", "application/json, text/plain", False),
        ("?format=TEXT", "*/*", False),
        ("?format=", "*/*", False),
    ],
)
async def test_text_for_those_who_ask_for_it(web: Client, query: str, accept: str, is_text: bool) -> None:
    answer = await web.get(f"{HEALTH}/id/web0{query}", f"Accept: {accept}")
    assert (answer.text == "passing") is is_text


async def test_nobody_is_there(consul: Client) -> None:
    answer = await consul.get(f"{HEALTH}/id/x")
    assert answer.text == '{"AggregatedStatus":"critical","Service":null,"Checks":null}'
    assert (await consul.get(f"{HEALTH}/name/x")).text == "[]"
    for path, text in (("id/", "Missing serviceID"), ("name/", "Missing service Name")):
        answer = await consul.get(f"{HEALTH}/{path}")
        assert (answer.status, answer.text) == (500, text)


async def test_a_service_without_checks_passes_whatever_the_gossip_says(consul: Client) -> None:
    await register(consul, Name="w")
    await consul.add("test-node", Check={"CheckID": "serfHealth", "Name": "s", "Status": "critical"})
    answer = await consul.get(f"{HEALTH}/id/w")
    assert (answer.status, answer.json["Checks"]) == (200, [])


async def test_a_check_of_the_node_speaks_for_every_instance(web: Client) -> None:
    await register_check(web, Name="disk", TTL="1h", Status="warning")
    assert (await web.get(f"{HEALTH}/id/web0?format=text")).text == "warning"
    assert (await web.get(f"{HEALTH}/id/web2?format=text")).text == "critical"


# Maintenance


async def test_maintenance_of_an_instance(web: Client) -> None:
    assert await told(web, "/v1/agent/service/maintenance/web0?enable=true&reason=a+b") == (200, "")
    row = (await web.get("/v1/agent/checks")).json["_service_maintenance:web0"]
    assert (row["Name"], row["Notes"], row["Status"], row["Type"], row["Output"], row["ServiceName"]) == (
        "Service Maintenance Mode", "a b", "critical", "maintenance", "", "web",
    )  # fmt: skip
    for path in ("id/web0", "name/web"):
        assert (await web.get(f"{HEALTH}/{path}")).status == 503
    assert (await web.get(f"{HEALTH}/id/web0?format=text")).text == "maintenance"
    assert (await web.get(f"{HEALTH}/id/web1?format=text")).text == "warning"
    found = (await web.get("/v1/health/service/web?passing")).json
    assert found == []


async def test_maintenance_of_the_node(web: Client) -> None:
    assert await told(web, "/v1/agent/maintenance?enable=1") == (200, "")
    row = (await web.get("/v1/agent/checks")).json["_node_maintenance"]
    assert (row["Name"], row["Notes"], row["ServiceID"]) == ("Node Maintenance Mode", DEFAULT.format("node"), "")
    assert (await web.get(f"{HEALTH}/id/web0?format=text")).text == "maintenance"
    assert await told(web, "/v1/agent/maintenance?enable=F") == (200, "")
    assert (await web.get(f"{HEALTH}/id/web0?format=text")).text == "passing"


async def test_the_first_reason_stays_and_leaving_twice_is_fine(consul: Client) -> None:
    await register(consul, Name="w")
    path = "/v1/agent/service/maintenance/w?enable="
    for query in ("false", "true", "true&reason=late"):
        assert await told(consul, path + query) == (200, "")
    assert (await consul.get("/v1/agent/checks")).json["_service_maintenance:w"]["Notes"] == DEFAULT.format("service")
    for query in ("false", "false"):
        assert await told(consul, path + query) == (200, "")
    assert await checks(consul) == {}


async def test_maintenance_outlives_a_registration_and_ends_with_the_service(consul: Client) -> None:
    await register(consul, Name="w")
    await consul.put("/v1/agent/service/maintenance/w?enable=true")
    await register(consul, Name="w", Port=2, Check={"TTL": "1m"})
    assert sorted(await checks(consul)) == ["_service_maintenance:w", "service:w"]
    await consul.put("/v1/agent/service/deregister/w")
    assert await checks(consul) == {}


async def test_a_check_of_that_name_in_the_catalog_is_no_maintenance(consul: Client) -> None:
    """Only what came through the agent counts as entered; it takes the row over."""
    await consul.add("test-node", Check={"CheckID": "_node_maintenance", "Name": "x", "Status": "passing"})
    await consul.put("/v1/agent/maintenance?enable=false")
    assert await in_catalog(consul, "_node_maintenance") == ("passing", "")
    await consul.put("/v1/agent/maintenance?enable=true")
    assert await in_catalog(consul, "_node_maintenance") == ("critical", "")


REFUSED: list[tuple[str, int, str]] = [
    ("service/maintenance/", 400, "Missing service ID"),
    ("service/maintenance/?enable=x&ns=x", 400, "Missing service ID"),
    ("service/maintenance/x?ns=x", 400, "Missing value for enable"),
    ("service/maintenance/x?enable=yes&ns=x", 400, 'Invalid value for enable: "yes"'),
    ("service/maintenance/x?enable=", 400, 'Invalid value for enable: ""'),
    ("service/maintenance/x?enable=true&ns=x", 400,
     'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature'),
    ("service/maintenance/x?enable=true", 404,
     'Unknown service ID "x". Ensure that the service ID is passed, not the service name.'),
    ("service/maintenance/x?enable=false", 404,
     'Unknown service ID "x". Ensure that the service ID is passed, not the service name.'),
    ("maintenance", 400, "Missing value for enable"),
    ("maintenance?enable", 400, 'Invalid value for enable: ""'),
    ("maintenance?enable=TrUe", 400, 'Invalid value for enable: "TrUe"'),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status", "text"), REFUSED)
async def test_maintenance_is_refused_in_order(consul: Client, path: str, status: int, text: str) -> None:
    assert await told(consul, f"/v1/agent/{path}") == (status, text)


@pytest.mark.parametrize("word", ["1", "t", "T", "TRUE", "true", "True"])
async def test_every_word_for_yes(consul: Client, word: str) -> None:
    await consul.put(f"/v1/agent/maintenance?enable={word}&ns=ignored")
    assert list(await checks(consul)) == ["_node_maintenance"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["maintenance", "service/maintenance/x", "check/pass/x", "service/register"])
async def test_writes_are_put_only(consul: Client, method: str, path: str) -> None:
    answer: Any = await consul.send(f"{method} /v1/agent/{path}?enable=true")
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS,PUT")
    assert answer.text == f"method {method} not allowed"
