"""Agents: a new one, all of them, one of them.

Source: dialects.md §4.1, §4.2 and §4.5.
"""

from registry.api.agents import born, listed, new_id, newborn, newest_wanted
from registry.api.call import Call
from registry.api.dialects.codevald.bodies import config_of, required
from registry.api.dialects.codevald.routes import endpoint
from registry.api.dialects.codevald.wire import agent_view, shown_state
from registry.api.lenient import Fields
from registry.api.query import Query
from registry.api.reply import Reply, header_lines
from registry.api.rest import json_reply
from registry.errors import InvalidRequest, LogUnavailable
from registry.model.agent import CODEVALD, CREATED
from registry.model.record import Record
from registry.model.service import Instance

_PAGE, _PER_PAGE, _MOST_PER_PAGE = 1, 50, 1000  # the later revisions' defaults and limit


@endpoint("POST", "/api/v1/agents", source="dialects.md §4.2, CreateAgent")
async def create(call: Call) -> Reply:
    """A new agent with an id of ours, in the state `created`.

    Errors: 429 when as many as may be are there and not stopped (`codevald_max_agents`).
    """
    fields = Fields.of(await call.body())
    settings = call.server.settings
    name, kind = required(fields, "name"), required(fields, "type")
    metadata = fields.map("metadata", settings.max_metadata_bytes)
    agent = newborn(settings, CODEVALD, config_of(fields), name=name, state=CREATED, metadata=metadata)
    instance = Instance(node="", id=new_id(), name=kind, tags=(), agent=agent)
    try:
        record = await born(call, instance, most=settings.codevald_max_agents)
    except LogUnavailable as error:
        reason = f"failed to persist agent to registry: {error.reason}"
        raise LogUnavailable(reason, unknown=error.unknown) from error
    return await shown(call, record, 201)


async def shown(call: Call, record: Record, status: int = 200) -> Reply:
    """One agent as the answer."""
    (seen,) = await call.engine.agents.last_seen([record])
    return json_reply(agent_view(record, seen), status)


@endpoint("GET", "/api/v1/agents/{id}", source="dialects.md §4.1")
async def agent(call: Call) -> Reply:
    """One agent of any system."""
    await newest_wanted(call)
    return await shown(call, await call.engine.agents.find(call.argument))


@endpoint("GET", "/api/v1/agents", source="dialects.md §4.1 and §4.5, the finders")
async def agents(call: Call) -> Reply:
    """Every agent as a bare array, in the order in which they came; with `page` or `limit` a page of them by id.

    Query: type, state, healthy (true or false), of which all given must hold; page (from 1), limit (1 to 1000).
    `X-Total-Count` tells how many there are on all pages.
    """
    await newest_wanted(call)
    found = _found(call)
    page = _page(call.query, found)
    seen = await call.engine.agents.last_seen(page)
    views = [agent_view(record, at) for record, at in zip(page, seen, strict=True)]
    return json_reply(views, headers=header_lines(("X-Total-Count", str(len(found)))))


def _found(call: Call) -> list[Record]:
    """The agents that the query asks for.

    Raises:
        InvalidRequest: `healthy`.
    """
    query, state = call.query, call.engine.state
    kind, wanted, healthy = query.value("type"), query.value("state"), _healthy(query.value("healthy"))
    records = state.records_of_type(kind) if kind else state.records()
    return [
        one for one in listed(call, records, CODEVALD)
        if (not wanted or shown_state(one) == wanted) and (healthy is None or one.is_alive == healthy)
    ]  # fmt: skip


def _healthy(text: str) -> bool | None:
    """What `healthy` asks for; None where it does not.

    Raises:
        InvalidRequest: `healthy`.
    """
    if not text:
        return None
    if text.lower() not in ("true", "false"):
        raise InvalidRequest("healthy", text=text)
    return text.lower() == "true"


def _page(query: Query, records: list[Record]) -> list[Record]:
    if "page" not in query and "limit" not in query:
        return records
    page = _number(query.value("page"), _PAGE)
    limit = _number(query.value("limit"), _PER_PAGE, _MOST_PER_PAGE)
    by_id = sorted(records, key=lambda record: record.id)
    return by_id[(page - 1) * limit : page * limit]


def _number(text: str, default: int, most: int = 2**31) -> int:
    """A number from 1 to `most`; whatever else is sent, the default."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        return default
    return int(text) if 1 <= int(text) <= most else default
