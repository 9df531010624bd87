"""Writes from the proposal to the answer: judged, queued for the log, and answered once this process shows them.

Owns what is promised to a caller, and how far this process is behind the log. Batches are `proposals.py`, taking
entries in is `following.py`. Nothing here assumes that this process is the only writer.
"""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple

from registry.clock import Clock
from registry.commands import Command
from registry.commands.codec import encoded, level_of
from registry.core import deadlines
from registry.core.keys import WriteKey, keys_of, longest_name
from registry.core.observer import Observer
from registry.core.proposals import Proposal, Proposals
from registry.core.topics import Topics, resolve
from registry.errors import LogUnavailable, TooLarge, TooManyRequests
from registry.log.base import Condition, Log, Record, Tenure
from registry.state.store import State

UNDERSTOOD_SECONDS = 3.0  # by then a replica has told the housekeeper what it understands
CATCH_UP_SECONDS = 1.0  # a replica that is behind the store for longer refuses what needs the newest state


class Behind(LogUnavailable):
    """The store answers, but this process has not yet taken in what it holds."""


class Written(NamedTuple):
    """What became of a write that was accepted: whether it took an entry, and the command's result."""

    stored: bool
    result: Any


class Writes:
    """Every write of this process goes through here."""

    def __init__(
        self, log: Log, clock: Clock, observer: Observer, topics: Topics, *, limit: int, max_name_characters: int
    ) -> None:
        """Args:
        limit: how many writes may wait for the log before further ones are refused.
        """
        self.proposals = Proposals(log, clock, observer, limit)
        self._max_name_characters = max_name_characters
        self.ended = ""  # why no more writes are taken; "" while they are
        self._log = log
        self._clock = clock
        self._observer = observer
        self._topics = topics
        self._nobody = copy_context()  # that of no request
        self._behind: list[asyncio.Future[None]] = []  # those who wait for the next entries to be applied

    @property
    def state(self) -> State:
        """What this process shows."""
        return self._topics.state

    async def propose(self, command: Command) -> Written:
        """As `Engine.propose`."""
        keys = keys_of(command, self.state.server.node)
        name = longest_name(command, keys)
        if len(name) > self._max_name_characters:
            raise TooLarge("name-limit", size=len(name), limit=self._max_name_characters)
        await self.understood(level_of(command))
        if (
            self._superfluous(command, keys)
            and (not self._log.shared or await self._confirmed(command, keys))
            and await self._beaten(command)
        ):
            self._observer.skipped(command)
            return Written(stored=False, result=self.state.foregone(command))
        return Written(stored=True, result=await self.enqueue(command, keys).future)

    async def understood(self, level: int) -> None:
        """Wait a while for all members to understand commands of this level; after a start they have yet to say so."""
        if not self._log.shared or level <= self.state.level:
            return
        until = self._clock.elapsed() + UNDERSTOOD_SECONDS
        while level > self.state.level and not self.ended and (left := until - self._clock.elapsed()) > 0:
            await self._progress(left)

    def _superfluous(self, command: Command, keys: tuple[WriteKey, ...]) -> bool:
        """Whether the write would change nothing, and no write under way could make a difference."""
        return self.state.changes_nothing(command) and not self.proposals.touch(*keys, ("n", keys[0][1]))

    async def _confirmed(self, command: Command, keys: tuple[WriteKey, ...]) -> bool:
        """Whether that also holds for the newest state, which another process may have written."""
        await self.confirm()
        return self._superfluous(command, keys)

    async def _beaten(self, command: Command) -> bool:
        """Start new periods for the TTLs of a command that changes nothing; False if it would change something now."""
        arms = deadlines.arms_of(self.state, command)
        if not arms:
            return True
        judged_at = self.state.applied
        beat = await self._log.deadlines.beat([(arm.member, arm.seconds) for arm in arms if arm.seconds is not None])
        await self.caught_up(beat.index)
        return not beat.unknown and (self.state.applied == judged_at or self.state.changes_nothing(command))

    def enqueue(
        self,
        command: Command,
        keys: tuple[WriteKey, ...] | None = None,
        condition: Condition | Tenure | None = None,
    ) -> Proposal:
        """Queue a write for the log without asking whether it changes anything.

        Raises:
            LogUnavailable: no more writes are taken, or not every member understands such a write yet.
            TooManyRequests: too many writes are waiting.
        """
        if self.ended:
            raise LogUnavailable(self.ended)
        if self._log.shared and level_of(command) > self.state.level:
            raise LogUnavailable("not all replicas understand such a write yet: the older ones have to go first")
        if keys is None:
            keys = keys_of(command, self.state.server.node)
        record = Record(encoded(command), deadlines.arms_of(self.state, command), condition)
        return self.proposals.add(command, record, keys)

    def submit(self, command: Command, condition: Condition | Tenure | None = None) -> Proposal | None:
        """Propose without waiting. No caller asked for it, so a failure is told to the observer only."""
        try:
            proposal = self.enqueue(command, condition=condition)
        except (LogUnavailable, TooManyRequests) as error:
            self._observer.trouble(str(error))
            return None
        proposal.context = self._nobody
        proposal.future.add_done_callback(self._submitted)
        return proposal

    def _submitted(self, future: "asyncio.Future[Any]") -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._observer.trouble(str(error))

    def when_shown(self, proposal: Proposal, then: Callable[[], None]) -> None:
        """Call `then` once this process shows the write; not at all if it is refused, left out or lost."""

        def shown(done: "asyncio.Future[Any]") -> None:
            if not done.cancelled() and done.exception() is None and not proposal.void:
                then()

        proposal.future.add_done_callback(shown)

    def time_detection(self, proposal: Proposal, kind: str, since: float) -> None:
        """Tell the observer how long it took to show a failure that could be known at `since` (elapsed)."""
        self.when_shown(proposal, lambda: self._observer.detected(kind, self._clock.elapsed() - since))

    # How far this process is

    async def confirm(self) -> None:
        """As `Engine.confirm`."""
        if self._log.shared:
            await self.caught_up(await self._log.sync())

    async def caught_up(self, index: int, seconds: float = CATCH_UP_SECONDS) -> None:
        """Wait until the state shows the entry of this index, whichever process appended it.

        Args:
            seconds: how long to wait if the log is shared.
        Raises:
            LogUnavailable: the engine stops first.
            Behind: this process is still behind a shared log.
        """
        if self.state.applied >= index:
            return
        until = self._clock.elapsed() + seconds
        while self.state.applied < index:
            if self.ended:
                raise LogUnavailable(self.ended)
            left = until - self._clock.elapsed()
            if self._log.shared and left <= 0:
                raise Behind(f"this replica is behind the store: at {self.state.applied}, not at {index}")
            await self._progress(left if self._log.shared else None)

    async def _progress(self, seconds: float | None) -> None:
        """Wait until something has been taken in, or for so many seconds."""
        progress: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._behind.append(progress)
        timer = self._clock.call_later(seconds, partial(resolve, progress)) if seconds is not None else None
        try:
            await progress
        finally:
            if timer is not None:
                timer.cancel()

    def progressed(self) -> None:
        """Let those who wait for entries check again."""
        behind, self._behind = self._behind, []
        for waiting in behind:
            resolve(waiting)

    def end(self, reason: str) -> None:
        """Take no more writes, and end every wait for entries."""
        self.ended = self.ended or reason
        self.progressed()
