"""The engine: the one way a write becomes part of the state, and the one way a reader gets an answer.

Owns the order append → apply → wake → answer, and the life of the parts: writes on their way (`writes.py`), signs
of life (`beats.py`), what one process does for all (`housekeeping.py`). It knows logs by their contract only, and
nothing of HTTP. Nothing here assumes that this process is the only writer: what is applied is what `follow`
yields, our own entries like any other's.

Atomicity: code between two awaits is atomic. `_apply` takes in a whole batch without awaiting, so a
reader sees all of it or nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any

from msgspec import Struct

from registry.clock import Clock, sleep
from registry.commands import Command
from registry.commands.codec import LEVEL
from registry.core.agents import Agents
from registry.core.beats import Beats
from registry.core.housekeeping import Housekeeping
from registry.core.observer import Observer
from registry.core.recovery import apply_entry, state_of
from registry.core.restoring import Restoring
from registry.core.sessions import Sessions
from registry.core.snapshots import Snapshots
from registry.core.topics import Answer, Question, Topics
from registry.core.writes import Writes
from registry.errors import LogUnavailable, RequestError
from registry.log.base import Contact, Entry, Held, Log, Outputs, OwnId, Reset
from registry.model.topic import MEMBERS, Topic
from registry.state.changes import Changes
from registry.state.snapshot import Frozen
from registry.state.store import State

CheckWatcher = Callable[[Iterable[tuple[str, str]] | None], None]
AgentWatcher = CheckWatcher
FOLLOW_AGAIN_SECONDS = 0.25  # after history could not be read


class Options(Struct, frozen=True, kw_only=True):
    """Limits and periods of the engine; the settings of the same names explain them."""

    max_pending_writes: int = 65_536
    check_update_interval_seconds: float = 300.0
    deregister_critical_minimum_seconds: float = 60.0
    snapshot_min_bytes: int = 8 << 20
    answers_per_topic: int = 32
    answers_bytes: int = 64 << 20
    max_parked_readers: int = 50_000
    max_name_characters: int = 1_024
    session_expiry_factor: float = 2.0


class Engine:
    """Writes in, answers out. Started once, stopped once."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        *,
        options: Options | None = None,
        random: Callable[[], float] = lambda: 0.0,
        observer: Observer | None = None,
        level: int = LEVEL,
    ) -> None:
        """Args:
        random: numbers in [0, 1) for waits that are spread; the test double's is 0.
        level: the highest command level to understand; a program that is older has a lower one.
        """
        self.options = options or Options()
        self.clock = clock
        self.random = random
        self.observer = observer or Observer()
        self.log_level = level
        self.state = State()
        self.topics = Topics(
            clock,
            answers_per_topic=self.options.answers_per_topic,
            answers_bytes=self.options.answers_bytes,
            max_parked=self.options.max_parked_readers,
        )
        self._coming: State | None = None  # what a reset asked for, until it is as new as what is shown
        self._show(self.state)
        self._log = log
        self._writes = Writes(
            log, clock, self.observer, self.topics,
            limit=self.options.max_pending_writes, max_name_characters=self.options.max_name_characters,
        )  # fmt: skip
        self._proposals = self._writes.proposals
        self._snapshots = Snapshots(log, clock, self.observer, self.options.snapshot_min_bytes, self._fail)
        self._beats = Beats(
            log, clock, self._writes, self.topics,
            interval_seconds=self.options.check_update_interval_seconds, random=random,
        )  # fmt: skip
        self._housekeeping = Housekeeping(
            log, clock, self._writes, self._beats, self.topics, self.observer,
            minimum_seconds=self.options.deregister_critical_minimum_seconds, level=level,
        )  # fmt: skip
        self.sessions = Sessions(log, self._writes, expiry_factor=self.options.session_expiry_factor)
        self._restoring = Restoring(log, self._writes)
        self.agents = Agents(log, clock, self._writes, self._beats, self.topics)
        self._tasks: list[asyncio.Task[None]] = []
        self._keeping: asyncio.Task[None] | None = None
        self._recovered: asyncio.Future[None] | None = None
        self._recover_to = 0
        self._stopping = False
        self._checks_changed: CheckWatcher | None = None
        self._agents_changed: AgentWatcher | None = None
        self.failed: asyncio.Future[Exception] | None = None  # done when the process must stop

    # Life

    async def start(self) -> None:
        """Open the log, bring the state up to its newest entry, and begin to work.

        Raises:
            LogError: the log cannot be opened or read. SettingsError: its url cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._log.held = self._held
        await self._log.open()
        self.failed, self._recovered = loop.create_future(), loop.create_future()
        self._recover_to = (await self._log.newest()).index
        self._spawn(self._follow())
        self._note_progress()
        either: list[asyncio.Future[Any]] = [self._recovered, self.failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            raise self.failed.result()
        await self._housekeeping.begin()
        self._spawn(self._proposals.run())
        self._keeping = self._spawn(self._housekeeping.run())
        if self._log.shared:
            self._spawn(self._beats.publish())
            self._spawn(self._beats.pay())

    async def stop(self) -> None:
        """Store what has been accepted and the newest outputs, let waiting readers go, close the log."""
        if self._stopping:
            return
        self._beats.flush()
        await self._proposals.drained()
        self._stopping = True
        if self._keeping is not None:
            self._keeping.cancel()
        self._writes.end("the registry is stopping")
        self.topics.release()
        self.agents.feed.end()
        await self._log.close()
        self._note_progress()
        await self._snapshots.stop()
        for task in self._tasks:
            task.cancel()
            await asyncio.wait({task})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A task of ours that ends with an error stops the process: half an engine is worse than none."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self.failed is None or self.failed.done():
            return
        self.failed.set_result(error)
        self._writes.end("the registry is stopping")
        self._proposals.fail(LogUnavailable("the registry is stopping after an error", unknown=True))

    @property
    def busy(self) -> bool:
        """Whether a write is on its way."""
        return self._proposals.busy

    @property
    def pending_writes(self) -> int:
        """How many writes wait for the log."""
        return self._proposals.waiting

    @property
    def log_backlog_bytes(self) -> tuple[int, int]:
        """Bytes of entries since the newest snapshot, and how many make a new one due."""
        return self._log.log_bytes_since_snapshot(), self._snapshots.due_bytes

    # The log and the others on it

    @property
    def shared(self) -> bool:
        """Whether other processes write to the log too."""
        return self._log.shared

    @property
    def keeps_house(self) -> bool:
        """Whether this process expires, reaps and snapshots at the moment."""
        return self._log.group.is_housekeeper()

    def contact(self) -> Contact:
        """How the store is; asks nobody."""
        return self._log.contact()

    def announce(self, about: bytes) -> None:
        """Tell the other processes on the log who this one is: an encoded `Member`."""
        self._log.group.announce(about)

    def owns(self, item: str) -> bool:
        """Whether a piece of shared work is this process's; of all processes exactly one thinks so, but for moments."""
        owner = self.state.owner(item)
        return owner == self._log.writer if owner else self.keeps_house

    def owns_check(self, check_id: str) -> bool:
        """Whether running a check of our own node is this process's work; as for `owns`."""
        owner = self.state.check_owner(check_id)
        return owner == self._log.writer if owner else self.keeps_house

    def watch_checks(self, changed: CheckWatcher | None) -> None:
        """Have `changed` told which local checks were written or removed, after each batch; None for all of them,
        when the members have changed too, or the state was replaced.

        It is called on the event loop and must be quick. One watcher at a time; None ends it.
        """
        self._checks_changed = changed

    def watch_agents(self, changed: AgentWatcher | None) -> None:
        """Have `changed` told after each entry of which instances an agent's view or queue may differ, as (folded
        node, folded id); None for all of them, when the members have changed too, or the state was replaced.

        It is called on the event loop and must be quick. One watcher at a time; None ends it.
        """
        self._agents_changed = changed

    async def confirm(self) -> None:
        """Wait until the state shows everything that was stored when this was called, whoever wrote it.

        Raises:
            LogUnavailable: the store does not answer, or this process stays behind it for a second.
        """
        await self._writes.confirm()

    # Writes

    async def propose(self, command: Command) -> Any:
        """Make a write durable and part of the state; returns its result when this process shows it.

        A write that changes nothing, with nothing in flight on what it was judged against, is answered
        without an entry and without an index.

        Raises:
            RequestError: the state refused it; nothing changed.
            LogUnavailable: it is not stored, or (`unknown`) nobody can tell.
            TooManyRequests: too many writes wait already. TooLarge: `name-limit`, a name is too long.
        """
        return (await self._writes.propose(command)).result

    async def beat(self, check_id: str, status: str, output: str) -> None:
        """Take a sign of life for a local TTL check: its status, its text, and a new period.

        The same status costs no entry, no index and no wake-up; a new text is shown by the agent's
        reads at once and reaches the log later (`check_update_interval_seconds`). While a shared store is away
        such a beat is taken all the same, since nothing expires meanwhile.

        Raises:
            NotFound: `check`, no local check has this exact id.
            InvalidRequest: `not-ttl`, the check takes no signs of life.
            LogUnavailable, TooManyRequests: as for `propose`.
        """
        await self._beats.beat(check_id, status, output)

    def report(self, check_id: str, create_index: int, status: str, output: str, since: float | None = None) -> None:
        """Take what a run of a check of ours found; returns at once.

        A status that the state has already costs no entry; a new text of it is shown by the agent's reads and
        reaches the log later. One that cannot be stored is reported by the next run.

        Args:
            create_index: that of the check that was run: of one that took its place nothing is known.
            since: the elapsed time at which the run was due, for the figures.
        """
        self._beats.report(check_id, create_index, status, output, since)

    # The state as a whole

    async def restore(self, state: State) -> int:
        """Put a state from elsewhere in the place of everything, for all processes on the log; returns its index.

        They go on being the server they are (`state/adoption.py`). The call returns when this process shows the new
        state; every reader that waits is answered, every TTL has its whole period again. No index goes back.

        Args:
            state: nobody else uses it, nor the caller any more.
        Raises:
            LogUnavailable: it is not stored, or (`unknown`) nobody can tell, or it is and is not shown yet.
        """
        return await self._restoring.restore(state)

    # What the log says

    async def _follow(self) -> None:
        """Take in what the log yields until it is closed; what cannot be read now is read again."""
        told = False
        while True:
            try:
                async for item in self._log.follow((self._coming or self.state).applied):
                    told = False
                    self._take(item)
                return
            except LogUnavailable as error:
                if not self._log.shared and self._recovered is not None and not self._recovered.done():
                    raise  # what a start cannot read from its own disk it never will
                if not told:
                    self.observer.trouble(str(error))
                told = True
            await sleep(self.clock, FOLLOW_AGAIN_SECONDS)

    def _take(self, item: list[Entry] | Reset | Outputs) -> None:
        if isinstance(item, Reset):
            self._reset(item)
        elif isinstance(item, Outputs):
            self._beats.take(item)
        else:
            self._apply(item)
        self._note_progress()

    def _note_progress(self) -> None:
        self._writes.progressed()
        if self._recovered is not None and not self._recovered.done() and self.state.applied >= self._recover_to:
            self._recovered.set_result(None)

    def _show(self, state: State) -> None:
        self.state = self.topics.state = state

    def _held(self) -> Held:
        """The state for a store that has lost it."""
        state = self.state
        if self._coming is not None and self._coming.applied > state.applied:
            state = self._coming
        frozen = Frozen(state)

        async def chunks() -> AsyncIterator[bytes]:
            for chunk in frozen.chunks():
                if chunk:
                    yield chunk

        return Held(state.applied, state.time, chunks())

    def _reset(self, reset: Reset) -> None:
        """Take the log's word for everything; what waited in the log may have been swallowed."""
        self._snapshots.newest_bytes = sum(map(len, reset.chunks))
        self._coming = state_of(reset, self.log_level)
        self._proposals.swallow(LogUnavailable("the log was reset while the write was under way", unknown=True))
        self.observer.reset(reset.index)
        self._show_coming()

    def _show_coming(self) -> None:
        """Replace the state once the new one is as new as it: nobody is shown less than before."""
        coming, shown = self._coming, self.state
        if coming is None or coming.applied < shown.applied:
            return
        self._coming, changes = None, Changes()
        for (node, key), output in shown.outputs.items():
            old, new = shown.checks[node][key], coming.checks.get(node, {}).get(key)
            if new is not None and new.modify_index == old.modify_index:  # else the log has a newer text
                coming.lay_output(old.id, output, changes)
        self._show(coming)
        changes.everything = True
        self.topics.changed(changes)
        if self.agents.feed.watched:
            self.agents.feed.replaced(coming)
        for watcher in (self._checks_changed, self._agents_changed):
            if watcher is not None:
                watcher(None)

    def _apply(self, entries: list[Entry]) -> None:
        changes, state = Changes(), self._coming or self.state
        settled: list[tuple[OwnId, RequestError | LogUnavailable | None, Any]] = []
        for entry in entries:
            if entry.index <= state.applied:
                continue
            if not entry.payload:
                state.advance(entry.index, entry.time, changes)
                self.observer.recovered(entry.index)
                if self._proposals.find(entry.own_id) is not None:
                    settled.append((entry.own_id, LogUnavailable("the log passes over the write", unknown=True), None))
                continue
            proposal = self._proposals.find(entry.own_id)
            changes.instances.clear()
            command = proposal.command if proposal is not None else None
            applied = apply_entry(state, entry, command, changes, self.log_level)
            if self.agents.feed.watched and self._coming is None:
                self.agents.feed.applied(state, changes.instances)
            if self._agents_changed is not None and changes.instances and self._coming is None:
                self._agents_changed(changes.instances)
            if proposal is not None:
                settled.append((entry.own_id, applied.refusal, applied.result))
                proposal.context.run(self.observer.applied, entry.index, proposal.command, applied.refusal)
        if self._coming is not None:
            self._show_coming()
        elif changes:
            self.topics.changed(changes)
            if self._checks_changed is not None and (changes.checks or MEMBERS in changes.topics):
                self._checks_changed(None if MEMBERS in changes.topics else changes.checks)
            if self._agents_changed is not None and MEMBERS in changes.topics:
                self._agents_changed(None)
        for own_id, error, result in settled:
            self._proposals.settle(own_id, error, result)
        if not self._stopping:
            self._snapshots.consider(state)

    # Reads

    def answer(self, question: Question) -> Answer:
        """The answer of this moment."""
        return self.topics.answer(question)

    def after(self, question: Question, min_index: int, seconds: float) -> Awaitable[tuple[Answer, bool]]:
        """The first answer with an index over `min_index`, or after `seconds` the one computed last.

        The second value says whether there was a wait.
        """
        return self.topics.after(question, min_index, seconds)

    async def park(self, topic: Topic, holds: Callable[[State], bool], seconds: float) -> None:
        """Wait until `holds` is true, looked at after each touch of the topic, or `seconds` have gone by."""
        until = self.clock.elapsed() + seconds
        while not holds(self.state) and (left := until - self.clock.elapsed()) > 0 and not self.topics.released:
            await self.topics.touched(topic, left)


__all__ = ["Answer", "Engine", "Options", "Question"]
