"""Which index each topic has: the bookkeeping of Consul's catalog.

Owns the numbers and the rule for each kind of topic. Moving them is `state/rows.py`.
Source: common.md §8.3; catalog.md and health.md name the rule of each endpoint.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from registry.model.topic import Topic


class Indexes(Struct):
    """The highest write index of each thing that an answer's index is made of; 0 where unset.

    `instances` is when their number last changed, `extinct_service` when a service name last lost all its instances,
    and `extinct_node` when a node was last removed. `floor` is the lowest index that any answer shows (a restore
    sets it).
    """

    nodes: int = 0
    services: int = 0
    checks: int = 0
    extinct_service: int = 0
    extinct_node: int = 0
    coordinates: int = 0
    instances: int = 0
    floor: int = 0
    node: dict[str, int] = {}
    service: dict[str, int] = {}

    def copied(self) -> "Indexes":
        """A copy that can be changed independently."""
        return replace(self, node=dict(self.node), service=dict(self.service))


def _service_rows(indexes: Indexes, name: str) -> int:
    own = indexes.service.get(name)
    if own is not None:
        return own
    return indexes.extinct_service or max(indexes.services, indexes.nodes)


def _service_health(indexes: Indexes, name: str) -> int:
    own = indexes.service.get(name)
    if own is not None:
        return own
    return indexes.extinct_service or max(indexes.checks, indexes.services, indexes.nodes)


def _service_checks_by_node(indexes: Indexes, name: str) -> int:
    own = indexes.service.get(name)
    return own if own is not None else max(indexes.checks, indexes.services, indexes.nodes)


def _node(indexes: Indexes, name: str) -> int:
    own = indexes.node.get(name)
    return own if own is not None else indexes.extinct_node


def _catalog(indexes: Indexes, _: str) -> int:
    return max(indexes.nodes, indexes.services, indexes.checks)


def _checks(indexes: Indexes, _: str) -> int:
    return indexes.checks


def _coordinates(indexes: Indexes, _: str) -> int:
    return indexes.coordinates


def _usage(indexes: Indexes, _: str) -> int:
    return indexes.instances


def _none(indexes: Indexes, _: str) -> int:
    return 0


# Topics that depend on rows as well are in `state/topic_indexes.py`.
INDEX_OF: dict[str, Callable[[Indexes, str], int]] = {
    "nodes": lambda indexes, _: indexes.nodes,
    "services": lambda indexes, _: indexes.services,
    "services-by-node": lambda indexes, _: max(indexes.services, indexes.nodes),
    "services-filtered": lambda indexes, _: indexes.services,
    "checks": _checks,
    "checks-by-node": _checks,
    "catalog": _catalog,
    "local-services": _none,
    "local-checks": _none,
    "members": _none,
    "service": _service_rows,
    "health": _service_health,
    "node": _node,
    "node-page": _catalog,
    "gateways": _none,
    "peers": _none,
    "node-checks": _checks,
    "service-checks": _checks,
    "service-checks-by-node": _service_checks_by_node,
    "state": _checks,
    "state-by-node": _checks,
    "local-service": _none,
    "coordinates": _coordinates,
    "coordinate": _coordinates,
    "usage": _usage,
}


def index_of(indexes: Indexes, topic: Topic) -> int:
    """The index of a topic, which may be 0; what an answer shows is `State.index`."""
    return INDEX_OF[topic[0]](indexes, topic[1])
