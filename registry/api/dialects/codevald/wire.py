"""Bodies that go out, in the order of their fields, and a record as this system shows it.

Source: dialects.md §4.2 and §8.1.
"""

from typing import Any

from msgspec import Struct

from registry.api.agents import wire_time
from registry.model.agent import CODEVALD, DEFAULT_CLUSTER, DEFAULT_NAMESPACE, PAUSED, RUNNING
from registry.model.agent_meta import shown_value
from registry.model.record import Record


class AgentView(Struct, frozen=True, gc=False):
    """An agent. Its config is not shown."""

    id: str
    name: str
    type: str
    state: str
    metadata: dict[str, str]
    created_at: str
    updated_at: str
    last_heartbeat: str
    is_healthy: bool


class TaskReply(Struct, frozen=True, gc=False):
    """The answer to a task that was queued."""

    agent_id: str
    message: str
    task_id: str


class RuntimeMetrics(Struct, frozen=True, gc=False):
    """What has happened to agents since the log began, and what they do now."""

    total_agents_created: int
    total_agents_stopped: int
    total_tasks_executed: int
    total_tasks_failed: int
    current_active_agents: int
    current_running_tasks: int


class StatusReply(Struct, frozen=True, gc=False):
    """Who answers here."""

    app_name: str
    status: str
    version: str


def agent_view(record: Record, last_seen: float) -> AgentView:
    """A record as this dialect shows it."""
    return AgentView(
        id=record.id,
        name=record.name,
        type=record.type,
        state=shown_state(record),
        metadata=_metadata(record),
        created_at=wire_time(record.instance.registered_at),
        updated_at=wire_time(record.instance.updated_at),
        last_heartbeat=wire_time(last_seen),
        is_healthy=record.is_alive,
    )


def shown_state(record: Record) -> str:
    """The word of the lifecycle; a record without one runs, and Consul's maintenance is a pause of what runs."""
    state = record.state or RUNNING
    return PAUSED if state == RUNNING and record.in_maintenance else state


def _metadata(record: Record) -> dict[str, str]:
    """The metadata as strings, with what has no field here; what the record says itself goes before that.

    An agent of this system is at no address unless it was given one; any other is at least at its node's.
    """
    host = record.instance.address if record.source == CODEVALD else record.host
    beside: dict[str, Any] = {
        "capabilities": ",".join(record.capabilities),
        "host": host,
        "port": str(record.port or ""),
        "version": record.version,
        "namespace": "" if record.namespace == DEFAULT_NAMESPACE else record.namespace,
        "cluster": "" if record.cluster == DEFAULT_CLUSTER else record.cluster,
    }
    shown = {key: value for key, value in beside.items() if value}
    return {**shown, **{key: shown_value(value) for key, value in record.metadata.items()}}
