"""Those who follow the events as they happen: clients of Consul's monitor.

Owns the bounded queue of one listener and its stream of chunks. Which events it wants is its level.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from registry.events.record import WARNING, Event, Renderer

QUEUED_LINES = 512  # as Consul's monitor keeps


class Listener:
    """One follower. Lines beyond the bound are dropped; the next chunk says how many."""

    def __init__(
        self,
        level: int,
        render: Renderer,
        leave: Callable[["Listener"], None],
        limit: int,
        now: Callable[[], float],
    ) -> None:
        self.level = level
        self._now = now
        self._render = render
        self._leave = leave
        self._limit = limit
        self._lines: deque[str] = deque()
        self._lost = 0
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._told = False
        self._closed = False

    def offer(self, event: Event) -> None:
        """Queue an event, or count it as lost. Never blocks; may be called on any thread."""
        if len(self._lines) >= self._limit:
            self._lost += 1
            return
        self._lines.append(self._render(event))
        self._tell()

    def close(self) -> None:
        """End the stream after what is queued."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        if self._told:
            return
        self._told = True
        try:
            self._loop.call_soon_threadsafe(self._arrived.set)
        except RuntimeError:  # the loop was closed under a stream that was never read
            self._leave(self)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Lines as they come, those of one moment in one chunk. Ends when closed; a reader that stops is forgotten."""
        try:
            while True:
                if not self._lines and not self._closed:
                    await self._arrived.wait()
                self._arrived.clear()
                self._told = False
                if self._lines:
                    yield self._chunk()
                elif self._closed:
                    return
        finally:
            self._leave(self)

    def _chunk(self) -> bytes:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if self._lost:
            lost, self._lost = self._lost, 0
            told = Event(self._now(), WARNING, "agent", "Monitor was too slow and lost lines", {"lost": lost})
            lines.append(self._render(told))
        return "".join(lines).encode("utf-8", "replace")
