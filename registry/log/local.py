"""One writer's end of a log that lives in this process: what memory and SQLite have in common.

Owns opening and closing of an end. Order is the sequencer's, durability the storage's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from registry.log.base import Contact, Deadlines, Group, Held, Item, Newest, NotStored, Outcome, Output, Record
from registry.log.group import LocalGroup, Seats
from registry.log.sequencer import Sequencer, Storage


class LocalLog:
    """`Log` over a sequencer and its storage."""

    shared = False
    deadlines: Deadlines
    group: Group
    held: Callable[[], Held] | None = None  # a store in process is never lost before its process is

    def __init__(self, writer: str, storage: Storage, sequencer: Sequencer, seats: Seats) -> None:
        """Several ends share a store when they get the same storage, sequencer and seats."""
        self.writer = writer
        self.deadlines = sequencer.deadlines
        self.group = LocalGroup(writer, seats)
        self._storage = storage
        self._sequencer = sequencer
        self._seats = seats
        self._appendable = False
        self._ended = False
        self._closing = asyncio.Lock()

    async def open(self) -> None:
        """Take hold of the store and recover it; the first end of a process does so for all."""
        if not self._seats:
            self._sequencer.start(await self._storage.open())
        self._seats.join(self.writer)
        self._appendable = True

    async def close(self) -> None:
        """Finish the appends under way, end the followers and let go. Idempotent."""
        self._appendable = False
        async with self._closing:
            if self._ended:
                return
            await self._sequencer.idle()
            self._ended = True
            self._sequencer.feed.wake()
            self._seats.leave(self.writer)
            if not self._seats:
                await self._storage.close()

    async def append(self, batch: int, records: list[Record]) -> Outcome:
        """Store the records as one batch."""
        if not self._appendable:
            return NotStored("the log is closed")
        return await self._sequencer.append(self.writer, batch, records)

    def follow(self, after: int) -> AsyncIterator[Item]:
        """All entries after index `after` as they become durable, or a `Reset`."""
        return self._sequencer.feed.follow(after, lambda: self._ended)

    async def newest(self) -> Newest:
        """The newest stored index, asked of the store itself."""
        return await self._storage.newest()

    async def sync(self) -> int:
        """The newest index: nobody else could know a newer one."""
        return self._sequencer.newest

    def contact(self) -> Contact:
        """The store is there; a failure shows with the write that meets it."""
        return Contact(False, 0.0, "")

    async def publish_outputs(self, texts: list[Output]) -> None:
        """Hand newer texts to all followers."""
        self._sequencer.feed.publish_outputs(texts)

    async def publish_snapshot(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """Store a snapshot as of `index`, then trim."""
        await self._storage.publish_snapshot(index, time, chunks)

    def log_bytes_since_snapshot(self) -> int:
        """Bytes of entries after the newest snapshot."""
        return self._storage.tail_bytes()

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> int:
        """Replace all that is stored by a snapshot; the index at which it stands."""
        newest = await self._storage.restore(index, time, chunks)
        self._sequencer.replace(newest)
        return newest.index

    async def skip(self, index: int) -> None:
        """From now on yield the entry at `index` without its bytes."""
        await self._storage.skip(index)
        self._sequencer.read_again()

    def verify(self) -> AsyncIterator[str]:
        """A sentence for each fault of what is stored."""
        return self._storage.verify()
