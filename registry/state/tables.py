"""The tables and their secondary indexes: rows go in and out, and every index follows.

Nothing here knows what a change means to a watcher (`state/rows.py`) or whether it is allowed
(`state/catalog.py`, `state/local.py`). Keys are folded names; nothing iterates over a set.
"""

from functools import partial
from typing import TypeVar

from msgspec import Struct

from registry.model.agent import STOPPED, AgentCounters, Task
from registry.model.autopilot import Autopilot
from registry.model.check import ALIAS, OF_SESSION, Check
from registry.model.coordinate import NodeCoordinate
from registry.model.event import UserEvent
from registry.model.member import Member
from registry.model.names import fold
from registry.model.node import Node
from registry.model.server import Server
from registry.model.service import Instance
from registry.state.journal import Journal
from registry.state.keys import KeyTable
from registry.state.prepared_table import PreparedTable
from registry.state.session_table import SessionTable

Key = tuple[str, str]  # (folded node, folded id)
NATIVE = "connect-native"  # counted along with the kinds, though it is none
_K = TypeVar("_K")
_V = TypeVar("_V")


class Tombstone(Struct, frozen=True, gc=False, omit_defaults=True):
    """An agent that was removed for its silence, in the form in which a beat before `until` (log time) restores it."""

    instance: Instance
    checks: tuple[Check, ...]
    until: float


def _put(index: dict[str, dict[_K, _V]], name: str, key: _K, row: _V) -> None:
    rows = index.get(name)
    if rows is None:
        index[name] = {key: row}
    else:
        rows[key] = row


def _drop(index: dict[str, dict[_K, _V]], name: str, key: _K) -> None:
    rows = index[name]
    del rows[key]
    if not rows:
        del index[name]


class Tables:
    """Every row of the catalog, reachable in each way that a query needs."""

    def __init__(self) -> None:
        self.node_rows: dict[str, Node] = {}
        self.node_of_id: dict[str, str] = {}  # folded node id → folded name
        self.instances: dict[str, dict[str, Instance]] = {}  # folded node → folded id
        self.by_service: dict[str, dict[Key, Instance]] = {}
        self.by_connect: dict[str, dict[Key, Instance]] = {}
        self.kinds: dict[str, int] = {}  # instances of each kind; those that are connect-native count as `NATIVE` too
        self.connects_of: dict[str, dict[str, int]] = {}  # service → mesh names of its instances, counted
        self.checks: dict[str, dict[str, Check]] = {}  # folded node → folded id
        self.checks_by_instance: dict[Key, dict[str, Check]] = {}  # instance id "" holds the node's own checks
        self.checks_by_service: dict[str, dict[Key, Check]] = {}
        self.checks_by_status: dict[str, dict[Key, Check]] = {}
        self.local_ids: dict[str, Key] = {}  # exact id of a local instance
        self.local_check_ids: dict[str, Key] = {}  # exact id of a local check
        self.exposers: dict[str, dict[Key, None]] = {}  # exact id of a service → local proxies that expose its checks
        self.reapable: dict[Key, Check] = {}  # critical checks whose instance will be removed unless they recover
        self.aliases: dict[Key, Check] = {}  # local checks that follow others
        self.aliases_of: dict[str, dict[Key, None]] = {}  # folded node of their target
        self.session_checks: dict[str, dict[str, Check]] = {}  # those that follow sessions, as `checks`
        self.virtual_numbers: dict[str, int] = {}  # mesh name → the number in its address: 1 for 240.0.0.1
        self.coordinates: dict[str, dict[str, NodeCoordinate]] = {}  # folded node → segment
        self.journal = Journal()
        self.kv = KeyTable(self.journal)
        self.sessions = SessionTable(self.journal)
        self.prepared = PreparedTable(self.journal)
        self.events: tuple[UserEvent, ...] = ()  # the newest, oldest first
        self.event_time = 0  # how many events have ever been fired
        self.autopilot = Autopilot()
        self.working: dict[str, int] = {}  # agents that are not stopped, by source
        self.tombstones: dict[str, Tombstone] = {}  # by folded id, in the order of their removal
        self.tasks: dict[str, dict[str, Task]] = {}  # folded id of the agent → task id, in order of submission
        self.counters = AgentCounters()
        self.server = Server()
        self.time = 0.0  # log time of the newest entry taken in
        self.level = 1  # the highest command level every member understands
        self.members: tuple[Member, ...] = ()  # the live replicas by id; none until a housekeeper lists them
        self.holder = ""  # the id of the housekeeper among them
        self._virtual_names: dict[int, str] = {}
        self._virtual_low = 1  # no lower number is free
        self.outputs: dict[Key, str] = {}  # newest output texts that the log does not have yet

    # Local rows, which the agent's interface names by their exact ids

    def local_service(self, service_id: str) -> Instance | None:
        """A local instance by its exact id."""
        place = self.local_ids.get(service_id)
        return self.instances[place[0]][place[1]] if place is not None else None

    def stored_check(self, check_id: str) -> Check | None:
        """A local check by its exact id, with the output that the log has."""
        place = self.local_check_ids.get(check_id)
        return self.checks[place[0]][place[1]] if place is not None else None

    # Nodes

    def put_node_row(self, node: Node) -> None:
        """Insert or replace a node row."""
        key = fold(node.name)
        old = self.node_rows.get(key)
        if old is not None and old.id:
            del self.node_of_id[fold(old.id)]
        self.node_rows[key] = node
        if node.id:
            self.node_of_id[fold(node.id)] = key
        if self.journal.open:
            self.journal.note(partial(self.drop_node_row, key) if old is None else partial(self.put_node_row, old))

    def drop_node_row(self, key: str) -> None:
        """Remove a node row, after everything on the node."""
        node, coordinates = self.node_rows.pop(key), self.coordinates.pop(key, None)
        if node.id:
            del self.node_of_id[fold(node.id)]
        if self.journal.open:
            self.journal.note(partial(self.put_node_row, node))
            if coordinates is not None:
                self.journal.note(partial(self.coordinates.__setitem__, key, coordinates))

    # Instances

    def put_instance_row(self, instance: Instance) -> None:
        """Insert or replace an instance; the old row leaves every index it was in."""
        node, key = fold(instance.node), fold(instance.id)
        old = self.instances.get(node, {}).get(key)
        if old is not None:
            self._unindex(old, node, key)
        _put(self.instances, node, key, instance)
        place = (node, key)
        _put(self.by_service, fold(instance.name), place, instance)
        mesh = instance.connect_name
        if mesh:
            _put(self.by_connect, fold(mesh), place, instance)
            counts = self.connects_of.setdefault(fold(instance.name), {})
            counts[fold(mesh)] = counts.get(fold(mesh), 0) + 1
        if instance.local is not None:
            self.local_ids[instance.id] = place
        self._count_kind(instance, 1)
        self._count_agent(instance, 1)
        if exposed := instance.exposes_checks_of:
            _put(self.exposers, exposed, place, None)
        if self.journal.open:
            back = partial(self.drop_instance_row, instance) if old is None else partial(self.put_instance_row, old)
            self.journal.note(back)

    def drop_instance_row(self, instance: Instance) -> None:
        """Remove an instance, after its checks."""
        node, key = fold(instance.node), fold(instance.id)
        self._unindex(instance, node, key)
        _drop(self.instances, node, key)
        if self.journal.open:
            self.journal.note(partial(self.put_instance_row, instance))

    def _unindex(self, instance: Instance, node: str, key: str) -> None:
        place, name, mesh = (node, key), fold(instance.name), fold(instance.connect_name)
        _drop(self.by_service, name, place)
        if mesh:
            _drop(self.by_connect, mesh, place)
            counts = self.connects_of[name]
            counts[mesh] -= 1
            if not counts[mesh]:
                _drop(self.connects_of, name, mesh)
        if instance.local is not None:
            self.local_ids.pop(instance.id, None)
        if exposed := instance.exposes_checks_of:
            _drop(self.exposers, exposed, place)
        self._count_kind(instance, -1)
        self._count_agent(instance, -1)

    def _count_kind(self, instance: Instance, difference: int) -> None:
        kinds = self.kinds
        kinds[instance.kind] = kinds.get(instance.kind, 0) + difference
        if instance.native:
            kinds[NATIVE] = kinds.get(NATIVE, 0) + difference

    def _count_agent(self, instance: Instance, difference: int) -> None:
        agent = instance.agent
        if agent is not None and agent.state != STOPPED:
            self.working[agent.source] = self.working.get(agent.source, 0) + difference

    # Checks

    def put_check_row(self, check: Check) -> None:
        """Insert or replace a check; the old row leaves every index it was in."""
        node, key = fold(check.node), fold(check.id)
        old = self.checks.get(node, {}).get(key)
        if old is not None:
            self._unindex_check(old, node, key)
        _put(self.checks, node, key, check)
        place, service = (node, key), fold(check.service_id)
        owner = (node, service)
        rows = self.checks_by_instance.get(owner)
        if rows is None:
            self.checks_by_instance[owner] = {key: check}
        else:
            rows[key] = check
        if service:
            _put(self.checks_by_service, fold(check.service_name), place, check)
        _put(self.checks_by_status, fold(check.status), place, check)
        if check.local is not None:
            self.local_check_ids[check.id] = place
        if check.critical_at and service and check.runs and check.runs.deregister_critical_service_after_ns > 0:
            self.reapable[place] = check
        if check.type == ALIAS and check.local is not None and check.runs is not None:
            self.aliases[place] = check
            _put(self.aliases_of, self.alias_target(check)[0], place, None)
        if check.type == OF_SESSION:
            _put(self.session_checks, node, key, check)
        if self.journal.open:
            self.journal.note(partial(self.drop_check_row, check) if old is None else partial(self.put_check_row, old))

    def alias_target(self, alias: Check) -> Key:
        """The folded names of the node that an alias follows and of the service there; "" for the node alone."""
        assert alias.runs is not None
        return fold(alias.runs.alias_node or alias.node), fold(alias.runs.alias_service)

    def drop_check_row(self, check: Check) -> None:
        """Remove a check and its newest text."""
        node, key = fold(check.node), fold(check.id)
        self._unindex_check(check, node, key)
        _drop(self.checks, node, key)
        self.drop_output((node, key))
        if self.journal.open:
            self.journal.note(partial(self.put_check_row, check))

    def drop_output(self, place: Key) -> None:
        """Forget the newest text of a check."""
        output = self.outputs.pop(place, None)
        if output is not None and self.journal.open:
            self.journal.note(partial(self.outputs.__setitem__, place, output))

    def drop_tasks(self, agent: str) -> None:
        """Forget the tasks of an agent, given by its folded id."""
        tasks = self.tasks.pop(agent, None)
        if tasks is not None and self.journal.open:
            self.journal.note(partial(self.tasks.__setitem__, agent, tasks))

    def _unindex_check(self, check: Check, node: str, key: str) -> None:
        place, service = (node, key), fold(check.service_id)
        rows = self.checks_by_instance[(node, service)]
        del rows[key]
        if not rows:
            del self.checks_by_instance[(node, service)]
        if service:
            _drop(self.checks_by_service, fold(check.service_name), place)
        _drop(self.checks_by_status, fold(check.status), place)
        if check.local is not None:
            self.local_check_ids.pop(check.id, None)
        self.reapable.pop(place, None)
        if self.aliases.pop(place, None) is not None:
            _drop(self.aliases_of, self.alias_target(check)[0], place)
        if check.type == OF_SESSION:
            _drop(self.session_checks, node, key)

    # Mesh addresses

    def take_virtual_number(self, mesh: str) -> int:
        """The number in a mesh name's address; if it has none yet, the lowest free one."""
        number = self.virtual_numbers.get(mesh)
        if number is None:
            number = self._virtual_low
            while number in self._virtual_names:
                number += 1
            self.put_virtual_number(mesh, number)
            self._virtual_low = number + 1
        return number

    def put_virtual_number(self, mesh: str, number: int) -> None:
        """Give a mesh name this number."""
        self.virtual_numbers[mesh] = number
        self._virtual_names[number] = mesh
        if self.journal.open:
            self.journal.note(partial(self.free_virtual_number, mesh))

    def free_virtual_number(self, mesh: str) -> None:
        """Make the number of this mesh name free for another."""
        number = self.virtual_numbers.pop(mesh, None)
        if number is not None:
            del self._virtual_names[number]
            self._virtual_low = min(self._virtual_low, number)
            if self.journal.open:
                self.journal.note(partial(self.put_virtual_number, mesh, number))
