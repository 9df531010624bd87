"""Reads of the catalog: rows joined and in the contract's order, nothing encoded.

Selection by parameters (`tag`, `passing`, `filter`, `near`) is the dialect's. Names are matched without
regard to case unless a method says exact. Source: common.md §14, catalog.md, health.md, agent.md §4.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec.structs import replace

from registry.model import topic as topics
from registry.model.check import Check
from registry.model.coordinate import ORIGIN, NodeCoordinate
from registry.model.names import fold
from registry.model.node import Node
from registry.model.server import CONSUL_SERVICE
from registry.model.service import Instance
from registry.model.topic import Topic
from registry.model.views import Entry, NodeView, Placed, Usage
from registry.state.indexes import index_of
from registry.state.rows import Rows
from registry.state.tables import NATIVE, Key


def _in_order(rows: dict[Key, Instance]) -> list[Instance]:
    return [rows[key] for key in sorted(rows)]


def _checks_in_order(rows: dict[Key, Check]) -> list[Check]:
    return [rows[key] for key in sorted(rows)]


class Queries(Rows):
    """What readers ask the state. Every list is new; every row in it is immutable."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, Mapping[str, object]] = {
            topics.SERVICE: self.by_service,
            topics.HEALTH: self.by_service,
            topics.CONNECT: self.by_connect,
            topics.CONNECT_HEALTH: self.by_connect,
            topics.NODE: self.node_rows,
            topics.NODE_PAGE: self.node_rows,
            topics.MISSING_NODE: {},
            topics.NODE_CHECKS: self.checks,
            topics.SERVICE_CHECKS: self.checks_by_service,
            topics.SERVICE_CHECKS_BY_NODE: self.checks_by_service,
            topics.STATE: self.checks_by_status,
            topics.STATE_BY_NODE: self.checks_by_status,
            topics.LOCAL_SERVICE: self.local_ids,
            topics.SESSION: self.sessions.rows,
            topics.PREPARED_ONE: self.prepared.rows,
            topics.COORDINATE: self.coordinates,
        }
        self._special: dict[str, Callable[[str], int]] = {
            topics.CONNECT: self._connect_index,
            topics.CONNECT_HEALTH: self._connect_health_index,
            topics.MISSING_NODE: self._missing_node_index,
            topics.KEY: lambda name: self.kv.index_of(topics.key_of(name)),
            topics.KEYS_UNDER: lambda name: self.kv.index_under(topics.key_of(name)),
            topics.SESSIONS[0]: lambda _: self.sessions.index,
            topics.SESSION: lambda _: self.sessions.index,
            topics.PREPARED[0]: lambda _: self.prepared.index,
            topics.PREPARED_ONE: lambda _: self.prepared.index,
            topics.EVENTS[0]: lambda _: 0,
        }

    def index(self, topic: Topic) -> int:
        """The index that an answer on the topic shows: the log's, never 0."""
        special = self._special.get(topic[0])
        index = index_of(self.indexes, topic) if special is None else special(topic[1])
        floor = self.indexes.floor
        return index if index > floor else floor or 1

    def has(self, topic: Topic) -> bool:
        """Whether the topic is a whole table or a name that something is stored under."""
        kind, name = topic
        if kind == topics.KEY:
            return topics.key_of(name) in self.kv.pairs
        if kind == topics.KEYS_UNDER:
            return self.kv.any_under(topics.key_of(name))
        return not name or name in self._names[kind]

    def _connect_index(self, mesh: str) -> int:
        """That of the service name itself, which need not have instances (catalog.md §7)."""
        if mesh in self.by_connect:
            own = self.indexes.service.get(mesh)
            return own if own is not None else max(self.indexes.services, self.indexes.nodes)
        return self.indexes.extinct_service or max(self.indexes.services, self.indexes.nodes)

    def _connect_health_index(self, mesh: str) -> int:
        rows = self.by_connect.get(mesh)
        if not rows:
            indexes = self.indexes
            return indexes.extinct_service or max(indexes.checks, indexes.services, indexes.nodes)
        return max(self.indexes.service[fold(instance.name)] for instance in rows.values())

    def _missing_node_index(self, name: str) -> int:
        """That of the node once it has come; before, of the last removal of any, 1 where that is no use."""
        key = self.node_key(name)
        if key is not None:
            return self.indexes.node[key]
        return 0 if len(name) < 2 or self._ids_with(name) else self.indexes.extinct_node

    # Nodes

    def nodes(self) -> list[Node]:
        """All nodes by name."""
        return [self.node_rows[key] for key in sorted(self.node_rows)]

    def node(self, name: str) -> Node | None:
        """The node of this name."""
        return self.node_rows.get(fold(name))

    def node_key(self, name: str) -> str | None:
        """The folded name of a node given by name, or by a unique prefix of its id.

        A prefix has at least two characters; of an odd number the last is dropped (catalog.md §8).
        """
        key = fold(name)
        if key in self.node_rows:
            return key
        found = self._ids_with(key)
        return found[0] if len(found) == 1 else None

    def _ids_with(self, prefix: str) -> list[str]:
        """The folded names of the nodes whose id begins so; what counts are whole bytes, wherever dashes stand."""
        digits = prefix[: len(prefix) & ~1].replace("-", "")
        if not digits or len(digits) % 2:
            return []
        begin = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".rstrip("-")
        return [key for node_id, key in self.node_of_id.items() if node_id.startswith(begin)]

    def node_view(self, name: str) -> NodeView | None:
        """A node, given as for `node_key`, with its instances and checks, each by id."""
        key = self.node_key(name)
        if key is None:
            return None
        instances, checks = self.instances.get(key, {}), self.checks.get(key, {})
        return NodeView(
            self.node_rows[key],
            tuple(instances[one] for one in sorted(instances)),
            tuple(checks[one] for one in sorted(checks)),
        )

    def coordinates_of(self, key: str) -> Mapping[str, NodeCoordinate]:
        """Where a node is, by segment; our own node, which measures nothing, is where a fresh one begins."""
        found = self.coordinates.get(key)
        if found is None and key == fold(self.server.node) and key in self.node_rows:
            return {"": NodeCoordinate(self.server.node, "", ORIGIN)}
        return found or {}

    def located(self) -> list[NodeCoordinate]:
        """Where all nodes are, by name and segment."""
        keys = sorted({*self.coordinates, fold(self.server.node)})
        return [row for key in keys for _, row in sorted(self.coordinates_of(key).items())]

    # Instances

    def placed(self, service: str) -> list[Placed]:
        """The instances of a service with their nodes."""
        return self._placed(_in_order(self.by_service.get(fold(service), {})))

    def connect_placed(self, mesh: str) -> list[Placed]:
        """The instances that a service is reached through in the mesh."""
        return self._placed(_in_order(self.by_connect.get(fold(mesh), {})))

    def all_placed(self) -> Iterator[Placed]:
        """Every instance, by node and id."""
        for key in sorted(self.instances):
            instances = self.instances[key]
            yield from self._placed(instances[one] for one in sorted(instances))

    def _placed(self, instances: Iterable[Instance]) -> list[Placed]:
        return [Placed(self.node_rows[fold(one.node)], one) for one in instances]

    def service_tags(self) -> dict[str, tuple[str, ...]]:
        """Every service name, each spelling for itself, with all tags of its instances."""
        return tags_by_service(Placed(self.node_rows[fold(one.node)], one) for rows in self.by_service.values()
                               for one in rows.values())  # fmt: skip

    def usage(self) -> Usage:
        """How much there is, counted as it changes; `servers` are the instances of the service `consul`."""
        kinds = self.kinds
        instances = sum(count for kind, count in kinds.items() if kind != NATIVE)
        servers = len(self.by_service.get(CONSUL_SERVICE, {}))
        return Usage(len(self.node_rows), len(self.by_service), instances, servers, dict(kinds))

    # Entries

    def entries(self, service: str) -> list[Entry]:
        """The instances of a service with the checks that speak for each."""
        return self._entries(self.placed(service))

    def connect_entries(self, mesh: str) -> list[Entry]:
        """The same for those that a service is reached through in the mesh."""
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
        return tuple(checks.values()) if len(checks) == 1 else tuple(checks[key] for key in sorted(checks))

    # Checks

    def checks_of_node(self, name: str) -> list[Check]:
        """All checks on a node, given by name."""
        checks = self.checks.get(fold(name), {})
        return [checks[key] for key in sorted(checks)]

    def checks_of_service(self, service: str) -> list[Check]:
        """The checks of all instances of a service."""
        return _checks_in_order(self.checks_by_service.get(fold(service), {}))

    def checks_in_state(self, status: str) -> list[Check]:
        """The checks whose status is this word."""
        return _checks_in_order(self.checks_by_status.get(fold(status), {}))

    def all_checks(self) -> list[Check]:
        """Every check, by node and id."""
        return [checks[key] for _, checks in sorted(self.checks.items()) for key in sorted(checks)]

    # What the agent's interface shows: exact ids, newest outputs

    def local_service(self, service_id: str) -> Instance | None:
        """A local instance by its exact id."""
        place = self.local_ids.get(service_id)
        return self.instances[place[0]][place[1]] if place is not None else None

    def local_services(self) -> list[Instance]:
        """All local instances by id."""
        return [self.instances[node][key] for _, (node, key) in sorted(self.local_ids.items())]

    def local_services_named(self, name: str) -> list[Instance]:
        """The local instances of exactly this service name, by id."""
        return [one for one in self.local_services() if one.name == name]

    def local_check(self, check_id: str) -> Check | None:
        """A local check by its exact id."""
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
