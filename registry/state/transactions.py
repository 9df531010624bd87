"""Transactions: several operations in order, each seeing what those before it did, and all of them or none.

Owns the run and the way back. What an operation on a key means is `state/kv.py`, on a row `state/row_ops.py`.
Source: txn.md §3 to §5.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from registry.commands import KeyOp, Transact
from registry.commands.keys import WRITE_VERBS
from registry.commands.transaction import Op
from registry.errors import Conflict, RequestError
from registry.model.pair import Pair
from registry.state import kv, sessions
from registry.state.row_ops import Row, carry_out_row_op, look_up_row
from registry.state.rows import Rows

Found = Pair | Row  # what an operation yields


def writes(op: Op) -> bool:
    """Whether an operation may change anything."""
    return op.verb in WRITE_VERBS if isinstance(op, KeyOp) else op.verb != "get"


def transact(rows: Rows, index: int, time: float, command: Transact) -> list[Found]:
    """Carry out all operations and return the rows they yield; values of keys only if they were asked for.

    Raises:
        Conflict: `transaction`: some of them fail; `errors` holds (position, error) of each. Nothing has changed.
    """
    rows.kv.reap(time)
    if delayed := delayed_locks(rows, time, enumerate(command.ops)):
        raise Conflict("transaction", errors=delayed)
    attempt = _Attempt(rows, command.ops)
    found: list[Found] = []
    failed: list[tuple[int, RequestError]] = []
    for position, op in enumerate(command.ops):
        try:
            found += _carried_out(rows, index, time, op)
        except RequestError as error:
            failed.append((position, error))
    if failed:
        attempt.undo()
        raise Conflict("transaction", errors=tuple(failed))
    attempt.keep()
    return found


def delayed_locks(rows: Rows, time: float, ops: Iterable[tuple[int, Op]]) -> tuple[tuple[int, RequestError], ...]:
    """The errors of locks that cannot be taken yet, by their positions; they are found before anything is tried."""
    return tuple(
        (position, Conflict("key-lock-delay", key=op.key))
        for position, op in ops
        if isinstance(op, KeyOp) and op.verb == "lock" and rows.kv.delays.get(op.key, 0.0) > time
    )


def look_up_all(rows: Rows, ops: Sequence[Op]) -> list[Found]:
    """The rows that a transaction of only reading operations finds.

    Raises:
        Conflict: as `transact`.
    """
    found: list[Found] = []
    failed: list[tuple[int, RequestError]] = []
    for position, op in enumerate(ops):
        try:
            found += _looked_up(rows, op)
        except RequestError as error:
            failed.append((position, error))
    if failed:
        raise Conflict("transaction", errors=tuple(failed))
    return found


def _carried_out(rows: Rows, index: int, time: float, op: Op) -> Sequence[Found]:
    if not writes(op):
        return _looked_up(rows, op)
    if isinstance(op, KeyOp):
        pair = kv.carry_out(rows, index, time, op)
        return [replace(pair, value=b"")] if pair is not None else []
    found = carry_out_row_op(rows, index, time, op)
    sessions.settle(rows, index, time)
    return found


def _looked_up(rows: Rows, op: Op) -> Sequence[Found]:
    if not isinstance(op, KeyOp):
        return look_up_row(rows, op)
    found = kv.look_up(rows, op)
    return found if op.verb.startswith("get") else [replace(pair, value=b"") for pair in found]


class _Attempt:
    """What must be put back if the transaction fails, besides what the tables note themselves."""

    def __init__(self, rows: Rows, ops: Sequence[Op]) -> None:
        self._rows = rows
        self._indexes = rows.indexes
        if any(not isinstance(op, KeyOp) and writes(op) for op in ops):
            rows.indexes = rows.indexes.copied()
        self._touched, self._changed = rows.touched, rows.kv.changed
        self._checks, self._instances = rows.touched_checks, rows.touched_instances
        rows.touched, rows.kv.changed, rows.touched_checks, rows.touched_instances = {}, {}, {}, {}
        rows.journal.begin()

    def undo(self) -> None:
        """Put everything back as it was before the transaction."""
        self._rows.journal.undo()
        self._rows.indexes = self._indexes
        for stirred in (self._rows.stirred_aliases, self._rows.stirred_exposures, self._rows.stirred_sessions):
            stirred.clear()
        self._give_back()

    def keep(self) -> None:
        """Keep what the transaction has done."""
        rows = self._rows
        rows.journal.keep()
        self._touched |= rows.touched
        self._changed |= rows.kv.changed
        self._checks |= rows.touched_checks
        for place, alive in rows.touched_instances.items():
            self._instances.setdefault(place, alive)
        self._give_back()

    def _give_back(self) -> None:
        rows = self._rows
        rows.touched, rows.kv.changed = self._touched, self._changed
        rows.touched_checks, rows.touched_instances = self._checks, self._instances
