"""Transactions as clients send them: modes, results, and what each failing operation says. Source: txn.md."""

import asyncio
import base64
from typing import Any

import pytest

from tests.contract.consul.exchange import Answer, Client, read_answer
from tests.contract.consul.keys import configured, end, entry, put, session

pytestmark = pytest.mark.usefixtures("every_command")

READ_META = (
    b',"Index":%d,"LastContact":0,"KnownLeader":%b,"ConsistencyLevel":"","NotModified":false,"Backend":0,'
    b'"ResultsFilteredByACLs":false}'
)


def kv(verb: str, key: str = "", **more: Any) -> dict[str, Any]:
    return {"KV": {"Verb": verb, "Key": key, **more}}


def node(verb: str, name: str = "", **more: Any) -> dict[str, Any]:
    return {"Node": {"Verb": verb, "Node": {"Node": name, **more}}}


def service(verb: str, on: str, **more: Any) -> dict[str, Any]:
    return {"Service": {"Verb": verb, "Node": on, "Service": more}}


def check(verb: str, on: str, **more: Any) -> dict[str, Any]:
    return {"Check": {"Verb": verb, "Check": {"Node": on, **more}}}


def value(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def txn(consul: Client, *ops: Any, query: str = "") -> Answer:
    return await consul.put(f"/v1/txn{query}", list(ops))


async def results(consul: Client, *ops: Any) -> list[dict[str, Any]]:
    answer = await txn(consul, *ops)
    assert answer.status == 200, answer.text
    assert answer.json["Errors"] is None
    found: list[dict[str, Any]] = answer.json["Results"]
    return found


async def errors(consul: Client, *ops: Any) -> list[tuple[int, str]]:
    answer = await txn(consul, *ops)
    assert (answer.status, answer.headers["content-type"]) == (409, "application/json"), answer.text
    assert answer.json["Results"] is None
    return [(one["OpIndex"], one["What"]) for one in answer.json["Errors"]]


# The two modes


async def test_a_writing_one_answers_with_its_entries_and_no_meta(consul: Client) -> None:
    answer = await txn(consul, kv("set", "a", Value=value("x"), Flags=7), kv("get", "a"), kv("delete", "none"))
    index = await consul.index("/v1/kv/a")
    shown = b'{"KV":{"LockIndex":0,"Key":"a","Flags":7,"Value":%b,"CreateIndex":%d,"ModifyIndex":%d}}'
    assert (answer.status, answer.body) == (
        200,
        b'{"Results":[%b,%b],"Errors":null}' % (shown % (b"null", index, index), shown % (b'"eA=="', index, index)),
    )
    assert not any(name in answer.headers for name in ("x-consul-index", "x-consul-knownleader"))


async def test_a_reading_one_costs_no_index_and_tells_of_the_leader(consul: Client) -> None:
    await put(consul, "a", b"x")
    before = consul.server.engine.state.applied
    answer = await txn(consul, kv("get-tree", "a"), kv("get-or-empty", "none", Flags=3))
    assert consul.server.engine.state.applied == before
    assert answer.status == 200
    assert answer.body.endswith(b'"Errors":null' + READ_META % (1, b"true"))
    assert [one["KV"]["Key"] for one in answer.json["Results"]] == ["a", "none"]
    assert answer.json["Results"][1]["KV"]["Flags"] == 3
    assert (answer.headers["x-consul-knownleader"], answer.headers["x-consul-lastcontact"]) == ("true", "0")
    assert "x-consul-index" not in answer.headers


async def test_a_reading_one_that_is_refused_at_once_knows_no_leader(consul: Client) -> None:
    early, late = await txn(consul, kv("zz", "k")), await txn(consul, kv("get", "none"))
    assert (early.status, late.status) == (409, 409)
    assert early.body.endswith(READ_META % (0, b"false"))
    assert late.body.endswith(READ_META % (1, b"true"))
    assert [one.headers["x-consul-knownleader"] for one in (early, late)] == ["false", "true"]


@pytest.mark.parametrize(
    ("query", "reading", "writing"),
    [
        ("?dc=other", (500, "No path to datacenter"), (500, "No path to datacenter")),
        ("?index=x", (400, "Invalid index"), (200, "")),
        ("?wait=5", (400, "Invalid wait time"), (200, "")),
        ("?index=99999&wait=1m", (200, ""), (200, "")),
        (
            "?stale&consistent",
            (400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
            (200, ""),
        ),
        ("?ns=a&partition=b", (200, ""), (200, "")),
    ],
)
async def test_parameters_count_where_nothing_is_written(
    consul: Client, query: str, reading: tuple[int, str], writing: tuple[int, str]
) -> None:
    for ops, (status, text) in (((kv("get-tree", "x"),), reading), ((kv("set", "k"),), writing)):
        answer = await txn(consul, *ops, query=query)
        assert answer.status == status
        assert not text or answer.text == text


# Bodies


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF"),
        (b"[", "unexpected EOF"),
        (b"{}", "json: cannot unmarshal object into Go value of type api.TxnOps"),
        (b'[{"Session":{}}]', 'json: unknown field "Session"'),
        (b'[{"KV":{"Verb":"get","Foo":1}}]', 'json: unknown field "Foo"'),
        (b'[{"Check":{"Verb":"set","Check":{"Interval":"5s"}}}]', 'json: unknown field "Interval"'),
        (b'[{"KV":{"Verb":"set","Key":"k","Value":"*"}}]', "illegal base64 data at input byte 0"),
        (
            b'[{"Service":{"Service":{"Weights":5}}}]',
            "json: cannot unmarshal number into Go struct field AgentService.Service.Service.Weights of type"
            " api.AgentWeights",
        ),
        (b'[{"Check":{"Check":{"Definition":{"Interval":"x"}}}}]', 'time: invalid duration "x"'),
    ],
)
async def test_bodies_that_cannot_be_read(consul: Client, body: bytes, problem: str) -> None:
    answer = await consul.put("/v1/txn", body)
    assert (answer.status, answer.text) == (400, f"Failed to parse body: {problem}")


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"Proxy": {"destination_service_name": "web"}}, "destination_service_name"),
        ({"Proxy": {"Upstreams": [{"local_bind_port": 1}]}}, "local_bind_port"),
        ({"Proxy": {"Expose": {"Paths": [{"listener_port": 1}]}}}, "listener_port"),
        ({"enable_tag_override": True}, "enable_tag_override"),
    ],
)
async def test_the_second_names_of_an_agents_fields_are_unknown(
    consul: Client, part: dict[str, Any], field: str
) -> None:
    answer = await txn(consul, service("set", "n", Service="web", **part))
    assert (answer.status, answer.text) == (400, f'Failed to parse body: json: unknown field "{field}"')


@pytest.mark.parametrize("body", [b"[]", b"null", b"[{}]", b"[] and more", b'[{"KV":null,"Node":null}]'])
async def test_nothing_to_do_is_done(consul: Client, body: bytes) -> None:
    answer = await consul.put("/v1/txn", body)
    assert (answer.status, answer.json["Results"]) == (200, [])


async def test_a_null_among_the_operations_is_refused(consul: Client) -> None:
    assert (await consul.put("/v1/txn", b"[null]")).status == 400


async def test_empty_operations_do_not_count(consul: Client) -> None:
    assert await errors(consul, {}, kv("get", "k"), {"KV": None}, kv("zz", "k")) == [(1, "unknown KV operation: zz")]


async def test_the_definition_of_a_check_may_hold_anything_and_goes_by_two_names(consul: Client) -> None:
    await consul.register("n")
    definition = {"IntervalDuration": "5s", "Timeout": 1_000_000_000, "TCP": "x", "Whatever": 1, "UDP": "u"}
    [found] = await results(consul, check("set", "n", CheckID="c", Definition=definition))
    assert found["Check"]["Definition"] == {"Interval": "5s", "Timeout": "1s", "TCP": "x"}


# Limits


async def test_so_many_operations_are_taken_and_no_more(consul: Client) -> None:
    assert (await txn(consul, *[kv("get-tree", "x")] * 128)).status == 200
    answer = await txn(consul, *[kv("get-tree", "x")] * 130)
    assert (answer.status, answer.text) == (413, "Transaction contains too many operations (130 > 128)")


URL = "See https://developer.hashicorp.com/docs/agent/config/config-files#txn_max_req_len."


async def test_the_body_has_a_limit_and_so_has_each_value() -> None:
    async with configured(txn_max_request_bytes=2048, kv_max_value_bytes=100) as consul:
        fits = await txn(consul, kv("set", "k", Value=value("x" * 100)))
        assert fits.status == 200
        large = await txn(consul, kv("set", "k", Value=value("x" * 101)))
        assert (large.status, large.text) == (413, 'Value for key "k" is too large (101 > 100 bytes)')
        body = b"[" + b" " * 2047 + b"]"
        told = await consul.put("/v1/txn", body)
        assert (told.status, told.text) == (
            413, f"Request body({len(body)} bytes) too large, max size: 2048 bytes. {URL}",
        )  # fmt: skip
        reader, writer = await asyncio.open_connection(consul.server.host, consul.server.port)
        head = b"PUT /v1/txn HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        answer = await read_answer(reader)
        writer.close()
        await writer.wait_closed()
        assert (answer.status, answer.text) == (413, f"Request body too large, max size: 2048 bytes. {URL}")


# Keys

ALIVE = {"CheckID": "serfHealth", "Status": "passing"}
STALE = "index is stale"


@pytest.mark.parametrize(
    ("op", "what"),
    [
        (kv("cas", "a", Index=99), f'failed to set key "a", {STALE}'),
        (kv("cas", "none", Index=1), f'failed to set key "none", {STALE}'),
        (kv("lock", "a"), "missing session"),
        (kv("lock", "a", Session="x"), 'invalid session "x"'),
        (kv("unlock", "a"), "missing session"),
        (
            kv("unlock", "a", Session="x"),
            'failed to unlock key "a", lock isn\'t held, or is held by another session',
        ),
        (kv("get", "none"), 'key "none" doesn\'t exist'),
        (kv("check-index", "none"), 'failed to check index, key "none" doesn\'t exist'),
        (kv("check-session", "none"), 'failed to check session, key "none" doesn\'t exist'),
        (kv("check-session", "a", Session="x"), 'failed session check for key "a", current session "" != "x"'),
        (kv("check-not-exists", "a"), 'key "a" exists'),
        (kv("delete-cas", "a", Index=99), f'failed to delete key "a", {STALE}'),
        (kv("get", ""), "Must provide key"),
        (kv("get-tree", '"'), None),
        (kv("delete-tree", ""), None),
        (kv("delete-cas", "none", Index=99), None),
    ],
)
async def test_what_an_operation_on_a_key_says(consul: Client, op: dict[str, Any], what: str | None) -> None:
    await put(consul, "a", b"x")
    answer = await txn(consul, kv("set", "other"), op)
    if what is None:
        assert answer.status == 200
        return
    assert [(one["OpIndex"], one["What"]) for one in answer.json["Errors"]] == [(1, what)]
    assert (await consul.get("/v1/kv/other")).status == 404, "nothing was done"


async def test_an_index_that_differs_is_told(consul: Client) -> None:
    await put(consul, "a")
    index = await consul.index("/v1/kv/a")
    assert await errors(consul, kv("check-index", "a", Index=99)) == [
        (0, f'failed index check for key "a", current modify index {index} != 99')
    ]


async def test_all_that_fail_are_told_unless_some_are_refused_before(consul: Client) -> None:
    assert await errors(consul, kv("lock", "k"), kv("get", "k")) == [
        (0, "missing session"), (1, 'key "k" doesn\'t exist'),
    ]  # fmt: skip
    assert await errors(consul, kv("set", ""), kv("get", "k"), kv("zz", "k")) == [
        (0, "Must provide key"), (2, "unknown KV operation: zz"),
    ]  # fmt: skip


async def test_a_lock_is_taken_kept_and_told_of(consul: Client) -> None:
    first, second = await session(consul, LockDelay="15s"), await session(consul)
    [locked] = await results(consul, kv("lock", "k", Session=first, Value=value("1")))
    assert (locked["KV"]["LockIndex"], locked["KV"]["Session"]) == (1, first)
    assert await errors(consul, kv("lock", "k", Session=second)) == [
        (0, 'failed to lock key "k", lock is already held')
    ]
    await end(consul, first)
    assert await errors(consul, kv("lock", "k", Session=second), kv("get", "none")) == [
        (0, 'failed to lock key "k" due to lock delay')
    ]


async def test_a_lock_delay_is_told_beside_what_else_is_refused_before(consul: Client) -> None:
    first, second = await session(consul, LockDelay="15s"), await session(consul)
    assert await put(consul, f"k?acquire={first}")
    await end(consul, first)
    refused = [kv("lock", "k", Session=second), kv("get", "none"), kv("set", ""), kv("lock", "k")]
    delayed = 'failed to lock key "k" due to lock delay'
    assert await errors(consul, *refused) == [(0, delayed), (2, "Must provide key"), (3, delayed)]
    await consul.server.advance(15.1)
    assert await errors(consul, *refused) == [(2, "Must provide key")]


# The catalog


async def test_rows_come_back_with_what_was_never_given_as_null(consul: Client) -> None:
    answer = await txn(
        consul,
        node("set", "foo", Address="1.1.1.1"),
        service("set", "foo", Service="web", Port=80),
        check("set", "FOO", Name="c1", Status="passing", ServiceID="WEB", Definition={"Interval": "5s", "TCP": "x"}),
    )
    index = await consul.index("/v1/catalog/node/foo")
    at = f'"CreateIndex":{index},"ModifyIndex":{index}}}'
    assert answer.text == (
        '{"Results":[{"Node":{"ID":"","Node":"foo","Address":"1.1.1.1","Datacenter":"dc1","TaggedAddresses":null,'
        f'"Meta":null,{at}}},'
        '{"Service":{"ID":"web","Service":"web","Tags":null,"Address":"","Meta":null,"Port":80,'
        '"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,'
        f'"Proxy":{{"Mode":"","MeshGateway":{{}},"Expose":{{}}}},"Connect":{{}},"PeerName":"",{at}}},'
        '{"Check":{"Node":"FOO","CheckID":"c1","Name":"c1","Status":"passing","Notes":"","Output":"",'
        '"ServiceID":"WEB","ServiceName":"web","ServiceTags":null,"Type":"","Interval":"","Timeout":"",'
        f'"ExposedPort":0,"Definition":{{"Interval":"5s","TCP":"x"}},{at}}}],"Errors":null}}'
    )


@pytest.mark.parametrize(
    ("op", "what"),
    [
        (node("get", "none"), 'node "none" doesn\'t exist'),
        (node("cas", "n", ModifyIndex=99), f'failed to set node "n", {STALE}'),
        (node("delete-cas", "none"), f'failed to delete node "none", {STALE}'),
        (node("set"), "Must provide node"),
        ({"Node": {"Verb": "delete"}}, "Must provide node"),
        (node("set", "n", ID="x"), "Bad node ID: uuid string is wrong length"),
        (node("zz", "n"), "unknown node operation: zz"),
        (service("get", "n", ID="web"), 'service "web" on node "n" doesn\'t exist'),
        (service("get", "n", Service="web"), 'service "" on node "n" doesn\'t exist'),
        (service("cas", "n", Service="web", ModifyIndex=9), f'failed to set service "web" on node "n", {STALE}'),
        (service("delete-cas", "n", Service="web"), f'failed to delete service "web" on node "n", {STALE}'),
        (service("set", "none", Service="web"), "Missing node registration"),
        (service("set", "n"), "Must provide service name (Service.Service)"),
        (service("delete", "n", ID="x"), "Must provide service name (Service.Service) when service ID is provided"),
        (service("set", "n", Service="web", Address="::"), "Invalid service address"),
        (
            service("set", "n", Service="p", Kind="connect-proxy"),
            "2 errors occurred:\n\t* Port or SocketPath must be set for a connect-proxy\n"
            "\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n",
        ),
        (service("zz", "n", Service="web"), "unknown service operation: zz"),
        (check("get", "n", CheckID="c"), 'check "c" on node "n" doesn\'t exist'),
        (
            check("get", "n", Name="c"),
            "failed check lookup: index error: object is missing a value for this index",
        ),
        (
            check("set", "n"),
            "failed health check lookup: index error: object is missing a value for this index",
        ),
        (check("cas", "n", CheckID="c", ModifyIndex=9), f'failed to set check "c" on node "n", {STALE}'),
        (check("delete-cas", "n", CheckID="c"), f'failed to delete check "c" on node "n", {STALE}'),
        (check("set", "none", CheckID="c"), "Missing node registration"),
        (check("set", "n", CheckID="c", ServiceID="x"), "Missing service registration"),
        (check("zz", "n", CheckID="c"), "unknown check operation: zz"),
    ],
)
async def test_what_an_operation_on_a_row_says(consul: Client, op: dict[str, Any], what: str) -> None:
    await consul.register("n")
    assert await errors(consul, kv("set", "k"), op) == [(1, what)]


async def test_a_row_is_written_over_the_index_it_is_known_by(consul: Client) -> None:
    [made] = await results(consul, node("cas", "n", Address="1.1.1.1", Datacenter="far"))
    index = made["Node"]["ModifyIndex"]
    assert made["Node"]["Datacenter"] == "far"
    [changed] = await results(consul, node("cas", "N", Address="1.1.1.2", ModifyIndex=index))
    assert changed["Node"]["ModifyIndex"] > index
    [same] = await results(consul, node("set", "n", Address="1.1.1.2"))
    assert same["Node"]["ModifyIndex"] == changed["Node"]["ModifyIndex"], "nothing has changed"
    assert await results(consul, node("delete-cas", "n", ModifyIndex=same["Node"]["ModifyIndex"])) == []
    assert await results(consul, node("delete", "n")) == []


async def test_a_name_that_is_taken_is_told_without_what_the_catalog_puts_before(consul: Client) -> None:
    await consul.register("n", ID="11111111-2222-3333-4444-555555555555", Check=ALIVE)
    other = "21111111-2222-3333-4444-555555555555"
    [(_, what)] = await errors(consul, node("set", "n", ID=other, Address="10.0.0.9"))
    assert what.startswith(f'Error while renaming Node ID: "{other}": Node name n is reserved by node 1111')


async def test_one_transaction_is_one_change_to_those_who_wait(consul: Client) -> None:
    waiting = await consul.follow("/v1/health/service/web")
    key = await consul.follow("/v1/kv/k")
    await results(
        consul, node("set", "n"), service("set", "n", Service="web"), check("set", "n", CheckID="c"), kv("set", "k")
    )
    found, pair = await waiting, await key
    assert [one["CheckID"] for one in found.json[0]["Checks"]] == ["c"]
    assert found.index == pair.index
    assert (await entry(consul, "k"))["ModifyIndex"] == pair.index
