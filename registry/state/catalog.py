"""Commands of the catalog: who may write which node, and what counts as a change.

Owns the rules of registration and removal. Which indexes follow is `state/rows.py`.
Source: catalog.md §1 and §2; api-docs/catalog.
"""

from typing import Any

from msgspec.structs import replace

from registry.commands import Deregister, Register
from registry.errors import Conflict, InvalidRequest
from registry.model.agent_meta import taken_in
from registry.model.check import CRITICAL, SERF_HEALTH, Check
from registry.model.meta import meta_problem
from registry.model.names import fold
from registry.model.node import Node
from registry.model.service import Instance
from registry.state.rows import Rows
from registry.state.server import restore_own_rows


def same_node(new: Node, old: Node) -> bool:
    """Whether a registration would leave the row as it is; a change of locality alone is not stored."""
    return (
        new.address == old.address
        and new.id == old.id
        and fold(new.name) == fold(old.name)
        and new.datacenter == old.datacenter
        and new.tagged_addresses == old.tagged_addresses
        and new.meta == old.meta
    )


def same_instance(new: Instance, old: Instance) -> bool:
    """Whether the catalog sees no change; socket path and locality do not count (catalog.md §1.4)."""
    return (
        new.port == old.port
        and new.tags == old.tags
        and new.address == old.address
        and new.meta == old.meta
        and new.name == old.name
        and new.id == old.id
        and new.kind == old.kind
        and new.tagged_addresses == old.tagged_addresses
        and new.weights == old.weights
        and new.enable_tag_override == old.enable_tag_override
        and new.proxy == old.proxy
        and new.native == old.native
    )


def same_check(new: Check, old: Check) -> bool:
    """Whether the catalog sees no change; type, interval, timeout and port do not count (agent.md §1)."""
    return (
        new.status == old.status
        and new.output == old.output
        and new.id == old.id
        and new.node == old.node
        and new.name == old.name
        and new.notes == old.notes
        and new.service_id == old.service_id
        and new.service_name == old.service_name
        and new.service_tags == old.service_tags
        and new.definition == old.definition
    )


def register(rows: Rows, index: int, time: float, command: Register) -> None:
    """Write the node, the instance and the checks of a registration, or none of them.

    Raises:
        Conflict: `node-reserved`, `node-reserved-rename`: the name belongs to a living node of another id.
        InvalidRequest: `check-node`, `check-service-unknown`, `stored-meta`, `check-without-id`.
    """
    node = command.node
    key = fold(node.name)
    _refuse_foreign_checks(rows, key, command)
    existing = rows.node_rows.get(key)
    write_node = existing is None or not (command.skip_node_update or same_node(node, existing))
    renamed = _renamed(rows, node, existing) if write_node else None
    _refuse_unstorable(command)

    if renamed is not None:
        rows.remove_node(index, fold(renamed.name))
        node = replace(node, create_index=renamed.create_index)
    if write_node:
        rows.write_node(index, node)
    if command.service is not None:
        put_instance(rows, index, command.service)
    for check in command.checks:
        put_check(rows, index, time, check)


def unchanged(rows: Rows, command: Register) -> bool:
    """Whether the registration would be accepted now and change nothing."""
    node = rows.node_rows.get(fold(command.node.name))
    if node is None or not (command.skip_node_update or same_node(command.node, node)):
        return False
    key, service = fold(node.name), command.service
    if service is not None:
        old = rows.instances.get(key, {}).get(fold(service.id))
        if old is None or not same_instance(service, old):
            return False
    for check in command.checks:
        stored = rows.checks.get(key, {}).get(fold(check.id))
        if stored is None or not same_check(with_service(rows, check), stored):
            return False
    return True


def deregister(rows: Rows, index: int, time: float, command: Deregister) -> None:
    """Remove an instance, or a check, or a node. The server's own rows are restored at once."""
    key = fold(command.node)
    if command.service_id:
        instance = rows.instances.get(key, {}).get(fold(command.service_id))
        if instance is None:
            return
        rows.remove_instance(index, instance)
    elif command.check_id:
        check = rows.checks.get(key, {}).get(fold(command.check_id))
        if check is None:
            return
        rows.remove_check(index, check)
    elif key in rows.node_rows:
        rows.remove_node(index, key)
    else:
        return
    if key == fold(rows.server.node):
        restore_own_rows(rows, index)


def nothing_to_deregister(rows: Rows, command: Deregister) -> bool:
    """Whether the removal would find nothing."""
    key = fold(command.node)
    if command.service_id:
        return fold(command.service_id) not in rows.instances.get(key, {})
    if command.check_id:
        return fold(command.check_id) not in rows.checks.get(key, {})
    return key not in rows.node_rows


def _refuse_foreign_checks(rows: Rows, key: str, command: Register) -> None:
    own = fold(command.service.id) if command.service is not None else None
    for check in command.checks:
        if fold(check.node) != key:
            raise InvalidRequest("check-node", node=check.node, check=check.id, request_node=command.node.name)
        if not check.service_id:
            continue
        service = fold(check.service_id)
        if service != own and service not in rows.instances.get(key, {}):
            raise InvalidRequest("check-service-unknown", service=check.service_id, check=check.id)


def _refuse_unstorable(command: Register) -> None:
    """Refuse what Consul refuses while it writes, after its rules about the node."""
    if command.service is not None:
        refuse_unstorable(command.service)
    for check in command.checks:
        if not check.id:
            raise InvalidRequest("check-without-id", node=command.node.name)


def refuse_unstorable(service: Instance) -> None:
    """The same for an instance.

    Raises:
        InvalidRequest: `stored-meta`.
    """
    problem = meta_problem(service.meta, service.kind)
    if problem is not None:
        raise InvalidRequest("stored-meta", node=service.node, service=service.id, problem=problem)


def _renamed(rows: Rows, node: Node, same_name: Node | None) -> Node | None:
    """The row that this registration renames, if it renames one (catalog.md §1.3)."""
    if not node.id:
        return None
    by_id = rows.node_of_id.get(fold(node.id))
    if by_id is not None and by_id != fold(node.name):
        old = rows.node_rows[by_id]
        if by_id == fold(rows.server.node):  # it would come back at once, without the services it had
            raise _reserved("node-reserved-rename", node, old)
        if same_name is not None and _holds_its_name(rows, same_name):
            raise _reserved("node-reserved-rename", node, same_name)
        return old
    if by_id is None and same_name is not None and same_name.id and _holds_its_name(rows, same_name):
        raise _reserved("node-reserved", node, same_name)
    return None


def _holds_its_name(rows: Rows, node: Node) -> bool:
    """Whether a node is alive, and so keeps its name: it has a gossip check that is not critical."""
    health = rows.checks.get(fold(node.name), {}).get(fold(SERF_HEALTH))
    return health is not None and health.status != CRITICAL


def _reserved(reason: str, node: Node, owner: Node) -> Conflict:
    return Conflict(
        reason, id=node.id, name=node.name, own_address=node.address,
        owner=owner.id, owner_name=owner.name, address=owner.address,
    )  # fmt: skip


def put_instance(rows: Rows, index: int, service: Instance) -> None:
    """Write an instance, whose node exists, unless the catalog would see no change."""
    old = rows.instances.get(fold(service.node), {}).get(fold(service.id))
    if old is None:
        rows.write_instance(index, service)
    elif not same_instance(service, old):
        rows.write_instance(index, taken_in(old, replace(service, local=old.local)))


def with_service(rows: Rows, check: Check) -> Check:
    """The check with the name and tags of its instance, whatever was sent with it."""
    if not check.service_id:
        return check
    owner = rows.instances.get(fold(check.node), {}).get(fold(check.service_id))
    if owner is None:
        return check
    return replace(check, service_name=owner.name, service_tags=owner.tags)


def put_check(rows: Rows, index: int, time: float, check: Check) -> None:
    """Write a check, whose node and instance exist, unless the catalog would see no change."""
    new = with_service(rows, check)
    old = rows.checks.get(fold(new.node), {}).get(fold(new.id))
    if old is None:
        rows.write_check(index, new)
        return
    if same_check(new, old):
        return
    if old.local is not None:
        new = replace(new, local=old.local, runs=old.runs, **critical_since(old, new.status, index, time))
    rows.write_check(index, new)


def critical_since(old: Check, status: str, index: int, time: float) -> dict[str, Any]:
    """The fields that say since when an update has held a check critical (agent.md §8.8)."""
    if status != CRITICAL:
        return {"critical_at": 0.0, "critical_index": 0}
    if old.critical_at:
        return {"critical_at": old.critical_at, "critical_index": old.critical_index}
    return {"critical_at": time, "critical_index": index}
