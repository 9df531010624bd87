"""Writes under way: queued, appended to the log, and then found again by whoever applies the log's entries.

Owns the queue, the batches and what each caller is told. One append is under way at a time; what queues
meanwhile is the next batch (group commit). What a write means is of no concern here.
"""

import asyncio
from collections import Counter, deque
from contextvars import copy_context
from typing import Any

from registry.clock import Clock
from registry.commands import Command
from registry.core.keys import WriteKey
from registry.core.observer import Observer
from registry.errors import LogUnavailable, RequestError, TooManyRequests
from registry.log.base import Log, NotStored, OwnId, Record, Stored

BATCH_RECORDS = 512
BATCH_BYTES = 4 << 20
SHOWN_SECONDS = 0.9  # if this process does not show a write on a shared log by then, its caller is told so
LEAST_SECONDS = 0.1  # that a write has left to be shown, however long its append took
UNKNOWN_SECONDS = 5.0  # how long a write of unknown outcome may still turn up before its caller is told


class Proposal:
    """One write: its command, its record, the keys it writes, and the caller who waits for it."""

    __slots__ = ("command", "context", "future", "keys", "record", "void")

    def __init__(
        self, command: Command, record: Record, keys: tuple[WriteKey, ...], future: "asyncio.Future[Any]"
    ) -> None:
        self.command = command
        self.record = record
        self.keys = keys
        self.future = future
        self.context = copy_context()  # so that log lines about the write belong to its request
        self.void = False  # its condition did not hold: nothing was stored

    def settle(self, error: Exception | None, result: object = None) -> None:
        """Tell the caller, if it is still waiting."""
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Proposals:
    """All writes of this process that are under way."""

    def __init__(self, log: Log, clock: Clock, observer: Observer, limit: int) -> None:
        """Args:
        limit: how many may wait for the log before further ones are refused.
        """
        self._log = log
        self._clock = clock
        self._observer = observer
        self._limit = limit
        self._queue: deque[Proposal] = deque()
        self._pending: dict[tuple[int, int], Proposal] = {}  # (batch, position) → given to the log, not yet applied
        self._in_flight: Counter[WriteKey] = Counter()
        self._batch = 0
        self._queued = asyncio.Event()
        self._moved: asyncio.Future[None] | None = None  # done when a write has left us, for `drained`

    @property
    def busy(self) -> bool:
        """Whether any write is under way."""
        return bool(self._queue or self._pending)

    @property
    def waiting(self) -> int:
        """How many writes have not been handed to the log yet."""
        return len(self._queue)

    def touch(self, *keys: WriteKey) -> bool:
        """Whether a write that is under way writes any of these."""
        in_flight = self._in_flight
        return bool(in_flight) and any(key in in_flight for key in keys)

    def add(self, command: Command, record: Record, keys: tuple[WriteKey, ...]) -> Proposal:
        """Queue a write.

        Raises:
            TooManyRequests: `pending-writes`.
        """
        if len(self._queue) >= self._limit:
            raise TooManyRequests("pending-writes", limit=self._limit, have=len(self._queue))
        proposal = Proposal(command, record, keys, asyncio.get_running_loop().create_future())
        self._in_flight.update(keys)
        self._queue.append(proposal)
        self._queued.set()
        return proposal

    async def run(self) -> None:
        """Append one batch after another; never returns."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            while self._queue:
                await self._append(self._cut())

    def _cut(self) -> list[Proposal]:
        batch: list[Proposal] = []
        size = 0
        while self._queue and len(batch) < BATCH_RECORDS and size < BATCH_BYTES:
            proposal = self._queue.popleft()
            size += len(proposal.record.payload)
            batch.append(proposal)
        return batch

    async def _append(self, batch: list[Proposal]) -> None:
        self._batch = number = self._batch + 1
        for position, proposal in enumerate(batch):
            self._pending[(number, position)] = proposal
        begun = self._clock.elapsed()
        outcome = await self._log.append(number, [proposal.record for proposal in batch])
        seconds = self._clock.elapsed() - begun
        if isinstance(outcome, Stored):
            self._observer.appended(len(batch), seconds, "stored")
            for position in outcome.void:
                if (left_out := self._pending.get((number, position))) is not None:
                    left_out.void = True
                self._settle((number, position), None)
            if self._log.shared:
                self._expect(number, len(batch), SHOWN_SECONDS - seconds)
            return
        known = isinstance(outcome, NotStored)
        self._observer.appended(len(batch), seconds, "not-stored" if known else "unknown")
        self._observer.trouble(outcome.reason)
        if known:
            self._give_up(number, len(batch), LogUnavailable(outcome.reason))
        elif self._log.shared:  # the log has tried to find out, and no caller waits for a store that is away
            self._give_up(number, len(batch), LogUnavailable(outcome.reason, unknown=True))
        else:
            error = LogUnavailable(outcome.reason, unknown=True)
            self._clock.call_later(UNKNOWN_SECONDS, lambda: self._give_up(number, len(batch), error))

    def _expect(self, number: int, count: int, seconds: float) -> None:
        """Bound the wait for entries that are stored, but may not reach this process or may be lost again."""
        error = LogUnavailable("it is stored, but this replica is cut off from what is stored", unknown=True)
        self._clock.call_later(max(seconds, LEAST_SECONDS), lambda: self._give_up(number, count, error))

    def _give_up(self, number: int, count: int, error: LogUnavailable) -> None:
        for position in range(count):
            self._settle((number, position), error)

    def _settle(self, own: tuple[int, int], error: Exception | None, result: object = None) -> None:
        proposal = self._pending.pop(own, None)
        if proposal is not None:
            self._release(proposal)
            proposal.settle(error, result)

    def find(self, own_id: OwnId) -> Proposal | None:
        """The write that an entry came from; None if it is not one of ours, or its caller was told already."""
        if own_id.writer != self._log.writer:
            return None
        return self._pending.get((own_id.batch, own_id.position))

    def settle(self, own_id: OwnId, refusal: RequestError | LogUnavailable | None, result: object) -> None:
        """Tell the caller of a write that was applied. Until then the write counts as under way."""
        self._settle((own_id.batch, own_id.position), refusal, result)

    def swallow(self, error: LogUnavailable) -> None:
        """Give up every write that was handed to the log and is not applied yet."""
        for own in list(self._pending):
            self._settle(own, error)

    def fail(self, error: LogUnavailable) -> None:
        """Give up every write."""
        self.swallow(error)
        while self._queue:
            proposal = self._queue.popleft()
            self._release(proposal)
            proposal.settle(error)

    async def drained(self) -> None:
        """Wait until no write is under way, or none has got any further for `UNKNOWN_SECONDS`."""
        while self.busy:
            # the callers' futures do not tell: a caller may have gone away while its write goes on
            self._moved = asyncio.get_running_loop().create_future()
            moved, _ = await asyncio.wait([self._moved], timeout=UNKNOWN_SECONDS)
            if not moved:
                return

    def _release(self, proposal: Proposal) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)
        in_flight = self._in_flight
        for key in proposal.keys:
            if in_flight[key] > 1:
                in_flight[key] -= 1
            else:
                del in_flight[key]
