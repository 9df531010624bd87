"""The followers of a log in one process: fresh entries from memory, history from the store.

Owns the last few batches that became durable and whom to wake. A follower has a position and nothing
else: one that is slow is not buffered for, it finds its place again in the store. Nothing is stored here.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from registry.log.base import Entry, Item, Output, Outputs, Reset

RECENT_BATCHES = 64  # a follower that is current is a batch or two behind
RECENT_BYTES = 1024 * 1024  # payloads kept for that
READ_ENTRIES = 500  # entries of history in one batch

Read = Callable[[int, int], Awaitable[list[Entry] | Reset]]


class Feed:
    """Hands each durable batch to all followers; the same objects to each."""

    def __init__(self, read: Read) -> None:
        """`read(after, limit)` asks the store: entries, none at the end, or a reset if they are gone."""
        self._read = read
        self._recent: deque[list[Entry]] = deque()
        self._recent_bytes = 0
        self._before = 0  # every entry after this index is in `_recent`
        self._newest = 0
        self._resets = 0
        self._outputs: dict[int, list[Output]] = {}  # of each follower, what it has not yielded yet
        self._waiting: set[asyncio.Future[None]] = set()

    def start(self, newest: int) -> None:
        """Begin after index `newest`, with all history in the store and every follower sent there."""
        self._recent.clear()
        self._recent_bytes = 0
        self._before = self._newest = newest

    def reset(self, newest: int) -> None:
        """The store was replaced: every follower gets a `Reset` before anything else."""
        self.start(newest)
        self._resets += 1
        self.wake()

    def publish(self, entries: list[Entry]) -> None:
        """Hand over a batch that has become durable; call in index order."""
        self._recent.append(entries)
        self._recent_bytes += _payload_bytes(entries)
        self._newest = entries[-1].index
        # the newest batch stays however large it is: it is the one that the current followers take
        while len(self._recent) > 1 and (len(self._recent) > RECENT_BATCHES or self._recent_bytes > RECENT_BYTES):
            oldest = self._recent.popleft()
            self._recent_bytes -= _payload_bytes(oldest)
            self._before = oldest[-1].index
        self.wake()

    def publish_outputs(self, texts: list[Output]) -> None:
        """Hand texts to the followers that are there now."""
        for waiting in self._outputs.values():
            waiting.extend(texts)
        self.wake()

    def wake(self) -> None:
        """Let waiting followers look again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def follow(self, after: int, ended: Callable[[], bool]) -> AsyncIterator[Item]:
        """Entries after `after` in batches, a `Reset`, or outputs; ends once `ended` and all in memory is out."""
        texts: list[Output] = []
        self._outputs[id(texts)] = texts
        try:
            async for item in self._follow(after, ended, texts):
                yield item
        finally:
            del self._outputs[id(texts)]

    async def _follow(self, after: int, ended: Callable[[], bool], texts: list[Output]) -> AsyncIterator[Item]:
        position, resets = after, self._resets
        settled = after == self._newest  # else the store has to say whether it still holds what comes next
        while True:
            if settled and resets == self._resets and self._before <= position <= self._newest:
                if position < self._newest:
                    batch = self._recent_after(position)
                    position = batch[-1].index
                    yield batch
                elif texts:
                    published, texts[:] = Outputs(tuple(texts)), []
                    yield published
                elif ended():
                    return
                else:
                    await self._change()
                continue
            if ended():
                return
            forced = resets != self._resets
            resets = self._resets
            # before everything there is only what a snapshot can tell, so asking for it yields the reset
            found = await self._read(-1 if forced else position, READ_ENTRIES)
            settled = True
            if isinstance(found, Reset):
                position = found.index
                yield found
            elif found:
                position = found[-1].index
                yield found

    def _recent_after(self, position: int) -> list[Entry]:
        """The oldest batch in memory that goes beyond `position`, without what does not."""
        found = self._recent[-1]
        for batch in reversed(self._recent):
            if batch[-1].index <= position:
                break
            found = batch
        return found if found[0].index > position else [entry for entry in found if entry.index > position]

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)


def _payload_bytes(entries: list[Entry]) -> int:
    return sum([len(entry.payload) for entry in entries])
