"""What keys, sessions and transactions are, for the machine that tries random ones: the contract once more, plainly.

Owns the rules of kv.md, session.md and txn.md over a plain dict. A change has a number here, not an index: which index
a server gives it is the server's choice, if only what was changed together has one, and what came later a higher one.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

NEVER = 0  # the number of a change that there has not been
EXPIRY_FACTOR = 2  # TTLs that a session lives without being renewed
LOCK_DELAY_SECONDS = 60.0  # of a longer one so much counts
GRAVE_SECONDS = 900.0  # for which a deletion is remembered; no history of the machine takes so long


@dataclass(slots=True)
class Row:
    """One key."""

    value: bytes
    flags: int
    holder: str = ""  # the session as its id was typed
    locked: int = 0
    created: int = NEVER
    modified: int = NEVER

    def content(self) -> tuple[bytes, int, str, int]:
        """What makes a write one that changes something."""
        return self.value, self.flags, self.holder, self.locked


@dataclass(slots=True)
class Lease:
    """One session."""

    node: str
    checks: tuple[str, ...]
    deletes: bool
    ttl_seconds: float
    delay_seconds: float
    ends: float
    created: int


@dataclass(slots=True)
class Op:
    """One operation on a key in a transaction, or alone; `index` is the change that it compares with."""

    verb: str
    key: str
    value: bytes = b""
    flags: int = 0
    index: int = NEVER
    session: str = ""


class Failed(Exception):
    """An operation did not take place; the text is what a transaction says."""


@dataclass
class Coordination:
    """Everything that a server ought to show, at a moment of its time."""

    now: float = 0.0
    rows: dict[str, Row] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)  # node → check → status
    graves: dict[str, int] = field(default_factory=dict)  # deleted key or prefix → the change
    trees: dict[str, int] = field(default_factory=dict)  # prefix of which all was deleted → the change
    delays: dict[str, float] = field(default_factory=dict)  # key → until when nobody can lock it
    keys_changed: int = NEVER
    leases_changed: int = NEVER
    change: int = NEVER  # the number of the newest one

    # Keys

    def alone(self, op: Op) -> bool:
        """One operation by itself; whether it took place.

        Raises:
            Failed: it cannot, whatever the keys hold: `missing session`, `invalid session "…"`.
        """
        self.change += 1
        try:
            self._carry_out(op)
        except Failed as failed:
            if str(failed) == "missing session" or str(failed).startswith("invalid session"):
                raise
            return False
        return True

    def transact(self, ops: Sequence[Op]) -> tuple[list[tuple[str, Row]], list[tuple[int, str]]]:
        """All operations or none: what they show, and what failed by its place (the beginning of what is said)."""
        delayed = [
            (place, f'failed to lock key "{op.key}" due to lock delay') for place, op in enumerate(ops)
            if op.verb == "lock" and self._delayed(op.key)
        ]  # fmt: skip
        if delayed:
            return [], delayed
        tried, shown, failures = copy.deepcopy(self), [], []
        tried.change += 1
        for place, op in enumerate(ops):
            try:
                shown += [(key, copy.copy(row)) for key, row in tried._carry_out(op)]
            except Failed as failed:
                failures.append((place, str(failed)))
        if failures:
            return [], failures
        self.__dict__.update(tried.__dict__)
        return shown, []

    def _carry_out(self, op: Op) -> list[tuple[str, Row]]:
        """What a transaction shows of the operation, with its value only where it was asked for."""
        row = self.rows.get(op.key)
        match op.verb:
            case "get-tree":
                return self.under(op.key)
            case "get-or-empty" if row is None:
                return [(op.key, Row(b"", op.flags, op.session, 0, NEVER, op.index))]
            case "get" | "get-or-empty" if row is not None:
                return [(op.key, row)]
            case "delete-tree":
                self._delete_tree(op.key)
                return []
            case "delete-cas" if row is not None and row.modified != op.index:
                raise Failed(f'failed to delete key "{op.key}", index is stale')
            case "delete" | "delete-cas":
                if row is not None:
                    self._delete(op.key)
                return []
            case "check-not-exists":
                if row is not None:
                    raise Failed(f'key "{op.key}" exists')
                return []
            case "get":
                raise Failed(f'key "{op.key}" doesn\'t exist')
            case "check-index" | "check-session" if row is None:
                raise Failed(f'failed to check {op.verb[6:]}, key "{op.key}" doesn\'t exist')
            case "check-index" | "check-session":
                assert row is not None
                if op.verb == "check-index" and row.modified != op.index:
                    raise Failed(f'failed index check for key "{op.key}", current modify index ')  # and both indexes
                if op.verb == "check-session" and row.holder != op.session:
                    raise Failed(f'failed session check for key "{op.key}", current session "{row.holder}" != ')
                return [(op.key, _without_value(row))]
        self._put(op.key, self._written(op, row))
        return [(op.key, _without_value(self.rows[op.key]))]

    def _written(self, op: Op, row: Row | None) -> Row:
        match op.verb:
            case "set":
                return Row(op.value, op.flags, row.holder if row else "")
            case "cas":
                if op.index != (row.modified if row else NEVER):
                    raise Failed(f'failed to set key "{op.key}", index is stale')
                return Row(op.value, op.flags, row.holder if row else "")
            case "lock":
                if self._delayed(op.key):
                    raise Failed("lock delay")
                if not op.session:
                    raise Failed("missing session")
                if op.session.lower() not in self.leases:
                    raise Failed(f'invalid session "{op.session}"')
                if row is not None and row.holder not in ("", op.session):
                    raise Failed(f'failed to lock key "{op.key}", lock is already held')
                taken = 0 if row is not None and row.holder else 1
                return Row(op.value, op.flags, op.session, (row.locked if row else 0) + taken)
            case "unlock":
                if not op.session:
                    raise Failed("missing session")
                if row is None or row.holder != op.session:
                    raise Failed(f'failed to unlock key "{op.key}", lock isn\'t held, or is held by another session')
                return Row(op.value, op.flags, "", row.locked)
        raise ValueError(op.verb)

    def _put(self, key: str, new: Row) -> None:
        old = self.rows.get(key)
        if old is not None and old.content() == new.content():
            return
        new.created, new.modified = old.created if old else self.change, self.change
        self.rows[key] = new
        self.keys_changed = self.change

    def _delete(self, key: str) -> None:
        del self.rows[key]
        self.graves[key] = self.keys_changed = self.change

    def _delete_tree(self, prefix: str) -> None:
        found = [key for key, _ in self.under(prefix)]
        for key in found:
            del self.rows[key]
        if found:
            self.graves[prefix] = self.trees[prefix] = self.keys_changed = self.change

    def _delayed(self, key: str) -> bool:
        return self.delays.get(key, 0.0) > self.now

    def under(self, prefix: str) -> list[tuple[str, Row]]:
        """The keys that begin so, in the order of their bytes."""
        return sorted(((k, r) for k, r in self.rows.items() if k.startswith(prefix)), key=lambda one: one[0].encode())

    def folded(self, prefix: str, separator: str) -> list[str]:
        """The keys that begin so, each up to the separator after that."""
        found: dict[str, None] = {}
        for key, _ in self.under(prefix):
            head, cut, _ = key[len(prefix) :].partition(separator) if separator else (key[len(prefix) :], "", "")
            found[prefix + head + cut] = None
        return list(found)

    def change_under(self, prefix: str) -> int:
        """The change that a read of all that begins so is of: it never goes back, which kv.md §3 allows to Consul."""
        there = [row.modified for _, row in self.under(prefix)]
        gone = [change for key, change in self.graves.items() if key.startswith(prefix)]
        if not prefix or not there + gone:
            return self.keys_changed
        return max(there + gone + [change for key, change in self.trees.items() if prefix.startswith(key)])

    # Sessions

    def refusal(self, node: str, checks: Sequence[str]) -> str:
        """Why a session cannot begin; empty if it can."""
        if node not in self.nodes:
            return "Missing node registration"
        for check in checks:
            status = self.nodes[node].get(check)
            if status is None:
                return f"Missing check '{check}' registration"
            if status == "critical":
                return f"Check '{check}' is in critical state"
        return ""

    def begin(
        self, lease_id: str, node: str, checks: tuple[str, ...], *, deletes: bool, ttl: float, delay: float
    ) -> None:
        """A session begins."""
        self.change += 1
        self.leases[lease_id] = Lease(node, checks, deletes, ttl, delay, 0.0, self.change)
        self.leases_changed = self.change
        self.renew(lease_id)

    def renew(self, lease_id: str) -> bool:
        """A session has its whole time again; whether there is one."""
        lease = self.leases.get(lease_id.lower())
        if lease is not None:
            lease.ends = self.now + EXPIRY_FACTOR * lease.ttl_seconds if lease.ttl_seconds else float("inf")
        return lease is not None

    def end(self, *lease_ids: str) -> None:
        """Sessions end, all by one write."""
        self.change += 1
        for lease_id in lease_ids:
            lease = self.leases.pop(lease_id.lower(), None)
            if lease is None:
                continue
            self.leases_changed = self.change
            for key in [key for key, row in self.rows.items() if row.holder.lower() == lease_id.lower()]:
                row = self.rows[key]
                if lease.deletes:
                    self._delete(key)
                else:
                    self._put(key, Row(row.value, row.flags, "", row.locked))
                if lease.delay_seconds:
                    self.delays[key] = self.now + min(lease.delay_seconds, LOCK_DELAY_SECONDS)

    def pass_time(self, seconds: float) -> None:
        """Time goes by; what runs out ends when it does, each by a write of its own."""
        until = self.now + seconds
        while due := [one for one, lease in self.leases.items() if lease.ends <= until]:
            first = min(due, key=lambda one: (self.leases[one].ends, one))
            self.now = self.leases[first].ends
            self.end(first)
        self.now = until

    # What sessions hang on

    def set_check(self, node: str, check: str, status: str) -> None:
        """A check is written."""
        self.nodes[node][check] = status
        if status == "critical":
            self._end_those_on(node, [check])

    def drop_checks(self, node: str, checks: Sequence[str]) -> None:
        """Checks are removed."""
        for check in checks:
            self.nodes[node].pop(check, None)
        self._end_those_on(node, checks)

    def drop_node(self, node: str) -> None:
        """A node is removed."""
        del self.nodes[node]
        self.end(*[one for one, lease in self.leases.items() if lease.node == node])

    def _end_those_on(self, node: str, checks: Sequence[str]) -> None:
        ended = [one for one, lease in self.leases.items() if lease.node == node and {*checks} & {*lease.checks}]
        self.end(*ended)


def _without_value(row: Row) -> Row:
    shown = copy.copy(row)
    shown.value = b""
    return shown
