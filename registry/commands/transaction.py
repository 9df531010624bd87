"""Several operations at once, all of them or none. Source: txn.md; the rules are in `state/transactions.py`."""

from typing import Literal

from msgspec import Struct

from registry.commands.keys import KeyOp
from registry.model.check import Check
from registry.model.node import Node
from registry.model.service import Instance

RowVerb = Literal["get", "set", "cas", "delete", "delete-cas"]


class NodeOp(Struct, frozen=True, gc=False, omit_defaults=True, tag="node"):
    """An operation on a node row; `index` is the ModifyIndex that `cas` and `delete-cas` compare with."""

    verb: RowVerb
    node: Node
    index: int = 0


class ServiceOp(Struct, frozen=True, gc=False, omit_defaults=True, tag="service"):
    """The same on an instance, whose `node` says where it is."""

    verb: RowVerb
    service: Instance
    index: int = 0


class CheckOp(Struct, frozen=True, gc=False, omit_defaults=True, tag="check"):
    """The same on a check."""

    verb: RowVerb
    check: Check
    index: int = 0


Op = KeyOp | NodeOp | ServiceOp | CheckOp


class Transact(Struct, frozen=True, gc=False, omit_defaults=True, tag="transact"):
    """Carry out all operations in their order, or none."""

    ops: tuple[Op, ...]
