"""When a snapshot is due, and the making of it, so that a start need not replay everything that ever happened.

Owns the size of the newest snapshot and the task that makes the next. What it contains is `state/snapshot.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from registry.clock import Clock
from registry.core.observer import Observer
from registry.errors import LogUnavailable
from registry.log.base import Log
from registry.state.snapshot import Frozen
from registry.state.store import State


async def streamed(frozen: Frozen) -> AsyncIterator[bytes]:
    """The chunks of a state, with the event loop let in between them."""
    for chunk in frozen.chunks():
        if chunk:
            yield chunk
        await asyncio.sleep(0)


class Snapshots:
    """Publishes the state once the log has grown past the larger of two bounds since the last snapshot."""

    def __init__(
        self, log: Log, clock: Clock, observer: Observer, minimum_bytes: int, failed: Callable[[Exception], None]
    ) -> None:
        """Args:
        minimum_bytes: the log grows by at least this much before a snapshot, and by twice the size of the last.
        failed: called with an error that is not the store's, as when the state cannot be encoded.
        """
        self._log = log
        self._clock = clock
        self._observer = observer
        self._minimum_bytes = minimum_bytes
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._over = False
        self.newest_bytes = 0

    @property
    def due_bytes(self) -> int:
        """How many bytes of new entries make a snapshot due."""
        return max(self._minimum_bytes, 2 * self.newest_bytes)

    def consider(self, state: State) -> None:
        """Begin a snapshot of the state, if one is due and this process is the one to make it."""
        if self._over or self._log.log_bytes_since_snapshot() <= self.due_bytes:
            return
        if (self._task is None or self._task.done()) and self._log.group.is_housekeeper():
            self._task = asyncio.get_running_loop().create_task(self._publish(Frozen(state)))
            self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._failed(error)

    def end(self) -> None:
        """Begin no more snapshots; one that is under way goes on."""
        self._over = True

    async def stop(self) -> None:
        """Give up the snapshot that is under way, which leaves the log as it was before it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _publish(self, frozen: Frozen) -> None:
        """Store a snapshot; a failure leaves the log as it was, and more writes bring the next attempt."""
        begun, size = self._clock.elapsed(), 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in streamed(frozen):
                size += len(chunk)
                yield chunk

        header = frozen.header
        try:
            await self._log.publish_snapshot(header.applied, header.time, chunks())
        except LogUnavailable as error:
            self._observer.trouble(f"snapshot: {error}")
            return
        self.newest_bytes = size
        self._observer.snapshot(header.applied, size, self._clock.elapsed() - begun)
