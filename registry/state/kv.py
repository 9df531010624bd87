"""What each operation on a key means, and whether it may take place.

Owns the rules of Consul's KV store: check-and-set, locks, what counts as a change. Source: kv.md §2, §4, §5;
txn.md §4; session.md §6.
"""

from msgspec.structs import replace

from registry.commands import ChangeKey, KeyOp
from registry.errors import Conflict, InvalidRequest, NotFound
from registry.model.names import fold
from registry.model.pair import Pair
from registry.state.keys import KeyTable
from registry.state.tables import Tables


def change_key(tables: Tables, index: int, time: float, command: ChangeKey) -> bool:
    """Carry out one operation; returns whether it took place.

    Raises:
        InvalidRequest: `session-missing`, `session-invalid`.
    """
    tables.kv.reap(time)
    try:
        carry_out(tables, index, time, command.op)
    except Conflict:
        return False
    return True


def foregone(tables: Tables, command: ChangeKey) -> bool | None:
    """The result of an operation that would change nothing now; None if it might change something."""
    op = command.op
    if op.verb == "delete-tree":
        return None if tables.kv.any_under(op.key) else True
    if op.key in tables.kv.delays:  # the delay may have passed: the log knows the time
        return None
    try:
        after = _after(tables, 0.0, op)
    except Conflict:
        return False
    except InvalidRequest:
        return None
    return True if after is tables.kv.pairs.get(op.key) else None


def carry_out(tables: Tables, index: int, time: float, op: KeyOp) -> Pair | None:
    """Carry out a writing operation and return the pair as it is then, or None if there is none.

    Raises:
        Conflict: `key-stale`, `key-held`, `key-not-held`, `key-lock-delay`: it does not take place.
        InvalidRequest: `session-missing`, `session-invalid`.
    """
    kv = tables.kv
    if op.verb == "delete-tree":
        _delete_tree(kv, index, time, op.key)
        return None
    old = kv.pairs.get(op.key)
    after = _after(tables, time, op)
    if after is old:
        return old
    if after is None:
        kv.drop(op.key)
        kv.bury(op.key, index, time)
    else:
        after = replace(after, create_index=old.create_index if old is not None else index, modify_index=index)
        kv.put(after)
    kv.rise(index)
    return after


def look_up(tables: Tables, op: KeyOp) -> list[Pair]:
    """The pairs that a reading operation of a transaction finds; a check finds the pair that it is about.

    Raises:
        NotFound: `key-missing`. Conflict: `key-exists`, `key-index`, `key-session`: a check does not hold.
    """
    kv = tables.kv
    if op.verb == "get-tree":
        return list(kv.under(op.key))
    pair = kv.pairs.get(op.key)
    if op.verb == "check-not-exists":
        if pair is not None:
            raise Conflict("key-exists", key=op.key)
        return []
    if pair is None:
        if op.verb == "get-or-empty":
            return [Pair(op.key, b"", op.flags, op.session, 0, 0, op.index)]
        raise NotFound("key-missing", key=op.key, verb=op.verb)
    if op.verb == "check-index" and pair.modify_index != op.index:
        raise Conflict("key-index", key=op.key, current=pair.modify_index, index=op.index)
    if op.verb == "check-session" and pair.session != op.session:
        raise Conflict("key-session", key=op.key, current=pair.session, session=op.session)
    return [pair]


def release(tables: Tables, index: int, key: bytes) -> None:
    """Unlock a key whose session has ended, and change nothing else about it."""
    kv = tables.kv
    kv.put(replace(kv.pairs[key], session="", modify_index=index))
    kv.rise(index)


def delete(tables: Tables, index: int, time: float, key: bytes) -> None:
    """Delete a key whose session has ended."""
    tables.kv.drop(key)
    tables.kv.bury(key, index, time)
    tables.kv.rise(index)


def _delete_tree(kv: KeyTable, index: int, time: float, prefix: bytes) -> None:
    found = [pair.key for pair in kv.under(prefix)]
    for key in found:
        kv.drop(key)
    if found:
        kv.bury(prefix, index, time, tree=True)
        kv.rise(index)


def _after(tables: Tables, time: float, op: KeyOp) -> Pair | None:
    """The pair after an operation on one key; the same object if nothing changes."""
    old: Pair | None = tables.kv.pairs.get(op.key)
    if op.verb in ("delete", "delete-cas"):
        if op.verb == "delete-cas" and old is not None and old.modify_index != op.index:
            raise Conflict("key-stale", key=op.key, verb=op.verb)
        return None
    session, lock_index = (old.session, 0) if old is not None else ("", 0)
    if op.verb == "cas":
        if (op.index and old is None) or (old is not None and old.modify_index != op.index):
            raise Conflict("key-stale", key=op.key, verb=op.verb)
    elif op.verb == "lock":
        session, lock_index = _locked(tables, time, op, old)
    elif op.verb == "unlock":
        if not op.session:
            raise InvalidRequest("session-missing")
        if old is None or old.session != op.session:
            raise Conflict("key-not-held", key=op.key)
        session, lock_index = "", old.lock_index
    if (
        old is not None
        and old.value == op.value
        and old.flags == op.flags
        and old.session == session
        and old.lock_index == lock_index
    ):
        return old
    return Pair(op.key, op.value, op.flags, session, lock_index)


def _locked(tables: Tables, time: float, op: KeyOp, old: Pair | None) -> tuple[str, int]:
    """The holder and the lock index after locking; session ids are compared exactly."""
    if tables.kv.delays.get(op.key, 0.0) > time:
        raise Conflict("key-lock-delay", key=op.key)
    if not op.session:
        raise InvalidRequest("session-missing")
    if fold(op.session) not in tables.sessions.rows:
        raise InvalidRequest("session-invalid", session=op.session)
    if old is None:
        return op.session, 1
    if not old.session:
        return op.session, old.lock_index + 1
    if old.session == op.session:
        return op.session, old.lock_index
    raise Conflict("key-held", key=op.key)
