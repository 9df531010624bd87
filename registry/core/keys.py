"""What a command writes, as keys that tell whether two commands could touch the same rows.

Used to find out whether a write is under way on the rows that another is judged against (`Engine.propose`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from registry.commands import (
    ChangeKey,
    Command,
    CreateSession,
    Deregister,
    DeregisterLocalCheck,
    EndSession,
    ExpireTtl,
    FinishTask,
    LocalService,
    MoveAgent,
    RaiseLevel,
    Reap,
    Register,
    RegisterAgent,
    RegisterLocal,
    RegisterLocalCheck,
    SetMaintenance,
    SetMembers,
    SubmitTask,
    Transact,
    UpdateAgent,
    UpdateCheck,
)
from registry.model.agent import liveness_id, state_check_id, status_check_id
from registry.model.check import NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX, Check
from registry.model.names import fold
from registry.model.service import Instance

WriteKey = tuple[str, ...]

_REMEMBERED = 2048  # agents whose keys are known from their last sign of life
ALL_KEYS: WriteKey = ("k", "*", "")  # more of the KV store than one key
MEMBERS_KEY: WriteKey = ("m", "")  # which replicas there are and what they understand


def node_key(node: str) -> WriteKey:
    """The whole of a node."""
    return ("n", fold(node))


def service_key(node: str, service_id: str) -> WriteKey:
    """One instance."""
    return ("s", fold(node), fold(service_id))


def check_key(node: str, check_id: str) -> WriteKey:
    """One check."""
    return ("c", fold(node), fold(check_id))


def keys_of(command: Command, own_node: str) -> tuple[WriteKey, ...]:
    """Everything the command writes; one that may touch more than it names counts as writing its whole node."""
    keys = _KEYS.get(type(command))
    return (node_key(own_node),) if keys is None else keys(command, own_node)


def pair_key(key: bytes) -> WriteKey:
    """One key of the KV store."""
    return ("k", key.decode("latin-1"))


def session_key(session_id: str) -> WriteKey:
    """One session."""
    return ("session", fold(session_id))


def longest_name(command: Command, keys: tuple[WriteKey, ...]) -> str:
    """The longest of the names and ids that a command brings; keys of the KV store have no limit."""
    if isinstance(command, ChangeKey | Transact):
        return ""
    longest = _longest(keys)
    match command:
        case (
            RegisterLocal(service=LocalService(service=instance))
            | Register(service=Instance() as instance)
            | RegisterAgent(service=instance)
        ):
            return max(longest, instance.name, key=len)
    return longest


@lru_cache(_REMEMBERED)
def _longest(keys: tuple[WriteKey, ...]) -> str:
    return max((part for key in keys for part in key), key=len)


def _of_pair(command: ChangeKey, own_node: str) -> tuple[WriteKey, ...]:
    if command.op.verb == "delete-tree":
        return (ALL_KEYS, node_key(own_node))
    return (pair_key(command.op.key),)


def _of_check(command: UpdateCheck | DeregisterLocalCheck | ExpireTtl, own_node: str) -> tuple[WriteKey, ...]:
    return (check_key(own_node, command.check_id),)


def _of_reap(command: Reap, own_node: str) -> tuple[WriteKey, ...]:
    return (check_key(own_node, command.check_id), node_key(own_node))


def _of_local(command: RegisterLocal, own_node: str) -> tuple[WriteKey, ...]:
    parts = (command.service, command.sidecar)
    return tuple(key for part in parts if part is not None for key in _local(own_node, part))


def _of_local_check(command: RegisterLocalCheck, own_node: str) -> tuple[WriteKey, ...]:
    return (check_key(own_node, command.check.id),)


def _of_registration(command: Register, _own_node: str) -> tuple[WriteKey, ...]:
    node = command.node.name
    keys = (node_key(node), *_checks(node, command.checks))
    return keys if command.service is None else (*keys, service_key(node, command.service.id))


def _of_deregistration(command: Deregister, _own_node: str) -> tuple[WriteKey, ...]:
    return (node_key(command.node),)


def _of_maintenance(command: SetMaintenance, own_node: str) -> tuple[WriteKey, ...]:
    service_id = command.service_id
    return (check_key(own_node, NODE_MAINTENANCE if service_id is None else SERVICE_MAINTENANCE_PREFIX + service_id),)


def _of_new_agent(command: RegisterAgent, own_node: str) -> tuple[WriteKey, ...]:
    return _agent(own_node, command.service.id)


def _of_agent(command: UpdateAgent | MoveAgent, own_node: str) -> tuple[WriteKey, ...]:
    return _agent(own_node, command.service_id)


def _of_task(command: SubmitTask | FinishTask, own_node: str) -> tuple[WriteKey, ...]:
    return (service_key(own_node, command.service_id),)


def _of_all_keys(_command: Transact | CreateSession, own_node: str) -> tuple[WriteKey, ...]:
    return (ALL_KEYS, node_key(own_node))


def _of_session(command: EndSession, _own_node: str) -> tuple[WriteKey, ...]:
    return (session_key(command.session_id), ALL_KEYS)


def _of_members(_command: SetMembers | RaiseLevel, _own_node: str) -> tuple[WriteKey, ...]:
    return (MEMBERS_KEY,)


@lru_cache(_REMEMBERED)
def _agent(own_node: str, service_id: str) -> tuple[WriteKey, ...]:
    ids = (liveness_id(service_id), state_check_id(service_id), status_check_id(service_id))
    return (service_key(own_node, service_id), *(check_key(own_node, check_id) for check_id in ids))


def _local(own_node: str, part: LocalService) -> Iterator[WriteKey]:
    yield service_key(own_node, part.service.id)
    yield from _checks(own_node, part.checks)


def _checks(node: str, checks: Iterable[Check]) -> Iterator[WriteKey]:
    for check in checks:
        yield check_key(node, check.id)


# A table, since it is asked about every write: trying twenty kinds in turn costs as much as the rest of it.
_KEYS: Mapping[type, Callable[[Any, str], tuple[WriteKey, ...]]] = {
    ChangeKey: _of_pair,
    CreateSession: _of_all_keys,
    Deregister: _of_deregistration,
    DeregisterLocalCheck: _of_check,
    EndSession: _of_session,
    ExpireTtl: _of_check,
    FinishTask: _of_task,
    MoveAgent: _of_agent,
    RaiseLevel: _of_members,
    Reap: _of_reap,
    Register: _of_registration,
    RegisterAgent: _of_new_agent,
    RegisterLocal: _of_local,
    RegisterLocalCheck: _of_local_check,
    SetMaintenance: _of_maintenance,
    SetMembers: _of_members,
    SubmitTask: _of_task,
    Transact: _of_all_keys,
    UpdateAgent: _of_agent,
    UpdateCheck: _of_check,
}
