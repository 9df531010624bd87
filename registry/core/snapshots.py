"""When a snapshot is due, and its making: so that a start need not replay everything that ever happened.

Owns the size of the newest one and the task that makes the next. What is in it is `state/snapshot.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from registry.clock import Clock
from registry.core.observer import Observer
from registry.errors import LogUnavailable
from registry.log.base import Log
from registry.state.snapshot import Frozen
from registry.state.store import State


class Snapshots:
    """Publishes the state when the log since the last one has grown past the larger of two bounds."""

    def __init__(
        self, log: Log, clock: Clock, observer: Observer, minimum_bytes: int, failed: Callable[[Exception], None]
    ) -> None:
        """Args:
        failed: is told of an error that is not the store's: the state could not be written down.
        minimum_bytes: the log grows at least this much before a snapshot; and twice the last one's size.
        """
        self._log = log
        self._clock = clock
        self._observer = observer
        self._minimum_bytes = minimum_bytes
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self.newest_bytes = 0

    @property
    def due_bytes(self) -> int:
        """The size of the log's new entries that a snapshot is taken at."""
        return max(self._minimum_bytes, 2 * self.newest_bytes)

    def consider(self, state: State) -> None:
        """Begin one, if it is due and ours to make."""
        if self._log.log_bytes_since_snapshot() <= self.due_bytes:
            return
        if (self._task is None or self._task.done()) and self._log.group.is_housekeeper():
            self._task = asyncio.get_running_loop().create_task(self._publish(Frozen(state)))
            self._task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._failed(error)

    async def stop(self) -> None:
        """Give up the one under way: the log is left as it was before it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _publish(self, frozen: Frozen) -> None:
        """A failure leaves the log as it was and is tried again when more has been written."""
        begun, size = self._clock.elapsed(), 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal size
            for chunk in frozen.chunks():
                if chunk:
                    size += len(chunk)
                    yield chunk
                await asyncio.sleep(0)

        header = frozen.header
        try:
            await self._log.publish_snapshot(header.applied, header.time, chunks())
        except LogUnavailable as error:
            self._observer.trouble(f"snapshot: {error}")
            return
        self.newest_bytes = size
        self._observer.snapshot(header.applied, size, self._clock.elapsed() - begun)
