"""Prepared queries: their definitions, and the ways to ask one.

Owns the requests. What a definition says is `bodies.py`, what a query finds `run.py`. Everything
below `/v1/query/` is one endpoint, which looks at the method itself, as Consul's does.
Source: event_query_coordinate.md §B; api-docs/query.
"""

import uuid
from string import hexdigits
from typing import Any

from registry.api.call import Call
from registry.api.dialects.consul.go.text import code_point
from registry.api.dialects.consul.params import read_options, refuse_foreign_datacenter
from registry.api.dialects.consul.prepared import wire
from registry.api.dialects.consul.prepared.bodies import PreparedBody, decoded, defined, refuse_invalid
from registry.api.dialects.consul.prepared.run import execute, explain
from registry.api.dialects.consul.prepared.templates import template_problem
from registry.api.dialects.consul.reads import answer, failing_with_index
from registry.api.dialects.consul.routes import ANY_METHOD, endpoint
from registry.api.reply import Reply, header_lines, text_reply
from registry.commands import DeletePrepared, PutPrepared
from registry.core.reading import State
from registry.errors import Conflict, InvalidRequest, NotFound, RequestError
from registry.model.names import fold
from registry.model.prepared import PreparedQuery
from registry.model.topic import PREPARED, PREPARED_ONE

_ID_CHARACTERS, _MOST_HYPHENS = 36, 4
_WAYS = {"/execute": execute, "/explain": explain}


@endpoint("POST", "/v1/query", source="api-docs/query#create-prepared-query")
async def create(call: Call) -> Reply:
    """Store a new query; 200 and its id.

    Errors: `decode`, `query-new-id`, `query-invalid`, and the state's about names, sessions and templates.
    """
    body = decoded(await call.body())
    refuse_foreign_datacenter(call)
    if body.id:
        raise InvalidRequest("query-new-id")
    query = await _stored(call, body, str(uuid.uuid4()), new=True)
    return Reply(body=b'{"ID":"%b"}' % query.id.encode())


@endpoint("GET", "/v1/query", source="api-docs/query#list-prepared-queries")
async def list_all(call: Call) -> Reply:
    """All queries by id; 200 and a JSON array. Query: dc, read mode, blocking. Woken by any of them."""

    def every(state: State) -> list[PreparedQuery]:
        return [query for _, query in sorted(state.prepared.rows.items())]

    options = read_options(call)
    _refuse_elsewhere(call)
    return await answer(call, PREPARED, every, wire.definitions, options=options)


@endpoint(ANY_METHOD, "/v1/query/{query}", source="api-docs/query#read-prepared-query")
async def one(call: Call) -> Reply:
    """One query: GET reads, PUT replaces, DELETE removes its definition; `/execute` and `/explain` are only read.

    Query: dc, read mode, and blocking for the definition, which is woken by this query alone. Errors: `query-id`,
    `query-missing`, `prepared-missing`, those of `create`.
    """
    way = next((end for end in _WAYS if call.path.endswith(end)), "")
    allowed = ("GET",) if way else ("GET", "PUT", "DELETE")
    if call.method == "OPTIONS":
        return Reply(body=b"{}", headers=header_lines(("Allow", ",".join(("OPTIONS", *allowed)))))
    if call.method not in allowed:
        return text_reply(405, f"method {call.method} not allowed", header_lines(("Allow", ",".join(allowed))))
    if way:
        return await _WAYS[way](call, call.argument.removesuffix(way))
    if call.method == "GET":
        return await _read(call)
    return await (_replace(call) if call.method == "PUT" else _delete(call))


async def _read(call: Call) -> Reply:
    options = read_options(call)
    _refuse_elsewhere(call)
    try:
        _check_id(call.argument, "")
    except InvalidRequest as error:
        raise failing_with_index(error) from None
    query_id = fold(call.argument)
    if query_id not in call.engine.state.prepared.rows:
        options = type(options)(mode=options.mode)  # there is nothing to wait for

    def the_one(state: State) -> list[PreparedQuery]:
        query = state.prepared.rows.get(query_id)
        return [] if query is None else [query]

    def encode(found: Any) -> bytes:
        return wire.definitions(found) if found else b""

    reply = await answer(call, (PREPARED_ONE, query_id), the_one, encode, options=options)
    if not reply.body:
        raise failing_with_index(NotFound("query-missing"))
    return reply


async def _replace(call: Call) -> Reply:
    length = call.headers.get("Content-Length", "")
    body = decoded(await call.body()) if length.isdecimal() and int(length) > 0 else PreparedBody()
    refuse_foreign_datacenter(call)
    await _refuse_missing(call)
    await _stored(call, body, fold(call.argument), new=False)
    return Reply()


async def _delete(call: Call) -> Reply:
    refuse_foreign_datacenter(call)
    await _refuse_missing(call)
    await call.engine.propose(DeletePrepared(fold(call.argument)))
    return Reply()


async def _stored(call: Call, body: PreparedBody, query_id: str, *, new: bool) -> PreparedQuery:
    refuse_invalid(body)
    if fold(body.name) == query_id:  # what the state says of the ids of others
        raise Conflict("prepared-name-is-id", name=body.name)
    query = defined(body, query_id)
    await call.engine.propose(PutPrepared(query, new, template_problem(query)))
    return query


async def _refuse_missing(call: Call) -> None:
    """Refuse to write over what is not there, which comes before anything else that is wrong.

    Raises:
        InvalidRequest: `query-id`. NotFound: `prepared-missing`.
    """
    _check_id(call.argument, "Prepared Query lookup failed: ")
    query_id, engine = fold(call.argument), call.engine
    if query_id not in engine.state.prepared.rows and engine.shared:
        await engine.confirm()  # another replica may have stored it
    if query_id not in engine.state.prepared.rows:
        raise NotFound("prepared-missing", id=call.argument)


def _refuse_elsewhere(call: Call) -> None:
    try:
        refuse_foreign_datacenter(call)
    except RequestError as error:
        raise failing_with_index(error) from None


def _check_id(text: str, lead: str) -> None:
    """Refuse what Consul's table of queries cannot look up by.

    Raises:
        InvalidRequest: `query-id`; `problem` is Consul's text.
    """
    problem = _id_problem(text)
    if problem:
        raise InvalidRequest("query-id", lead=lead, problem=problem)


def _id_problem(text: str) -> str:
    if len(text.encode()) != _ID_CHARACTERS:
        return f"UUID must be {_ID_CHARACTERS} characters"
    hyphens = text.count("-")
    if hyphens > _MOST_HYPHENS:
        return f'UUID should have maximum of {_MOST_HYPHENS} "-"; got {hyphens}'
    digits = text.replace("-", "").encode()
    if len(digits) % 2:
        return "Input (without hyphens) must be even length"
    wrong = next((byte for byte in digits if chr(byte) not in hexdigits), None)
    return f"Invalid UUID: encoding/hex: invalid byte: {code_point(wrong)}" if wrong is not None else ""
