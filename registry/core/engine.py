"""The engine: the one way a write becomes part of the state, and the one way a reader gets an answer.

Owns the starting and stopping of its parts, and the face they show to the rest of the program: writes under way
(`writes.py`), what the log yields (`following.py`), signs of life (`beats.py`), what one process does for all
(`housekeeping.py`). It knows logs only by their contract, and nothing of HTTP.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from msgspec import Struct

from registry.clock import Clock
from registry.commands import Command
from registry.commands.codec import LEVEL
from registry.core.agents import Agents
from registry.core.beats import Beats
from registry.core.following import Follower, Watcher
from registry.core.housekeeping import Housekeeping
from registry.core.observer import Observer
from registry.core.restoring import Restoring
from registry.core.sessions import Sessions
from registry.core.snapshots import Snapshots
from registry.core.topics import Answer, Question, Topics
from registry.core.writes import Writes
from registry.errors import LogUnavailable
from registry.log.base import Contact, Log
from registry.model.check import PASSING
from registry.model.topic import Topic
from registry.state.store import State


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
        random: numbers in [0, 1) that spread waits; the test double's are all 0.
        level: the highest command level to understand; an older release has a lower one.
        """
        self.options = options or Options()
        self.clock = clock
        self.random = random
        self.observer = observer or Observer()
        self.topics = Topics(
            clock,
            answers_per_topic=self.options.answers_per_topic,
            answers_bytes=self.options.answers_bytes,
            max_parked=self.options.max_parked_readers,
        )
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
        self._follower = Follower(
            log, clock, self.observer, self._writes, self.topics, self._snapshots, self.agents.feed,
            level=level, take_outputs=self._beats.take,
        )  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = False
        self.failed: asyncio.Future[Exception] | None = None  # done when the process must stop

    @property
    def state(self) -> State:
        """What this process shows: the state of the newest entries it has taken in."""
        return self.topics.state

    # Life

    async def start(self) -> None:
        """Open the log, bring the state up to its newest entry, and begin to work.

        Raises:
            LogError: the log cannot be opened or read. SettingsError: its URL cannot be used.
        """
        self._log.held = self._follower.held
        await self._log.open()
        self.failed = asyncio.get_running_loop().create_future()
        recovered = await self._follower.recovery()
        self._spawn(self._follower.run())
        either: list[asyncio.Future[Any]] = [recovered, self.failed]
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
        self._snapshots.end()
        if self._keeping is not None:
            self._keeping.cancel()
        self._writes.end("the registry is stopping")
        self.topics.release()
        self.agents.feed.end()
        await self._log.close()
        self._follower.note_progress()
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
        """Stop the process when a part ends with an error: half an engine is worse than none."""
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
        """Whether this process is the housekeeper at the moment: the one that expires, reaps and snapshots."""
        return self._log.group.is_housekeeper()

    def contact(self) -> Contact:
        """The last known condition of the store; does not ask it."""
        return self._log.contact()

    def announce(self, about: bytes) -> None:
        """Tell the other processes on the log who this one is; `about` is an encoded `Member`."""
        self._log.group.announce(about)

    def owns(self, item: str) -> bool:
        """Whether a piece of shared work is this process's. Except for moments, exactly one process thinks so."""
        owner = self.state.owner(item)
        return owner == self._log.writer if owner else self.keeps_house

    def owns_check(self, check_id: str) -> bool:
        """Whether a check of this server's node is run by this process; unique in the same way as `owns`."""
        owner = self.state.check_owner(check_id)
        return owner == self._log.writer if owner else self.keeps_house

    def watch_checks(self, changed: Watcher | None) -> None:
        """Call `changed` after each batch with the local checks that were written or removed.

        It gets None, for all of them, when the members have changed or the state was replaced. It is called on the
        event loop and must be quick. There is one watcher at a time; None removes it.
        """
        self._follower.checks_changed = changed

    def watch_agents(self, changed: Watcher | None) -> None:
        """Call `changed` after each entry with the instances whose record or task queue may have changed.

        It gets None, for all of them, when the members have changed or the state was replaced. It is called on the
        event loop and must be quick. There is one watcher at a time; None removes it.
        """
        self._follower.agents_changed = changed

    async def confirm(self) -> None:
        """Wait until the state shows everything that was stored when this was called, whoever wrote it.

        Raises:
            LogUnavailable: the store does not answer, or this process stays behind it for a second.
        """
        await self._writes.confirm()

    # Writes

    async def propose(self, command: Command) -> Any:
        """Make a write durable and part of the state; returns its result once this process shows it.

        A write that would change nothing is answered without an entry and without an index, unless another write
        to the same rows is under way.

        Raises:
            RequestError: the state refused it; nothing changed.
            LogUnavailable: it is not stored, or (`unknown`) nobody can tell whether it is.
            TooManyRequests: too many writes are waiting. TooLarge: `name-limit`, a name is too long.
        """
        return (await self._writes.propose(command)).result

    async def beat(self, check_id: str, status: str, output: str) -> None:
        """Take a sign of life for a local TTL check: its status, its text, and the start of a new period.

        An unchanged status costs no entry, no index and no wake-up; a new text is shown by the agent's
        reads at once and reaches the log later (`check_update_interval_seconds`). Such a beat is accepted
        even while a shared store is away, since nothing expires during that time.

        Raises:
            NotFound: `check`, no local check has this exact id.
            InvalidRequest: `not-ttl`, the check takes no signs of life.
            LogUnavailable, TooManyRequests: as for `propose`.
        """
        await self._beats.beat(check_id, status, output)

    def report(self, check_id: str, create_index: int, status: str, output: str, since: float | None = None) -> None:
        """Take the result of a check that this process ran; returns at once.

        An unchanged status costs no entry; its new text is shown by the agent's reads at once and reaches the log
        later. A status that cannot be stored is lost, and the next run reports it again.

        Args:
            create_index: that of the check that was run. A result is ignored if another check has taken its id.
            since: elapsed time at which the run was due, for the metrics.
        """
        check = self.state.local_check(check_id)
        if check is not None and check.create_index == create_index and status == PASSING:
            self.agents.heard(check.service_id)
        self._beats.report(check_id, create_index, status, output, since)

    # The state as a whole

    async def restore(self, state: State) -> int:
        """Replace everything by a state from elsewhere, for all processes on the log; returns its index.

        The server keeps its own identity (`state/adoption.py`). The call returns when this process shows the new
        state: every blocked reader is answered, and every TTL starts a whole new period. No index goes back.

        Args:
            state: handed over; the caller must not use it afterwards.
        Raises:
            LogUnavailable: it is not stored; or (`unknown`) nobody can tell, or it is stored but not shown yet.
        """
        return await self._restoring.restore(state)

    # Reads

    def answer(self, question: Question) -> Answer:
        """The current answer; never waits."""
        return self.topics.answer(question)

    def after(self, question: Question, min_index: int, seconds: float) -> Awaitable[tuple[Answer, bool]]:
        """The first answer with an index above `min_index`, or after `seconds` the newest one computed.

        The second value says whether there was a wait. Raises as `Topics.after`.
        """
        return self.topics.after(question, min_index, seconds)

    async def park(self, topic: Topic, holds: Callable[[State], bool], seconds: float) -> None:
        """Wait until `holds` is true, which is tried after each change of the topic, or `seconds` have passed."""
        until = self.clock.elapsed() + seconds
        while not holds(self.state) and (left := until - self.clock.elapsed()) > 0 and not self.topics.released:
            await self.topics.touched(topic, left)


__all__ = ["Answer", "Engine", "Options", "Question"]
