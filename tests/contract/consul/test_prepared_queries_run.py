"""What prepared queries find, and what templates become. Source: event_query_coordinate.md §B.3 to §B.5."""

from typing import Any

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.queries import executed, explained, nodes, stored

pytestmark = pytest.mark.usefixtures("every_command")

PREFIX = {"Type": "name_prefix_match"}


async def add(consul: Client, node: str, *statuses: str, **service: Any) -> None:
    """A node with an instance of `web` that has a check for each status."""
    checks = [{"CheckID": f"c{at}", "Status": one, "ServiceID": "web"} for at, one in enumerate(statuses)]
    await consul.register(node, f"10.0.0.{len(node)}", Service={"Service": "web", **service}, Checks=checks)


async def place(consul: Client, **places: float) -> None:
    """Say where nodes are, on a line."""
    for node, at in places.items():
        body = {"Node": node, "Coord": {"Vec": [at, 0, 0, 0, 0, 0, 0, 0], "Height": 0.001}}
        assert (await consul.put("/v1/coordinate/update", body)).status == 200


async def test_an_answer_in_full(consul: Client) -> None:
    await add(consul, "n")
    query_id = await stored(consul, "WEB", Name="q", DNS={"TTL": "10s"})
    answer = await consul.get("/v1/query/Q/execute")
    found = answer.json
    assert found["Nodes"][0]["Checks"] is None
    assert found["Nodes"][0]["Service"]["Tags"] is None
    assert {**found, "Nodes": len(found["Nodes"])} == {
        "Service": "WEB", "Nodes": 1, "DNS": {"TTL": "10s"}, "Datacenter": "dc1", "PeerName": "", "Failovers": 0,
        "Index": 1, "LastContact": 0, "KnownLeader": True, "ConsistencyLevel": "leader", "NotModified": False,
        "Backend": 0, "ResultsFilteredByACLs": False,
    }  # fmt: skip
    assert (answer.index, answer.headers["x-consul-effective-consistency"]) == (1, "leader")
    assert (await executed(consul, query_id, "?stale&index=99&wait=10m"))["ConsistencyLevel"] == "stale"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["passing", "plain", "warning"]),
        ({"OnlyPassing": True}, ["passing", "plain"]),
        ({"IgnoreCheckIDs": ["c0"]}, ["critical", "passing", "plain", "warning"]),
        ({"OnlyPassing": True, "IgnoreCheckIDs": ["C0"]}, ["passing", "plain"]),
        ({"Tags": ["BLUE"]}, ["passing"]),
        ({"Tags": ["blue", "!eu"]}, []),
        ({"Tags": ["!blue", "!us"]}, ["plain"]),
        ({"Tags": [""]}, []),
        ({"Tags": ["!"]}, ["passing", "plain", "warning"]),
        ({"ServiceMeta": {"v": "1"}}, ["passing"]),
        ({"ServiceMeta": {"none": ""}}, []),
        ({"NodeMeta": {"rack": "a"}}, []),
        ({"Connect": True}, []),
        ({"Peer": "p"}, []),
        ({"Failover": {"NearestN": 2, "Datacenters": ["dc2"]}, "Tags": ["x"]}, []),
    ],
)
async def test_who_is_left_out(consul: Client, wanted: dict[str, Any], found: list[str]) -> None:
    await add(consul, "plain")
    await add(consul, "passing", "passing", Tags=["Blue", "eu"], Meta={"v": "1"})
    await add(consul, "warning", "warning", Tags=["us"])
    await add(consul, "critical", "critical")
    await stored(consul, Name="q", of=wanted)
    assert sorted(await nodes(consul, "q")) == found


async def test_chance_orders_what_is_found(consul: Client) -> None:
    for name in "abc":
        await add(consul, name)
    await stored(consul, Name="q")
    orders = set()
    for chance in (0.0, 0.4, 0.99):
        consul.server.engine.random = lambda chance=chance: chance  # type: ignore[misc]
        order = await nodes(consul, "q")
        assert sorted(order) == ["a", "b", "c"]
        orders.add("".join(order))
    assert len(orders) == 3


async def test_the_nearest_come_first_and_a_limit_cuts(consul: Client) -> None:
    for name in ("a", "bb", "ccc", "dddd"):
        await add(consul, name)
    await place(consul, a=1.0, bb=0.5, CCC=0.0)
    await stored(consul, Name="q", of={"Near": "ccc"})
    assert await nodes(consul, "q") == ["ccc", "bb", "a", "dddd"]
    assert await nodes(consul, "q", "?near=A&limit=2") == ["a", "bb"]
    assert len(await nodes(consul, "q", "?limit=-1")) == 4
    for claimed in ("nonsense, 10.0.0.2", "10.0.0.2,10.0.0.1", "::ffff:10.0.0.2"):
        assert (await nodes(consul, "q", "?near=_ip", f"X-Forwarded-For: {claimed}"))[0] == "bb"


async def test_the_near_node_is_put_first_even_without_coordinates(consul: Client) -> None:
    for name in ("a", "bb", "ccc"):
        await add(consul, name)
    await stored(consul, Name="q")
    for name in ("a", "bb", "ccc"):
        assert (await nodes(consul, "q", f"?near={name}"))[0] == name
    assert sorted(await nodes(consul, "q", "?near=none")) == ["a", "bb", "ccc"]


async def test_an_address_may_be_written_in_any_way(consul: Client) -> None:
    for name in ("a", "bb"):
        await consul.register(name, "2001:db8::1" if name == "bb" else "10.0.0.1", Service={"Service": "web"})
    await place(consul, a=1.0, bb=0.5)
    await stored(consul, Name="q", of={"Near": "_ip"})
    for claimed, nearest in (("2001:DB8:0::0:1", "bb"), ("10.0.0.1", "a")):
        assert (await nodes(consul, "q", "", f"X-Forwarded-For: {claimed}"))[0] == nearest


async def test_connect_gives_those_who_speak_for_the_service(consul: Client) -> None:
    await add(consul, "a")
    proxy = {"Service": "p", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "web"}}
    await consul.register("p", Service=proxy)
    await stored(consul, Name="q")
    assert await nodes(consul, "q") == ["a"]
    assert await nodes(consul, "q", "?connect=true") == ["p"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("limit=abc", 'Bad limit: strconv.Atoi: parsing "abc": invalid syntax'),
        (
            "limit=-9223372036854775809",
            'Bad limit: strconv.Atoi: parsing "-9223372036854775809": value out of range',
        ),
        ("connect=abc", "Error parsing 'connect' value: strconv.ParseBool: parsing \"abc\": invalid syntax"),
        ("dc=other", "No path to datacenter"),
    ],
)
async def test_parameters_that_are_refused(consul: Client, query: str, text: str) -> None:
    await stored(consul, Name="q")
    answer = await consul.get(f"/v1/query/q/execute?{query}")
    assert (answer.status, answer.text) == (500, text)


@pytest.mark.parametrize("way", ["execute", "explain"])
async def test_a_name_that_nobody_answers_to(consul: Client, way: str) -> None:
    answer = await consul.get(f"/v1/query/none/{way}")
    assert (answer.status, answer.text) == (404, "Query not found")
    assert (answer.headers["x-consul-index"], answer.headers["x-consul-knownleader"]) == ("1", "false")


# Templates


async def test_the_longest_prefix_answers_and_an_exact_name_before_it(consul: Client) -> None:
    await stored(consul, "all-${name.full}", Name="", Template=PREFIX)
    await stored(consul, "geo-${name.suffix}", Name="geo-", Template=PREFIX)
    await stored(consul, "${name.prefix}|${name.suffix}", Name="geo-db-", Template=PREFIX)
    await stored(consul, "static", Name="geo-db-one")
    for name, service in (
        ("else", "all-else"), ("geo-x", "geo-x"), ("geo-db-x", "geo-db-|x"), ("GEO-DB-ONE", "static"),
        ("geo-", "geo-"), ("GEO-x", "geo-GEO-x"),
    ):  # fmt: skip
        assert (await explained(consul, name))["Service"] == service


async def test_a_template_is_not_asked_by_its_id(consul: Client) -> None:
    query_id = await stored(consul, Name="t", Template=PREFIX)
    answer = await consul.get(f"/v1/query/{query_id}/execute")
    assert (answer.status, answer.text) == (
        500, "prepared query templates can only be resolved up by name, not by ID",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${match(0)}", "geo-db-eu"),
        ("${match(1)}.${match(2)}", "db.eu"),
        ("${match(9)}|${match(-1)}", "|"),
        ("$${name.full} $name", "${name.full} $name"),
        ('${ match( 1 ) }-${"a${name.suffix}"}', "db-adb-eu"),
        ("${agent.segment}", ""),
        ("${1}", "1"),
    ],
)
async def test_expressions(consul: Client, text: str, value: str) -> None:
    of = {"Near": text, "Tags": [text], "NodeMeta": {"k": text}, "Failover": {"Datacenters": [text]}}
    await stored(consul, Name="geo-", of=of, Template={**PREFIX, "Regexp": "^geo-(.*?)-([^-]+)$"})
    found = await explained(consul, "geo-db-eu")
    assert (found["Near"], found["Tags"], found["NodeMeta"], found["Failover"]["Datacenters"]) == (
        value, [value], {"k": value}, [value],
    )  # fmt: skip


async def test_what_becomes_of_a_name_has_an_end(consul: Client) -> None:
    """A short template and a long name could fill all memory; Consul lets them."""
    await stored(consul, of={"Tags": ["${name.suffix}"] * 300}, Name="long-", Template=PREFIX)
    assert len((await explained(consul, "long-" + "x" * 3000))["Tags"]) == 300
    answer = await consul.get("/v1/query/long-" + "x" * 4000 + "/execute")
    assert answer.status == 500
    assert answer.text.endswith("in Service.Tags[262]: expressions stand for more than 1048576 characters")


async def test_a_query_may_ask_for_what_servers_say_of_themselves(consul: Client) -> None:
    """Keys beginning with `consul-` are reserved where metadata is given, not where it is asked for."""
    await stored(consul, "consul", Name="q", of={"NodeMeta": {"consul-network-segment": ""}})
    assert len(await nodes(consul, "q")) == 1


async def test_tags_that_turn_out_empty_may_be_left_out(consul: Client) -> None:
    for name, removes, tags in (("keep-", False, [""]), ("drop-", True, [])):
        template = {**PREFIX, "Regexp": "(x?)", "RemoveEmptyTags": removes}
        await stored(consul, Name=name, of={"Tags": ["${match(1)}"]}, Template=template)
        assert (await explained(consul, name + "y"))["Tags"] == tags
    await stored(consul, Name="none-", Template={**PREFIX, "RemoveEmptyTags": True})
    assert (await explained(consul, "none-y"))["Tags"] == []
