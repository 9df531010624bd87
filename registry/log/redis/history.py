"""What this process has taken in from the log, so that a store that lost its end can be given it back.

Owns the newest entries as Redis keeps them: many indexes, fewer payloads.
"""

from collections import deque
from typing import NamedTuple

MOST_INDEXES = 100_000
MOST_BYTES = 16 << 20  # of payloads


class Stored(NamedTuple):
    """One entry with every field it has in Redis; `chain` is the index of the entry before it."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    chain: int
    own: bytes
    milliseconds: bytes
    kind: bytes
    payload: bytes


class History:
    """Grows by what the first follower yields; begins anew with each reset."""

    def __init__(self) -> None:
        self.applied = 0  # index of the newest entry taken in
        self.tail_bytes = 0  # payloads after the newest snapshot
        self._indexes: deque[int] = deque([0], maxlen=MOST_INDEXES)  # and the index that was begun at
        self._known: set[int] = {0}
        self._entries: deque[Stored] = deque()
        self._bytes = 0

    def begin(self, index: int) -> None:
        """Everything before is unknown: a snapshot as of `index` was taken in."""
        self.__init__()  # type: ignore[misc]
        self.applied = index
        self._indexes.append(index)
        self._known = {index}

    def add(self, entries: list[Stored]) -> None:
        """Take in what follows; anything that does not follow is ignored."""
        for entry in entries:
            if entry.chain != self.applied:
                continue
            if len(self._indexes) == MOST_INDEXES:
                self._known.discard(self._indexes[0])
            self._indexes.append(entry.index)
            self._known.add(entry.index)
            self.applied = entry.index
            self._entries.append(entry)
            self._bytes += len(entry.payload)
            self.tail_bytes += len(entry.payload)
        while self._bytes > MOST_BYTES and len(self._entries) > 1:
            self._bytes -= len(self._entries.popleft().payload)

    def knows(self, index: int) -> bool:
        """Whether this index was an entry of the past that was taken in, or where that began."""
        return index in self._known

    def after(self, index: int) -> list[Stored] | None:
        """All entries after `index`; None when some of their payloads are gone."""
        found = [entry for entry in self._entries if entry.index > index]
        return found if not found or found[0].chain == index else None

    def snapshot_taken(self, index: int) -> None:
        """A snapshot as of `index` is stored: what was before it counts no more for the next one."""
        self.tail_bytes = sum(len(entry.payload) for entry in self._entries if entry.index > index)
