"""Commands about the checks of our own node: registration, results and expiry.

Owns the status and output that a check has after each of them, and since when it counts as critical.
Source: agent.md §7, §8.3 (TTL); `DESIGN.md` §4.
"""

from msgspec.structs import replace

from registry.commands import DeregisterLocalCheck, ExpireTtl, RegisterLocalCheck, UpdateCheck
from registry.errors import InvalidRequest, NotFound
from registry.model.check import ALIAS, CRITICAL, Check
from registry.model.names import fold
from registry.model.service import Instance, Local
from registry.state.catalog import critical_since, same_check, with_service
from registry.state.members import check_item, owner
from registry.state.rows import Rows
from registry.state.server import restore_own_rows

EXPIRED = "TTL expired"
_EXPIRED_AFTER = f"{EXPIRED} (last output before timeout follows): "


def register_local_check(rows: Rows, index: int, time: float, command: RegisterLocalCheck) -> None:
    """Write a check of the node or of a local instance; one that exists keeps its status and output.

    Raises:
        NotFound: `check-service`, no local instance has the exact `service_id`.
    """
    check = command.check
    if check.service_id and check.service_id not in rows.local_ids:
        raise NotFound("check-service", id=check.service_id)
    write_local_check(rows, index, check, Local())


def write_local_check(rows: Rows, index: int, check: Check, local: Local) -> None:
    """Write a check of our node; its instance, if it names one, exists.

    Registering a check again restarts the time for which it has been critical. What only its runner sees
    (thresholds, a TTL) is stored without moving an index.
    """
    node = fold(rows.server.node)
    new = _placed(rows, check, local)
    old = rows.checks.get(node, {}).get(fold(check.id))
    if old is None or old.local is None:  # a check that only the catalog knew has no state to keep
        rows.write_check(index, new)
        return
    kept = {"status": old.status, "output": old.output, "expired": old.expired, "exposed_port": old.exposed_port}
    new = replace(new, create_index=old.create_index, **kept)
    if new.type == ALIAS:  # evaluated within the command: it is critical since its target is
        new = replace(new, critical_at=old.critical_at, critical_index=old.critical_index)
    if same_check(new, old) and _same_shown(new, old):
        new = replace(new, modify_index=old.modify_index)
        if new != old:
            rows.write_check_quietly(new)
    else:
        rows.write_check(index, new)


def same_local_check(rows: Rows, check: Check, owner: Instance | None, local: Local) -> bool:
    """Whether registering the check again would leave its row as it is; status and output are kept in any case."""
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


def _same_shown(new: Check, old: Check) -> bool:
    shown = (old.type, old.interval, old.timeout, old.exposed_port)
    return (new.type, new.interval, new.timeout, new.exposed_port) == shown


def _placed(rows: Rows, check: Check, local: Local) -> Check:
    """The check on our node, with the name and tags of its instance."""
    server = rows.server
    if not check.service_id:
        return replace(check, node=server.node, local=local)
    owner = rows.instances[fold(server.node)][fold(check.service_id)]
    return replace(
        check, node=server.node, local=local, service_id=owner.id, service_name=owner.name, service_tags=owner.tags
    )


def deregister_local_check(rows: Rows, index: int, time: float, command: DeregisterLocalCheck) -> None:
    """Remove a local check.

    Raises:
        NotFound: `check`, no local check has this exact id.
    """
    rows.remove_check(index, local_check_row(rows, command.check_id))
    restore_own_rows(rows, index)


def local_check_row(rows: Rows, check_id: str) -> Check:
    """The stored row of a local check.

    Raises:
        NotFound: `check`, no local check has this exact id.
    """
    check = rows.stored_check(check_id)
    if check is None:
        raise NotFound("check", id=check_id)
    return check


def update_check(rows: Rows, index: int, time: float, command: UpdateCheck) -> None:
    """Give a local check a status and an output. If both are unchanged, only the time of being critical may change.

    Raises:
        NotFound: `check`, no local check has this exact id.
        InvalidRequest: `not-ttl`, a sign of life for a check that takes none.
    """
    old = local_check_row(rows, command.check_id)
    if command.create_index and command.create_index != old.create_index:
        return
    if command.modify_index and command.modify_index != old.modify_index:
        return  # a newer result has come since
    if command.runner and rows.members and command.runner != owner(rows.members, check_item(old.id)):
        return  # the check has moved to another replica, whose results count now
    if command.ttl and not is_ttl(old):
        raise InvalidRequest("not-ttl", id=command.check_id)
    if command.create_index and command.status == old.status and is_ttl(old):  # a deferred text, not a sign of life
        counts = bool(old.critical_at)
        take_result(rows, index, time, old, old.status, command.output, expired=old.expired, counts=counts)
        return
    take_result(rows, index, time, old, command.status, command.output)
    if command.ttl and is_sign_of_life(command.status):
        rows.touched_instances[(fold(old.node), fold(old.service_id))] = True


def is_sign_of_life(status: str) -> bool:
    """Whether who reports this of its TTL check says that it lives (dialects.md §2.2: pass, warn, update)."""
    return status != CRITICAL


def is_ttl(check: Check) -> bool:
    """Whether the check is kept alive by signs of life."""
    return check.runs is not None and check.runs.ttl_ns > 0


def expire_ttl(rows: Rows, index: int, time: float, command: ExpireTtl) -> None:
    """Make a check critical whose TTL has expired; one that is critical already begins to count as expired."""
    old = rows.stored_check(command.check_id)
    if old is None or old.create_index != command.create_index or not is_ttl(old):
        return
    if old.status == CRITICAL:
        take_result(rows, index, time, old, CRITICAL, old.output, expired=True)
    else:
        take_result(rows, index, time, old, CRITICAL, expired_output(command.last_output), expired=True)


def expired_output(last_output: str) -> str:
    """The output of a TTL check that nobody has refreshed.

    It quotes the last output, unless that is itself such a text, which a registration after the expiry has kept.
    """
    said = posted(last_output)
    return f"{_EXPIRED_AFTER}{said}" if said else EXPIRED


def posted(output: str) -> str:
    """What somebody has posted of an output; "" where it tells of an expiry."""
    return "" if output == EXPIRED or output.startswith(_EXPIRED_AFTER) else output


def take_result(
    rows: Rows, index: int, time: float, old: Check, status: str, output: str, *, expired: bool = False,
    counts: bool = True,
) -> None:  # fmt: skip
    """Give a check a status and an output, and note since when it is critical. Without effect if all is unchanged.

    A row that is written has the name and the tags that its instance has by now (catalog.md §1.4).

    Args:
        time: the log's, in Unix seconds.
        expired: the status comes from a missing sign of life.
        counts: whether being critical can lead to removal.
    """
    hidden = {"expired": expired, **critical_since(old, status if counts else "", index, time)}
    if (old.status, old.output) != (status, output):
        rows.write_check(index, with_service(rows, replace(old, status=status, output=output, **hidden)))
        rows.outputs.pop((fold(old.node), fold(old.id)), None)
    elif (new := replace(old, **hidden)) != old:
        rows.write_check_quietly(new)
