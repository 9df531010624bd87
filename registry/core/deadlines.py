"""Deadlines as functions of the state: what a command arms, what follows an expiry, what is due for removal.

Holds no deadline and no time: they are the log's (`log.base.Deadlines`), and `housekeeping.py` watches them.
Source: `DESIGN.md` §4; agent.md §8.3 and §8.8.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from registry.commands import (
    ChangeKey,
    Command,
    CreateSession,
    DeregisterLocal,
    DeregisterLocalCheck,
    EndSession,
    ExpireTtl,
    MoveAgent,
    Reap,
    RegisterAgent,
    RegisterLocal,
    RegisterLocalCheck,
    RemoveAgent,
    ReplaceFileRows,
    UpdateAgent,
    UpdateCheck,
)
from registry.log.base import Arm, Due
from registry.model.agent import CODEVALD, liveness_id
from registry.model.check import Check
from registry.model.names import fold
from registry.model.service import Instance
from registry.state.agent_checks import UNTOLD, beaten_checks, missing_liveness
from registry.state.agents import next_state
from registry.state.file_rows import file_rows_refused
from registry.state.graves import buried
from registry.state.local import local_refused
from registry.state.sidecars import brought_sidecar
from registry.state.store import State

START_GRACE_SECONDS = 60.0  # most that a limit is prolonged by a start; Consul's shortest limit


def member_of(node: str, check_id: str) -> str:
    """The name of a check's deadline in the log."""
    return f"c\0{fold(node)}\0{fold(check_id)}"


def session_member(session_id: str) -> str:
    """The name of a session's deadline in the log."""
    return f"s\0{session_id}"


def arms_of(state: State, command: Command) -> tuple[Arm, ...]:
    """The deadlines that a command starts anew, and those that it removes."""
    match command:  # what is written most often comes first
        case ChangeKey():
            return ()
        case UpdateAgent(service_id=service_id):
            return tuple(_of_beat(state, service_id))
        case UpdateCheck(check_id=check_id, ttl=True):
            check = state.local_check(check_id)
            return () if check is None else _arm(state, check)
        case RegisterLocal():
            return () if local_refused(state, command) else tuple(_of_registration(state, command))
        case RegisterLocalCheck(check=check):
            ownerless = check.service_id and check.service_id not in state.local_ids
            return () if ownerless else _arm(state, check)
        case ReplaceFileRows(services=services, checks=checks):
            if file_rows_refused(state, command):
                return ()
            of_services = (arm for one in services for arm in _of_registration(state, one))
            return (*of_services, *(arm for check in checks for arm in _arm(state, check)))
        case CreateSession(session=session):
            return (Arm(session_member(session.id), session.expires_ns / 1e9),) if session.expires_ns else ()
        case EndSession(session_id=session_id):
            return (Arm(session_member(fold(session_id)), None),)
        case DeregisterLocalCheck(check_id=check_id) if check_id not in state.local_check_ids:
            return ()
        case DeregisterLocalCheck(check_id=check_id) | ExpireTtl(check_id=check_id):
            return (Arm(member_of(state.server.node, check_id), None),)
        case DeregisterLocal(service_id=service_id) | RemoveAgent(service_id=service_id):
            return tuple(_of_removal(state, service_id))
        case RegisterAgent(service=service):
            return tuple(_of_agent(state, service))
        case MoveAgent(service_id=service_id, verb=verb):
            return tuple(_of_move(state, service_id, verb))
    return ()


def _of_registration(state: State, command: RegisterLocal) -> Iterator[Arm]:
    for part in (command.service, command.sidecar):
        if part is not None:
            for check in part.checks:
                yield from _arm(state, check)


def _of_agent(state: State, service: Instance) -> Iterator[Arm]:
    """Those of an agent that is about to be registered, perhaps again."""
    assert service.agent is not None
    old = state.local_service(service.id)
    yield from _of_instance(state, old or service, known=old is not None)


def _of_beat(state: State, service_id: str) -> Iterator[Arm]:
    """Those of the checks that a sign of life refreshes."""
    instance = state.local_service(service_id)
    if instance is not None:
        yield from _of_instance(state, instance, known=True)
    elif (grave := buried(state, state.time, service_id)) is not None:
        yield from _of_instance(state, grave.instance, known=False)


def _of_instance(state: State, instance: Instance, *, known: bool) -> Iterator[Arm]:
    agent, node = instance.agent or UNTOLD, state.server.node
    if agent.ttl_ns and (not known or missing_liveness(state, instance)):
        seconds = None if agent.beats_itself else agent.ttl_ns / 1e9
        yield Arm(member_of(node, liveness_id(instance.id)), seconds)
    if known:
        for check in beaten_checks(state, instance):
            yield from _arm(state, check)


def _of_move(state: State, service_id: str, verb: str) -> Iterator[Arm]:
    """Those of an agent that starts or stops: while it runs, the server gives its signs of life."""
    instance = state.local_service(service_id)
    if instance is None or instance.agent is None or instance.agent.source != CODEVALD:
        return
    to = next_state(instance, verb)
    if to is None or to == instance.agent.state:
        return
    beats_itself = replace(instance.agent, state=to).beats_itself
    for check in beaten_checks(state, instance):
        assert check.runs is not None
        yield Arm(member_of(check.node, check.id), None if beats_itself else check.runs.ttl_seconds)


def period_seconds(state: State, check: Check) -> float:
    """How many seconds a sign of life lasts for a check; 0 if none is expected."""
    if check.runs is None or not check.runs.ttl_ns:
        return 0.0
    owner = state.local_service(check.service_id) if check.service_id else None
    if owner is not None and owner.agent is not None and owner.agent.beats_itself:
        return 0.0 if fold(check.id) == fold(liveness_id(owner.id)) else check.runs.ttl_seconds
    return check.runs.ttl_seconds


def _arm(state: State, check: Check) -> tuple[Arm, ...]:
    seconds = period_seconds(state, check)
    if seconds > 0:
        return (Arm(member_of(state.server.node, check.id), seconds),)
    old = state.local_check(check.id)
    if old is not None and old.runs is not None and old.runs.ttl_ns > 0:
        return (Arm(member_of(state.server.node, check.id), None),)
    return ()


def _of_removal(state: State, service_id: str) -> Iterator[Arm]:
    sidecar = brought_sidecar(state, service_id)
    beside = state.local_checks_of(sidecar.id) if sidecar is not None else []
    for check in (*state.local_checks_of(service_id), *beside):
        if check.runs is not None and check.runs.ttl_ns > 0:
            yield Arm(member_of(check.node, check.id), None)


def full_periods(state: State) -> Iterator[tuple[str, float]]:
    """Every deadline that can still pass, with its whole period in seconds; a start or a re-arm sets these.

    A check that has expired, or was reported critical, has none until its next sign of life.
    """
    for session in state.sessions.rows.values():
        if session.expires_ns:
            yield session_member(session.id), session.expires_ns / 1e9
    for check in state.local_checks():
        seconds = period_seconds(state, check)
        if seconds > 0 and not check.critical_at:
            yield member_of(check.node, check.id), seconds


def expiry_of(state: State, due: Due) -> ExpireTtl | EndSession:
    """The command for a deadline that has passed. If its check or session is gone, it only removes the deadline."""
    if due.member.startswith(session_member("")):
        return EndSession(due.member.removeprefix(session_member("")))
    _, node, key = due.member.split("\0", 2)  # an id may hold anything
    check = state.checks.get(node, {}).get(key)
    if check is None or check.local is None:
        return ExpireTtl(key, 0)
    newest = state.outputs.get((node, key), check.output)
    return ExpireTtl(check.id, check.create_index, newest)


def reaps(state: State, now: float, armed_at: float, minimum_seconds: float) -> list[Reap]:
    """The removals that are due at `now`, of instances with a check that was critical for too long.

    `now` and `armed_at` are the log's time (Unix seconds). After a re-arm, as at a start, every limit begins anew,
    but lasts a minute at most: while the registry was away, nobody could report to it.
    """
    found = []
    for check in state.reapable.values():
        limit = _limit_seconds(state, check, minimum_seconds)
        if now >= max(check.critical_at + limit, armed_at + min(limit, START_GRACE_SECONDS)):
            found.append(Reap(check.id, check.critical_index))
    return found


def _limit_seconds(state: State, check: Check, minimum_seconds: float) -> float:
    """How long a check may be critical; Consul's floor is none for the timers that an agent was born with."""
    assert check.runs is not None
    owner = state.local_service(check.service_id)
    born_with = owner.agent.remove_after_ns if owner is not None and owner.agent is not None else 0
    if born_with == check.runs.deregister_critical_service_after_ns and check.id == liveness_id(check.service_id):
        return check.runs.deregister_after_seconds
    return max(check.runs.deregister_after_seconds, minimum_seconds)
