"""Reads of health to the byte: checks by node, service and state, and instances with their checks.

Source: health.md; common.md §13, §14.
"""

from typing import Any

import pytest

from tests.contract.consul.exchange import Client

NODE = (
    '{"ID":"","Node":"n1","Address":"10.0.0.1","Datacenter":"dc1","TaggedAddresses":null,"Meta":null,'
    '"CreateIndex":2,"ModifyIndex":2}'
)
SERVICE = (
    '{"ID":"w","Service":"web","Tags":["a"],"Address":"","Meta":null,"Port":80,'
    '"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,'
    '"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"","CreateIndex":2,"ModifyIndex":2}'
)
NODE_CHECK = (
    '{"Node":"n1","CheckID":"disk","Name":"","Status":"passing","Notes":"","Output":"","ServiceID":"",'
    '"ServiceName":"","ServiceTags":[],"Type":"","Interval":"","Timeout":"","ExposedPort":0,"Definition":{},'
    '"CreateIndex":2,"ModifyIndex":2}'
)
SERVICE_CHECK = (
    '{"Node":"n1","CheckID":"alive","Name":"Alive \\u0026 well","Status":"passing","Notes":"N",'
    '"Output":"\\u003cok\\u003e","ServiceID":"w","ServiceName":"web","ServiceTags":["a"],"Type":"http",'
    '"Interval":"10s","Timeout":"1s","ExposedPort":21500,"Definition":{},"CreateIndex":2,"ModifyIndex":2}'
)


@pytest.fixture
async def catalog(consul: Client) -> Client:
    """n1 with web and two checks; n2 with a failing instance of web; everything else is the server's own."""
    alive = {
        "CheckID": "alive", "Name": "Alive & well", "Status": "passing", "Notes": "N", "Output": "<ok>",
        "ServiceID": "w", "Type": "http", "Interval": "10s", "Timeout": "1s", "ExposedPort": 21500,
    }  # fmt: skip
    disk = {"CheckID": "disk", "Status": "passing"}
    service = {"Service": "web", "ID": "w", "Tags": ["a"], "Port": 80}
    await consul.register("n1", Service=service, Checks=[disk, alive])
    failing = {"CheckID": "alive", "Status": "critical", "ServiceID": "w"}
    await consul.register("n2", Service=service | {"Port": 81}, Check=failing)
    return consul


async def test_instances_with_the_checks_that_speak_for_them(catalog: Client) -> None:
    entry = f'[{{"Node":{NODE},"Service":{SERVICE},"Checks":[{NODE_CHECK},{SERVICE_CHECK}]}}]'
    for query in ("passing", "filter=Node.Node+==+n1"):
        assert (await catalog.get(f"/v1/health/service/web?{query}")).text == entry


async def test_lists_of_checks(catalog: Client) -> None:
    assert (await catalog.get("/v1/health/node/N1")).text == f"[{SERVICE_CHECK},{NODE_CHECK}]"
    assert (await catalog.get("/v1/health/checks/WEB?filter=Node+==+n1")).text == f"[{SERVICE_CHECK}]"
    assert (await catalog.get("/v1/health/state/passing?filter=Type+==+http")).text == f"[{SERVICE_CHECK}]"


@pytest.mark.parametrize(
    "target",
    [
        "/v1/health/node/none",
        "/v1/health/checks/none",
        "/v1/health/state/none",
        "/v1/health/state/warning",
        "/v1/health/service/none",
        "/v1/health/connect/none",
        "/v1/health/connect/web",
        "/v1/health/ingress/web",
        "/v1/health/service/web?peer=p",
        "/v1/health/connect/web?peer=p",
        "/v1/health/ingress/web?peer=p",
        "/v1/health/service/web?tag=none",
        "/v1/health/node/n1?filter=Status+==+warning",
    ],
)
async def test_what_is_not_there_is_an_empty_list(catalog: Client, target: str) -> None:
    answer = await catalog.get(target)
    assert (answer.status, answer.text) == (200, "[]")
    if "peer" in target or "ingress" in target:
        assert answer.index == 1


async def test_an_instance_without_checks_passes(consul: Client) -> None:
    await consul.register("n", Service={"Service": "web"})
    [entry] = (await consul.get("/v1/health/service/web?passing")).json
    assert (entry["Checks"], entry["Service"]["Tags"], entry["Service"]["Meta"]) == ([], [], None)
    assert "Port" not in entry["Service"]


# Order


async def test_checks_of_the_node_come_first_each_by_id(consul: Client) -> None:
    service = {"Service": "web", "ID": "w"}
    own = [{"CheckID": one, "ServiceID": "W"} for one in ("b", "A", "c")]
    of_node = [{"CheckID": one} for one in ("z", "Y", "_node_maintenance")]
    other = {"CheckID": "other", "ServiceID": "db"}
    await consul.register("n", Service={"Service": "db"})
    await consul.register("n", Service=service, Checks=[*own, *of_node, other])
    [entry] = (await consul.get("/v1/health/service/web")).json
    assert [one["CheckID"] for one in entry["Checks"]] == ["_node_maintenance", "Y", "z", "A", "b", "c"]
    for target in ("/v1/health/node/n", "/v1/health/state/critical"):
        listed = [one["CheckID"] for one in (await consul.get(target)).json]
        assert listed == ["_node_maintenance", "A", "b", "c", "other", "Y", "z"]


async def test_entries_and_checks_are_ordered_by_node_then_id(consul: Client) -> None:
    for node in ("b", "A"):
        for one in ("y", "X"):
            check = {"CheckID": f"c-{one}", "ServiceID": one}
            await consul.register(node, Service={"Service": "web", "ID": one}, Check=check)
    order = [("A", "X"), ("A", "y"), ("b", "X"), ("b", "y")]
    entries = (await consul.get("/v1/health/service/web")).json
    assert [(one["Node"]["Node"], one["Service"]["ID"]) for one in entries] == order
    for target in ("checks/web", "state/critical", "state/any?filter=ServiceID+!=+%22%22"):
        assert [(one["Node"], one["ServiceID"]) for one in (await consul.get(f"/v1/health/{target}")).json] == order


# States


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("passing", ["Passing", "passing"]),
        ("PASSING", ["Passing", "passing"]),
        ("critical", ["critical"]),
        ("odd", ["Odd"]),
        ("Any", ["Any"]),
        ("ANY", ["Any"]),
        ("warning", []),
    ],
)
async def test_a_state_is_found_in_any_case_and_shown_as_stored(consul: Client, state: str, found: list[str]) -> None:
    for number, status in enumerate(("Passing", "passing", "critical", "Odd", "Any")):
        await consul.register("n", Check={"CheckID": str(number), "Status": status})
    rows = (await consul.get(f"/v1/health/state/{state}")).json
    assert [row["Status"] for row in rows if row["Node"] == "n"] == found


async def test_any_is_every_check(catalog: Client) -> None:
    rows = (await catalog.get("/v1/health/state/any")).json
    assert [(row["Node"], row["CheckID"]) for row in rows] == [
        ("n1", "alive"),
        ("n1", "disk"),
        ("n2", "alive"),
        ("test-node", "serfHealth"),
    ]


# passing


@pytest.mark.parametrize(
    ("query", "only_passing"),
    [
        ("", False),
        ("passing", True),
        ("passing=", True),
        ("passing=1", True),
        ("passing=t", True),
        ("passing=TRUE", True),
        ("passing=True", True),
        ("passing=0", False),
        ("passing=f", False),
        ("passing=FALSE", False),
        ("passing=false&passing=true", False),
        ("passing=yes", None),
        ("passing=tRUE", None),
        ("passing=+true", None),
        ("passing=x&passing", None),
    ],
)
async def test_the_words_of_passing(catalog: Client, query: str, only_passing: bool | None) -> None:
    answer = await catalog.get(f"/v1/health/service/web?{query}")
    if only_passing is None:
        assert (answer.status, answer.text) == (400, "Invalid value for ?passing")
    else:
        assert [one["Node"]["Node"] for one in answer.json] == (["n1"] if only_passing else ["n1", "n2"])


@pytest.mark.parametrize(
    ("checks", "passes"),
    [
        ([], True),
        ([{"CheckID": "s", "ServiceID": "w", "Status": "passing"}], True),
        ([{"CheckID": "s", "ServiceID": "w", "Status": "warning"}], False),
        ([{"CheckID": "s", "ServiceID": "w", "Status": "Passing"}], False),
        ([{"CheckID": "s", "ServiceID": "w"}], False),
        ([{"CheckID": "n", "Status": "passing"}, {"CheckID": "s", "ServiceID": "w", "Status": "passing"}], True),
        ([{"CheckID": "n", "Status": "critical"}, {"CheckID": "s", "ServiceID": "w", "Status": "passing"}], False),
        ([{"CheckID": "_node_maintenance", "Status": "critical"}], False),
        ([{"CheckID": "other", "ServiceID": "db", "Status": "critical"}], True),
        ([{"CheckID": "n", "Status": ""}], False),
    ],
)
async def test_passing_wants_every_check_of_node_and_service_to_pass(
    consul: Client, checks: list[dict[str, Any]], passes: bool
) -> None:
    await consul.register("n", Service={"Service": "db"})
    await consul.register("n", Service={"Service": "web", "ID": "w"}, Checks=checks)
    assert len((await consul.get("/v1/health/service/web?passing")).json) == passes
    assert len((await consul.get("/v1/health/service/web")).json) == 1


async def test_passing_keeps_the_order(consul: Client) -> None:
    for number in range(6):
        status = "critical" if number in (0, 2) else "passing"
        check = {"CheckID": "c", "ServiceID": "w", "Status": status}
        await consul.register(f"p{number}", Service={"Service": "web", "ID": "w"}, Check=check)
    rows = (await consul.get("/v1/health/service/web?passing")).json
    assert [row["Node"]["Node"] for row in rows] == ["p1", "p3", "p4", "p5"]


async def test_the_own_service_of_the_server_is_healthy(consul: Client) -> None:
    [entry] = (await consul.get("/v1/health/service/consul?passing")).json
    assert set(entry["Node"]["TaggedAddresses"]) == {"lan", "lan_ipv4", "wan", "wan_ipv4"}
    assert entry["Node"]["Meta"] == {"consul-network-segment": "", "consul-version": "1.21.4"}
    [check] = entry["Checks"]
    shown = [check[key] for key in ("CheckID", "Name", "Status", "Output", "Type", "ServiceID")]
    assert shown == ["serfHealth", "Serf Health Status", "passing", "Agent alive and reachable", "", ""]


# The mesh


async def test_a_proxy_speaks_for_its_service_with_its_own_checks(consul: Client) -> None:
    proxy = {
        "Service": "web-proxy", "Kind": "connect-proxy", "Port": 9, "Tags": ["t"],
        "Proxy": {"DestinationServiceName": "Web"},
    }  # fmt: skip
    await consul.register("n", Service={"Service": "web"}, Check={"CheckID": "w", "ServiceID": "web"})
    checks = [{"CheckID": "n", "Status": "passing"}, {"CheckID": "p", "ServiceID": "web-proxy", "Status": "passing"}]
    await consul.register("n", Service=proxy, Checks=checks)
    for query in ("", "?passing", "?tag=none", "?filter=Service.Port+==+9"):
        [entry] = (await consul.get(f"/v1/health/connect/web{query}")).json
        assert entry["Service"]["ID"] == "web-proxy"
        assert [one["CheckID"] for one in entry["Checks"]] == ["n", "p"]
    assert (await consul.get("/v1/health/connect/web-proxy")).text == "[]"


async def test_the_index_of_the_mesh_is_that_of_the_services_it_shows(consul: Client) -> None:
    proxy = {"Kind": "connect-proxy", "Port": 9, "Proxy": {"DestinationServiceName": "web"}}
    await consul.register("n", Service=proxy | {"Service": "a-proxy"})
    await consul.register("n", Service=proxy | {"Service": "b-proxy"})
    assert await consul.index("/v1/health/connect/web") == 3
    await consul.register("n", Service={"Service": "web"})
    assert await consul.index("/v1/health/connect/web") == 3
    await consul.register("n", Check={"CheckID": "c", "ServiceID": "a-proxy"})
    assert await consul.index("/v1/health/connect/web") == 5


async def test_a_new_proxy_of_any_name_wakes_those_who_watch_the_service(consul: Client) -> None:
    watcher = await consul.follow("/v1/health/connect/web")
    proxy = {"Service": "x", "Kind": "connect-proxy", "Port": 9, "Proxy": {"DestinationServiceName": "WEB"}}
    await consul.register("n", Service=proxy)
    assert [entry["Service"]["ID"] for entry in (await watcher).json] == ["x"]


# Peers and sameness groups


@pytest.mark.parametrize("path", ["service", "connect", "ingress"])
@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("peer=p&sg=g", 400, "peer-name and sameness-group are mutually exclusive"),
        ("peer=p&sameness-group=g&passing=x", 400, "peer-name and sameness-group are mutually exclusive"),
        ("sg=g", 500, "sameness groups are not supported in consul CE"),
        ("sameness-group=g", 500, "sameness groups are not supported in consul CE"),
        ("sg=g&passing=x", 400, "Invalid value for ?passing"),
        ("peer=p&filter=Foo+==+1", 500,
         'Failed to create boolean expression evaluator: Selector "Foo" is not valid'),
    ],
)  # fmt: skip
async def test_peers_and_groups_exclude_each_other(
    consul: Client, path: str, query: str, status: int, text: str
) -> None:
    answer = await consul.get(f"/v1/health/{path}/web?{query}")
    assert (answer.status, answer.text) == (status, text)


async def test_the_catalog_and_lists_of_checks_know_no_groups(catalog: Client) -> None:
    for target in ("/v1/catalog/service/web", "/v1/health/checks/web", "/v1/health/state/any", "/v1/catalog/nodes"):
        assert (await catalog.get(f"{target}?sg=g&sameness-group=g")).body == (await catalog.get(target)).body
    for target in ("/v1/health/checks/web", "/v1/health/node/n1", "/v1/catalog/nodes", "/v1/catalog/services"):
        assert (await catalog.get(f"{target}?peer=p")).body == (await catalog.get(target)).body


async def test_tags_mean_nothing_to_lists_of_checks(catalog: Client) -> None:
    for target in ("/v1/health/checks/web", "/v1/health/node/n1", "/v1/health/state/any"):
        assert (await catalog.get(f"{target}?tag=none&passing=x")).body == (await catalog.get(target)).body


# What the agent's checks look like from the catalog


async def test_a_ttl_check_shows_its_status_at_once_and_its_words_with_the_next_status(consul: Client) -> None:
    await consul.put("/v1/agent/service/register", {"Name": "web", "Check": {"TTL": "1h"}})
    target = "/v1/health/checks/web"
    [check] = (await consul.get(target)).json
    shown = [check[key] for key in ("CheckID", "Name", "Status", "Output", "Type", "Notes", "Definition")]
    assert shown == ["service:web", "Service 'web' check", "critical", "", "ttl", "", {}]
    assert (await consul.get("/v1/health/service/web?passing")).text == "[]"

    index = await consul.index(target)
    await consul.send("PUT /v1/agent/check/pass/service:web?note=up", body=b"")
    assert len((await consul.get("/v1/health/service/web?passing")).json) == 1
    assert await consul.index(target) == index + 1
    await consul.send("PUT /v1/agent/check/pass/service:web?note=still+up", body=b"")
    [check] = (await consul.get(target)).json
    assert (check["Output"], await consul.index(target)) == ("up", index + 1)
