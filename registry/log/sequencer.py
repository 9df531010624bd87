"""The one order of appends within a process: indexes, times, conditions, and what became of each batch.

Owns the queue of batches and the next index. One batch is under way at a time. It lives on the event
loop and does no I/O: a `Storage` makes batches durable and answers on the loop.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from registry.errors import LogUnavailable
from registry.log.base import Entry, Newest, NotStored, Outcome, OwnId, Record, Reset, Stored, Unknown
from registry.log.deadlines import LocalDeadlines
from registry.log.feed import Feed

RESTORE_JUMP = 1_000_000  # how far beyond every index that was given out a restored log goes on

Failure = NotStored | Unknown
Settled = Callable[[Failure | None, BaseException | None], None]  # None, None: the batch is durable
Probed = Callable[[Newest | None, BaseException | None], None]


class Storage(Protocol):
    """Where the entries of a log in process live. Called on the event loop only; keeps the order of calls."""

    async def open(self) -> Newest:
        """Take hold of what is stored; raises as `Log.open`."""

    async def close(self) -> None:
        """Let go, after everything that was called before."""

    def write(self, entries: list[Entry], done: Settled) -> None:
        """Make the entries durable, all or none, then call `done` on the loop, never at once."""

    def probe(self, done: Probed) -> None:
        """As `newest`, for the sequencer: says how a batch in doubt ended."""

    async def newest(self) -> Newest:
        """The newest entry, asked of the store itself."""

    async def read(self, after: int, limit: int) -> list[Entry] | Reset:
        """Up to `limit` entries after `after`, none at the end of the log.

        A reset when the next one is gone, when `after` is beyond the end, when it is 0 and there is a
        snapshot, and always when it is below 0.
        """

    async def publish_snapshot(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """As `Log.publish_snapshot`."""

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> Newest:
        """As `Log.restore`; writes of entries that were numbered before it are refused from then on."""

    async def skip(self, index: int) -> None:
        """As `Log.skip`."""

    def verify(self) -> AsyncIterator[str]:
        """As `Log.verify`."""

    def tail_bytes(self) -> int:
        """As `Log.log_bytes_since_snapshot`."""


def no_entry(index: int) -> LookupError:
    """What `skip` says of an index that the log does not hold."""
    return LookupError(f"the log holds no entry {index}")


def taken_in(index: int) -> LookupError:
    """What `skip` says of an entry that comes too late to be passed over."""
    return LookupError(f"the newest snapshot has taken entry {index} in")


@dataclass(slots=True, eq=False)
class _Batch:
    writer: str
    number: int
    records: list[Record]
    answer: asyncio.Future[Outcome]
    time: float = 0.0
    void: tuple[int, ...] = ()
    entries: list[Entry] = field(default_factory=list)

    def settle(self, outcome: Outcome) -> None:
        if not self.answer.done():  # done: the caller was cancelled
            self.answer.set_result(outcome)

    def fail(self, failure: Failure | None, error: BaseException | None) -> None:
        if failure is not None:
            self.settle(failure)
        elif error is not None and not self.answer.done():
            self.answer.set_exception(error)


class Sequencer:
    """Puts the batches of all writers of one process in order over one storage."""

    def __init__(
        self,
        storage: Storage,
        *,
        now: Callable[[], float],
        elapsed: Callable[[], float],
        tenure: Callable[[str], int] = lambda writer: 1,
    ) -> None:
        """`tenure(writer)` is the number of a writer's present time as housekeeper, 0 when it is not."""
        self._storage = storage
        self._tenure = tenure
        self._now = now
        self.newest = 0  # the newest durable index as far as this process knows
        self._next = 1
        self._milliseconds = 0
        self._queue: deque[_Batch] = deque()
        self._under_way: _Batch | None = None
        self._doubt: _Batch | None = None
        self._probing = False
        self._idle: list[asyncio.Future[None]] = []
        self.feed = Feed(storage.read)
        self.deadlines = LocalDeadlines(elapsed, self.time, lambda: self.newest)

    def start(self, newest: Newest) -> None:
        """Continue after `newest`."""
        self.newest = newest.index
        self._next = newest.index + 1
        self._milliseconds = round(newest.time * 1000)
        self.feed.start(newest.index)

    def append(self, writer: str, number: int, records: list[Record]) -> asyncio.Future[Outcome]:
        """Queue a batch; cancelling the future only stops the caller from hearing the outcome."""
        batch = _Batch(writer, number, records, asyncio.get_running_loop().create_future())
        self._queue.append(batch)
        self._proceed()
        return batch.answer

    def time(self) -> float:
        """The time that an entry stored now would bear."""
        return max(self._milliseconds, int(self._now() * 1000)) / 1000

    async def idle(self) -> None:
        """Return once nothing is queued or under way."""
        while self._queue or self._under_way is not None or self._probing:
            waiter = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            await waiter

    def jump(self, count: int) -> None:
        """Leave out the next `count` indexes."""
        self._next += count

    def replace(self, newest: Newest) -> None:
        """The store was replaced: go on after `newest`, reset all followers, give up the batch under way."""
        swallowed, self._under_way = self._under_way, None
        self._doubt = None
        self.start(newest)
        self.read_again()
        if swallowed is not None:
            self.deadlines.settle()
            swallowed.settle(Unknown("the store was replaced while the batch was under way"))
        self._proceed()

    def read_again(self) -> None:
        """What is stored says something else now: followers are reset, deadlines are to be armed anew."""
        self.deadlines.lose()
        self.feed.reset(self.newest)

    def _proceed(self) -> None:
        while self._queue and self._under_way is None and not self._probing:
            if self._doubt is None:
                self._cut(self._queue.popleft())
            else:
                self._probing = True
                self._storage.probe(self._probed)
        if self._idle and not self._queue and self._under_way is None and not self._probing:
            waiting, self._idle = self._idle, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    def _cut(self, batch: _Batch) -> None:
        """Judge, number and stamp the records, and hand them to the storage."""
        batch.void = self.deadlines.judge(batch.records, self._tenure(batch.writer))
        self._milliseconds = max(self._milliseconds, int(self._now() * 1000))
        batch.time = self._milliseconds / 1000
        index, writer, number = self._next, batch.writer, batch.number
        for position, record in enumerate(batch.records):
            if batch.void and position in batch.void:
                continue
            batch.entries.append(Entry(index, batch.time, OwnId(writer, number, position), record.payload))
            index += 1
        if batch.entries:
            self._under_way = batch
            self._storage.write(batch.entries, partial(self._settled, batch))
        else:
            batch.settle(Stored(self._next, batch.time, batch.void))

    def _settled(self, batch: _Batch, failure: Failure | None, error: BaseException | None) -> None:
        """One call from the storage per batch: its caller and all followers hear of it in this turn."""
        if batch is not self._under_way:
            return  # the store was replaced meanwhile
        self._under_way = None
        if error is None and failure is None:
            self._publish(batch)
            batch.settle(Stored(batch.entries[0].index, batch.time, batch.void))
        else:
            if not isinstance(failure, NotStored):
                self._doubt = batch
            batch.fail(failure, error)
        self.deadlines.settle()
        self._proceed()

    def _publish(self, batch: _Batch) -> None:
        self.newest = batch.entries[-1].index
        self._next = max(self._next, self.newest + 1)  # a jump meanwhile stays
        self.deadlines.apply(batch.records, batch.void)
        self.feed.publish(batch.entries)

    def _probed(self, newest: Newest | None, error: BaseException | None) -> None:
        """The storage says whether the batch in doubt is stored; until it can, nothing is appended."""
        self._probing = False
        doubt = self._doubt
        if error is not None:
            refusal = NotStored(str(error)) if isinstance(error, LogUnavailable) else None
            while self._queue:
                self._queue.popleft().fail(refusal, error)
        elif newest is not None and doubt is not None:
            self._doubt = None
            if newest.index == doubt.entries[-1].index:
                self._publish(doubt)
        self._proceed()
