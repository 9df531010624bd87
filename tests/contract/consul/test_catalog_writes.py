"""Registering and removing through the catalog: what is refused, in which order, and what becomes of nodes.

Source: catalog.md §1, §2. What a body may look like is common.md §4.
"""

import json
from typing import Any

import pytest

from tests.contract.consul.exchange import Client

REGISTER, DEREGISTER = "/v1/catalog/register", "/v1/catalog/deregister"
TEXT = "text/plain; charset=utf-8"
DECODE = "Request decode failed: "
NAMESPACE = 'json: unknown field "Namespace" - Namespaces are a Consul Enterprise feature'
ONE, TWO = "11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552"


async def everything(consul: Client) -> list[Any]:
    """The catalog and every index of it."""
    targets = ("/v1/catalog/nodes", "/v1/catalog/services", "/v1/health/state/any", "/v1/health/service/web")
    return [(await consul.get(target)).lasting() for target in targets]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "EOF"),
        (b"  \n", "EOF"),
        (b"{", "unexpected EOF"),
        (b'{"Node":"n"', "unexpected EOF"),
        (b'{"Foo":1}', 'json: unknown field "Foo"'),
        (b'{"Node":"n","Service":{"Name":"x"}}', 'json: unknown field "Name"'),
        (b'{"Node":"n","Check":{"Foo":1}}', 'json: unknown field "Foo"'),
        (b'{"Namespace":"x"}', NAMESPACE),
        (b'{"Service":{"Namespace":""}}', NAMESPACE),
        (b'{"Partition":"x"}', 'json: unknown field "Partition"'),
        (b'{"Node":"n","Check":{"Definition":{"Interval":"x"}}}', 'time: invalid duration "x"'),
        (b'{"Node":"n","Check":{"Definition":{"TTL":"10"}}}', 'time: missing unit in duration "10"'),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_400(consul: Client, body: bytes, text: str) -> None:
    answer = await consul.put(REGISTER, body)
    assert (answer.status, answer.text, answer.headers["content-type"]) == (400, DECODE + text, TEXT)
    if b"Service" not in body and b"Check" not in body:
        assert (await consul.put(DEREGISTER, body)).text == DECODE + text


async def test_the_output_size_of_a_definition_cannot_be_negative(consul: Client) -> None:
    body = {"Node": "n", "Address": "a", "Check": {"Name": "c", "Definition": {"OutputMaxSize": -1}}}
    answer = await consul.put(REGISTER, json.dumps(body).encode())
    assert (answer.status, answer.text[: len(DECODE)]) == (400, DECODE)
    assert "json: cannot unmarshal number -1 into Go struct field" in answer.text
    assert answer.text.endswith("of type uint")


@pytest.mark.parametrize(
    "body",
    [
        b'{"Node":"n","Address":"1"} and more',
        b'{"Node":"n","Address":"1"}{"broken',
        b' \n{"NODE":"n","address":"1"}',
        b'{"Node":"x","Node":"n","Address":"1"}',
        b'{"Node":"n","Address":"1","Service":null,"Check":null,"Checks":null,"NodeMeta":null,"ID":null}',
        b'{"Node":"n","Address":"1","Token":"t","CreateIndex":99,"ModifyIndex":98}',
        b'{"Node":"n","Address":"1","Datacenter":"dc1"}',
    ],
)
async def test_a_body_that_go_reads_is_taken(consul: Client, body: bytes) -> None:
    assert (await consul.put(f"{REGISTER}?dc=mars&wait=x&index=x&stale&consistent", body)).text == "true"
    row = (await consul.get("/v1/catalog/node/n")).json["Node"]
    assert (row["Node"], row["Address"], row["CreateIndex"], row["ModifyIndex"]) == ("n", "1", 2, 2)


META = "Couldn't load metadata pair ('bad key', '1'): Key contains invalid characters"
PROBLEMS = [
    # Every row has the problem of all rows below it as well, as far as that is possible.
    ({"PeerName": "p", "Datacenter": "mars"}, "cannot register requests with PeerName in them"),
    ({"Service": {"PeerName": "p"}, "Datacenter": "mars"}, "cannot register requests with PeerName in them"),
    ({"Checks": [{"PeerName": "p"}], "Datacenter": "mars"}, "cannot register requests with PeerName in them"),
    ({"Datacenter": "mars"}, "No path to datacenter"),
    ({"Datacenter": "DC1"}, "No path to datacenter"),
    ({"ID": "x"}, "Must provide node"),
    ({"Node": "n", "ID": "x"}, "Bad node ID: uuid string is wrong length"),
    ({"Node": "n", "ID": "111111112-222-3333-4444-555555555555"}, "Bad node ID: uuid is improperly formatted"),
    ({"Node": "n", "ID": "z" + ONE[1:]}, "Bad node ID: encoding/hex: invalid byte: U+007A 'z'"),
    ({"Node": "n", "Service": {}}, "Must provide address if SkipNodeUpdate is not set"),
    (
        {"Node": "n", "Address": "1", "Service": {"Kind": "connect-proxy", "Address": "0.0.0.0"}},
        "2 errors occurred:\n\t* Port or SocketPath must be set for a connect-proxy\n"
        "\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n",
    ),
    ({"Node": "n", "Address": "1", "Service": {"Address": "::"}}, "Must provide service name (Service.Service)"),
    (
        {"Node": "n", "Address": "1", "Service": {"ID": "i", "Address": "::"}},
        "Must provide service name (Service.Service) when service ID is provided",
    ),
    ({"Node": "n", "Address": "1", "Service": {"Service": "s", "Address": "[::]"}}, "Invalid service address"),
    (
        {"Node": "n", "Address": "1", "Check": {"Node": "y", "Name": "c", "ServiceID": "zz"}},
        "Node 'y' for check 'c' doesn't match register request node 'n'",
    ),
    (
        {"Node": "n", "Address": "1", "Check": {"Name": "c", "ServiceID": "zz"}},
        "Unknown service ID 'zz' for check ID 'c'",
    ),
    (
        {"Node": "n", "Address": "1", "Service": {"Service": "s", "Meta": {"bad key": "1"}}, "Check": {}},
        f"failed inserting service: Invalid Service Meta for node n and serviceID s: {META}",
    ),
    (
        {"Node": "n", "Address": "1", "Check": {}},
        'failed inserting check on node "n": failed health check lookup: '
        "index error: object is missing a value for this index",
    ),
]


@pytest.mark.parametrize(("body", "text"), PROBLEMS)
async def test_a_registration_that_is_refused_is_a_500_and_leaves_nothing(
    consul: Client, body: dict[str, Any], text: str
) -> None:
    before = await everything(consul)
    answer = await consul.put(REGISTER, body)
    assert (answer.status, answer.text, answer.headers["content-type"]) == (500, text, TEXT)
    assert await everything(consul) == before


@pytest.mark.parametrize("target", [REGISTER, DEREGISTER])
async def test_enterprise_selectors_are_judged_before_the_body(consul: Client, target: str) -> None:
    for query in ("ns=a", "partition=default"):
        answer = await consul.put(f"{target}?{query}", b"{broken")
        assert (answer.status, answer.text.split(":")[0]) == (400, "Invalid query parameter")
    answer = await consul.send(f"PUT {target}", "X-Consul-Namespace: a", body=b"")
    assert answer.text == 'Invalid header: "X-Consul-Namespace" - Namespaces are a Consul Enterprise feature'


@pytest.mark.parametrize(
    "service",
    [
        {"Port": -1, "Address": "no address"},
        {"Port": 99999999},
        {"Tags": ["", "A b", "é"]},
        {"Kind": "anything"},
        {"TaggedAddresses": {"lan": {"Address": "0.0.0.0", "Port": -5}}},
    ],
)
async def test_much_is_stored_as_it_is(consul: Client, service: dict[str, Any]) -> None:
    await consul.register("n", "0.0.0.0", NodeMeta={"bad key": "x" * 600}, Service={"Service": "web"} | service)
    row = (await consul.get("/v1/catalog/node/n")).json["Services"]["web"]
    assert {key: row.get(key) for key in service} == service


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (None, (1, 1)),
        ({}, (1, 1)),
        ({"Passing": 0, "Warning": 0}, (1, 1)),
        ({"Passing": 5}, (5, 0)),
        ({"Passing": 65535, "Warning": 65535}, (65535, 65535)),
        ({"Passing": 65536, "Warning": 1}, (1, 1)),
        ({"Passing": 1, "Warning": -1}, (1, 1)),
        ({"Passing": -1, "Warning": 1}, (1, 1)),
    ],
)
async def test_bad_weights_are_no_error(consul: Client, sent: Any, stored: tuple[int, int]) -> None:
    await consul.register("n", Service={"Service": "web", "Weights": sent})
    weights = (await consul.get("/v1/catalog/node/n")).json["Services"]["web"]["Weights"]
    assert (weights["Passing"], weights["Warning"]) == stored


async def test_one_registration_is_all_or_nothing(consul: Client) -> None:
    body = {
        "Node": "n",
        "Address": "10.0.0.1",
        "Service": {"Service": "web"},
        "Checks": [{"CheckID": "a"}, {"CheckID": "b", "Status": "warning"}],
        "Check": {"CheckID": "a", "Status": "passing", "ServiceID": "WEB"},
    }
    assert (await consul.put(REGISTER, body)).text == "true"
    checks = (await consul.get("/v1/health/node/n")).json
    shown = [(one["CheckID"], one["Status"], one["ServiceID"], one["ServiceName"]) for one in checks]
    assert shown == [("a", "passing", "WEB", "web"), ("b", "warning", "", "")]
    assert {one["CreateIndex"] for one in checks} == {one["ModifyIndex"] for one in checks} == {2}


async def test_a_check_takes_name_and_tags_of_its_service_when_it_is_written(consul: Client) -> None:
    check = {"Name": "c", "ServiceID": "w", "ServiceName": "wrong", "ServiceTags": ["wrong"]}
    await consul.register("n", Service={"Service": "web", "ID": "w", "Tags": ["a"]}, Check=check)
    await consul.register("n", Service={"Service": "web", "ID": "w", "Tags": ["b"]})
    [row] = (await consul.get("/v1/health/checks/web")).json
    shown = {key: row[key] for key in ("CheckID", "Name", "Status", "ServiceName", "ServiceTags")}
    assert shown == {
        "CheckID": "c", "Name": "c", "Status": "critical", "ServiceName": "web", "ServiceTags": ["a"],
    }  # fmt: skip
    await consul.register("n", Check=check)
    assert (await consul.get("/v1/health/checks/web")).json[0]["ServiceTags"] == ["b"]


async def test_a_check_of_a_node_keeps_the_words_it_came_with(consul: Client) -> None:
    await consul.register("n", Check={"CheckID": "c", "Status": "Odd", "ServiceName": "s", "ServiceTags": ["t"]})
    [row] = (await consul.get("/v1/health/node/n")).json
    assert (row["Status"], row["ServiceName"], row["ServiceTags"]) == ("Odd", "s", ["t"])


DEFINITIONS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", "{}"),
    ({"HTTP": "http://x", "Interval": "10s"}, "http", '{"Interval":"10s","HTTP":"http://x"}'),
    ({"HTTP": "http://x"}, "", '{"HTTP":"http://x"}'),
    ({"TCP": "x:1", "Interval": 1500000}, "tcp", '{"Interval":"1.5ms","TCP":"x:1"}'),
    ({"TTL": "1m30s"}, "ttl", '{"TTL":90000000000}'),
    ({"AliasService": "s", "AliasNode": "n"}, "alias", '{"AliasNode":"n","AliasService":"s"}'),
    ({"Unknown": [1], "Interval": True}, "", "{}"),
    (
        {"Header": {"B": ["1"], "A": ["2", "3"]}, "HTTP": "h", "Method": "PUT", "Timeout": "3m", "Body": "b",
         "DeregisterCriticalServiceAfter": "1h30m", "TLSSkipVerify": True, "Interval": "1h2m3.5s"},
        "http",
        '{"Interval":"1h2m3.5s","Timeout":"3m0s","DeregisterCriticalServiceAfter":"1h30m0s","HTTP":"h",'
        '"TLSSkipVerify":true,"Header":{"A":["2","3"],"B":["1"]},"Method":"PUT","Body":"b"}',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "kind", "shown"), DEFINITIONS)
async def test_a_definition_is_shown_as_given_and_tells_the_type(
    consul: Client, definition: dict[str, Any], kind: str, shown: str
) -> None:
    await consul.register("n", Check={"CheckID": "c", "Definition": definition})
    assert (await consul.get("/v1/health/node/n")).text == (
        '[{"Node":"n","CheckID":"c","Name":"","Status":"critical","Notes":"","Output":"","ServiceID":"",'
        f'"ServiceName":"","ServiceTags":[],"Type":"{kind}","Interval":"","Timeout":"","ExposedPort":0,'
        f'"Definition":{shown},"CreateIndex":2,"ModifyIndex":2}}]'
    )


# Which node is which


async def node(consul: Client, name: str) -> tuple[str, str, str, int, int] | None:
    row = (await consul.get(f"/v1/catalog/node/{name}")).json
    if row is None:
        return None
    row = row["Node"]
    return row["Node"], row["ID"], row["Address"], row["CreateIndex"], row["ModifyIndex"]


async def refusal(consul: Client, body: dict[str, Any]) -> str:
    answer = await consul.put(REGISTER, body)
    assert answer.status == 500
    return answer.text


async def test_a_node_without_an_id_is_known_by_its_name_and_loses_the_id_it_had(consul: Client) -> None:
    await consul.register("n", "10.0.0.1", ID=ONE)
    await consul.register("N", "10.0.0.2")
    assert await node(consul, "n") == ("N", "", "10.0.0.2", 2, 3)


async def test_a_service_may_come_before_its_node(consul: Client) -> None:
    await consul.register("n", "", SkipNodeUpdate=True, Service={"Service": "web"})
    assert await node(consul, "n") == ("n", "", "", 2, 2)
    await consul.register("n", "10.0.0.1", ID=ONE)
    await consul.register("n", "10.9.9.9", ID=TWO, SkipNodeUpdate=True, NodeMeta={"a": "b"})
    assert await node(consul, "n") == ("n", ONE, "10.0.0.1", 2, 3)
    assert len((await consul.get("/v1/catalog/service/web")).json) == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("NodeMeta", [{}, {"a": "b"}, None]),
        ("TaggedAddresses", [{}, {"lan": "x"}, None]),
    ],
)
async def test_nothing_and_an_empty_map_are_two_things(consul: Client, field: str, values: list[Any]) -> None:
    await consul.register("n")
    shown = {"NodeMeta": "Meta"}.get(field, field)
    for value in values:
        before = await node(consul, "n")
        await consul.register("n", **{field: value})
        await consul.register("n", **{field: value})
        after = await node(consul, "n")
        assert before
        assert after
        assert after[4] == before[4] + 1
        assert (await consul.get("/v1/catalog/node/n")).json["Node"][shown] == value


async def test_a_change_of_locality_alone_is_not_stored(consul: Client) -> None:
    await consul.register("n", Locality={"Region": "r"}, Service={"Service": "web", "SocketPath": "/a"})
    before = await everything(consul)
    await consul.register("n", Locality={"Region": "s"}, Service={"Service": "web", "SocketPath": "/b"})
    assert await everything(consul) == before


async def test_a_known_id_under_another_name_is_a_rename(consul: Client) -> None:
    await consul.register("old", ID=ONE, Service={"Service": "web"}, Check={"CheckID": "c"})
    await consul.register("new", "10.0.0.2", ID=ONE.upper())
    assert await node(consul, "old") is None
    assert await node(consul, "new") == ("new", ONE.upper(), "10.0.0.2", 2, 3)
    assert (await consul.get("/v1/catalog/service/web")).text == "[]"
    assert (await consul.get("/v1/health/node/old")).text == "[]"
    assert await consul.index("/v1/catalog/node/old") == 3


async def test_an_unknown_id_takes_over_a_node_that_has_none(consul: Client) -> None:
    await consul.register("n", Service={"Service": "web"}, Check={"CheckID": "serfHealth", "Status": "passing"})
    await consul.register("n", ID=ONE)
    assert await node(consul, "n") == ("n", ONE, "10.0.0.1", 2, 3)
    assert len((await consul.get("/v1/catalog/service/web")).json) == 1


@pytest.mark.parametrize("status", [None, "critical", "warning", "passing"])
async def test_another_id_takes_over_a_node_only_when_it_is_dead(consul: Client, status: str | None) -> None:
    checks = [{"CheckID": "serfHealth", "Status": status}] if status else []
    await consul.register("n", ID=ONE, Service={"Service": "web"}, Checks=checks)
    body = {"Node": "N", "Address": "10.0.0.2", "ID": TWO}
    if status in (None, "critical"):
        assert (await consul.put(REGISTER, body)).text == "true"
        assert await node(consul, "n") == ("N", TWO, "10.0.0.2", 2, 3)
        assert len((await consul.get("/v1/catalog/service/web")).json) == 1
        return
    before = await everything(consul)
    assert await refusal(consul, body) == (
        f'failed inserting node: Error while renaming Node ID: "{TWO}": '
        f"Node name N is reserved by node {ONE} with name n (10.0.0.1)"
    )
    assert await everything(consul) == before


async def test_a_rename_does_not_take_the_name_of_a_living_node(consul: Client) -> None:
    await consul.register("a", ID=ONE, Check={"CheckID": "serfHealth", "Status": "passing"})
    await consul.register("b", "10.0.0.2", ID=TWO)
    body = {"Node": "A", "Address": "10.0.0.3", "ID": TWO}
    assert await refusal(consul, body) == (
        f'failed inserting node: Error while renaming Node ID: "{TWO}" (10.0.0.3): '
        f"Node name A is reserved by node {ONE} with name a (10.0.0.1)"
    )
    await consul.register("a", ID=ONE, Check={"CheckID": "serfHealth", "Status": "critical"})
    assert (await consul.put(REGISTER, body)).text == "true"
    assert await node(consul, "b") is None
    assert (await node(consul, "a") or ())[:3] == ("A", TWO, "10.0.0.3")


async def test_an_id_does_not_hold_a_name_against_its_own_node(consul: Client) -> None:
    alive = {"CheckID": "serfHealth", "Status": "passing"}
    await consul.register("n", ID=ONE, Check=alive)
    await consul.register("N", "10.0.0.2", ID=ONE.upper())
    assert (await node(consul, "n") or ())[:3] == ("N", ONE.upper(), "10.0.0.2")


# Removal


async def test_a_removal_takes_the_service_before_the_check_before_the_node(consul: Client) -> None:
    checks = [{"CheckID": "s", "ServiceID": "web"}, {"CheckID": "n"}]
    await consul.register("n", Service={"Service": "web"}, Checks=checks)
    await consul.deregister("N", ServiceID="WEB", CheckID="n")
    assert [one["CheckID"] for one in (await consul.get("/v1/health/node/n")).json] == ["n"]
    assert (await consul.get("/v1/catalog/service/web")).text == "[]"
    await consul.deregister("N", CheckID="N")
    assert (await consul.get("/v1/health/node/n")).text == "[]"
    assert await node(consul, "n") is not None
    await consul.deregister("N", Address="wrong", Token="t")
    assert await node(consul, "n") is None


@pytest.mark.parametrize(
    "body",
    [
        {"Node": "none"},
        {"Node": "n", "ServiceID": "none"},
        {"Node": "n", "ServiceID": "none", "CheckID": "c"},
        {"Node": "n", "CheckID": "none"},
        {"Node": "n", "PeerName": "p"},
    ],
)
async def test_removing_what_is_not_there_succeeds_and_changes_nothing(consul: Client, body: dict[str, Any]) -> None:
    await consul.register("n", Service={"Service": "web"}, Check={"CheckID": "c"})
    before = await everything(consul)
    applied = consul.server.engine.state.applied
    assert (await consul.put(DEREGISTER, body)).text == "true"
    assert await everything(consul) == before
    assert consul.server.engine.state.applied == applied


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "Must provide node"),
        ({"ServiceID": "x"}, "Must provide node"),
        ({"Datacenter": "mars"}, "No path to datacenter"),
        ({"Datacenter": "mars", "Node": "n"}, "No path to datacenter"),
    ],
)
async def test_a_removal_needs_a_node_in_our_datacenter(consul: Client, body: dict[str, Any], text: str) -> None:
    answer = await consul.put(DEREGISTER, json.dumps(body).encode())
    assert (answer.status, answer.text) == (500, text)


async def test_what_the_server_is_made_of_comes_back_at_once(consul: Client) -> None:
    """One table and no anti-entropy: what Consul's agent would repair in minutes is never missing."""
    for body in ({}, {"ServiceID": "consul"}, {"CheckID": "serfHealth"}):
        await consul.deregister("test-node", **body)
        assert (await consul.get("/v1/catalog/service/consul")).json[0]["Node"] == "test-node"
        [entry] = (await consul.get("/v1/health/service/consul?passing")).json
        assert [check["CheckID"] for check in entry["Checks"]] == ["serfHealth"]
