"""Reads of the catalog: rows joined and in the contract's order, nothing encoded.

Selecting by parameters (`tag`, `passing`, `filter`, `near`) is the dialect's job. Names are matched in any
case unless a method says exact. Indexes are `state/topic_indexes.py`.
Source: common.md §14, catalog.md, health.md, agent.md §4.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from msgspec.structs import replace

from registry.model.check import Check
from registry.model.coordinate import ORIGIN, NodeCoordinate
from registry.model.names import fold
from registry.model.node import Node
from registry.model.server import CONSUL_SERVICE
from registry.model.service import Instance
from registry.model.views import Entry, NodeView, Placed, Usage
from registry.state.tables import NATIVE, Key
from registry.state.topic_indexes import TopicIndexes

_K = TypeVar("_K", str, Key)
_V = TypeVar("_V")


def _in_order(rows: Mapping[_K, _V]) -> list[_V]:
    return [rows[key] for key in sorted(rows)]


class Queries(TopicIndexes):
    """What readers ask the state. Every list is new; every row in it is immutable."""

    # Nodes

    def nodes(self) -> list[Node]:
        """All nodes by name."""
        return _in_order(self.node_rows)

    def node(self, name: str) -> Node | None:
        """The node of this name."""
        return self.node_rows.get(fold(name))

    def node_view(self, name: str) -> NodeView | None:
        """A node, given as for `node_key`, with its instances and its checks, both by id."""
        key = self.node_key(name)
        if key is None:
            return None
        instances, checks = _in_order(self.instances.get(key, {})), _in_order(self.checks.get(key, {}))
        return NodeView(self.node_rows[key], tuple(instances), tuple(checks))

    def coordinates_of(self, key: str) -> Mapping[str, NodeCoordinate]:
        """The coordinates of a node by segment; our own node, which measures nothing, is at the origin."""
        found = self.coordinates.get(key)
        if found is None and key == fold(self.server.node) and key in self.node_rows:
            return {"": NodeCoordinate(self.server.node, "", ORIGIN)}
        return found or {}

    def located(self) -> list[NodeCoordinate]:
        """The coordinates of all nodes, by name and segment."""
        keys = sorted({*self.coordinates, fold(self.server.node)})
        return [row for key in keys for _, row in sorted(self.coordinates_of(key).items())]

    # Instances

    def placed(self, service: str) -> list[Placed]:
        """The instances of a service with their nodes."""
        return self._placed(_in_order(self.by_service.get(fold(service), {})))

    def connect_placed(self, mesh: str) -> list[Placed]:
        """The instances through which a service is reached in the mesh, with their nodes."""
        return self._placed(_in_order(self.by_connect.get(fold(mesh), {})))

    def all_placed(self) -> Iterator[Placed]:
        """Every instance, by node and id."""
        for key in sorted(self.instances):
            yield from self._placed(_in_order(self.instances[key]))

    def _placed(self, instances: Iterable[Instance]) -> list[Placed]:
        return [Placed(self.node_rows[fold(one.node)], one) for one in instances]

    def service_tags(self) -> dict[str, tuple[str, ...]]:
        """Every service name with all tags of its instances; each spelling of a name counts separately."""
        return tags_by_service(Placed(self.node_rows[fold(one.node)], one) for rows in self.by_service.values()
                               for one in rows.values())  # fmt: skip

    def usage(self) -> Usage:
        """How many rows there are, without looking at each; `servers` are the instances of `consul`."""
        kinds = self.kinds
        instances = sum(count for kind, count in kinds.items() if kind != NATIVE)
        servers = len(self.by_service.get(CONSUL_SERVICE, {}))
        return Usage(len(self.node_rows), len(self.by_service), instances, servers, dict(kinds))

    # Entries

    def entries(self, service: str) -> list[Entry]:
        """The instances of a service, each with its own checks and those of its node."""
        return self._entries(self.placed(service))

    def connect_entries(self, mesh: str) -> list[Entry]:
        """The same for the instances through which a service is reached in the mesh."""
        return self._entries(self.connect_placed(mesh))

    def all_entries(self) -> list[Entry]:
        """Every instance with its checks, by node and id."""
        return self._entries(self.all_placed())

    def _entries(self, placed: Iterable[Placed]) -> list[Entry]:
        of_node: dict[str, tuple[Check, ...]] = {}
        entries = []
        for node, instance in placed:
            key = fold(instance.node)
            if key not in of_node:
                of_node[key] = self._checks_of(key, "")
            entries.append(Entry(node, instance, of_node[key] + self._checks_of(key, fold(instance.id))))
        return entries

    def _checks_of(self, node: str, instance: str) -> tuple[Check, ...]:
        checks = self.checks_by_instance.get((node, instance))
        if not checks:
            return ()
        return tuple(checks.values()) if len(checks) == 1 else tuple(_in_order(checks))

    # Checks

    def checks_of_node(self, name: str) -> list[Check]:
        """All checks on a node, given by name."""
        return _in_order(self.checks.get(fold(name), {}))

    def checks_of_service(self, service: str) -> list[Check]:
        """The checks of all instances of a service."""
        return _in_order(self.checks_by_service.get(fold(service), {}))

    def checks_in_state(self, status: str) -> list[Check]:
        """The checks that have this status."""
        return _in_order(self.checks_by_status.get(fold(status), {}))

    def all_checks(self) -> list[Check]:
        """Every check, by node and id."""
        return [check for checks in _in_order(self.checks) for check in _in_order(checks)]

    # What the agent's interface shows: exact ids, newest outputs

    def local_services(self) -> list[Instance]:
        """All local instances by id."""
        return [self.instances[node][key] for _, (node, key) in sorted(self.local_ids.items())]

    def local_services_named(self, name: str) -> list[Instance]:
        """The local instances of exactly this service name, by id."""
        return [one for one in self.local_services() if one.name == name]

    def local_check(self, check_id: str) -> Check | None:
        """A local check by its exact id, with its newest output."""
        place = self.local_check_ids.get(check_id)
        return self.newest_check(place) if place is not None else None

    def local_checks(self) -> list[Check]:
        """All local checks by id."""
        return [self.newest_check(place) for _, place in sorted(self.local_check_ids.items())]

    def local_checks_of(self, service_id: str) -> list[Check]:
        """The local checks of one instance, given by its exact id, by id."""
        if service_id and service_id not in self.local_ids:
            return []
        node = fold(self.server.node)
        rows = sorted(self.checks_by_instance.get((node, fold(service_id)), {}).items())
        return [self.newest_check((node, key)) for key, one in rows if one.local is not None]

    def local_node_checks(self) -> list[Check]:
        """The local checks of the whole node, by id."""
        return self.local_checks_of("")

    def newest_check(self, place: Key) -> Check:
        """A check, given by its key, with its newest text."""
        check = self.checks[place[0]][place[1]]
        output = self.outputs.get(place)
        return check if output is None else replace(check, output=output)


def tags_by_service(placed: Iterable[Placed]) -> dict[str, tuple[str, ...]]:
    """Service names, sorted, each with the distinct tags of the instances given, sorted."""
    tags: dict[str, dict[str, None]] = {}
    for _, instance in placed:
        tags.setdefault(instance.name, {}).update((tag, None) for tag in instance.tags or ())
    return {name: tuple(sorted(tags[name])) for name in sorted(tags)}
