"""Bodies on the wire, in the order of their fields, and the words of a status.

Source: dialects.md §3.2, §8.1 and §8.2.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from registry.api.agents import wire_time
from registry.model.agent import DEFAULT_CLUSTER, DEFAULT_NAMESPACE, DEGRADED, HEALTHY, UNHEALTHY
from registry.model.record import Record

REPORTED_KEY = "reported_status"  # where a word that nobody knows is kept

_WORDS = {
    **dict.fromkeys(("healthy", "active", "ok", "running", "passing"), HEALTHY),
    **dict.fromkeys(("degraded", "warning"), DEGRADED),
    **dict.fromkeys(("unhealthy", "critical", "failed", "error", "unreachable"), UNHEALTHY),
}


class RegistrationReply(Struct, frozen=True, gc=False):
    """The answer to a registration."""

    agent_id: str
    registered_at: str
    heartbeat_url: str
    heartbeat_interval_seconds: int


class HeartbeatReply(Struct, frozen=True, gc=False):
    """The answer to a heartbeat."""

    received: bool
    next_interval_seconds: int
    timestamp: str


class AgentBody(Struct, frozen=True, gc=False):
    """An agent; `metadata` is absent when there is none."""

    id: str
    name: str
    type: str
    host: str
    port: int
    capabilities: tuple[str, ...]
    status: str
    version: str
    registered_at: str
    last_seen: str
    metadata: dict[str, Any] | UnsetType = UNSET


class AgentList(Struct, frozen=True, gc=False):
    """Agents in the order in which they came."""

    agents: list[AgentBody]
    count: int


def agent_body(record: Record, last_seen: float) -> AgentBody:
    """A record as this dialect shows it."""
    return AgentBody(
        id=record.id,
        name=record.name,
        type=record.type,
        host=record.host,
        port=record.port,
        capabilities=record.capabilities,
        status=record.status,
        version=record.version,
        registered_at=wire_time(record.instance.registered_at),
        last_seen=wire_time(last_seen),
        metadata=_metadata(record) or UNSET,
    )


def _metadata(record: Record) -> dict[str, Any]:
    """The metadata with what has no field here; what the record says itself goes before that."""
    shown: dict[str, Any] = {}
    if record.state:
        shown["state"] = record.state
    if record.namespace != DEFAULT_NAMESPACE:
        shown["namespace"] = record.namespace
    if record.cluster != DEFAULT_CLUSTER:
        shown["cluster"] = record.cluster
    if record.agent.telemetry is not None:
        telemetry = record.agent.telemetry
        shown["telemetry"] = {name: getattr(telemetry, name) for name in telemetry.__struct_fields__}
    return {**shown, **record.metadata}


def reported_status(word: str) -> tuple[str, dict[str, str]]:
    """The status that a heartbeat's word means, "" for none, and what is noted of a word that nobody knows."""
    if not word:
        return "", {}
    known = _WORDS.get(word.lower())
    return (known, {}) if known is not None else (HEALTHY, {REPORTED_KEY: word})
