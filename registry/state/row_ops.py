"""Operations of a transaction on rows of the catalog. Source: txn.md §5."""

from msgspec.structs import replace

from registry.commands import CheckOp, NodeOp, Register, ServiceOp
from registry.errors import Conflict, InvalidRequest, NotFound
from registry.model.check import Check
from registry.model.names import fold
from registry.model.node import Node
from registry.model.service import Instance
from registry.state import catalog
from registry.state.rows import Rows
from registry.state.server import restore_own_rows

RowOp = NodeOp | ServiceOp | CheckOp
Row = Node | Instance | Check


def look_up_row(rows: Rows, op: RowOp) -> list[Row]:
    """The one row that a `get` is about.

    Raises:
        NotFound: `txn-row-missing`; `kind` is `node`, `service` or `check`. InvalidRequest: `check-without-id`.
    """
    if isinstance(op, CheckOp) and not op.check.id:
        raise InvalidRequest("check-without-id", node=op.check.node, reading=True)
    row = _by_id(rows, op.node) if isinstance(op, NodeOp) and op.node.id else _found(rows, op)
    if row is None:
        raise NotFound("txn-row-missing", op=op)
    return [row]


def carry_out_row_op(rows: Rows, index: int, time: float, op: RowOp) -> list[Row]:
    """Write or remove a row; what was written is returned as it is stored.

    Raises:
        Conflict: `txn-row-stale`, and those of `catalog.register`.
        InvalidRequest: `row-node-missing`, `row-service-missing`, and those of `catalog.register`.
    """
    old = _found(rows, op)
    modified = old.modify_index if old is not None else 0
    if op.verb in ("delete", "delete-cas"):
        if op.verb == "delete-cas" and (old is None or op.index != modified):
            raise Conflict("txn-row-stale", op=op)
        if old is not None:
            _remove(rows, index, old)
        return []
    if op.verb == "cas" and op.index != modified:
        raise Conflict("txn-row-stale", op=op)
    _write(rows, index, time, op)
    new = _found(rows, op)
    assert new is not None
    return [new]


def _by_id(rows: Rows, node: Node) -> Node | None:
    key = rows.node_of_id.get(fold(node.id))
    return rows.node_rows[key] if key is not None else None


def _found(rows: Rows, op: RowOp) -> Row | None:
    match op:
        case NodeOp(node=node):
            return rows.node_rows.get(fold(node.name))
        case ServiceOp(service=service):
            return rows.instances.get(fold(service.node), {}).get(fold(service.id))
        case CheckOp(check=check):
            return rows.checks.get(fold(check.node), {}).get(fold(check.id))


def _write(rows: Rows, index: int, time: float, op: RowOp) -> None:
    if isinstance(op, NodeOp):
        catalog.register(rows, index, time, Register(node=op.node))
        return
    row = op.service if isinstance(op, ServiceOp) else op.check
    if isinstance(op, CheckOp) and not (op.check.id and op.check.node):
        raise InvalidRequest("check-without-id", node=op.check.node)
    node = rows.node_rows.get(fold(row.node))
    if node is None:
        raise InvalidRequest("row-node-missing", op=op)
    if isinstance(op, ServiceOp):
        catalog.refuse_unstorable(op.service)
        catalog.put_instance(rows, index, replace(op.service, node=node.name))
        return
    service_id = op.check.service_id
    if service_id and fold(service_id) not in rows.instances.get(fold(node.name), {}):
        raise InvalidRequest("row-service-missing", op=op)
    catalog.put_check(rows, index, time, op.check)


def _remove(rows: Rows, index: int, row: Row) -> None:
    node = row.name if isinstance(row, Node) else row.node
    if isinstance(row, Node):
        rows.remove_node(index, fold(row.name))
    elif isinstance(row, Instance):
        rows.remove_instance(index, row)
    else:
        rows.remove_check(index, row)
    if fold(node) == fold(rows.server.node):
        restore_own_rows(rows, index)
