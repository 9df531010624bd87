"""Changes of rows and what follows from them: which indexes move, and which watchers look again.

The only place that knows Consul's table of what each write bumps. Callers have already decided that a write is
allowed and that it changes something. Source: common.md §8.3, catalog.md §10, health.md.
"""

from collections.abc import Iterable
from sys import intern

from msgspec.structs import replace

from registry.model import topic as topics
from registry.model.agent_meta import with_shown_meta
from registry.model.check import ALIAS, CRITICAL, Check
from registry.model.coordinate import NodeCoordinate
from registry.model.names import fold
from registry.model.node import Node
from registry.model.prepared import PreparedQuery
from registry.model.service import Instance
from registry.model.topic import Topic
from registry.state.indexes import Indexes
from registry.state.tables import Key, Tables

_NODE_WRITE: tuple[Topic, ...] = (
    topics.NODES,
    topics.SERVICES_BY_NODE,
    topics.SERVICES_FILTERED,
    topics.CHECKS_BY_NODE,
    topics.CATALOG,
    topics.USAGE,
)
_SERVICE_WRITE: tuple[Topic, ...] = (
    topics.SERVICES,
    topics.SERVICES_BY_NODE,
    topics.SERVICES_FILTERED,
    topics.CATALOG,
    topics.USAGE,
)
_CHECK_WRITE: tuple[Topic, ...] = (topics.CHECKS, topics.CHECKS_BY_NODE, topics.CATALOG)


class Rows(Tables):
    """The tables with their indexes, and what the command at hand has touched so far.

    `touched`, `touched_checks` and `touched_instances` are the caller's (`Changes`); what is stirred is settled before
    the command ends (`State.apply`).
    """

    def __init__(self) -> None:
        super().__init__()
        self.indexes = Indexes()
        self.touched: dict[Topic, None] = {}
        self.touched_checks: dict[Key, None] = {}  # local checks
        self.touched_instances: dict[Key, bool] = {}  # those whose view by an agent may differ
        self.stirred_aliases: dict[Key, None] = {}  # aliases whose targets have changed
        self.stirred_sessions: dict[str, None] = {}  # ids of sessions that have to end
        self.stirred_exposures: dict[str, None] = {}  # services whose checks, or whose exposing proxies, have changed

    def _stir(self, node: str, service: str) -> None:
        """Mark the aliases that follow this service on this node for another look; "" stands for all on the node."""
        for place in self.aliases_of.get(node, ()):
            if not service or self.alias_target(self.aliases[place])[1] == service:
                self.stirred_aliases[place] = None

    def _touch(self, some: Iterable[Topic]) -> None:
        touched = self.touched
        for topic in some:
            touched[topic] = None

    # Nodes

    def write_node(self, index: int, node: Node) -> None:
        """Insert or replace a node row; a CreateIndex that the caller gives is kept."""
        key = fold(node.name)
        old = self.node_rows.get(key)
        created = node.create_index or (old.create_index if old is not None else 0) or index
        self.put_node_row(replace(node, create_index=created, modify_index=index))
        self.indexes.nodes = self.indexes.node[key] = index
        self._node_changed(index, key)
        if old is None or old.id != node.id:
            self.touched[(topics.MISSING_NODE, key)] = None
            self._prefixes_changed(fold(node.id))
            self._prefixes_changed(fold(old.id) if old is not None else "")

    def _prefixes_changed(self, node_id: str) -> None:
        """Wake those who wait for a node by any prefix of this id, which may have begun or ceased to name one."""
        for length in range(2, len(node_id) + 1):
            self.touched[(topics.MISSING_NODE, node_id[:length])] = None

    def remove_node(self, index: int, key: str) -> None:
        """Remove a node and everything on it."""
        for instance in list(self.instances.get(key, {}).values()):
            self.remove_instance(index, instance)
        for check in list(self.checks.get(key, {}).values()):
            self.remove_check(index, check)
        for session_id in self.sessions.by_node.get(key, ()):
            self.stirred_sessions[session_id] = None
        if key in self.coordinates:
            self._coordinate_changed(index, key)
        self._node_changed(index, key)
        for status in self.checks_by_status:
            self.touched[(topics.STATE_BY_NODE, status)] = None
        self._prefixes_changed(fold(self.node_rows[key].id))
        self.drop_node_row(key)
        self.indexes.nodes = self.indexes.extinct_node = index
        self.indexes.node.pop(key, None)

    def _node_changed(self, index: int, key: str) -> None:
        self._stir(key, "")
        self.touched_instances.setdefault((key, ""), False)
        self._touch(_NODE_WRITE)
        self.touched[(topics.NODE, key)] = None
        self.touched[(topics.NODE_PAGE, key)] = None
        for check in self.checks.get(key, {}).values():
            self.touched[(topics.STATE_BY_NODE, fold(check.status))] = None
            self.touched[(topics.SERVICE_CHECKS_BY_NODE, fold(check.service_name))] = None
        self._instances_changed(index, key)

    def _instances_changed(self, index: int, node: str) -> None:
        """Note a change that all instances of the node show: of its row or of its own checks."""
        for instance in self.instances.get(node, {}).values():
            name = fold(instance.name)
            self._raise_service(index, name)
            self.touched[(topics.SERVICE, name)] = None
            self.touched[(topics.SERVICE_CHECKS_BY_NODE, name)] = None
            if instance.connect_name:
                self.touched[(topics.CONNECT, fold(instance.connect_name))] = None

    def _raise_service(self, index: int, name: str) -> None:
        """Move the index of a service name, which wakes those who watch its health."""
        self.indexes.service[name] = index
        self.touched[(topics.HEALTH, name)] = None
        for mesh in self.connects_of.get(name, ()):
            self.touched[(topics.CONNECT_HEALTH, mesh)] = None

    # Instances

    def write_instance(self, index: int, instance: Instance) -> Instance:
        """Insert or replace an instance and return the row as stored.

        If the service name changes, the row leaves the old name as if it had been removed there. An agent that
        comes back keeps the time of its registration.
        """
        node = fold(instance.node)
        old = self.instances.get(node, {}).get(fold(instance.id))
        row = replace(
            with_shown_meta(instance),
            virtual_address=self._virtual_address(instance),
            registered_at=old.registered_at if old is not None else instance.registered_at or self.time,
            updated_at=self.time,
            create_index=old.create_index if old is not None else index,
            modify_index=index,
        )
        self.put_instance_row(row)
        indexes = self.indexes
        indexes.services = indexes.nodes = indexes.node[node] = index
        if old is None:
            indexes.instances = index
        self._instance_changed(index, row)
        if old is not None and old.exposes_checks_of:
            self.stirred_exposures[old.exposes_checks_of] = None
        if old is not None and (old.name != row.name or old.connect_name != row.connect_name):
            self._instance_left(index, old)
        if old is not None and old.id != row.id:
            self.touched[(topics.LOCAL_SERVICE, old.id)] = None
        return row

    def write_instance_quietly(self, instance: Instance) -> None:
        """Replace an instance by a row that looks the same to every reader of the catalog."""
        self.put_instance_row(replace(instance, updated_at=self.time))
        self.touched_instances.setdefault((fold(instance.node), fold(instance.id)), False)

    def remove_instance(self, index: int, instance: Instance) -> None:
        """Remove an instance, its checks and its tasks."""
        node = fold(instance.node)
        for check in list(self.checks_by_instance.get((node, fold(instance.id)), {}).values()):
            self.remove_check(index, check)
        if instance.local is not None:
            self.drop_tasks(fold(instance.id))
        indexes = self.indexes
        self._instance_changed(index, instance)
        self.drop_instance_row(instance)
        indexes.services = indexes.nodes = indexes.checks = indexes.node[node] = indexes.instances = index
        self._instance_left(index, instance)

    def _instance_changed(self, index: int, instance: Instance) -> None:
        self._touch(_SERVICE_WRITE)
        name = fold(instance.name)
        self._raise_service(index, name)
        self.touched[(topics.SERVICE, name)] = None
        node = fold(instance.node)
        self._stir(node, fold(instance.id))
        self.touched_instances.setdefault((node, fold(instance.id)), False)
        if instance.exposes_checks_of:
            self.stirred_exposures[instance.exposes_checks_of] = None
        self.touched[(topics.NODE, node)] = None
        self.touched[(topics.NODE_PAGE, node)] = None
        if instance.connect_name:
            mesh = fold(instance.connect_name)
            self.touched[(topics.CONNECT, mesh)] = None
            self.touched[(topics.CONNECT_HEALTH, mesh)] = None
        if instance.local is not None:
            self.touched[topics.LOCAL_SERVICES] = None
            self.touched[(topics.LOCAL_SERVICE, instance.id)] = None

    def _instance_left(self, index: int, old: Instance) -> None:
        """Note that the row is no longer under this service name or mesh name."""
        name, mesh = fold(old.name), fold(old.connect_name)
        self._raise_service(index, name)
        self.touched[(topics.SERVICE, name)] = None
        if name not in self.by_service:
            del self.indexes.service[name]
            self.indexes.extinct_service = index
        if mesh:
            self.touched[(topics.CONNECT, mesh)] = None
            self.touched[(topics.CONNECT_HEALTH, mesh)] = None
            if mesh not in self.by_connect:
                self.free_virtual_number(mesh)

    def _virtual_address(self, instance: Instance) -> str:
        mesh = instance.connect_name
        if not mesh:
            return ""
        number = self.take_virtual_number(fold(mesh))
        return f"240.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    # Checks

    def write_check(self, index: int, check: Check, *, keep_index: bool = False) -> Check:
        """Insert or replace a check and return the row as stored; with `keep_index` the ModifyIndex stays."""
        node, key = fold(check.node), fold(check.id)
        old = self.checks.get(node, {}).get(key)
        row = replace(
            check,
            status=intern(check.status),  # a snapshot leaves a default out by identity: one object for each word
            create_index=old.create_index if old is not None else index,
            modify_index=old.modify_index if old is not None and keep_index else index,
        )
        self.put_check_row(row)
        if old is not None:
            if old.output != row.output:
                self.drop_output((node, key))
            if old.status != row.status or old.service_name != row.service_name:
                self._check_topics(old)
            if fold(old.service_id) != fold(row.service_id):
                self._raise_owners(index, old)
        self._check_changed(index, row)
        if row.status == CRITICAL:
            self._end_bound((node, key))
        return row

    def write_check_quietly(self, check: Check) -> None:
        """Replace a check by a row that looks the same to every reader of the catalog."""
        self.put_check_row(check)
        place = (fold(check.node), fold(check.id))
        if check.service_id in self.exposers:
            self.stirred_exposures[check.service_id] = None
        if check.type == ALIAS:
            self.stirred_aliases[place] = None
        self.touched_instances.setdefault((place[0], fold(check.service_id)), False)
        self.touched[topics.LOCAL_CHECKS] = None
        self.touched_checks[place] = None

    def remove_check(self, index: int, check: Check) -> None:
        """Remove a check. Removing one of a whole node also moves the index of all services, as in Consul."""
        self.drop_check_row(check)
        self._check_changed(index, check)
        self._end_bound((fold(check.node), fold(check.id)))
        if not check.service_id:
            self.indexes.services = index

    def _end_bound(self, place: Key) -> None:
        """Let the sessions end that are bound to a check, because it is critical or gone."""
        for session_id in self.sessions.by_check.get(place, ()):
            self.stirred_sessions[session_id] = None

    def _check_changed(self, index: int, check: Check) -> None:
        self.indexes.checks = index
        self._check_topics(check)
        self._touch(_CHECK_WRITE)
        node = fold(check.node)
        self._stir(node, fold(check.service_id))
        self.touched_instances.setdefault((node, fold(check.service_id)), False)
        if check.local is not None:
            place = (node, fold(check.id))
            self.touched_checks[place] = None
            if check.service_id in self.exposers:
                self.stirred_exposures[check.service_id] = None
            if check.type == ALIAS:
                self.stirred_aliases[place] = None
        self.touched[(topics.NODE_CHECKS, node)] = None
        self.touched[(topics.NODE_PAGE, node)] = None
        if check.local is not None:
            self.touched[topics.LOCAL_CHECKS] = None
        self._raise_owners(index, check)

    def _raise_owners(self, index: int, check: Check) -> None:
        """Move the index of the service that the check belongs to, or of all services on the node."""
        instances = self.instances.get(fold(check.node), {})
        if not check.service_id:
            for instance in instances.values():
                self._raise_service(index, fold(instance.name))
        elif (owner := instances.get(fold(check.service_id))) is not None:
            self._raise_service(index, fold(owner.name))

    def _check_topics(self, check: Check) -> None:
        status = fold(check.status)
        self.touched[(topics.STATE, status)] = None
        self.touched[(topics.STATE_BY_NODE, status)] = None
        if check.service_id:
            name = fold(check.service_name)
            self.touched[(topics.SERVICE_CHECKS, name)] = None
            self.touched[(topics.SERVICE_CHECKS_BY_NODE, name)] = None

    # Prepared queries and coordinates

    def put_prepared(self, index: int, query: PreparedQuery) -> None:
        """Insert or replace a prepared query."""
        self.prepared.put(query)
        self._prepared_changed(index, query)

    def remove_prepared(self, index: int, query: PreparedQuery) -> None:
        """Remove a prepared query."""
        self.prepared.drop(query)
        self._prepared_changed(index, query)

    def _prepared_changed(self, index: int, query: PreparedQuery) -> None:
        self.prepared.rise(index)
        self.touched[topics.PREPARED] = None
        self.touched[(topics.PREPARED_ONE, query.id)] = None

    def write_coordinate(self, index: int, row: NodeCoordinate) -> None:
        """Insert or replace the coordinates of a node in a segment; the node exists."""
        key = fold(row.node)
        self.coordinates.setdefault(key, {})[row.segment] = row
        self._coordinate_changed(index, key)

    def _coordinate_changed(self, index: int, key: str) -> None:
        self.indexes.coordinates = index
        self.touched[topics.COORDINATES] = None
        self.touched[(topics.COORDINATE, key)] = None
