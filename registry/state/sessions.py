"""Sessions: what is needed to create one, what ends it, and what ends with it.

Owns the rules. That a session ends with its node or with a check of its is seen where rows are written
(`state/rows.py`, which stirs it) and carried out here, within the same command and at the same index.
Source: session.md §3, §5, §6, §7.
"""

from msgspec.structs import replace

from registry.commands import CreateSession, EndSession
from registry.errors import InvalidRequest
from registry.model import topic as topics
from registry.model.check import CRITICAL, OF_SESSION, PASSING
from registry.model.names import fold
from registry.model.session import DELETE, Session
from registry.state import kv
from registry.state.rows import Rows


def create_session(rows: Rows, index: int, time: float, command: CreateSession) -> None:
    """Create a session.

    Raises:
        InvalidRequest: `session-node`: no such node; `session-check-missing`, `session-check-critical`,
            `session-check-empty`: what it is to be bound to does not hold.
    """
    session = replace(command.session, create_index=index)
    node = fold(session.node)
    if node not in rows.node_rows:
        raise InvalidRequest("session-node", node=session.node)
    checks = rows.checks.get(node, {})
    for check_id in session.bound_checks:
        check = checks.get(fold(check_id))
        if not check_id:
            raise InvalidRequest("session-check-empty")
        if check is None:
            raise InvalidRequest("session-check-missing", check=check_id)
        if check.status == CRITICAL and check.type != OF_SESSION:
            raise InvalidRequest("session-check-critical", check=check_id)
    rows.sessions.put(session)
    _changed(rows, index, session)
    _tell_checks(rows, index, session, PASSING, f"Session '{session.id}' in force")
    settle(rows, index, time)


def end_session(rows: Rows, index: int, time: float, command: EndSession) -> None:
    """End a session and everything that ends with it. Without effect if there is none with this id."""
    if fold(command.session_id) in rows.sessions.rows:
        rows.stirred_sessions[fold(command.session_id)] = None
        settle(rows, index, time)


def no_session_to_end(rows: Rows, command: EndSession) -> bool:
    """Whether there is no session with this id."""
    return fold(command.session_id) not in rows.sessions.rows


def settle(rows: Rows, index: int, time: float) -> None:
    """End the sessions that the command has stirred, and those that end with them."""
    while rows.stirred_sessions:
        session = rows.sessions.rows.get(next(iter(rows.stirred_sessions)))
        del rows.stirred_sessions[next(iter(rows.stirred_sessions))]
        if session is not None:
            _end(rows, index, time, session)


def _end(rows: Rows, index: int, time: float, session: Session) -> None:
    rows.kv.reap(time)
    for key in sorted(rows.kv.held.get(session.id, ())):
        if session.behavior == DELETE:
            kv.delete(rows, index, time, key)
        else:
            kv.release(rows, index, key)
        if session.lock_delay_seconds > 0:
            rows.kv.delay(key, time + session.lock_delay_seconds)
    rows.sessions.drop(session)
    _changed(rows, index, session)
    for query in rows.prepared.bound_to(session.id):
        rows.remove_prepared(index, query)
    _tell_checks(rows, index, session, CRITICAL, f"Session '{session.id}' is invalid")


def _changed(rows: Rows, index: int, session: Session) -> None:
    rows.sessions.rise(index)
    rows.touched[topics.SESSIONS] = None
    rows.touched[(topics.SESSION, session.id)] = None


def _tell_checks(rows: Rows, index: int, session: Session, status: str, output: str) -> None:
    """Let the checks that follow sessions of this name on this node say so."""
    if not session.name:
        return
    for _, check in sorted(rows.session_checks.get(fold(session.node), {}).items()):
        if check.definition is not None and check.definition.session_name == session.name:
            rows.write_check(index, replace(check, status=status, output=output), keep_index=True)
