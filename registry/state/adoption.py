"""How a server takes over a state from a snapshot, of its own past or of another server's.

The server keeps its identity, its processes and the level they understand. The node of the server that the state
comes from becomes its own, with everything on it: what was registered with that agent is now looked after by this
one. What belongs to a moment of a running server stays that of this one: the events are those that it has heard, and
lock-delays are dropped.
Source: status_operator_snapshot_ui.md part C (Restore); `DESIGN.md` §3, One agent.
"""

from typing import NamedTuple

from msgspec.structs import replace

from registry.model.check import Check
from registry.model.event import UserEvent
from registry.model.member import Member
from registry.model.names import fold
from registry.model.server import CONSUL_SERVICE, Server
from registry.state.server import restore_own_rows
from registry.state.store import State


class Place(NamedTuple):
    """What stays when a state is replaced: the server, its processes, their common level, what they heard."""

    server: Server
    members: tuple[Member, ...]
    holder: str
    level: int
    events: tuple[UserEvent, ...]
    event_time: int


def place_of(state: State) -> Place:
    """What stays when this state is replaced."""
    return Place(state.server, state.members, state.holder, state.level, state.events, state.event_time)


def adopt(state: State, place: Place) -> None:
    """Change the state so that it belongs to that place."""
    before, own = state.server, place.server
    state.server = own
    state.members, state.holder = place.members, place.holder
    state.level = max(state.level, place.level)
    state.events, state.event_time = place.events, max(state.event_time, place.event_time)
    state.kv.delays = {}
    if before.datacenter != own.datacenter:
        for node in list(state.node_rows.values()):
            if node.datacenter == before.datacenter:
                state.put_node_row(replace(node, datacenter=own.datacenter))
    if before.node and fold(before.node) != fold(own.node):
        _move_node(state, fold(before.node), own.node)
    _take_identity(state)


def _take_identity(state: State) -> None:
    """Make the server's own rows say who it is now."""
    own = state.server
    key = fold(own.node)
    holder = state.node_of_id.get(fold(own.id), key)
    if holder != key:
        state.put_node_row(replace(state.node_rows[holder], id=""))
    if (node := state.node_rows.get(key)) is not None:
        found = replace(
            node, name=own.node, id=own.id, address=own.address, tagged_addresses=own.tagged_addresses, meta=own.meta
        )
        state.put_node_row(found)
    consul = state.instances.get(key, {}).get(CONSUL_SERVICE)
    if consul is not None and consul.local is None:
        state.put_instance_row(replace(consul, port=own.service_port, meta=own.service_meta))
    restore_own_rows(state, state.applied)


def _move_node(state: State, key: str, name: str) -> None:
    """Give the node with this key another name, in addition to what a node of that name already holds."""
    if key not in state.node_rows:
        return
    instances, checks = list(state.instances.get(key, {}).values()), list(state.checks.get(key, {}).values())
    sessions = [state.sessions.rows[one] for one in state.sessions.by_node.get(key, ())]
    coordinates, node = state.coordinates.get(key), state.node_rows[key]
    for check in checks:
        state.drop_check_row(check)
    for instance in instances:
        state.drop_instance_row(instance)
    state.drop_node_row(key)
    state.put_node_row(replace(node, name=name))
    for instance in instances:
        state.put_instance_row(replace(instance, node=name))
    for check in checks:
        state.put_check_row(_moved(check, key, name))
    for session in sessions:
        state.sessions.drop(session)
        state.sessions.put(replace(session, node=name))
    if coordinates is not None:
        state.coordinates[fold(name)] = {one: replace(row, node=name) for one, row in coordinates.items()}
    for one, grave in state.tombstones.items():
        buried = tuple(_moved(check, key, name) for check in grave.checks)
        state.tombstones[one] = replace(grave, instance=replace(grave.instance, node=name), checks=buried)
    moved = state.indexes.node.pop(key, 0)
    state.indexes.node[fold(name)] = max(moved, state.indexes.node.get(fold(name), 0))


def _moved(check: Check, key: str, name: str) -> Check:
    """The check on the node of this name; an alias of the node it was on keeps following it."""
    runs = check.runs
    if runs is not None and runs.alias_node and fold(runs.alias_node) == key:
        runs = replace(runs, alias_node=name)
    return replace(check, node=name, runs=runs)
