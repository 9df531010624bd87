"""What the log yields, taken into the state that this process shows.

Owns the order apply → wake → answer the proposers, how far a start has to read, and a state that a reset has asked
for until it may be shown. Nothing here assumes that this process is the only writer: its own entries arrive like
anyone else's. What an entry does to a state is `recovery.py`.

Atomicity: `_apply` takes in a whole batch without awaiting, so a reader sees all of it or nothing.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from registry.clock import Clock, sleep
from registry.core.agent_feed import AgentFeed
from registry.core.observer import Observer
from registry.core.recovery import apply_entry, state_of
from registry.core.snapshots import Snapshots, streamed
from registry.core.topics import Topics
from registry.core.writes import Writes
from registry.errors import LogUnavailable, RequestError
from registry.log.base import Entry, Held, Item, Log, Outputs, OwnId, Reset
from registry.model.topic import MEMBERS
from registry.state.changes import Changes
from registry.state.snapshot import Frozen
from registry.state.store import State

Watcher = Callable[[Iterable[tuple[str, str]] | None], None]  # is told (folded node, folded id) of rows; None for all
FOLLOW_AGAIN_SECONDS = 0.25  # after history could not be read


class _Settled(NamedTuple):
    """One of our own writes whose entry has been taken in, and what its caller is to be told."""

    own_id: OwnId
    error: RequestError | LogUnavailable | None
    result: Any = None


class Follower:
    """Follows the log and keeps `Topics.state` up to date. Started once; ends when the log is closed."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        observer: Observer,
        writes: Writes,
        topics: Topics,
        snapshots: Snapshots,
        feed: AgentFeed,
        *,
        level: int,
        take_outputs: Callable[[Outputs], None],
    ) -> None:
        """Args:
        level: the highest command level to understand.
        take_outputs: receives the texts of checks that arrive between the entries.
        """
        self._log = log
        self._clock = clock
        self._observer = observer
        self._writes = writes
        self._proposals = writes.proposals
        self._topics = topics
        self._snapshots = snapshots
        self._feed = feed
        self._level = level
        self._take_outputs = take_outputs
        self._coming: State | None = None  # what a reset asked for, until it is as new as what is shown
        self._recover_to = 0
        self._recovered: asyncio.Future[None] | None = None
        self.checks_changed: Watcher | None = None
        self.agents_changed: Watcher | None = None

    async def recovery(self) -> "asyncio.Future[None]":
        """Ask the log for its newest entry; the future is done once `run` has brought the state up to it.

        Raises:
            LogUnavailable: the store does not answer.
        """
        self._recovered = asyncio.get_running_loop().create_future()
        self._recover_to = (await self._log.newest()).index
        self.note_progress()
        return self._recovered

    async def run(self) -> None:
        """Take in what the log yields until the log is closed; history that cannot be read is asked for again.

        Raises:
            LogUnavailable: at the start, this process's own disk cannot be read. Trying again would not help.
            LogError: an entry or a snapshot cannot be taken in; the process must stop.
        """
        told = False
        while True:
            try:
                async for item in self._log.follow(self._newest.applied):
                    told = False
                    self._take(item)
                return
            except LogUnavailable as error:
                if self._recovering and not self._log.shared:
                    raise
                if not told:
                    self._observer.trouble(str(error))
                told = True
            await sleep(self._clock, FOLLOW_AGAIN_SECONDS)

    @property
    def _recovering(self) -> bool:
        return self._recovered is not None and not self._recovered.done()

    @property
    def _newest(self) -> State:
        """The state that the next entries belong to."""
        return self._coming or self._topics.state

    def note_progress(self) -> None:
        """Let those who wait for an entry look again; the start is one of them."""
        self._writes.progressed()
        if self._recovered is not None and self._recovering and self._topics.state.applied >= self._recover_to:
            self._recovered.set_result(None)

    def held(self) -> Held:
        """The newest state of this process, for a store that has lost its own."""
        shown, coming = self._topics.state, self._coming
        state = coming if coming is not None and coming.applied > shown.applied else shown
        return Held(state.applied, state.time, streamed(Frozen(state)))

    def _take(self, item: Item) -> None:
        if isinstance(item, Reset):
            self._reset(item)
        elif isinstance(item, Outputs):
            self._take_outputs(item)
        else:
            self._apply(item)
        self.note_progress()

    # A state in the place of another

    def _reset(self, reset: Reset) -> None:
        """Accept the log's snapshot as the truth; writes that were under way may or may not be part of it."""
        self._snapshots.newest_bytes = sum(map(len, reset.chunks))
        self._coming = state_of(reset, self._level)
        self._proposals.swallow(LogUnavailable("the log was reset while the write was under way", unknown=True))
        self._observer.reset(reset.index)
        self._show_coming()

    def _show_coming(self) -> None:
        """Replace the shown state once the new one is at least as new, so that no reader sees time go backwards."""
        coming, shown = self._coming, self._topics.state
        if coming is None or coming.applied < shown.applied:
            return
        self._coming, changes = None, Changes()
        for (node, key), output in shown.outputs.items():
            old, new = shown.checks[node][key], coming.checks.get(node, {}).get(key)
            if new is not None and new.modify_index == old.modify_index:  # else the log has a newer text
                coming.lay_output(old.id, output, changes)
        self._topics.state = coming
        changes.everything = True
        self._topics.changed(changes)
        if self._feed.watched:
            self._feed.replaced(coming)
        for watcher in (self.checks_changed, self.agents_changed):
            if watcher is not None:
                watcher(None)

    # Entries

    def _apply(self, entries: list[Entry]) -> None:
        state, changes = self._newest, Changes()
        settled: list[_Settled] = []
        for entry in entries:
            if entry.index > state.applied and (one := self._apply_one(state, entry, changes)) is not None:
                settled.append(one)
        if self._coming is not None:
            self._show_coming()
        elif changes:
            self._wake(changes)
        for own_id, error, result in settled:
            self._proposals.settle(own_id, error, result)
        self._snapshots.consider(state)

    def _apply_one(self, state: State, entry: Entry, changes: Changes) -> _Settled | None:
        """Apply one entry, adding to `changes`; what to tell its proposer, if that is one of ours."""
        proposal = self._proposals.find(entry.own_id)
        if not entry.payload:
            state.advance(entry.index, entry.time, changes)
            self._observer.recovered(entry.index)
            passed_over = LogUnavailable("the log passes over the write", unknown=True)
            return _Settled(entry.own_id, passed_over) if proposal is not None else None
        changes.instances.clear()  # these are told for each entry, the rest once for the batch
        command = proposal.command if proposal is not None else None
        applied = apply_entry(state, entry, command, changes, self._level)
        if self._coming is None:
            if self._feed.watched:
                self._feed.applied(state, changes.instances)
            if self.agents_changed is not None and changes.instances:
                self.agents_changed(changes.instances)
        if proposal is None:
            return None
        proposal.context.run(self._observer.applied, entry.index, proposal.command, applied.refusal)
        return _Settled(entry.own_id, applied.refusal, applied.result)

    def _wake(self, changes: Changes) -> None:
        """Drop the answers that the batch has spoiled, and tell everyone who waits for its changes."""
        self._topics.changed(changes)
        members_changed = MEMBERS in changes.topics
        if self.checks_changed is not None and (changes.checks or members_changed):
            self.checks_changed(None if members_changed else changes.checks)
        if self.agents_changed is not None and members_changed:
            self.agents_changed(None)
