"""The seven routes of OptiInfra's orchestrator.

Source: dialects.md §3.1 to §3.3; `/health` is one for all dialects (§7.2).
"""

import re
from urllib.parse import quote

from registry.api.agents import LEVELS, born, listed, new_id, newborn, newest_wanted, removed, wire_time
from registry.api.call import Call
from registry.api.dialects.optiinfra.routes import endpoint
from registry.api.dialects.optiinfra.wire import (
    AgentList,
    HeartbeatReply,
    RegistrationReply,
    agent_body,
    reported_status,
)
from registry.api.lenient import Fields
from registry.api.reply import Reply
from registry.api.rest import json_reply
from registry.errors import InvalidRequest
from registry.model.agent import OPTIINFRA, STATUSES
from registry.model.record import Record
from registry.model.service import Instance

_LARGEST_PORT = 65_535
_PLAIN = "!$&'()*+,;=:@"  # what stands in a path as it is, beside letters and digits (RFC 3986, pchar)
_ADDRESS = re.compile(r"(\[(?P<bracketed>[^][]+)\]|(?P<host>[^][:]*)):(?P<port>[0-9]{1,5})")


@endpoint("POST", "/agents/register", source="dialects.md §3.2, Registration")
async def register(call: Call) -> Reply:
    """A new agent with an id of ours, healthy at once; a dead one of the same name and address makes room for it."""
    fields = Fields.of(await call.body())
    record = await born(call, new_instance(call, fields), replace_dead=True)
    return json_reply(registered(call, record), 201)


def new_instance(call: Call, fields: Fields) -> Instance:
    """The instance of a registration.

    Raises:
        InvalidRequest: `missing`, `field`, `port`. TooLarge: `metadata-limit`.
    """
    name, kind, host, port = fields.text("name"), fields.text("type"), fields.text("host"), fields.whole("port")
    if host and not port:
        host, port = split_address(host)
    for field, value in (("name", name), ("type", kind), ("host", host), ("port", port)):
        if not value:
            raise InvalidRequest("missing", field=field)
    return instance_of(
        call, service_id=new_id(), kind=kind, name=name, host=host, port=port, version=fields.text("version"),
        capabilities=fields.texts("capabilities"), metadata=metadata_of(call, fields, "metadata"),
    )  # fmt: skip


def instance_of(
    call: Call,
    *,
    service_id: str,
    kind: str,
    name: str,
    host: str,
    port: int,
    capabilities: tuple[str, ...],
    version: str,
    metadata: dict[str, object],
) -> Instance:
    """The instance of an agent of this system.

    Raises:
        InvalidRequest: `port`.
    """
    if not 0 <= port <= _LARGEST_PORT:
        raise InvalidRequest("port", port=port)
    agent = newborn(call.server.settings, OPTIINFRA, name=name, version=version, metadata=metadata)
    return Instance(node="", id=service_id, name=kind, tags=capabilities, address=host, port=port, agent=agent)


def metadata_of(call: Call, fields: Fields, name: str) -> dict[str, object]:
    """A map of metadata within its limit."""
    return fields.map(name, call.server.settings.max_metadata_bytes)


def split_address(text: str) -> tuple[str, int]:
    """`host:port` taken apart; without a port in it, 0. An IPv6 address that brings one is in brackets."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return text, 0
    return found["bracketed"] or found["host"], int(found["port"])


def registered(call: Call, record: Record) -> RegistrationReply:
    """What an agent is told once it is registered."""
    return RegistrationReply(
        agent_id=record.id,
        registered_at=wire_time(record.instance.registered_at),
        heartbeat_url=f"/agents/{quote(record.id, safe=_PLAIN)}/heartbeat",
        heartbeat_interval_seconds=_interval(call),
    )


def _interval(call: Call) -> int:
    """Seconds between beats; with 0 the agents' helper would not wait at all."""
    seconds: float = call.server.settings.optiinfra_heartbeat_seconds
    return max(1, round(seconds))


@endpoint("POST", "/agents/{id}/heartbeat", source="dialects.md §3.2, Heartbeat")
async def heartbeat(call: Call) -> Reply:
    """A sign of life of any agent, with the status it reports and metadata that is merged into its own."""
    fields = Fields.of(await call.body())
    return await beaten(call, call.argument, fields.text("status"), metadata_of(call, fields, "metadata"))


async def beaten(call: Call, agent_id: str, word: str, metadata: dict[str, object]) -> Reply:
    """Take a sign of life and answer it."""
    status, noted = reported_status(word)
    await call.engine.agents.beat(agent_id, LEVELS.get(status, ""), {**metadata, **noted})
    return json_reply(HeartbeatReply(True, _interval(call), wire_time(call.engine.clock.now())))


@endpoint("POST", "/agents/{id}/unregister", source="dialects.md §3.3, row 4")
async def unregister(call: Call) -> Reply:
    """Remove an agent for good; one that is not there is removed already."""
    await removed(call, call.argument)
    return json_reply({"message": "Agent unregistered successfully"})


@endpoint("GET", "/agents", source="dialects.md §3.1")
async def agents(call: Call) -> Reply:
    """Every agent. Query: capability (repeatable, all must match), status (one of the four; others do not count)."""
    await newest_wanted(call)
    return await _listed(call, call.engine.state.records())


@endpoint("GET", "/agents/type/{type}", source="dialects.md §3.1")
async def agents_of_type(call: Call) -> Reply:
    """The agents of exactly this type. Query: as for all agents."""
    await newest_wanted(call)
    return await _listed(call, call.engine.state.records_of_type(call.argument))


async def _listed(call: Call, records: list[Record]) -> Reply:
    wanted, status = call.query.values("capability"), call.query.value("status")
    shown = [
        one for one in listed(call, records, OPTIINFRA)
        if all(capability in one.capabilities for capability in wanted)
        and (status not in STATUSES or one.status == status)
    ]  # fmt: skip
    seen = await call.engine.agents.last_seen(shown)
    bodies = [agent_body(record, at) for record, at in zip(shown, seen, strict=True)]
    return json_reply(AgentList(bodies, len(bodies)))


@endpoint("GET", "/agents/{id}", source="dialects.md §3.1")
async def agent(call: Call) -> Reply:
    """One agent of any system."""
    await newest_wanted(call)
    record = await call.engine.agents.find(call.argument)
    (seen,) = await call.engine.agents.last_seen([record])
    return json_reply(agent_body(record, seen))
