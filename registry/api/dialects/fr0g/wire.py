"""Bodies of the fr0g shape in the order of their fields.

Source: dialects.md §6.1 (ServiceInfo), §6.3 and §8.2.
"""

from typing import Any

from registry.api.agents import wire_time
from registry.model.agent import DEGRADED, HEALTHY
from registry.model.check import CRITICAL, PASSING, WARNING
from registry.model.record import Record

_HEALTH = {HEALTHY: PASSING, DEGRADED: WARNING}  # of a record's status; every other is critical


def health_of(record: Record) -> str:
    """The word for a record's status."""
    return _HEALTH.get(record.status, CRITICAL)


def service_info(record: Record, seen: float, *, named: bool = False, with_status: bool = False) -> dict[str, Any]:
    """A service as clients read it.

    Args:
        seen: its last sign of life, Unix seconds. named: add the key `Service` with its name.
        with_status: add the key `Status` with its health.
    """
    health = health_of(record)
    found: dict[str, Any] = {"id": record.id, "name": record.type, "address": record.host, "port": record.port}
    if record.capabilities:
        found["tags"] = record.capabilities
    if record.instance.meta:
        found["meta"] = record.instance.meta
    found["health"], found["last_seen"] = health, wire_time(seen)
    if named:
        found["Service"] = record.type
    if with_status:
        found["Status"] = health
    return found


def check_results(record: Record) -> list[dict[str, str]]:
    """What its checks say, those of its node included."""
    return [{"output": check.output, "status": check.status} for check in record.checks]


def passing_entry(record: Record, seen: float) -> dict[str, Any]:
    """A service in Consul's frame with this shape's keys, for the client that asks a server of either kind."""
    return {
        "Service": service_info(record, seen, named=True),
        "Checks": [{"Status": check.status} for check in record.checks],
    }
