"""Commands about the instances of our own node that came through the agent's interface.

Owns the rules of registration, sidecars, maintenance and of rows from files. A row is local when it was
written here; the agent's endpoints see and remove exactly those, by exact id.
Source: agent.md §3.8, §6, §6.1; `DESIGN.md` §3, one table.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from registry.commands import DeregisterLocal, LocalService, Reap, RegisterLocal, ReplaceFileRows, SetMaintenance
from registry.errors import InvalidRequest, NotFound, RequestError
from registry.model.addresses import with_default_addresses
from registry.model.agent_meta import taken_in
from registry.model.check import (
    ALIAS,
    CRITICAL,
    NODE_MAINTENANCE,
    SERVICE_MAINTENANCE_PREFIX,
    Check,
    CheckDefinition,
)
from registry.model.names import fold
from registry.model.service import Instance, Local
from registry.state.agent_checks import show_state
from registry.state.catalog import same_instance
from registry.state.graves import bury
from registry.state.local_checks import write_local_check
from registry.state.rows import Rows
from registry.state.server import restore_own_rows

_NODE_REASON = "Maintenance mode is enabled for this node, but no reason was provided. This is a default message."
_SERVICE_REASON = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."
_SIDECAR_CHECK_INTERVAL_NS = 10_000_000_000  # Consul's fixed 10 s for the listening check it adds


def register_local(rows: Rows, index: int, time: float, command: RegisterLocal) -> None:
    """Write an instance and its sidecar with their checks, or nothing of it.

    Raises:
        InvalidRequest: `sidecar-ports`, no automatic port is left; `sidecar-ports-disabled`.
    """
    planned = _with_port(rows, command, {})
    _register(rows, index, planned, Local())
    if planned.replace_checks:
        restore_own_rows(rows, index)  # `serfHealth` may have been taken for a check of the instance


def local_unchanged(rows: Rows, command: RegisterLocal, origin: str = "api") -> bool:
    """Whether applying the registration now would change nothing and refuse nothing."""
    try:
        planned = _with_port(rows, command, {})
    except InvalidRequest:
        return False
    pairs = [(planned.service, ""), *([(planned.sidecar, planned.service.service.id)] if planned.sidecar else [])]
    return all(_same_local(rows, one, Local(origin, sidecar_of), planned) for one, sidecar_of in pairs)


def deregister_local(rows: Rows, index: int, time: float, command: DeregisterLocal) -> None:
    """Remove a local instance with its checks and its sidecar.

    Raises:
        NotFound: `service`, no local instance has this exact id.
    """
    place = rows.local_ids.get(command.service_id)
    if place is None:
        raise NotFound("service", id=command.service_id)
    remove_local(rows, index, rows.instances[place[0]][place[1]])


def remove_local(rows: Rows, index: int, instance: Instance) -> None:
    """Remove a local instance, its checks and the sidecar that its registration made."""
    rows.remove_instance(index, instance)
    sidecar = brought_sidecar(rows, instance.id)
    if sidecar is not None:
        rows.remove_instance(index, sidecar)
    restore_own_rows(rows, index)


def brought_sidecar(rows: Rows, service_id: str) -> Instance | None:
    """The sidecar that the registration of an instance made, if it is there."""
    place = rows.local_ids.get(f"{service_id}-sidecar-proxy")
    if place is None:
        return None
    sidecar = rows.instances[place[0]][place[1]]
    return sidecar if sidecar.local is not None and sidecar.local.sidecar_of == service_id else None


def reap(rows: Rows, index: int, time: float, command: Reap) -> None:
    """Remove the instance of a check that stayed critical; void when it has recovered since (agent.md §8.8).

    An agent whose dialect has it so comes back with its next beat.
    """
    place = rows.local_check_ids.get(command.check_id)
    check = rows.checks[place[0]][place[1]] if place is not None else None
    if check is None or check.critical_index != command.critical_index or not check.service_id:
        return
    instance = rows.instances.get(fold(check.node), {}).get(fold(check.service_id))
    if instance is not None:
        bury(rows, time, instance)
        remove_local(rows, index, instance)


def set_maintenance(rows: Rows, index: int, time: float, command: SetMaintenance) -> None:
    """Add or remove the check that takes the node or one instance out of service.

    Already so: nothing changes, the first reason stays.

    Raises:
        NotFound: `service`, no local instance has this exact id.
    """
    server, service_id = rows.server, command.service_id
    if service_id is None:
        check = Check(
            node=server.node, id=NODE_MAINTENANCE, name="Node Maintenance Mode", status=CRITICAL,
            notes=command.reason or _NODE_REASON, type="maintenance", local=Local(),
        )  # fmt: skip
    else:
        place = rows.local_ids.get(service_id)
        if place is None:
            raise NotFound("service", id=service_id)
        owner = rows.instances[place[0]][place[1]]
        check = Check(
            node=server.node, id=SERVICE_MAINTENANCE_PREFIX + service_id, name="Service Maintenance Mode",
            status=CRITICAL, notes=command.reason or _SERVICE_REASON, type="maintenance", local=Local(),
            service_id=owner.id, service_name=owner.name, service_tags=owner.tags,
        )  # fmt: skip
    stored = rows.checks.get(fold(server.node), {}).get(fold(check.id))
    is_local = stored is not None and stored.local is not None
    if command.enable and not is_local:
        rows.write_check(index, check)
    elif not command.enable and is_local and stored is not None:
        rows.remove_check(index, stored)


def replace_file_rows(rows: Rows, index: int, time: float, command: ReplaceFileRows) -> None:
    """Make the rows of files exactly these, by id in any case; states of checks that stay are kept.

    Raises:
        InvalidRequest: `sidecar-ports`, `sidecar-ports-disabled`; NotFound: `check-service`.
    """
    planned, leaving = _planned(rows, command)
    parts = [part for one in planned for part in (one.service, one.sidecar) if part is not None]
    kept_checks = {fold(check.id): None for part in parts for check in part.checks}
    kept_checks.update((fold(check.id), None) for check in command.checks)

    for instance in leaving:
        rows.remove_instance(index, instance)
    for check in _checks_of_files(rows):
        if fold(check.id) not in kept_checks:
            rows.remove_check(index, check)
    for one in planned:
        _register(rows, index, one, Local("file"))
    for check in command.checks:
        write_local_check(rows, index, check, Local("file"))
    restore_own_rows(rows, index)


def _planned(rows: Rows, command: ReplaceFileRows) -> tuple[list[RegisterLocal], list[Instance]]:
    """The registrations with their ports, and the instances that leave.

    Raises:
        As `replace_file_rows`.
    """
    taken: dict[int, None] = {}
    planned = [_with_port(rows, one, taken) for one in command.services]
    parts = [part for one in planned for part in (one.service, one.sidecar) if part is not None]
    ids = {fold(part.service.id): None for part in parts}
    leaving = {instance.id: instance for instance in _rows_of_files(rows) if fold(instance.id) not in ids}
    staying = {fold(one): None for one in rows.local_ids if one not in leaving}
    for check in command.checks:
        service = fold(check.service_id)
        if service and service not in ids and service not in staying:
            raise NotFound("check-service", id=check.service_id)
    return planned, list(leaving.values())


def file_rows_unchanged(rows: Rows, command: ReplaceFileRows) -> bool:
    """Whether the rows of files are these already."""
    services = {one.id: None for one in _rows_of_files(rows)}
    checks = {one.id: None for one in _checks_of_files(rows)}
    for one in command.services:
        for part in (one.service, one.sidecar):
            if part is not None:
                services.pop(part.service.id, None)
                _drop_all(checks, part.checks)
    _drop_all(checks, command.checks)
    gone = bool(services or checks)
    return not gone and all(local_unchanged(rows, one, "file") for one in command.services) and all(
        _same_check(rows, one, _owner(rows, one), Local("file")) for one in command.checks
    )  # fmt: skip


def _drop_all(ids: dict[str, None], checks: Iterable[Check]) -> None:
    for check in checks:
        ids.pop(check.id, None)


def _owner(rows: Rows, check: Check) -> Instance | None:
    place = rows.local_ids.get(check.service_id)
    return rows.instances[place[0]][place[1]] if place is not None else None


def _rows_of_files(rows: Rows) -> list[Instance]:
    found = (rows.instances[node][key] for node, key in rows.local_ids.values())
    return [one for one in found if one.local is not None and one.local.origin == "file"]


def _checks_of_files(rows: Rows) -> list[Check]:
    found = (rows.checks[node][key] for node, key in rows.local_check_ids.values())
    return [one for one in found if one.local is not None and one.local.origin == "file"]


def _register(rows: Rows, index: int, planned: RegisterLocal, local: Local) -> None:
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
    """The instance on our node; what Consul's clients cannot see of an agent stays."""
    node = rows.server.node
    old = rows.instances.get(fold(node), {}).get(fold(service.id))
    row = replace(service, node=node, local=local)
    return row if old is None else taken_in(old, row)


def _same_row(new: Instance, old: Instance) -> bool:
    """Here every field counts: the agent's own view shows all of them."""
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
    return all(fold(check.id) in stored and _same_check(rows, check, old, local) for check in part.checks)


def _same_check(rows: Rows, check: Check, owner: Instance | None, local: Local) -> bool:
    """Whether registering the check would leave its row as it is; status and output are kept anyway."""
    stored = rows.checks.get(fold(rows.server.node), {}).get(fold(check.id))
    if stored is None:
        return False
    as_stored = replace(
        check,
        node=rows.server.node,
        status=stored.status,
        output=stored.output,
        exposed_port=stored.exposed_port,
        local=local,
        expired=stored.expired,
        service_id=owner.id if owner is not None else "",
        service_name=owner.name if owner is not None else "",
        service_tags=owner.tags if owner is not None else None,
        create_index=stored.create_index,
        modify_index=stored.modify_index,
    )
    if check.type == ALIAS:
        as_stored = replace(as_stored, critical_at=stored.critical_at, critical_index=stored.critical_index)
    return as_stored == stored


def _with_port(rows: Rows, command: RegisterLocal, taken: dict[int, None]) -> RegisterLocal:
    """The command with its sidecar's port chosen; `taken` collects ports chosen in the same command."""
    sidecar = command.sidecar
    if sidecar is None:
        return command
    service = sidecar.service
    if service.port == 0 and not service.socket_path:
        service = with_default_addresses(replace(service, port=_automatic_port(rows, command, taken)))
    checks = sidecar.checks
    if sidecar.default_checks:
        checks = _default_checks(service, command.service.service)
    return replace(command, sidecar=replace(sidecar, service=service, checks=checks))


def refused(rows: Rows, command: RegisterLocal | ReplaceFileRows) -> bool:
    """Whether the registration would be refused: for want of a port, or of the service of a check."""
    try:
        if isinstance(command, ReplaceFileRows):
            _planned(rows, command)
        elif command.sidecar is not None:
            _with_port(rows, command, {})
    except RequestError:
        return True
    return False


def _automatic_port(rows: Rows, command: RegisterLocal, taken: dict[int, None]) -> int:
    """The port the sidecar has, if it is an automatic one, else the lowest that nobody has."""
    assert command.sidecar is not None
    low, high = command.sidecar_ports
    if not low or high < low:
        raise InvalidRequest("sidecar-ports-disabled")
    place = rows.local_ids.get(command.sidecar.service.id)
    if place is not None and low <= rows.instances[place[0]][place[1]].port <= high:
        return rows.instances[place[0]][place[1]].port
    used = {rows.instances[node][key].port: None for node, key in rows.local_ids.values()}
    for port in range(low, high + 1):
        if port not in used and port not in taken:
            taken[port] = None
            return port
    raise InvalidRequest("sidecar-ports", low=low, high=high)


def _default_checks(sidecar: Instance, parent: Instance) -> tuple[Check, Check]:
    """The two checks that Consul gives a sidecar which has none of its own (agent.md §6.1)."""
    proxy = sidecar.proxy
    host = sidecar.address or (proxy.local_service_address if proxy is not None else "")
    address = f"[{host}]:{sidecar.port}" if ":" in host else f"{host}:{sidecar.port}"
    listening = CheckDefinition(tcp=address, interval_ns=_SIDECAR_CHECK_INTERVAL_NS)
    alias = CheckDefinition(alias_service=parent.id)
    return (
        Check(
            node="", id=f"service:{sidecar.id}:1", name="Connect Sidecar Listening", service_id=sidecar.id,
            type="tcp", interval="10s", runs=listening,
        ),
        Check(
            node="", id=f"service:{sidecar.id}:2", name=f"Connect Sidecar Aliasing {parent.id}",
            service_id=sidecar.id, type="alias", runs=alias,
        ),
    )  # fmt: skip
