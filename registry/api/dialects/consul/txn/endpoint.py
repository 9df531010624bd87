"""Transactions: several operations on keys and on the catalog, all of them or none.

Owns the limits, the two modes and the answer. What an operation is allowed to be is `operations.py`, what it does the
state's business. A transaction that only reads leaves nothing in the log.
Source: txn.md; api-docs/txn.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from msgspec import Raw

from registry.api.call import Call
from registry.api.dialects.consul.go.encode import in_order
from registry.api.dialects.consul.kv import wire as kv_wire
from registry.api.dialects.consul.params import read_options, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import asked_first
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.txn.bodies import KeyOpBody, decoded
from registry.api.dialects.consul.txn.errors import what
from registry.api.dialects.consul.txn.operations import OpPart, Prepared, parts, prepared
from registry.api.dialects.consul.wire import catalog as wire
from registry.api.reply import Reply
from registry.commands import Transact
from registry.core.reading import look_up_all
from registry.errors import Conflict, InvalidRequest, RequestError, TooLarge
from registry.model.check import Check
from registry.model.node import Node
from registry.model.pair import Pair

MAX_OPERATIONS = 128
_CONFLICT = 409
_KNOWN = b"X-Consul-Knownleader: true\r\nX-Consul-Lastcontact: 0\r\n"
_UNKNOWN = b"X-Consul-Knownleader: false\r\nX-Consul-Lastcontact: 0\r\n"

Errors = Iterable[tuple[int, RequestError]]


@endpoint("PUT", "/v1/txn", source="api-docs/txn#create-transaction")
async def transact(call: Call) -> Reply:
    """Carry out the operations of the body in their order; 200 with their results, 409 with what fails, none done.

    Query: dc, and the read mode where nothing is written. Errors: `txn-body-size`, `txn-body-long`, `txn-decode`,
    `txn-operations`, `txn-value`.
    """
    some = await _parts(call)
    found = prepared(some, call.engine.state.server.datacenter)
    return await (_written(call, found) if found.writes else _read(call, found))


async def _written(call: Call, found: Prepared) -> Reply:
    refuse_foreign_datacenter(call)
    if found.errors:
        delayed = await call.engine.sessions.delayed_locks(found.ops)
        return _reply(None, sorted(found.errors + delayed, key=itemgetter(0)))
    try:
        return _reply(await call.engine.propose(Transact(found.all)), None)
    except Conflict as error:
        return _reply(None, _errors_of(error))


async def _read(call: Call, found: Prepared) -> Reply:
    options = read_options(call)
    refuse_foreign_datacenter(call)
    if found.errors:
        return _told(_reply(None, found.errors, known=False), known=False)
    await asked_first(call, options, failing_index=False, newest=True)
    try:
        return _told(_reply(look_up_all(call.engine.state, found.all), None, known=True), known=True)
    except Conflict as error:
        return _told(_reply(None, _errors_of(error), known=True), known=True)


def _errors_of(error: Conflict) -> Errors:
    if error.reason != "transaction":
        raise error
    errors: Any = error.values["errors"]
    return errors  # type: ignore[no-any-return]


async def _parts(call: Call) -> list[OpPart]:
    """The operations of the body, within all limits.

    Raises:
        TooLarge: `txn-body-size`, `txn-body-long`, `txn-operations`, `txn-value`. InvalidRequest: `txn-decode`.
    """
    settings = call.server.settings
    limit = max(settings.txn_max_request_bytes, settings.kv_max_value_bytes)
    length = call.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > limit:
        raise TooLarge("txn-body-size", size=int(length), limit=limit)
    try:
        body = await call.body(limit)
    except TooLarge as error:
        if error.reason == "body":
            raise TooLarge("txn-body-long", limit=limit) from None
        raise
    try:
        bodies = decoded(body)
    except InvalidRequest as error:
        raise InvalidRequest("txn-decode", problem=error.values["problem"]) from None
    if len(bodies) > MAX_OPERATIONS:
        raise TooLarge("txn-operations", count=len(bodies), limit=MAX_OPERATIONS)
    some = parts(bodies)
    for part in some:
        if isinstance(part, KeyOpBody) and len(part.octets) > settings.kv_max_value_bytes:
            raise TooLarge("txn-value", key=part.key, size=len(part.octets), limit=settings.kv_max_value_bytes)
    return some


def _reply(rows: Iterable[Any] | None, errors: Errors | None, *, known: bool | None = None) -> Reply:
    """The answer; `known` is given for a transaction that only reads, and says whether it was looked at all."""
    fields: dict[str, object] = {
        "Results": None if rows is None else [_result(row) for row in rows],
        "Errors": None if errors is None else [_problem(position, error) for position, error in errors],
    }
    if known is not None:
        fields |= {"Index": int(known), "LastContact": 0, "KnownLeader": known, "ConsistencyLevel": ""}
        fields |= {"NotModified": False, "Backend": 0, "ResultsFilteredByACLs": False}
    return Reply(status=200 if errors is None else _CONFLICT, body=bytes(in_order(fields)))


def _told(reply: Reply, *, known: bool) -> Reply:
    reply.headers = _KNOWN if known else _UNKNOWN
    return reply


def _problem(position: int, error: RequestError) -> Raw:
    return in_order({"OpIndex": position, "What": what(error)})


def _result(row: Any) -> dict[str, object]:
    if isinstance(row, Pair):
        return {"KV": kv_wire.entry(row)}
    if isinstance(row, Node):
        return {"Node": wire.node(row)}
    if isinstance(row, Check):
        return {"Check": wire.check(row, null_tags=True)}
    return {"Service": wire.service(row, null_tags=True)}
