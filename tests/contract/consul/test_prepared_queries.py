"""Definitions of prepared queries: stored, read, waited for, refused. Source: event_query_coordinate.md §B.1, §B.2."""

from typing import Any

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.keys import end, session
from tests.contract.consul.queries import definition, posted, send, stored

pytestmark = pytest.mark.usefixtures("every_command")

UNKNOWN = "11111111-2222-3333-4444-555555555555"
NOT_AN_ID = "failed prepared query lookup: index error: UUID must be 36 characters"
META = {"x-consul-index": "1", "x-consul-knownleader": "false", "x-consul-lastcontact": "0"}


async def test_a_definition_is_given_back_whole(consul: Client) -> None:
    query_id = await stored(consul, Name="q", DNS={"TTL": "10s"}, of={"Tags": [], "NodeMeta": {"a": "b"}})
    answer = await consul.get(f"/v1/query/{query_id}")
    index = answer.index
    assert answer.text == (
        f'[{{"ID":"{query_id}","Name":"q","Session":"","Token":"",'
        '"Template":{"Type":"","Regexp":"","RemoveEmptyTags":false},"Service":{"Service":"web","SamenessGroup":"",'
        '"Failover":{"NearestN":0,"Datacenters":null,"Targets":null},"OnlyPassing":false,"IgnoreCheckIDs":null,'
        '"Near":"","Tags":[],"NodeMeta":{"a":"b"},"ServiceMeta":null,"Connect":false,"Peer":""},'
        f'"DNS":{{"TTL":"10s"}},"CreateIndex":{index},"ModifyIndex":{index}}}]'
    )
    assert answer.headers["x-consul-effective-consistency"] == "leader"
    assert (await consul.get("/v1/query")).body == answer.body
    assert (await consul.get(f"/v1/query/{query_id.upper()}")).body == answer.body


async def test_it_is_replaced_and_removed(consul: Client) -> None:
    query_id = await stored(consul, Name="q")
    made = await definition(consul, query_id)
    answer = await consul.put(f"/v1/query/{query_id.upper()}", {"ID": "x", "Name": "p", "Service": {"Service": "db"}})
    assert (answer.status, answer.text, answer.headers["content-type"]) == (200, "", "application/json")
    now = await definition(consul, query_id)
    assert (now["Name"], now["Service"]["Service"], now["ID"]) == ("p", "db", query_id)
    assert now["CreateIndex"] == made["CreateIndex"] < now["ModifyIndex"]
    gone = await consul.send(f"DELETE /v1/query/{query_id}")
    assert (gone.status, gone.text) == (200, "")
    missing = await consul.get(f"/v1/query/{query_id}")
    assert (missing.status, missing.text) == (404, "Query not found")
    assert META.items() <= missing.headers.items()
    assert (await consul.get("/v1/query")).json == []


BASE = {"Name": "r", "Service": {"Service": "x"}}
RAFT = "raft apply failed: "
INVALID = "Invalid prepared query: "


def with_service(**more: Any) -> dict[str, Any]:
    return {"Name": "r", "Service": {"Service": "x", **more}}


def template(service: str = "x", **more: Any) -> dict[str, Any]:
    return {"Name": "r", "Service": {"Service": service}, "Template": {"Type": "name_prefix_match", **more}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({**BASE, "ID": UNKNOWN}, "ID must be empty when creating a new prepared query"),
        ({"Token": "<hidden>"}, INVALID + "Must be bound to a session"),
        (
            {"Name": "r", "Token": "<hidden>"},
            INVALID + "Bad Token '<hidden>', it looks like a query definition with a redacted token was submitted",
        ),
        ({"Name": "r", "DNS": {"TTL": "x"}}, INVALID + "Must provide a Service name to query"),
        (with_service(Failover={"NearestN": -1}), INVALID + "Bad NearestN '-1', must be >= 0"),
        (
            with_service(Failover={"Datacenters": ["a"], "Targets": [{"Peer": "p"}]}),
            INVALID + "Targets cannot be populated with NearestN or Datacenters",
        ),
        (
            with_service(NodeMeta={"": "v"}),
            INVALID + "Couldn't load metadata pair ('', 'v'): Key cannot be blank",
        ),
        (with_service(SamenessGroup="g"), INVALID + "sameness-groups are an enterprise-only feature"),
        ({**BASE, "DNS": {"TTL": "-3s"}}, INVALID + "DNS TTL '-3000000000', must be >=0"),
        ({**BASE, "DNS": {"TTL": "x"}}, INVALID + "Bad DNS TTL 'x': time: invalid duration \"x\""),
        ({**BASE, "Session": "s", "Template": {"Type": "zz"}}, RAFT + 'invalid session "s"'),
        ({**BASE, "Template": {"Type": "zz"}}, RAFT + "failed compiling template: Bad Template.Type 'zz'"),
        (
            template(Regexp="("),
            RAFT + "failed compiling template: Bad Regexp: error parsing regexp: missing closing ): `(`",
        ),
        (
            template("${name.full"),
            RAFT + "failed compiling template: Bad format '${name.full' in Service.Service: "
            'parse error at 1:12: expected "}" but found end of string',
        ),
        (
            template('${"a\\'),
            RAFT + "failed compiling template: Bad format '${\"a\\' in Service.Service: "
            "parse error at 1:6: expected closing quote but found end of string",
        ),
        (
            template("a\nb${}"),
            RAFT + "failed compiling template: Bad format 'a\nb${}' in Service.Service: "
            'parse error at 2:4: expected expression but found "}"',
        ),
        (
            template("${nope}"),
            RAFT + "failed compiling template: Bad evaluation for '${nope}' in Service.Service: "
            "1:3: unknown variable accessed: nope",
        ),
    ],
)
async def test_what_is_refused(consul: Client, body: dict[str, Any], text: str) -> None:
    answer = await send(consul, "POST /v1/query", body)
    assert (answer.status, answer.text) == (500, text)
    assert (await consul.get("/v1/query")).json == []


async def test_a_template_is_no_book(consul: Client) -> None:
    """All of it is read for each question, on the loop that answers everybody."""
    pieces = ["${name.full}" * 1000] * 5
    await stored(consul, of={"Tags": pieces}, Name="long-", Template={"Type": "name_prefix_match"})
    answer = await posted(consul, of={"Tags": [*pieces, *pieces]}, Name="q", Template={"Type": "name_prefix_match"})
    assert (answer.status, answer.text) == (
        500, RAFT + "failed compiling template: the texts of a template may have 65536 characters together",
    )  # fmt: skip
    await stored(consul, of={"Tags": [*pieces, *pieces]}, Name="plain")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF"),
        (b'{"Namespace":"n"}', 'json: unknown field "Namespace"'),
        (b'{"Service":{"Failover":{"SkipLocalDatacenter":true}}}', 'json: unknown field "SkipLocalDatacenter"'),
    ],
)
async def test_bodies_that_cannot_be_read(consul: Client, body: bytes, problem: str) -> None:
    answer = await consul.send("POST /v1/query", body=body)
    assert (answer.status, answer.text) == (400, f"Request decode failed: {problem}")


async def test_names_are_taken_once_in_any_case(consul: Client) -> None:
    first = await stored(consul, Name="q")
    assert (await posted(consul, Name="Q")).text == RAFT + "name 'Q' aliases an existing query name"
    assert (await posted(consul, Name=first)).text == RAFT + f"name '{first}' aliases an existing query ID"
    own = await send(consul, f"PUT /v1/query/{first}", {"Name": first, "Service": {"Service": "web"}})
    assert (own.status, own.text) == (500, RAFT + f"name '{first}' aliases an existing query ID")
    await stored(consul, Template={"Type": "name_prefix_match"})
    again = await posted(consul, Template={"Type": "name_prefix_match"})
    assert again.text == RAFT + "a query template with an empty name already exists"


async def test_without_a_type_no_template_is_looked_at(consul: Client) -> None:
    await stored(consul, "${nope", Name="q", Template={"Regexp": "("})


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_what_is_not_there_cannot_be_changed(consul: Client, method: str) -> None:
    for query_id, text in (
        (UNKNOWN, f"Cannot modify non-existent prepared query: '{UNKNOWN}'"),
        ("abc", f"Prepared Query lookup failed: {NOT_AN_ID}"),
    ):
        answer = await send(consul, f"{method} /v1/query/{query_id}", {"Token": "<hidden>"})
        assert (answer.status, answer.text) == (500, text)


async def test_ids_that_are_none(consul: Client) -> None:
    for query_id in ("abc", ""):
        answer = await consul.get(f"/v1/query/{query_id}")
        assert (answer.status, answer.text) == (500, NOT_AN_ID)
        assert META.items() <= answer.headers.items()


@pytest.mark.parametrize(
    ("line", "status", "allow"),
    [
        ("POST /v1/query/x", 405, "GET,PUT,DELETE"),
        ("HEAD /v1/query/x", 405, "GET,PUT,DELETE"),
        ("PATCH /v1/query/x", 405, "GET,PUT,DELETE"),
        ("PUT /v1/query/x/explain", 405, "GET"),
        ("OPTIONS /v1/query/x", 200, "OPTIONS,GET,PUT,DELETE"),
        ("OPTIONS /v1/query/x/execute", 200, "OPTIONS,GET"),
        ("PUT /v1/query", 405, "OPTIONS,GET,POST"),
    ],
)
async def test_methods(consul: Client, line: str, status: int, allow: str) -> None:
    answer = await consul.send(line)
    assert (answer.status, answer.headers["allow"]) == (status, allow)
    if status == 405 and not line.startswith("HEAD"):
        assert answer.text == f"method {line.split()[0]} not allowed"


async def test_a_query_ends_with_its_session_at_the_same_index(consul: Client) -> None:
    owner = await session(consul)
    query_id = await stored(consul, Session=owner.upper())
    waiting = await consul.follow(f"/v1/query/{query_id}")
    await end(consul, owner)
    assert (await waiting).status == 404
    assert await consul.index("/v1/query") == await consul.index("/v1/session/list")


async def test_who_waits_for_one_query_sleeps_through_changes_of_others(consul: Client) -> None:
    query_id = await stored(consul, Name="a")
    one, every = await consul.follow(f"/v1/query/{query_id}"), await consul.follow("/v1/query")
    await stored(consul, Name="b")
    assert len((await every).json) == 2
    assert not one.done()
    await consul.put(f"/v1/query/{query_id}", {"Name": "c", "Service": {"Service": "x"}})
    answer = await one
    assert (answer.json[0]["Name"], answer.index) == ("c", await consul.index("/v1/query"))


async def test_nobody_waits_for_a_query_that_is_not_there(consul: Client) -> None:
    answer = await consul.get(f"/v1/query/{UNKNOWN}?index=99999&wait=10m")
    assert (answer.status, answer.headers["x-consul-index"]) == (404, "1")
