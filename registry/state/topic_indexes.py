"""Which index an answer shows: a table's, a name's, or that of something that is not there.

Owns the difference between the topics that one field of `Indexes` answers for (`state/indexes.py`) and those whose
index depends on rows. Source: common.md §8.3, catalog.md §7 and §8.
"""

from collections.abc import Callable, Mapping

from registry.model import topic as topics
from registry.model.names import fold
from registry.model.topic import Topic
from registry.state.indexes import index_of
from registry.state.rows import Rows


class TopicIndexes(Rows):
    """The state as watchers compare it: what exists under a topic, and the index it has."""

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
        """The index that an answer on the topic shows; never 0."""
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
        """The index of the service name itself, which need not have instances (catalog.md §7)."""
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
        """The node's own index once it exists; until then that of the last removal of any node.

        0 where no node can be meant: the name is too short, or several ids begin with it.
        """
        key = self.node_key(name)
        if key is not None:
            return self.indexes.node[key]
        return 0 if len(name) < 2 or self._ids_with(name) else self.indexes.extinct_node

    def node_key(self, name: str) -> str | None:
        """The folded name of a node given by name, or by a unique prefix of its id.

        A prefix has at least two characters; if their number is odd, the last is ignored (catalog.md §8).
        """
        key = fold(name)
        if key in self.node_rows:
            return key
        found = self._ids_with(key)
        return found[0] if len(found) == 1 else None

    def _ids_with(self, prefix: str) -> list[str]:
        """The folded names of the nodes whose id begins so; only whole bytes count, and dashes do not."""
        digits = prefix[: len(prefix) & ~1].replace("-", "")
        if not digits or len(digits) % 2:
            return []
        begin = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".rstrip("-")
        return [key for node_id, key in self.node_of_id.items() if node_id.startswith(begin)]
