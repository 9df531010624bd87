"""What a session becomes by the body that creates it, and which bodies are refused. Source: session.md §3."""

import asyncio
import json
from typing import Any

import pytest

from tests.contract.consul.exchange import Client, read_answer, request
from tests.contract.consul.keys import configured, session
from tests.contract.consul.test_sessions import CREATE, TEXT, shown

pytestmark = pytest.mark.usefixtures("every_command")

S = 10**9
SERF = ["serfHealth"]
DECODE = "Request decode failed: "
ABSENT = object()


async def refusal(consul: Client, body: Any) -> tuple[int, str]:
    answer = await consul.put(CREATE, body)
    assert answer.headers["content-type"] == TEXT
    assert (await consul.get("/v1/session/list")).text == "[]"
    return answer.status, answer.text


async def test_keys_are_matched_in_any_case_and_unknown_ones_passed_over(consul: Client) -> None:
    mine = "11111111-2222-3333-4444-555555555555"
    found = await shown(
        consul,
        await session(consul, NAME="n", nodechecks=[], ID=mine, NodeID="x", Namespace="y", Partition=1, Foo={"a": [1]}),
    )
    assert (found["Name"], found["NodeChecks"]) == ("n", [])
    assert found["ID"] != mine


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"Name":null,"Node":null,"TTL":null,"Checks":["serfHealth"]}'])
async def test_what_is_not_said_has_a_default(consul: Client, body: bytes) -> None:
    answer = await consul.put(CREATE, body)
    found = await shown(consul, answer.json["ID"])
    assert (found["Node"], found["NodeChecks"], found["TTL"], found["LockDelay"]) == ("test-node", SERF, "", 15 * S)


async def test_what_follows_the_first_value_is_not_read(consul: Client) -> None:
    assert (await consul.put(CREATE, b'{"Behavior":"","TTL":""} and more')).status == 200


async def test_a_body_whose_length_is_not_told_is_not_read(consul: Client) -> None:
    body = b'{"Name":"x","TTL":"nonsense"}'
    reader, writer = await asyncio.open_connection(consul.server.host, consul.server.port)
    writer.write(request(f"PUT {CREATE}", "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    answer = await read_answer(reader)
    assert (await shown(consul, answer.json["ID"]))["Name"] == ""
    writer.write(request("GET /v1/status/leader"))
    assert (await read_answer(reader)).status == 200
    writer.close()


@pytest.mark.parametrize(
    ("sent", "nanoseconds"),
    [
        ("15s", 15 * S),
        ("15000ms", 15 * S),
        ("500ns", 500 * S),
        ("0s", 0),
        ("2m", 120 * S),
        ("-1s", -(10**18)),
        ("-10s", -10 * 10**18 + 2**64),  # int64 has no room for it
        (5, 5 * S),
        (5.9, 5 * S),
        (999, 999 * S),
        (1000, 1000),
        (15 * S, 15 * S),
        (1.5e10, 15 * S),
        (0, 0),
        (None, 15 * S),
        (True, 0),
        ([1], 0),
        ({"a": 1}, 0),
    ],
)
async def test_the_forms_of_a_lock_delay(consul: Client, sent: Any, nanoseconds: int) -> None:
    assert (await shown(consul, await session(consul, LockDelay=sent)))["LockDelay"] == nanoseconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", 'time: invalid duration "x"'),
        ("15", 'time: missing unit in duration "15"'),
        ("", 'time: invalid duration ""'),
        ("1y", 'time: unknown unit "y" in duration "1y"'),
    ],
)
async def test_a_lock_delay_that_is_none(consul: Client, text: str, problem: str) -> None:
    assert await refusal(consul, {"LockDelay": text}) == (400, DECODE + problem)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "unexpected EOF"),
        (b" ", "EOF"),
        (b"{x", "invalid character 'x' looking for beginning of object key string"),
        (b"[]", "json: cannot unmarshal array into Go value of type "),
        (b'"text"', "json: cannot unmarshal string into Go value of type "),
        (b'{"Name":5}', "json: cannot unmarshal number into Go struct field .Name of type string"),
        (b'{"TTL":15}', "json: cannot unmarshal number into Go struct field .TTL of type string"),
        (b'{"ID":5}', "json: cannot unmarshal number into Go struct field .ID of type string"),
        (b'{"CreateIndex":"1"}', "json: cannot unmarshal string into Go struct field .CreateIndex of type uint64"),
        (b'{"ModifyIndex":-1}', "json: cannot unmarshal number -1 into Go struct field .ModifyIndex of type uint64"),
        (b'{"NodeChecks":"a"}', "json: cannot unmarshal string into Go struct field .NodeChecks of type []string"),
    ],
)
async def test_a_body_that_cannot_be_read(consul: Client, body: bytes, problem: str) -> None:
    status, text = await refusal(consul, body)
    assert (status, text[: len(DECODE + problem)]) == (400, DECODE + problem)


# TTL


@pytest.mark.parametrize("ttl", ["10s", "24h", "1.5m", "10000ms", "0", "0s", "-0s"])
async def test_a_ttl_is_shown_as_it_was_sent(consul: Client, ttl: str) -> None:
    assert (await shown(consul, await session(consul, TTL=ttl)))["TTL"] == ttl


@pytest.mark.parametrize(
    ("ttl", "text"),
    [
        ("abc", "Session TTL 'abc' invalid: time: invalid duration \"abc\""),
        ("15", "Session TTL '15' invalid: time: missing unit in duration \"15\""),
        ("5s", "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]"),
        ("9999ms", "Invalid Session TTL '9999000000', must be between [10s=24h0m0s]"),
        ("24h0m1s", "Invalid Session TTL '86401000000000', must be between [10s=24h0m0s]"),
        ("-15s", "Invalid Session TTL '-15000000000', must be between [10s=24h0m0s]"),
    ],
)
async def test_a_ttl_that_is_none(consul: Client, ttl: str, text: str) -> None:
    assert await refusal(consul, {"TTL": ttl}) == (500, text)


async def test_the_shortest_ttl_is_a_setting() -> None:
    async with configured(session_ttl_min_seconds=0.5) as consul:
        text = "Invalid Session TTL '499000000', must be between [500ms=24h0m0s]"
        assert await refusal(consul, {"TTL": "499ms"}) == (500, text)
        await session(consul, TTL="500ms")


# Checks


@pytest.mark.parametrize(
    ("body", "node_checks", "checks"),
    [
        ({}, SERF, ABSENT),
        ({"NodeChecks": []}, [], ABSENT),
        ({"Checks": []}, [], ABSENT),
        ({"Checks": None}, [], ABSENT),
        ({"Checks": [], "NodeChecks": ["a"]}, [], ABSENT),
        ({"NodeChecks": ["a"]}, ["a"], ABSENT),
        ({"NodeChecks": ["A"]}, ["A"], ABSENT),
        ({"Checks": ["a"]}, SERF, ["a"]),
        ({"Checks": SERF}, SERF, ABSENT),
        ({"Checks": SERF, "NodeChecks": ["a"]}, ["a"], ABSENT),
        ({"Checks": ["a"], "NodeChecks": []}, [], ABSENT),
        ({"Checks": ["a"], "NodeChecks": None}, None, ABSENT),
        ({"Checks": ["a"], "NodeChecks": ["a", "serfHealth"]}, ["a", "serfHealth"], ["a"]),
        ({"NodeChecks": None}, None, ABSENT),
        ({"ServiceChecks": [{"ID": "a"}]}, SERF, ABSENT),
    ],
)
async def test_which_lists_of_checks_a_session_ends_up_with(
    consul: Client, body: dict[str, Any], node_checks: Any, checks: Any
) -> None:
    await consul.add("test-node", Check={"CheckID": "a", "Status": "passing"})
    found = await shown(consul, await session(consul, **body))
    assert (found["NodeChecks"], found.get("Checks", ABSENT)) == (node_checks, checks)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (None, None),
        ([], []),
        ([{"ID": "a"}], [{"ID": "a", "Namespace": ""}]),
        ([{"id": "A", "Namespace": "n", "X": 1}], [{"ID": "A", "Namespace": "n"}]),
    ],
)
async def test_checks_of_services(consul: Client, sent: Any, expected: Any) -> None:
    await consul.add(
        "test-node", Service={"Service": "s"}, Check={"CheckID": "a", "Status": "passing", "ServiceID": "s"}
    )
    assert (await shown(consul, await session(consul, ServiceChecks=sent)))["ServiceChecks"] == expected


@pytest.mark.parametrize("field", ["NodeChecks", "Checks", "ServiceChecks"])
async def test_every_check_has_to_be_there_and_not_critical(consul: Client, field: str) -> None:
    for name, status in (("ok", "passing"), ("so-so", "warning"), ("bad", "critical")):
        await consul.add("test-node", Check={"CheckID": name, "Status": status})

    def body(name: str) -> dict[str, Any]:
        return {field: [{"ID": name} if field == "ServiceChecks" else name]}

    apply_failed = "apply failed: "
    for name, text in (
        ("none", "Missing check 'none' registration"),
        ("bad", "Check 'bad' is in critical state"),
        ("BAD", "Check 'BAD' is in critical state"),
        ("", "failed check lookup: index error: object is missing a value for this index"),
    ):
        assert await refusal(consul, body(name)) == (500, apply_failed + text)
    await session(consul, **body("OK"))
    await session(consul, **body("so-so"))


async def test_a_null_among_the_checks_of_services_is_one_without_an_id(consul: Client) -> None:
    text = "apply failed: failed check lookup: index error: object is missing a value for this index"
    assert await refusal(consul, {"ServiceChecks": [None]}) == (500, text)
    assert await refusal(consul, {"ServiceChecks": [{}]}) == (500, text)


async def test_checks_are_those_of_the_node_of_the_session(consul: Client) -> None:
    await consul.register("far", Check={"CheckID": "alive", "Status": "passing"})
    assert (await refusal(consul, {"Node": "far"}))[1] == "apply failed: Missing check 'serfHealth' registration"
    assert (await refusal(consul, {"NodeChecks": ["alive"]}))[1] == "apply failed: Missing check 'alive' registration"
    assert (await shown(consul, await session(consul, Node="FAR", NodeChecks=["alive"])))["Node"] == "FAR"


async def test_the_first_mistake_is_told(consul: Client) -> None:
    body: dict[str, Any] = {
        "Name": 5, "Node": "", "Behavior": "explode", "TTL": "1s", "NodeChecks": ["two"], "Checks": ["one"],
        "ServiceChecks": [{"ID": "three"}],
    }  # fmt: skip
    assert (await refusal(consul, body))[0] == 400
    for mend, text in (
        ({"Name": "n"}, "Must provide Node"),
        ({"Node": "ghost"}, "Invalid Behavior setting 'explode'"),
        ({"Behavior": "Release"}, "Invalid Behavior setting 'Release'"),
        ({"Behavior": "release"}, "Invalid Session TTL '1000000000', must be between [10s=24h0m0s]"),
        ({"TTL": "10s"}, "apply failed: Missing node registration"),
        ({"Node": "test-node"}, "apply failed: Missing check 'one' registration"),
        ({"Checks": SERF}, "apply failed: Missing check 'two' registration"),
        ({"NodeChecks": SERF}, "apply failed: Missing check 'three' registration"),
    ):
        body |= mend
        assert await refusal(consul, body) == (500, text)


async def test_the_body_comes_before_the_datacenter(consul: Client) -> None:
    assert (await consul.send(f"PUT {CREATE}?dc=mars", body=b"{")).status == 400
    assert (await consul.send(f"PUT {CREATE}?dc=mars", body=json.dumps({"TTL": "x"}).encode())).status == 500
