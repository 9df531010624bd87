"""Commands about the instances of our own node that came through the agent's interface.

Owns the rules of registering and removing them. A row is local when it was written here; the agent's endpoints see
and remove exactly those, by exact id. Sidecars are `state/sidecars.py`, definitions in files `state/file_rows.py`,
maintenance mode `state/maintenance.py`. Source: agent.md §3.8, §6; `DESIGN.md` §3, one table.
"""

from msgspec.structs import replace

from registry.commands import DeregisterLocal, LocalService, Reap, RegisterLocal
from registry.errors import InvalidRequest, NotFound
from registry.model.agent_meta import taken_in
from registry.model.names import fold
from registry.model.service import Instance, Local
from registry.state.agent_checks import show_state
from registry.state.catalog import same_instance
from registry.state.graves import bury
from registry.state.local_checks import same_local_check, write_local_check
from registry.state.rows import Rows
from registry.state.server import restore_own_rows
from registry.state.sidecars import brought_sidecar, with_sidecar


def register_local(rows: Rows, index: int, time: float, command: RegisterLocal) -> None:
    """Write an instance and its sidecar with their checks, or none of them.

    Raises:
        InvalidRequest: `sidecar-ports`, no automatic port is left; `sidecar-ports-disabled`.
    """
    planned = with_sidecar(rows, command, {})
    write_registration(rows, index, planned, Local())
    if planned.replace_checks:
        restore_own_rows(rows, index)  # `serfHealth` may have been taken for a check of the instance


def parts_of(command: RegisterLocal) -> list[LocalService]:
    """The instances of a registration: the service, and its sidecar if it brings one."""
    return [command.service] if command.sidecar is None else [command.service, command.sidecar]


def local_refused(rows: Rows, command: RegisterLocal) -> bool:
    """Whether the registration would be refused, for want of a port."""
    try:
        with_sidecar(rows, command, {})
    except InvalidRequest:
        return True
    return False


def local_unchanged(rows: Rows, command: RegisterLocal, origin: str = "api") -> bool:
    """Whether the registration would be accepted now and change nothing."""
    try:
        planned = with_sidecar(rows, command, {})
    except InvalidRequest:
        return False
    pairs = [(planned.service, ""), *([(planned.sidecar, planned.service.service.id)] if planned.sidecar else [])]
    return all(_same_local(rows, one, Local(origin, sidecar_of), planned) for one, sidecar_of in pairs)


def deregister_local(rows: Rows, index: int, time: float, command: DeregisterLocal) -> None:
    """Remove a local instance with its checks and its sidecar.

    Raises:
        NotFound: `service`, no local instance has this exact id.
    """
    instance = rows.local_service(command.service_id)
    if instance is None:
        raise NotFound("service", id=command.service_id)
    remove_local(rows, index, instance)


def remove_local(rows: Rows, index: int, instance: Instance) -> None:
    """Remove a local instance, its checks and the sidecar that its registration brought."""
    rows.remove_instance(index, instance)
    sidecar = brought_sidecar(rows, instance.id)
    if sidecar is not None:
        rows.remove_instance(index, sidecar)
    restore_own_rows(rows, index)


def reap(rows: Rows, index: int, time: float, command: Reap) -> None:
    """Remove the instance of a check that stayed critical, unless it has recovered since (agent.md §8.8).

    If the agent's dialect says so, its next beat brings it back.
    """
    check = rows.stored_check(command.check_id)
    if check is None or check.critical_index != command.critical_index or not check.service_id:
        return
    instance = rows.instances.get(fold(check.node), {}).get(fold(check.service_id))
    if instance is not None:
        bury(rows, time, instance)
        remove_local(rows, index, instance)


def write_registration(rows: Rows, index: int, planned: RegisterLocal, local: Local) -> None:
    """Write the parts of a registration whose sidecar is complete."""
    service = planned.service
    _write(rows, index, service, local, planned.replace_checks)
    if planned.sidecar is not None:
        origin = Local(local.origin, sidecar_of=service.service.id)
        _write(rows, index, planned.sidecar, origin, planned.replace_checks)


def _write(rows: Rows, index: int, part: LocalService, local: Local, replace_checks: bool) -> None:
    node = rows.server.node
    key = fold(part.service.id)
    row = _row(rows, part.service, local)
    old = rows.instances.get(fold(node), {}).get(key)
    if old is None or not _same_row(row, old):
        row = rows.write_instance(index, row)
        show_state(rows, index, rows.time, row)
    if replace_checks:
        sent = {fold(check.id): None for check in part.checks}
        for check in list(rows.checks_by_instance.get((fold(node), key), {}).values()):
            if fold(check.id) not in sent:
                rows.remove_check(index, check)
    for check in part.checks:
        write_local_check(rows, index, replace(check, service_id=row.id), local)


def _row(rows: Rows, service: Instance, local: Local) -> Instance:
    """The instance as a row of our node; it keeps the part of an agent that Consul's clients cannot see."""
    node = rows.server.node
    old = rows.instances.get(fold(node), {}).get(fold(service.id))
    row = replace(service, node=node, local=local)
    return row if old is None else taken_in(old, row)


def _same_row(new: Instance, old: Instance) -> bool:
    """Whether two rows are equal in every field, since the agent's own view shows all of them."""
    return (
        same_instance(new, old)
        and new.local == old.local
        and new.agent == old.agent
        and new.socket_path == old.socket_path
        and new.locality == old.locality
    )


def _same_local(rows: Rows, part: LocalService, local: Local, planned: RegisterLocal) -> bool:
    key = (fold(rows.server.node), fold(part.service.id))
    old = rows.instances.get(key[0], {}).get(key[1])
    if old is None or not _same_row(_row(rows, part.service, local), old):
        return False
    stored = rows.checks_by_instance.get(key, {})
    if planned.replace_checks and len(stored) != len(part.checks):
        return False
    return all(fold(check.id) in stored and same_local_check(rows, check, old, local) for check in part.checks)
