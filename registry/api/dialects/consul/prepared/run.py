"""What a prepared query finds: the instances of a service that pass everything its definition asks for.

Owns the order of the steps: health, metadata, tags, chance, nearness, limit. The definition may be a template, which
is filled in first. Other datacenters and peers, where a query may look when it finds nothing, do not exist here.
Source: event_query_coordinate.md §B.3 to §B.5; api-docs/query#execute-prepared-query.
"""

import ipaddress
from collections.abc import Callable

from registry.api.call import Call
from registry.api.dialects.consul.catalog.nearness import near_node, nearest_to
from registry.api.dialects.consul.go.encode import in_order
from registry.api.dialects.consul.params import ReadOptions, boolean, integer, read_options, refuse_foreign_datacenter
from registry.api.dialects.consul.prepared import wire
from registry.api.dialects.consul.prepared.templates import rendered
from registry.api.dialects.consul.reads import asked_first, failing_with_index, index_headers, seen_before
from registry.api.reply import Reply
from registry.core.reading import State
from registry.errors import InvalidRequest, NotFound, RequestError
from registry.model.check import CRITICAL, PASSING
from registry.model.names import fold
from registry.model.prepared import PreparedQuery, ServiceQuery
from registry.model.views import Entry

_CALLER = "_ip"  # the node that the request comes from
_FIRST = 10  # results among which the near node itself is put first


async def execute(call: Call, name: str) -> Reply:
    """What a query finds now; 200 and an object, with an empty list where there is nothing.

    Query: near, limit, connect, dc, read mode, cached. Errors: `query-limit`, `query-connect`, `query-missing`,
    `query-template-by-id`, `query-render`.
    """
    options = read_options(call)
    limit, connect = integer(call.query.value("limit") or "0", "query-limit"), _connect(call.query.value("connect"))
    query = await _resolved(call, name, options)
    state, service = call.engine.state, query.service
    found = [] if service.peer else _instances(state, service, connect)
    found = shuffled(found, call.engine.random)
    found = _near(call, state, found, call.query.value("near") or service.near)
    targets = service.failover.targets or ()
    tried = 0 if found else len({one.peer for one in targets if one.peer})
    fields: dict[str, object] = {
        "Service": service.service,
        "Nodes": [wire.found(entry) for entry in (found[:limit] if limit > 0 else found)],
        "DNS": wire.DnsShape(query.dns_ttl),
        "Datacenter": "" if service.peer else state.server.datacenter,
        "PeerName": service.peer,
        "Failovers": tried,
    }
    reply = _reply(call, fields, options)
    if options.cached:
        reply.headers += b"X-Cache: HIT\r\nAge: 0\r\n" if seen_before(call) else b"X-Cache: MISS\r\n"
    return reply


async def explain(call: Call, name: str) -> Reply:
    """The definition as it answers to a name: a template filled in; 200 and an object. Errors: as for `execute`."""
    options = read_options(call)
    return _reply(call, {"Query": wire.definition(await _resolved(call, name, options))}, options)


def _reply(call: Call, fields: dict[str, object], options: ReadOptions) -> Reply:
    contact = call.engine.contact()
    silent_ms = int(contact.silent_seconds * 1000) if contact.away else 0
    fields |= {"Index": 1, "LastContact": silent_ms, "KnownLeader": not contact.away}
    fields |= {"ConsistencyLevel": options.mode}
    fields |= {"NotModified": False, "Backend": 0, "ResultsFilteredByACLs": False}
    return Reply(body=bytes(in_order(fields)), headers=index_headers(1, options.mode, contact))


async def _resolved(call: Call, name: str, options: ReadOptions) -> PreparedQuery:
    """The query of an id or a name, as it answers to it; errors carry the headers of an index."""
    try:
        refuse_foreign_datacenter(call)
    except RequestError as error:
        raise failing_with_index(error) from None
    await asked_first(call, options)
    try:
        return resolved(call.engine.state, name)
    except RequestError as error:
        raise failing_with_index(error) from None


def resolved(state: State, name: str) -> PreparedQuery:
    """The query that is meant by an id or a name, a template filled in for it.

    Raises:
        NotFound: `query-missing`. InvalidRequest: `query-template-by-id`, `query-render`.
    """
    table, folded = state.prepared, fold(name)
    if not name:
        raise NotFound("query-missing")
    by_id = table.rows.get(folded)
    if by_id is not None:
        if by_id.is_template:
            raise InvalidRequest("query-template-by-id")
        return by_id
    own = table.names.get(folded)
    query = table.rows[own] if own is not None else table.template_for(name)
    if query is None:
        raise NotFound("query-missing")
    return rendered(query, name) if query.is_template else query


def _instances(state: State, wanted: ServiceQuery, connect: bool) -> list[Entry]:
    entries = state.connect_entries if connect or wanted.connect else state.entries
    return [entry for entry in entries(wanted.service) if _fits(entry, wanted)]


def _fits(entry: Entry, wanted: ServiceQuery) -> bool:
    ignored = wanted.ignore_check_ids or ()
    for check in entry.checks:
        bad = check.status != PASSING if wanted.only_passing else check.status == CRITICAL
        if bad and check.id not in ignored:
            return False
    return (
        _has_pairs(entry.node.meta, wanted.node_meta)
        and _has_pairs(entry.instance.meta, wanted.service_meta)
        and _has_tags(entry.instance.tags, wanted.tags)
    )


def _has_pairs(meta: dict[str, str] | None, wanted: dict[str, str] | None) -> bool:
    return not wanted or (meta is not None and all(meta.get(key) == value for key, value in wanted.items()))


def _has_tags(tags: tuple[str, ...] | None, wanted: tuple[str, ...] | None) -> bool:
    """Whether all are there but those with a `!` before them, of which none may be; "" is never there."""
    if not wanted:
        return True
    have = {tag.lower() for tag in tags or () if tag}
    return all((one[1:].lower() not in have) if one.startswith("!") else one.lower() in have for one in wanted)


def shuffled(entries: list[Entry], random: Callable[[], float]) -> list[Entry]:
    """The same in an order of chance, so that the first of them is not always the same."""
    entries = list(entries)
    for last in range(len(entries) - 1, 0, -1):
        other = int(random() * (last + 1))
        entries[last], entries[other] = entries[other], entries[last]
    return entries


def _near(call: Call, state: State, entries: list[Entry], near: str) -> list[Entry]:
    """By distance from a node, the node itself before all others that are as near."""
    if near == _CALLER:
        near = _callers_node(call, state)
    if not near:
        return entries
    entries = nearest_to(near, state, entries, lambda entry: entry.node.name)
    here = fold(near_node(near, state))
    for at, entry in enumerate(entries[:_FIRST]):
        if fold(entry.node.name) == here:
            entries[0], entries[at] = entries[at], entries[0]
            break
    return entries


def _callers_node(call: Call, state: State) -> str:
    """The name of the node with the address that the request comes from; "" where there is none."""
    claimed = call.headers.get("X-Forwarded-For", "").split(",")
    address = next((found for one in (*claimed, call.remote) if (found := _address(one.strip()))), "")
    return next((node.name for node in state.nodes() if node.address == address), "") if address else ""


def _address(text: str) -> str:
    """An IP address as Go writes it; "" for what is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def _connect(text: str) -> bool:
    wanted = boolean(text) if text else False
    if wanted is None:
        raise InvalidRequest("query-connect", text=text)
    return wanted
