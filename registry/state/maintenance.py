"""Maintenance mode: a critical check that takes the own node, or one of its instances, out of service.

Owns that check and nothing else; it counts like any other. Source: agent.md §3.8 and §6.
"""

from registry.commands import SetMaintenance
from registry.errors import NotFound
from registry.model.check import CRITICAL, NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX, Check
from registry.model.names import fold
from registry.model.service import Local
from registry.state.rows import Rows

_NODE_REASON = "Maintenance mode is enabled for this node, but no reason was provided. This is a default message."
_SERVICE_REASON = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."


def set_maintenance(rows: Rows, index: int, time: float, command: SetMaintenance) -> None:
    """Add or remove the check that takes the node or one instance out of service.

    If it is in that mode already, nothing changes and the first reason stays.

    Raises:
        NotFound: `service`, no local instance has this exact id.
    """
    check = _maintenance_check(rows, command)
    stored = rows.checks.get(fold(check.node), {}).get(fold(check.id))
    is_local = stored is not None and stored.local is not None
    if command.enable and not is_local:
        rows.write_check(index, check)
    elif not command.enable and is_local and stored is not None:
        rows.remove_check(index, stored)


def _maintenance_check(rows: Rows, command: SetMaintenance) -> Check:
    """The check that puts the command's target into maintenance mode; raises as `set_maintenance`."""
    node, service_id = rows.server.node, command.service_id
    if service_id is None:
        return Check(
            node=node, id=NODE_MAINTENANCE, name="Node Maintenance Mode", status=CRITICAL,
            notes=command.reason or _NODE_REASON, type="maintenance", local=Local(),
        )  # fmt: skip
    owner = rows.local_service(service_id)
    if owner is None:
        raise NotFound("service", id=service_id)
    return Check(
        node=node, id=SERVICE_MAINTENANCE_PREFIX + service_id, name="Service Maintenance Mode", status=CRITICAL,
        notes=command.reason or _SERVICE_REASON, type="maintenance", local=Local(),
        service_id=owner.id, service_name=owner.name, service_tags=owner.tags,
    )  # fmt: skip
