"""A memory log that misbehaves when told to, for tests of what stands on a log.

Owns the faults every caller of a log must survive: an unknown outcome, a refusal, a reset, indexes that
jump, entries and outputs of others, deadlines that were lost, a store that is away, and an append that takes
its time. Nothing of it runs in a real log.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from registry.errors import LogUnavailable
from registry.log.base import (
    Arm,
    Beat,
    Contact,
    Entry,
    Left,
    Newest,
    NotStored,
    Outcome,
    Output,
    Record,
    Stored,
    Tick,
    Unknown,
)
from registry.log.deadlines import LocalDeadlines
from registry.log.memory import MemoryLog, MemoryStorage, MemoryStore, Snapshot
from registry.log.sequencer import RESTORE_JUMP, Settled


class FaultyStorage(MemoryStorage):
    """Memory that holds back writes and can be replaced."""

    def __init__(self) -> None:
        super().__init__()
        self._holding = False
        self._held: list[tuple[list[Entry], Settled]] = []

    def write(self, entries: list[Entry], done: Settled) -> None:
        """Keep the entries, one turn of the loop later or after `release`."""
        self._held.append((entries, done))
        asyncio.get_running_loop().call_soon(self._commit_held)

    def hold(self) -> None:
        """Keep appends under way until `release`."""
        self._holding = True

    def release(self) -> None:
        """Store what was held back and hold no more."""
        self._holding = False
        asyncio.get_running_loop().call_soon(self._commit_held)

    def _commit_held(self) -> None:
        while self._held and not self._holding:
            self._commit(*self._held.pop(0))

    def replace(self, time: float, chunks: tuple[bytes, ...]) -> Newest:
        """Hold nothing but a snapshot, at an index far beyond the newest; drop what was held back."""
        index = self._newest.index + RESTORE_JUMP
        self._held.clear()
        self._entries.clear()
        self._tail_bytes = 0
        self._newest = Newest(index, max(time, self._newest.time))
        self._snapshot = Snapshot(index, self._newest.time, chunks)
        self._trimmed = self._floor = index
        return self._newest


class FaultyDeadlines:
    """Deadlines that cannot be reached while the log is away."""

    def __init__(self, deadlines: LocalDeadlines, refuse: Callable[[], None]) -> None:
        self._deadlines = deadlines
        self._refuse = refuse

    async def beat(self, members: Iterable[tuple[str, float]]) -> Beat:
        """As the log's."""
        self._refuse()
        return await self._deadlines.beat(members)

    async def left(self, members: Sequence[str]) -> Left:
        """As the log's."""
        self._refuse()
        return await self._deadlines.left(members)

    async def tick(self, limit: int) -> Tick:
        """As the log's."""
        self._refuse()
        return await self._deadlines.tick(limit)

    async def disarm(self) -> int:
        """As the log's."""
        self._refuse()
        return await self._deadlines.disarm()

    async def rearm(self, members: Iterable[tuple[str, float]]) -> None:
        """As the log's."""
        self._refuse()
        await self._deadlines.rearm(members)


class FaultyMemoryLog(MemoryLog):
    """A writer's end whose next appends fail as injected, on a store that others may share."""

    def __init__(self, store: MemoryStore, *, writer: str, shared: bool = False) -> None:
        """`shared`: whether it says that other processes may write too."""
        super().__init__(store, writer=writer)
        self.shared = shared
        self.deadlines = FaultyDeadlines(store.sequencer.deadlines, self._refuse)
        self.away = False  # while true nothing of the store can be reached
        self._faults: deque[Callable[[int, list[Record]], Outcome | None]] = deque()
        self._late: list[tuple[int, list[Record]]] = []
        self._foreign_batches = 0

    async def append(self, batch: int, records: list[Record]) -> Outcome:
        """As the log's, unless a fault was injected for this call."""
        if self.away:
            return NotStored("injected: away")
        if not self._faults:
            return await super().append(batch, records)
        answer = self._faults.popleft()(batch, records)
        if answer is None:
            await super().append(batch, records)
            return Unknown("injected: stored")
        await asyncio.sleep(0)  # an answer never comes in the turn of the call
        return answer

    async def sync(self) -> int:
        """As the log's, while it is there."""
        self._refuse()
        return await super().sync()

    def contact(self) -> Contact:
        """How it is."""
        return Contact(self.away, 1.0 if self.away else 0.0, "injected: away" if self.away else "")

    def _refuse(self) -> None:
        if self.away:
            raise LogUnavailable("injected: away")

    def lose_deadlines(self) -> None:
        """The deadlines are not to be trusted any more."""
        self._sequencer.deadlines.lose()

    def foreign_outputs(self, *texts: Output) -> None:
        """Another writer publishes newer texts."""
        self._sequencer.feed.publish_outputs(list(texts))

    def foreign_peer(self, writer: str, about: bytes) -> None:
        """Another process has the log open."""
        self._seats.join(writer)
        self._seats.announce(writer, about)

    def foreign_peer_leaves(self, writer: str) -> None:
        """It has gone."""
        self._seats.leave(writer)

    async def gap(self) -> int:
        """The log goes on behind an entry that holds no command; its index."""
        outcome = await self.foreign(b"")
        assert isinstance(outcome, Stored)
        return outcome.first

    def inject_unknown(self, stored: bool) -> None:
        """The next append answers `Unknown`, and is or is not stored."""
        self._faults.append(lambda batch, records: None if stored else Unknown("injected: not stored"))

    def inject_unknown_late(self) -> None:
        """The next append answers `Unknown` and is stored only by `land`."""
        self._faults.append(self._set_aside)

    async def land(self) -> None:
        """Store what `inject_unknown_late` kept back."""
        late, self._late = self._late, []
        for batch, records in late:
            await super().append(batch, records)

    def inject_not_stored(self, reason: str = "injected") -> None:
        """The next append answers `NotStored`."""
        self._faults.append(lambda batch, records: NotStored(reason))

    def inject_jump(self, count: int) -> None:
        """The next `count` indexes are never given out."""
        self._sequencer.jump(count)

    def inject_reset(self) -> None:
        """Every follower is reset to the newest snapshot (none: the empty state) and then gets its tail."""
        self._sequencer.feed.reset(self._sequencer.newest)

    def inject_restore(self, time: float, *chunks: bytes) -> None:
        """The store is replaced by a snapshot, as a restore does: indexes jump, followers are reset.

        A batch held under way is swallowed: its caller hears `Unknown`.
        """
        storage = self._faulty_storage()
        self._sequencer.replace(storage.replace(time, chunks))

    def hold(self) -> None:
        """Appends of all writers of the store stay under way until `release`."""
        self._faulty_storage().hold()

    def release(self) -> None:
        """Let the held append go on."""
        self._faulty_storage().release()

    async def foreign(self, payload: bytes, *arms: Arm, writer: str = "foreign") -> Outcome:
        """Append an entry of another writer."""
        self._foreign_batches += 1
        return await self._sequencer.append(writer, self._foreign_batches, [Record(payload, arms)])

    def _set_aside(self, batch: int, records: list[Record]) -> Outcome:
        self._late.append((batch, records))
        return Unknown("injected: may land later")

    def _faulty_storage(self) -> FaultyStorage:
        if not isinstance(self._storage, FaultyStorage):
            raise TypeError("the store was made without storage=FaultyStorage()")
        return self._storage


def faulty_log(
    *, now: Callable[[], float], elapsed: Callable[[], float], writer: str = "self", shared: bool = False
) -> FaultyMemoryLog:
    """A writer's end over a store of its own with every fault available."""
    store = MemoryStore(now=now, elapsed=elapsed, storage=FaultyStorage())
    return FaultyMemoryLog(store, writer=writer, shared=shared)
