"""What a command writes, as keys: whether two commands could be about the same thing.

Used to tell that nothing is in flight on what a write is judged against (`Engine.propose`).
"""

from collections.abc import Iterable, Iterator

from registry.commands import (
    ChangeKey,
    Command,
    CreateSession,
    Deregister,
    DeregisterLocal,
    DeregisterLocalCheck,
    EndSession,
    ExpireTtl,
    FinishTask,
    KeyOp,
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

ALL_KEYS: WriteKey = ("k", "*", "")  # more of the KV store than one key
MEMBERS_KEY: WriteKey = ("m", "")  # who the replicas are and what they understand


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
    """Everything the command writes; one that may touch more than it names writes its whole node."""
    match command:
        case ChangeKey(op=KeyOp(verb="delete-tree")):  # keys come first: they are written most often
            return (ALL_KEYS, node_key(own_node))
        case ChangeKey(op=op):
            return (pair_key(op.key),)
        case UpdateCheck(check_id=check_id) | DeregisterLocalCheck(check_id=check_id) | ExpireTtl(check_id=check_id):
            return (check_key(own_node, check_id),)
        case RegisterLocal(service=service, sidecar=sidecar):
            found = [*_local(own_node, service), *(_local(own_node, sidecar) if sidecar is not None else ())]
            return tuple(found)
        case Register(node=node, service=service, checks=checks):
            keys = [node_key(node.name), *_checks(node.name, checks)]
            return tuple(keys) if service is None else (*keys, service_key(node.name, service.id))
        case RegisterLocalCheck(check=check):
            return (check_key(own_node, check.id),)
        case SetMaintenance(service_id=None):
            return (check_key(own_node, NODE_MAINTENANCE),)
        case SetMaintenance(service_id=str(service_id)):
            return (check_key(own_node, SERVICE_MAINTENANCE_PREFIX + service_id),)
        case Deregister(node=node):
            return (node_key(node),)
        case Reap(check_id=check_id):
            return (check_key(own_node, check_id), node_key(own_node))
        case RegisterAgent(service=Instance(id=service_id)):
            return _agent(own_node, service_id)
        case UpdateAgent(service_id=service_id) | MoveAgent(service_id=service_id):
            return _agent(own_node, service_id)
        case SubmitTask(service_id=service_id) | FinishTask(service_id=service_id):
            return (service_key(own_node, service_id),)
        case Transact() | CreateSession():
            return (ALL_KEYS, node_key(own_node))
        case EndSession(session_id=session_id):
            return (session_key(session_id), ALL_KEYS)
        case SetMembers() | RaiseLevel():
            return (MEMBERS_KEY,)
        case DeregisterLocal():
            return (node_key(own_node),)
    return (node_key(own_node),)


def pair_key(key: bytes) -> WriteKey:
    """One key of the KV store."""
    return ("k", key.decode("latin-1"))


def session_key(session_id: str) -> WriteKey:
    """One session."""
    return ("session", fold(session_id))


def longest_name(command: Command, keys: Iterable[WriteKey]) -> str:
    """The longest of the names and ids that a command brings; keys of the KV store have no limit."""
    if isinstance(command, ChangeKey | Transact):
        return ""
    longest = max((part for key in keys for part in key), key=len)
    match command:
        case (
            RegisterLocal(service=LocalService(service=instance))
            | Register(service=Instance() as instance)
            | RegisterAgent(service=instance)
        ):
            return max(longest, instance.name, key=len)
    return longest


def _agent(own_node: str, service_id: str) -> tuple[WriteKey, ...]:
    ids = (liveness_id(service_id), state_check_id(service_id), status_check_id(service_id))
    return (service_key(own_node, service_id), *(check_key(own_node, check_id) for check_id in ids))


def _local(own_node: str, part: LocalService) -> Iterator[WriteKey]:
    yield service_key(own_node, part.service.id)
    yield from _checks(own_node, part.checks)


def _checks(node: str, checks: Iterable[Check]) -> Iterator[WriteKey]:
    for check in checks:
        yield check_key(node, check.id)
