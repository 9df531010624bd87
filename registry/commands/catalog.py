"""Writes of the catalog: a node with what runs on it, and their removal.

Source: Consul's api-docs/catalog; the rules are in `state/catalog.py`.
"""

from msgspec import Struct

from registry.model.check import Check
from registry.model.node import Node
from registry.model.service import Instance


class Register(Struct, frozen=True, gc=False, omit_defaults=True, tag="register", kw_only=True):
    """Write a node row and, if they are given, an instance and checks on it, in one step.

    With `skip_node_update` an existing node row is left as it is.
    """

    node: Node
    service: Instance | None = None
    checks: tuple[Check, ...] = ()
    skip_node_update: bool = False


class Deregister(Struct, frozen=True, gc=False, omit_defaults=True, tag="deregister"):
    """Remove an instance with its checks, or a check, or a whole node. Without effect if it is not there."""

    node: str
    service_id: str = ""
    check_id: str = ""
