"""The session table with its secondary indexes: rows in, rows out.

What begins and ends a session is `state/sessions.py`.
"""

from functools import partial

from registry.model.names import fold
from registry.model.session import Session
from registry.state.journal import Journal


class SessionTable:
    """All sessions. `index` is that of the last creation or end of a session."""

    def __init__(self, journal: Journal) -> None:
        self.rows: dict[str, Session] = {}  # by id
        self.by_node: dict[str, dict[str, None]] = {}  # folded node → ids
        self.by_check: dict[tuple[str, str], dict[str, None]] = {}  # (folded node, folded check id) → ids bound to it
        self.index = 0
        self._journal = journal

    def put(self, session: Session) -> None:
        """Insert a session, in place of one that has its id."""
        old = self.rows.get(session.id)
        if old is not None:
            self.drop(old)
        node = fold(session.node)
        self.rows[session.id] = session
        self.by_node.setdefault(node, {})[session.id] = None
        for check_id in session.bound_checks:
            self.by_check.setdefault((node, fold(check_id)), {})[session.id] = None
        if self._journal.open:
            self._journal.note(partial(self.drop, session))

    def drop(self, session: Session) -> None:
        """Remove a session."""
        node = fold(session.node)
        del self.rows[session.id]
        del self.by_node[node][session.id]
        if not self.by_node[node]:
            del self.by_node[node]
        for place in {(node, fold(check_id)): None for check_id in session.bound_checks}:
            del self.by_check[place][session.id]
            if not self.by_check[place]:
                del self.by_check[place]
        if self._journal.open:
            self._journal.note(partial(self.put, session))

    def rise(self, index: int) -> None:
        """Note that the table has changed at this index."""
        if self._journal.open:
            self._journal.note(partial(setattr, self, "index", self.index))
        self.index = index
