"""Agents that were removed for their silence and that a beat can still bring back (dialects.md §2.3)."""

from registry.model.names import fold
from registry.model.service import Instance
from registry.state.agent_checks import instance_checks
from registry.state.rows import Rows
from registry.state.tables import Tombstone


def bury(rows: Rows, time: float, instance: Instance) -> None:
    """Remember an agent that is about to be removed for its silence; forget those that can no longer come back."""
    graves = rows.tombstones
    for key in [key for key, one in graves.items() if one.until <= time]:
        del graves[key]
    agent = instance.agent
    if agent is not None and agent.revivable_seconds > 0:
        checks = tuple(check for _, check in sorted(instance_checks(rows, instance).items()))
        graves[fold(instance.id)] = Tombstone(instance, checks, time + agent.revivable_seconds)


def buried(rows: Rows, time: float, service_id: str) -> Tombstone | None:
    """The agent that a beat at this time would bring back, by its exact id."""
    found = rows.tombstones.get(fold(service_id))
    return found if found is not None and found.instance.id == service_id and time < found.until else None
