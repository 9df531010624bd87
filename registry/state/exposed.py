"""Checks whose service lets its proxy answer for them (`Proxy.Expose.Checks`): the port each of them has there.

Owns the ports, which are part of the rows, so that all replicas and every restart agree on them. What is asked at
such a port is `checks/exposed.py`; the listener itself is the proxy's.
Source: agent.md §4.1 (Expose), common.md §13 (ExposedPort); Consul's documentation of Expose.Checks and of
`expose_min_port`, `expose_max_port`.
"""

from msgspec.structs import replace

from registry.model.check import Check
from registry.model.names import fold
from registry.model.service import Instance
from registry.state.rows import Rows

LOWEST_PORT = 21500  # Consul's defaults
HIGHEST_PORT = 21755


def settle(rows: Rows, index: int) -> None:
    """Give or take the ports of the checks of every service that the command has stirred, lowest free port first.

    A check for which no port is left is run directly.
    """
    for service_id in sorted(rows.stirred_exposures):
        exposing = exposing_proxy(rows, service_id) is not None
        for check in _checks(rows, service_id):
            wanted = exposing and _exposable(check)
            if wanted != (check.exposed_port > 0):
                rows.write_check(index, replace(check, exposed_port=_free_port(rows) if wanted else 0))
            elif wanted:  # its proxy may be elsewhere now
                rows.touched_checks[(fold(check.node), fold(check.id))] = None
    rows.stirred_exposures.clear()


def exposing_proxy(rows: Rows, service_id: str) -> Instance | None:
    """The proxy that answers for the checks of a local service; if there are several, the one with the first id."""
    places = rows.exposers.get(service_id)
    if not places:
        return None
    node, key = min(places)
    return rows.instances[node][key]


def _checks(rows: Rows, service_id: str) -> list[Check]:
    """The local checks of a service: those over HTTP before those over gRPC, as Consul gives ports out."""
    place = rows.local_ids.get(service_id)
    if place is None:
        return []
    found = rows.checks_by_instance.get(place, {})
    local = [check for _, check in sorted(found.items()) if check.local is not None]
    return sorted(local, key=lambda check: check.runs is None or not check.runs.http)


def _exposable(check: Check) -> bool:
    runs = check.runs
    if runs is None or runs.ttl_ns > 0 or runs.interval_ns <= 0:
        return False
    return bool(runs.http or (runs.grpc and not runs.tcp and not runs.udp))


def _free_port(rows: Rows) -> int:
    taken = {rows.checks[node][key].exposed_port: None for node, key in rows.local_check_ids.values()}
    return next((port for port in range(LOWEST_PORT, HIGHEST_PORT) if port not in taken), 0)
