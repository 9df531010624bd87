"""What the agents' dialects share: how a record is born from settings, times on the wire, and what a list shows.

Owns no route and no shape. Source: dialects.md §1.5, §2.3, §8.2 and §8.6.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from registry.api.call import Call
from registry.commands import RegisterAgent
from registry.errors import InvalidRequest
from registry.model.agent import CODEVALD, DEGRADED, FR0G, HEALTHY, HIVE, OPTIINFRA, UNHEALTHY, Agent, AgentConfig
from registry.model.check import CRITICAL, PASSING, WARNING, Check
from registry.model.record import Record
from registry.model.server import CONSUL_SERVICE
from registry.model.service import Instance

LEVELS = {HEALTHY: PASSING, DEGRADED: WARNING, UNHEALTHY: CRITICAL}  # reported status → status of the check
ZERO_TIME = "0001-01-01T00:00:00Z"
_DEFAULT_CONFIG = AgentConfig()


def new_id() -> str:
    """An id for an agent that brings none: a UUID of version 4."""
    return str(uuid.uuid4())


def newborn(settings: Any, source: str, config: AgentConfig | None = None, **fields: Any) -> Agent:
    """An agent of this source with the timers of the settings (dialects.md §2.3).

    Args:
        fields: others of `Agent`.
    """
    ttl, remove_after, revival = 0.0, 0.0, 0.0
    if source == OPTIINFRA:
        ttl, remove_after = settings.optiinfra_ttl_seconds, settings.optiinfra_remove_seconds
        revival = settings.revival_seconds
    elif source == HIVE:
        ttl, remove_after = settings.hive_ttl_seconds, settings.hive_remove_seconds
        revival = settings.revival_seconds
    elif source == CODEVALD:
        ttl = 2 * (config or _DEFAULT_CONFIG).heartbeat_interval_ns / 1e9
    elif source == FR0G:
        ttl = settings.fr0g_ttl_seconds
    return Agent(
        source=source, config=config, ttl_ns=round(ttl * 1e9), remove_after_ns=round(remove_after * 1e9),
        revivable_seconds=revival, **fields,
    )  # fmt: skip


async def born(
    call: Call,
    instance: Instance,
    *,
    status: str = "",
    most: int = 0,
    replace_dead: bool = False,
    checks: tuple[Check, ...] = (),
) -> Record:
    """Register an instance that has an agent.

    Raises:
        InvalidRequest: `type-reserved`, type or id are of the server's own service (M-6). As for `Agents.register`.
    """
    refuse_reserved("type", instance.name)
    refuse_reserved("id", instance.id)
    command = RegisterAgent(
        service=instance, status=status, most=most, replace_dead=replace_dead, checks=checks
    )  # fmt: skip
    record = await call.engine.agents.register(command)
    call.server.metrics.arrivals.registered(record.type)
    return record


async def removed(call: Call, record_id: str) -> bool:
    """Remove a record for good; False when there is none."""
    record = call.engine.state.record(record_id)
    done = await call.engine.agents.remove(record_id)
    if done and record is not None:
        call.server.metrics.arrivals.deregistered(record.type)
    return done


def refuse_reserved(field: str, name: str) -> None:
    """Raises:
    InvalidRequest: `type-reserved`.
    """
    if name.lower() == CONSUL_SERVICE:
        raise InvalidRequest("type-reserved", field=field, name=name)


async def newest_wanted(call: Call) -> None:
    """For reads: ask the log first where `consistent_reads` wants every replica to show what any has acknowledged.

    Raises:
        LogUnavailable: it cannot be asked.
    """
    if call.engine.shared and call.server.settings.consistent_reads:
        await call.engine.confirm()


def listed(call: Call, records: Iterable[Record], source: str) -> list[Record]:
    """The records that a list of a dialect shows: all, or its own (`dialect_scope`)."""
    return scoped(call.server.settings, records, source)


def scoped(settings: Any, records: Iterable[Record], source: str) -> list[Record]:
    """The same for a dialect that is not spoken over HTTP."""
    if settings.dialect_scope == "own":
        return [record for record in records if record.source == source]
    return list(records)


def wire_time(seconds: float) -> str:
    """A time as RFC 3339 with microseconds, UTC; the zero time where it is not known."""
    if seconds <= 0:
        return ZERO_TIME
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
