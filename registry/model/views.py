"""Rows as they are read together. Nothing here is stored."""

from collections.abc import Mapping
from typing import NamedTuple

from registry.model.check import Check
from registry.model.node import Node
from registry.model.service import Instance


class Placed(NamedTuple):
    """An instance and the node it runs on."""

    node: Node
    instance: Instance


class Entry(NamedTuple):
    """An instance, its node, and the checks that count for it: the node's first, then its own."""

    node: Node
    instance: Instance
    checks: tuple[Check, ...]


class Usage(NamedTuple):
    """How much of the catalog is used. `by_kind` counts instances of each kind, and the mesh-native ones of any
    as `connect-native`.
    """

    nodes: int
    services: int
    instances: int
    servers: int
    by_kind: Mapping[str, int]


class NodeView(NamedTuple):
    """A node with its instances by id and, where they were asked for, all its checks."""

    node: Node
    instances: tuple[Instance, ...]
    checks: tuple[Check, ...] = ()
