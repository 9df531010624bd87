"""The log that forgets: entries and the newest snapshot in lists of this process.

Owns the store that several writers of one process may share. It is SQLite's log in everything but
durability, so snapshots and trimming bound its memory too. Faults for tests are in `faults.py`.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from registry.log.base import Entry, Newest, NotStored, Reset
from registry.log.group import Seats
from registry.log.local import LocalLog
from registry.log.sequencer import RESTORE_JUMP, Probed, Sequencer, Settled, no_entry, taken_in


class Snapshot(NamedTuple):
    """The state as of `index`, as its publisher cut it."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    time: float
    chunks: tuple[bytes, ...]


class MemoryStorage:
    """`Storage` in memory."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._trimmed = 0  # index of the newest entry that is gone
        self._newest = Newest(0, 0.0)
        self._snapshot = Snapshot(0, 0.0, ())
        self._floor = 0
        self._tail_bytes = 0

    async def open(self) -> Newest:
        """What an earlier end of this process left."""
        return self._newest

    async def close(self) -> None:
        """Keep everything: the store lives as long as its object."""

    def write(self, entries: list[Entry], done: Settled) -> None:
        """Keep the entries, one turn of the loop later."""
        asyncio.get_running_loop().call_soon(self._commit, entries, done)

    def _commit(self, entries: list[Entry], done: Settled) -> None:
        if entries[0].index <= self._newest.index:
            return done(NotStored("the store was replaced meanwhile"), None)
        self._entries += entries
        self._newest = Newest(entries[-1].index, entries[-1].time)
        self._tail_bytes += sum([len(entry.payload) for entry in entries])
        done(None, None)

    def probe(self, done: Probed) -> None:
        """The newest entry, one turn of the loop later."""
        asyncio.get_running_loop().call_soon(done, self._newest, None)

    async def newest(self) -> Newest:
        """The newest entry."""
        return self._newest

    async def read(self, after: int, limit: int) -> list[Entry] | Reset:
        """Up to `limit` entries after `after`; a reset if they are gone, beyond the end, or from nothing."""
        if after < self._trimmed or after > self._newest.index or after <= 0 < self._snapshot.index:
            index, time, chunks = self._snapshot
            return Reset(index, time, self._floor, chunks)
        start = self._place_after(after)
        return self._entries[start : start + limit]

    async def publish_snapshot(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """Swap the snapshot in and drop the entries up to the one before it."""
        collected = tuple([chunk async for chunk in chunks])
        if index > self._newest.index:
            raise ValueError(f"snapshot as of {index}, but the log ends at {self._newest.index}")
        if index < self._snapshot.index:
            return  # another writer was faster
        superfluous = self._place_after(self._snapshot.index)
        if superfluous:
            self._trimmed = self._entries[superfluous - 1].index
            del self._entries[:superfluous]
        self._snapshot = Snapshot(index, time, collected)
        self._tail_bytes = sum([len(entry.payload) for entry in self._entries[self._place_after(index) :]])

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> Newest:
        """Hold nothing but these chunks, far beyond every index there was."""
        collected = tuple([chunk async for chunk in chunks])
        stands_at = max(index, self._newest.index) + RESTORE_JUMP
        self._entries.clear()
        self._tail_bytes = 0
        self._newest = Newest(stands_at, max(time, self._newest.time))
        self._snapshot = Snapshot(stands_at, time, collected)
        self._trimmed = self._floor = stands_at
        return self._newest

    async def skip(self, index: int) -> None:
        """Empty the entry."""
        if index <= self._snapshot.index:
            raise taken_in(index)
        place = self._place_after(index - 1)
        if place == len(self._entries) or self._entries[place].index != index:
            raise no_entry(index)
        entry = self._entries[place]
        self._tail_bytes -= len(entry.payload)
        self._entries[place] = entry._replace(payload=b"")

    async def verify(self) -> AsyncIterator[str]:
        """What a process holds in its memory has no faults that it could see."""
        faults: tuple[str, ...] = ()
        for fault in faults:
            yield fault

    def tail_bytes(self) -> int:
        """Bytes of payloads after the snapshot."""
        return self._tail_bytes

    def _place_after(self, index: int) -> int:
        return bisect_right(self._entries, index, key=lambda entry: entry.index)


class MemoryStore:
    """What the writers of one log in memory share."""

    def __init__(
        self, *, now: Callable[[], float], elapsed: Callable[[], float], storage: MemoryStorage | None = None
    ) -> None:
        self.storage = storage or MemoryStorage()
        self.seats = Seats()
        self.sequencer = Sequencer(self.storage, now=now, elapsed=elapsed, tenure=self.seats.tenure)


class MemoryLog(LocalLog):
    """One writer's end of a log in memory."""

    def __init__(self, store: MemoryStore, *, writer: str) -> None:
        super().__init__(writer, store.storage, store.sequencer, store.seats)
