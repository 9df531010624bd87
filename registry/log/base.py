"""The contract of a log: it makes writes durable and puts them in one order.

A log knows bytes, indexes and time, never what the bytes mean. Every backend keeps every sentence of
this page; `tests/backends/` holds each of them to it.

Promises
    * Indexes are >= 1 and strictly growing, across restarts and restores too. They may jump.
    * `append` stores all of a batch or nothing, except records whose condition does not hold, which
      are left out (`Stored.void`); the rest get consecutive indexes from `Stored.first`.
    * Time is stamped by the log and never goes back.
    * `follow` yields every entry after a position once and in order, whoever appended it; an entry is
      yielded only when it is durable.
    * A writer sees its own entries in `follow` like everybody's, marked with the id it chose. A writer's
      name is new for every run of its process, else it would take entries of an earlier run for its own.
    * Cancelling the caller of `append` does not cancel the append.

Several writers may append to one log, each through an object of its own with its own `writer` name.
"""

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple, Protocol


class Arm(NamedTuple):
    """Set the deadline of `member` to `seconds` from the moment of storing; None removes it."""

    member: str
    seconds: float | None


class Condition(NamedTuple):
    """Holds while the deadline of `member` is still exactly the `score` that `Deadlines.due` showed.

    Judged when the batch is stored, after the arms of the records before it in the batch: two records
    with the same condition, of which the first removes the deadline, are stored once.
    """

    member: str
    score: float


class Record(NamedTuple):
    """One command to store; `arms` are carried out with it, `condition` decides whether it is stored."""

    payload: bytes
    arms: tuple[Arm, ...] = ()
    condition: Condition | None = None


class OwnId(NamedTuple):
    """Which record of which batch of which writer an entry was."""

    writer: str
    batch: int
    position: int


class Entry(NamedTuple):
    """One stored record: its index, the log's time (Unix seconds), who appended it, and its bytes."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    time: float
    own_id: OwnId
    payload: bytes


class Reset(NamedTuple):
    """Forget the state and take this one: a snapshot as of `index`, in the chunks it was published in.

    `floor` is the lowest index the log will ever speak of again; what an answer shows as its index is
    at least that. A reset may arrive at any time: at start, after a restore, when a follower fell
    behind what the log still holds. Proposals that wait when it arrives may have been swallowed.
    Index 0 without chunks is the empty state.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    time: float
    floor: int
    chunks: tuple[bytes, ...]


class Newest(NamedTuple):
    """The newest stored index (0 for an empty log) and its time."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    time: float


class Stored(NamedTuple):
    """The batch is durable. `void` holds the positions whose condition did not hold: not stored.

    `first` means nothing when all are void.
    """

    first: int
    time: float
    void: tuple[int, ...] = ()


class NotStored(NamedTuple):
    """Nothing of the batch is stored and nothing of it ever will be. `reason` is for a human."""

    reason: str


class Unknown(NamedTuple):
    """Whether the batch is stored cannot be told; if it is, `follow` will show it."""

    reason: str


Outcome = Stored | NotStored | Unknown


class Due(NamedTuple):
    """A deadline that has passed, with the score a `Condition` needs."""

    member: str
    score: float


class Beat(NamedTuple):
    """The answer to `Deadlines.beat`: the newest index when it was taken, and the members not armed."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    unknown: tuple[str, ...]


class Deadlines(Protocol):
    """Times by which a sign of life must come: soft state, which the log keeps but does not record."""

    async def beat(self, members: Iterable[tuple[str, float]]) -> Beat:
        """Move each armed member's deadline to its seconds from now. Costs no index.

        A beat is either before a `Condition` on its member, which then does not hold, or after it, and
        then `Beat.index` covers what was stored.
        """

    async def due(self, limit: int) -> list[Due]:
        """Up to `limit` members whose deadline has passed, earliest first. They stay armed."""

    async def rearm(self, members: Iterable[tuple[str, float]]) -> None:
        """Replace all deadlines by these, each a full period from now."""

    def wait_seconds(self) -> float | None:
        """How long until the next deadline as far as this process knows; None when there is none."""


class Group(Protocol):
    """Which processes share the log, and who does what."""

    def is_housekeeper(self) -> bool:
        """Whether this process expires, reaps, snapshots and trims at the moment."""

    def owner(self, item: str) -> str:
        """The writer that does the work named `item`; every process gives the same answer."""

    def members(self) -> tuple[str, ...]:
        """The writers that are alive, sorted."""


class Log(Protocol):
    """One process's end of a log. Opened before use, closed once."""

    writer: str
    deadlines: Deadlines
    group: Group

    async def open(self) -> None:
        """Take hold of the store and recover it.

        Raises:
            LogLocked: another process holds it.
            LogCorrupt: what is stored cannot be read; names the record and the way out.
            LogUnavailable: it cannot be reached or written.
        """

    async def close(self) -> None:
        """Finish what is under way and let go. Followers end. Idempotent."""

    async def append(self, batch: int, records: list[Record]) -> Outcome:
        """Store the records as one batch; `batch` numbers grow by one for each call of a writer.

        Calls of one writer are carried out in the order they were made; one should be under way at a
        time, so that what queues meanwhile becomes the next batch (group commit).
        """

    def follow(self, after: int) -> AsyncIterator[list[Entry] | Reset]:
        """All entries after index `after`, as they become durable, in batches; or a `Reset`.

        Yields a `Reset` first when `after` is older than what the log still holds or newer than its
        newest entry, and when it is 0 and there is a snapshot, which is how a process starts. Never ends
        by itself until the log is closed; what was durable then and still is in memory is yielded first.

        Raises:
            LogUnavailable: history could not be read; follow again.
            LogCorrupt: the snapshot is damaged.
        """

    async def newest(self) -> Newest:
        """The newest stored index, asked of the store itself and not of this process's memory.

        Raises:
            LogUnavailable: the store does not answer.
        """

    async def publish_snapshot(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """Store a snapshot of the state as of `index`, then trim what no reader needs any more.

        Chunks are at most 1 MiB. The entries after the snapshot before this one are kept, so that a
        follower that is a little behind need not be reset. Nothing changes when it fails half-way, or
        when the log has a snapshot of a higher index already.

        Raises:
            LogUnavailable: it could not be stored.
            ValueError: `index` is beyond the newest entry.
        """

    def log_bytes_since_snapshot(self) -> int:
        """Bytes of entries after the newest snapshot: what a start would have to replay."""
