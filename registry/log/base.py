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

    * While the store cannot be reached, every call fails within a second (one that writes a snapshot within
      five); nothing waits for its return.

Several writers may append to one log, each through an object of its own with its own `writer` name: in
one process, or (`Log.shared`) in many processes on many machines.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
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


class Tenure(NamedTuple):
    """Holds while the appending writer is the housekeeper, and has been since `Group.tenure` said `number`."""

    number: int


class Record(NamedTuple):
    """One command to store; `arms` are carried out with it, `condition` decides whether it is stored."""

    payload: bytes
    arms: tuple[Arm, ...] = ()
    condition: Condition | Tenure | None = None


class OwnId(NamedTuple):
    """Which record of which batch of which writer an entry was."""

    writer: str
    batch: int
    position: int


class Entry(NamedTuple):
    """One stored record: its index, the log's time (Unix seconds), who appended it, and its bytes.

    Without bytes it holds no command: the log went on here after a gap in what is known of its past (a
    recovery), or a repair passes over what stood here. From then on no answer shows a lower index.
    """

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


class Output(NamedTuple):
    """A newer text of a check, which the log does not record. `key` is opaque to the log.

    `after` is the index that its sender had applied: an entry about the check with a higher one is newer.
    """

    key: str
    after: int
    text: str


class Outputs(NamedTuple):
    """Texts that some writer published, this one included; the later one of a key counts."""

    texts: tuple[Output, ...]


Item = list[Entry] | Reset | Outputs


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


class Left(NamedTuple):
    """The log's time, and for each member that was asked for how long its deadline has still to go.

    Below 0 where it has passed, None where it is not armed.
    """

    time: float
    seconds: tuple[float | None, ...]


class Tick(NamedTuple):
    """What time has brought.

    `time` is the log's (Unix seconds), `armed_at` the moment of the last `rearm` by it: 0.0 when the
    deadlines are not to be trusted and nothing is due before `disarm` and `rearm`. `due` is earliest first;
    its members stay armed. `late_seconds` says of each how long ago it has passed.
    """

    time: float
    armed_at: float
    due: tuple[Due, ...]
    late_seconds: tuple[float, ...] = ()


class Deadlines(Protocol):
    """Times by which a sign of life must come: soft state, which the log keeps but does not record."""

    async def beat(self, members: Iterable[tuple[str, float]]) -> Beat:
        """Move each armed member's deadline to its seconds from now. Costs no index.

        A beat is either before a `Condition` on its member, which then does not hold, or after it, and
        then `Beat.index` covers what was stored. Between `disarm` and the end of `rearm` no member is
        unknown: each gets a full period anyhow.

        Raises:
            LogUnavailable: the store does not answer; every deadline is armed anew before one can pass.
        """

    async def left(self, members: Sequence[str]) -> Left:
        """How long these deadlines have still to go.

        Raises:
            LogUnavailable: the store does not answer.
        """

    async def tick(self, limit: int) -> Tick:
        """Look at the time, for the housekeeper: up to `limit` deadlines that have passed.

        Raises:
            LogUnavailable: the store does not answer, or somebody else is the housekeeper now.
        """

    async def disarm(self) -> int:
        """Forget all deadlines and return the newest index: who rearms has to know what is stored up to it.

        Raises:
            LogUnavailable: as for `tick`.
        """

    async def rearm(self, members: Iterable[tuple[str, float]]) -> None:
        """Arm these, each a full period from now, beside what records have armed since `disarm`.

        Raises:
            LogUnavailable: as for `tick`; begin again with `disarm`.
        """


class Peer(NamedTuple):
    """A writer that is alive, with what it said about itself (opaque to the log)."""

    writer: str
    about: bytes


class Group(Protocol):
    """Which processes share the log, and which of them keeps house."""

    def announce(self, about: bytes) -> None:
        """What the others are to know of this writer; they see it within a second or two."""

    def is_housekeeper(self) -> bool:
        """Whether this process expires, reaps, snapshots and trims at the moment, as far as it knows."""

    def tenure(self) -> int:
        """The number of this writer's present time as housekeeper, for `Tenure`; 0 when it is not."""

    def members(self) -> tuple[Peer, ...]:
        """The writers that are alive, sorted by name. Only the housekeeper's answer is up to date."""


class Contact(NamedTuple):
    """How the store is, as far as this process knows.

    `away` says that writes are refused without being tried; `reason` why, for a human. `silent_seconds` is the
    time since it last answered, 0.0 while it does.
    """

    away: bool
    silent_seconds: float
    reason: str


class Held(NamedTuple):
    """A state that this process holds: as of `index`, with the chunks of a snapshot of it."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    time: float
    chunks: AsyncIterator[bytes]


class Log(Protocol):
    """One process's end of a log. Opened before use, closed once."""

    writer: str
    shared: bool  # whether other processes may write too, so that this one may be behind
    deadlines: Deadlines
    group: Group
    held: Callable[[], Held] | None  # set before `open` by who holds a state that a lost store is healed from

    async def open(self) -> None:
        """Take hold of the store and recover it.

        Raises:
            LogLocked: another process holds it.
            LogCorrupt: what is stored cannot be read; names the record and the way out.
            LogUnavailable: it cannot be reached or written.
            SettingsError: its url cannot be used, or what is stored there is not ours.
        """

    async def close(self) -> None:
        """Finish what is under way and let go. Followers end. Idempotent."""

    async def append(self, batch: int, records: list[Record]) -> Outcome:
        """Store the records as one batch; `batch` numbers grow by one for each call of a writer.

        Calls of one writer are carried out in the order they were made; one should be under way at a
        time, so that what queues meanwhile becomes the next batch (group commit).
        """

    def follow(self, after: int) -> AsyncIterator[Item]:
        """All entries after index `after`, as they become durable, in batches; or a `Reset`.

        Yields a `Reset` first when `after` is older than what the log still holds or newer than its
        newest entry, and when it is 0 and there is a snapshot, which is how a process starts. Never ends
        by itself until the log is closed; what was durable then and still is in memory is yielded first.
        Published outputs come between the entries.

        Raises:
            LogUnavailable: history could not be read; follow again.
            LogCorrupt: the snapshot is damaged.
        """

    async def newest(self) -> Newest:
        """The newest stored index, asked of the store itself and not of this process's memory.

        Raises:
            LogUnavailable: the store does not answer.
        """

    async def sync(self) -> int:
        """The newest index, asked after this call was made; callers that come together share one question.

        What is stored when it is called is covered. In one process nothing has to be asked.

        Raises:
            LogUnavailable: the store does not answer.
        """

    def contact(self) -> Contact:
        """How the store is; asks nobody."""

    async def publish_outputs(self, texts: list[Output]) -> None:
        """Hand newer texts to all followers of a shared log, now and at their start. May be lost; no error."""

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

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> int:
        """Replace all that is stored by a snapshot, and return the index at which it stands.

        That index is beyond every one given out before, and beyond `index`, the one that the state had where
        it comes from. All followers are reset. Nothing changes when it fails half-way. Chunks as for
        `publish_snapshot`; `time` is that of the state.

        Raises:
            LogUnavailable: it could not be stored.
        """

    async def skip(self, index: int) -> None:
        """From now on yield the entry at `index` without its bytes; for a command that no program can apply.

        Processes that took it in meanwhile are reset.

        Raises:
            LogUnavailable: it could not be stored.
            LookupError: the log holds no such entry, or a snapshot has taken it in.
        """

    def verify(self) -> AsyncIterator[str]:
        """Read all that is stored and check it; yields a sentence for each fault, nothing when all is well.

        What entries and chunks mean is not looked at. The log is open, and others may go on writing.

        Raises:
            LogUnavailable: it could not be read.
        """
