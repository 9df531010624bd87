"""Deadlines as functions of the state: what a command arms, what has run out, what is to be removed.

Owns no deadline and no time: they are the log's (`log.base.Deadlines`), and looked at in `housekeeping.py`.
Source: `DESIGN.md` §4; agent.md §8.3 and §8.8.
"""

from collections.abc import Iterator

from registry.commands import (
    Command,
    DeregisterLocal,
    DeregisterLocalCheck,
    ExpireTtl,
    Reap,
    RegisterLocal,
    RegisterLocalCheck,
    ReplaceFileRows,
    UpdateCheck,
)
from registry.log.base import Arm, Due
from registry.model.check import Check
from registry.model.names import fold
from registry.state.local import brought_sidecar, refused
from registry.state.store import State

START_GRACE_SECONDS = 60.0  # of a limit that counts again after a start; Consul's shortest limit


def member_of(node: str, check_id: str) -> str:
    """The name of a check's deadline in the log."""
    return f"c\0{fold(node)}\0{fold(check_id)}"


def arms_of(state: State, command: Command) -> tuple[Arm, ...]:
    """The deadlines that a command starts anew, and those it ends."""
    match command:
        case UpdateCheck(check_id=check_id, ttl=True):
            check = state.local_check(check_id)
            return () if check is None else _arm(state, check)
        case RegisterLocal():
            return () if refused(state, command) else tuple(_of_registration(state, command))
        case RegisterLocalCheck(check=check):
            ownerless = check.service_id and check.service_id not in state.local_ids
            return () if ownerless else _arm(state, check)
        case ReplaceFileRows(services=services, checks=checks):
            if refused(state, command):
                return ()
            of_services = (arm for one in services for arm in _of_registration(state, one))
            return (*of_services, *(arm for check in checks for arm in _arm(state, check)))
        case DeregisterLocalCheck(check_id=check_id) if check_id not in state.local_check_ids:
            return ()
        case DeregisterLocalCheck(check_id=check_id) | ExpireTtl(check_id=check_id):
            return (Arm(member_of(state.server.node, check_id), None),)
        case DeregisterLocal(service_id=service_id):
            return tuple(_of_removal(state, service_id))
    return ()


def _of_registration(state: State, command: RegisterLocal) -> Iterator[Arm]:
    for part in (command.service, command.sidecar):
        if part is not None:
            for check in part.checks:
                yield from _arm(state, check)


def _arm(state: State, check: Check) -> tuple[Arm, ...]:
    seconds = check.runs.ttl_seconds if check.runs is not None else 0.0
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
    """Every TTL that can still run out, with its whole period: what a start or a re-arm sets.

    A check that has run out, or was reported critical, waits for its next sign of life.
    """
    for check in state.local_checks():
        if check.runs is not None and check.runs.ttl_ns > 0 and not check.critical_at:
            yield member_of(check.node, check.id), check.runs.ttl_seconds


def expiry_of(state: State, due: Due) -> ExpireTtl:
    """What to propose for a deadline that has passed; void, but it ends the deadline, when its check is gone."""
    _, node, key = due.member.split("\0", 2)  # an id may hold anything
    check = state.checks.get(node, {}).get(key)
    if check is None or check.local is None:
        return ExpireTtl(key, 0)
    newest = state.outputs.get((node, key), check.output)
    return ExpireTtl(check.id, check.create_index, newest)


def reaps(state: State, now: float, armed_at: float, minimum_seconds: float) -> list[Reap]:
    """The removals that are due at `now`, for checks that have been critical for longer than they may.

    `now` and `armed_at` are the log's. After a re-arm, as at a start, every limit counts again, but
    for at most a minute: the time the registry was away was nobody's to report in.
    """
    found = []
    for check in state.reapable.values():
        assert check.runs is not None
        limit = max(check.runs.deregister_after_seconds, minimum_seconds)
        if now >= max(check.critical_at + limit, armed_at + min(limit, START_GRACE_SECONDS)):
            found.append(Reap(check.id, check.critical_index))
    return found
