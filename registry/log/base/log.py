"""A log as one process uses it: open, append and follow, snapshot and trim, restore and repair.

The promises that hold for all of these calls together stand in the package's own page.
"""

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol

from registry.log.base.deadlines import Deadlines
from registry.log.base.entries import Item, Newest, Outcome, Output, Record
from registry.log.base.group import Group


class Contact(NamedTuple):
    """The condition of the store, as far as this process knows.

    While `away` is true, writes are refused without being tried; `reason` says why, for a human.
    `silent_seconds` is the time since the store last answered, 0.0 while it does.
    """

    away: bool
    silent_seconds: float
    reason: str


class Held(NamedTuple):
    """A state that this process holds: its index, its time, and the chunks of a snapshot of it."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    time: float
    chunks: AsyncIterator[bytes]


class Log(Protocol):
    """One process's end of a log. Opened before use, closed once."""

    writer: str
    shared: bool  # whether other processes may write too, so that this one may be behind
    deadlines: Deadlines
    group: Group
    held: Callable[[], Held] | None  # set before `open`: the state from which a store that was lost is healed

    async def open(self) -> None:
        """Open the store, lock it where only one process may use it, and recover it.

        Raises:
            LogLocked: another process holds it.
            LogCorrupt: what is stored cannot be read; names the record and the way out.
            LogUnavailable: it cannot be reached or written.
            SettingsError: its URL cannot be used, or what is stored there is not a registry's.
        """

    async def close(self) -> None:
        """Finish what is under way and release the store. Followers end. Idempotent."""

    async def append(self, batch: int, records: list[Record]) -> Outcome:
        """Store the records as one batch; `batch` grows by one with each call of a writer.

        Calls of one writer are carried out in the order they were made. A writer should have only one under
        way, so that what queues in the meantime becomes the next batch (group commit).
        """

    def follow(self, after: int) -> AsyncIterator[Item]:
        """All entries after index `after`, as they become durable, in batches; or a `Reset`.

        Yields a `Reset` first when `after` is older than what the log still holds or newer than its
        newest entry, and when it is 0 and there is a snapshot, which is how a process starts. Ends only
        when the log is closed, after yielding what was durable by then and is still in memory. Published
        outputs come between the entries.

        Raises:
            LogUnavailable: history could not be read; follow again.
            LogCorrupt: the snapshot is damaged.
        """

    async def newest(self) -> Newest:
        """The newest stored index and its time, asked of the store itself and not of this process's memory.

        Raises:
            LogUnavailable: the store does not answer.
        """

    async def sync(self) -> int:
        """The newest index as of this call; calls made at the same time share one question to the store.

        It covers everything that was stored when this was called. A log that is not shared asks nobody.

        Raises:
            LogUnavailable: the store does not answer.
        """

    def contact(self) -> Contact:
        """The last known condition of the store; does not ask it."""

    async def publish_outputs(self, texts: list[Output]) -> None:
        """Hand newer texts to all followers of a shared log, now and when they start. Loss is not an error."""

    async def publish_snapshot(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """Store a snapshot of the state as of `index`, then trim the entries that no reader needs any more.

        Chunks are at most 1 MiB. Entries after the previous snapshot are kept, so that a follower that is
        a little behind need not be reset. Nothing changes when it fails half-way, or when the log already
        has a snapshot of a higher index.

        Raises:
            LogUnavailable: it could not be stored.
            ValueError: `index` is beyond the newest entry.
        """

    def log_bytes_since_snapshot(self) -> int:
        """Bytes of entries after the newest snapshot: what a start would have to replay."""

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> int:
        """Replace everything that is stored by a snapshot, and return the index that it now has.

        That index is above every one given out before, and above `index`, which the state had where it comes
        from. All followers are reset. Nothing changes when it fails half-way. Chunks as for
        `publish_snapshot`; `time` is that of the state.

        Raises:
            LogUnavailable: it could not be stored.
        """

    async def skip(self, index: int) -> None:
        """From now on yield the entry at `index` without its bytes, for a command that cannot be applied.

        Processes that have already applied it are reset.

        Raises:
            LogUnavailable: it could not be stored.
            LookupError: the log holds no such entry, or a snapshot already includes it.
        """

    def verify(self) -> AsyncIterator[str]:
        """Read and check everything that is stored; yields a sentence for each fault, nothing if all is well.

        The meaning of entries and chunks is not checked. The log must be open; others may go on writing.

        Raises:
            LogUnavailable: it could not be read.
        """
