"""The words in which tests speak of prepared queries."""

import json
from typing import Any

from tests.contract.consul.exchange import Answer, Client


async def stored(consul: Client, service: str = "web", *, of: dict[str, Any] | None = None, **fields: Any) -> str:
    """The id of a new query for a service; `of` are the other fields of its `Service`."""
    answer = await posted(consul, service, of=of, **fields)
    assert answer.status == 200, answer.text
    query_id: str = answer.json["ID"]
    return query_id


async def posted(consul: Client, service: str = "web", *, of: dict[str, Any] | None = None, **fields: Any) -> Answer:
    return await send(consul, "POST /v1/query", {"Service": {"Service": service, **(of or {})}, **fields})


async def send(consul: Client, line: str, body: Any) -> Answer:
    """A write with a body of JSON."""
    return await consul.send(line, body=json.dumps(body).encode())


async def definition(consul: Client, query_id: str) -> dict[str, Any]:
    """The definition of a query that is there."""
    answer = await consul.get(f"/v1/query/{query_id}")
    assert answer.status == 200, answer.text
    (found,) = answer.json
    return dict(found)


async def executed(consul: Client, name: str, query: str = "", *headers: str) -> dict[str, Any]:
    """What a query finds."""
    answer = await consul.send(f"GET /v1/query/{name}/execute{query}", *headers)
    assert answer.status == 200, answer.text
    return dict(answer.json)


async def nodes(consul: Client, name: str, query: str = "", *headers: str) -> list[str]:
    """The nodes of the instances that a query finds, in their order."""
    return [one["Node"]["Node"] for one in (await executed(consul, name, query, *headers))["Nodes"]]


async def explained(consul: Client, name: str) -> dict[str, Any]:
    """The `Service` of a definition as it answers to a name."""
    answer = await consul.get(f"/v1/query/{name}/explain")
    assert answer.status == 200, answer.text
    return dict(answer.json["Query"]["Service"])
