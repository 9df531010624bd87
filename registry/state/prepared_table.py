"""The table of prepared queries with the ways to find one.

Which query may be stored is `state/prepared.py`. Source: event_query_coordinate.md §B.3.
"""

from functools import partial

from registry.model.names import fold
from registry.model.prepared import PreparedQuery
from registry.state.journal import Journal


class PreparedTable:
    """All prepared queries. `index` is that of the last change of any."""

    def __init__(self, journal: Journal) -> None:
        self.rows: dict[str, PreparedQuery] = {}  # by id
        self.names: dict[str, str] = {}  # folded name → id, of those that have one
        self.templates: dict[str, str] = {}  # folded name, which may be empty → id
        self.index = 0
        self._journal = journal

    def put(self, query: PreparedQuery) -> None:
        """Insert or replace a query."""
        old = self.rows.get(query.id)
        if old is not None:
            self._unindex(old)
        self.rows[query.id] = query
        if query.is_template:
            self.templates[fold(query.name)] = query.id
        if query.name:
            self.names[fold(query.name)] = query.id
        if self._journal.open:
            self._journal.note(partial(self.drop, query) if old is None else partial(self.put, old))

    def drop(self, query: PreparedQuery) -> None:
        """Remove a query."""
        self._unindex(query)
        del self.rows[query.id]
        if self._journal.open:
            self._journal.note(partial(self.put, query))

    def _unindex(self, query: PreparedQuery) -> None:
        if query.is_template:
            del self.templates[fold(query.name)]
        if query.name:
            del self.names[fold(query.name)]

    def rise(self, index: int) -> None:
        """Note that the table has changed at this index."""
        if self._journal.open:
            self._journal.note(partial(setattr, self, "index", self.index))
        self.index = index

    def bound_to(self, session: str) -> list[PreparedQuery]:
        """The queries that go with a session, by id."""
        return [query for _, query in sorted(self.rows.items()) if fold(query.session) == session]

    def template_for(self, name: str) -> PreparedQuery | None:
        """The template whose name is the longest beginning of this one; the empty name is one of every name."""
        folded = fold(name)
        for length in range(len(folded), -1, -1):
            found = self.templates.get(folded[:length])
            if found is not None:
                return self.rows[found]
        return None
