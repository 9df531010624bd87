"""A state from elsewhere put in the place of everything, while processes serve the log.

Owns the steps and how long they may take. What becomes of the state is `state/adoption.py`; that every process on
the log takes it up is the log's promise (`Log.restore`).
"""

import asyncio

from registry.core.snapshots import streamed
from registry.core.writes import Writes
from registry.errors import LogUnavailable
from registry.log.base import Log
from registry.state.adoption import adopt, place_of
from registry.state.snapshot import Frozen
from registry.state.store import State

SHOWN_SECONDS = 60.0  # in which this process has read a large state back; nobody else is waited for


class Restoring:
    """The way of a whole state into a log that is in use."""

    def __init__(self, log: Log, writes: Writes) -> None:
        self._log = log
        self._writes = writes

    async def restore(self, state: State) -> int:
        """As `Engine.restore`."""
        await self._writes.understood(state.level)
        if self._log.shared and state.level > self._writes.state.level:
            raise LogUnavailable("not all replicas understand such a state yet: the older ones have to go first")
        if self._writes.ended:
            raise LogUnavailable(self._writes.ended)
        place = place_of(self._writes.state)
        await asyncio.to_thread(adopt, state, place)
        index = await self._log.restore(state.applied, state.time, streamed(Frozen(state)))
        try:
            await self._writes.caught_up(index, SHOWN_SECONDS)
        except LogUnavailable as error:
            raise LogUnavailable(f"the snapshot is restored, but not shown here yet: {error}", unknown=True) from None
        return index
