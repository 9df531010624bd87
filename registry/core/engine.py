"""The engine: the one way a write becomes part of the state, and the one way a reader gets an answer.

Owns the queue of proposals, the order append → apply → wake → answer, and the housekeeping that follows
from time. It knows logs by their contract only, and nothing of HTTP. Nothing here assumes that this
process is the only writer: what is applied is what `follow` yields, our own entries like any other's.

Atomicity: code between two awaits is atomic. `_apply` takes in a whole batch without awaiting, so a
reader sees all of it or nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from msgspec import Struct

from registry.clock import Clock
from registry.commands import Command, UpdateCheck
from registry.commands.codec import encoded
from registry.core import deadlines
from registry.core.keys import WriteKey, check_key, keys_of, node_key
from registry.core.observer import Observer
from registry.core.outputs import DeferredOutputs
from registry.core.proposals import Proposal, Proposals
from registry.core.recovery import apply_entry, state_of
from registry.core.snapshots import Snapshots
from registry.core.topics import Answer, Question, Topics, resolve
from registry.errors import InvalidRequest, LogUnavailable, RequestError, TooManyRequests
from registry.log.base import Condition, Due, Entry, Log, OwnId, Record, Reset
from registry.model.check import CRITICAL, Check
from registry.model.names import fold
from registry.model.topic import Topic
from registry.state.changes import Changes
from registry.state.local_checks import expired_output, is_ttl
from registry.state.store import State


class Options(Struct, frozen=True, kw_only=True):
    """Limits and periods of the engine; the settings of the same names explain them."""

    max_pending_writes: int = 65_536
    check_update_interval_seconds: float = 300.0
    deregister_critical_minimum_seconds: float = 60.0
    snapshot_min_bytes: int = 8 << 20
    answers_per_topic: int = 32
    answers_bytes: int = 64 << 20


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
    ) -> None:
        """Args:
        random: numbers in [0, 1) for waits that are spread; the test double's is 0.
        """
        self.options = options or Options()
        self.clock = clock
        self.random = random
        self.observer = observer or Observer()
        self.state = State()
        self.topics = Topics(
            clock, answers_per_topic=self.options.answers_per_topic, answers_bytes=self.options.answers_bytes
        )
        self._coming: State | None = None  # what a reset asked for, until it is as new as what is shown
        self._show(self.state)
        self._log = log
        self._proposals = Proposals(log, clock, self.observer, self.options.max_pending_writes)
        self._snapshots = Snapshots(log, clock, self.observer, self.options.snapshot_min_bytes)
        self._outputs = DeferredOutputs(clock, self._flush_output)
        self._tasks: list[asyncio.Task[None]] = []
        self._recovered: asyncio.Future[None] | None = None
        self._recover_to = 0
        self._behind: list[asyncio.Future[None]] = []  # those who wait for the next entries to be applied
        self._started_at = 0.0
        self._stopping = False
        self.failed: asyncio.Future[Exception] | None = None  # done when the process must stop

    # Life

    async def start(self) -> None:
        """Open the log, bring the state up to its newest entry, and begin to work.

        Raises:
            LogError: the log cannot be opened or read.
        """
        loop = asyncio.get_running_loop()
        await self._log.open()
        self.failed, self._recovered = loop.create_future(), loop.create_future()
        self._recover_to = (await self._log.newest()).index
        self._spawn(self._follow())
        self._note_progress()
        either: list[asyncio.Future[Any]] = [self._recovered, self.failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            raise self.failed.result()
        self._started_at = self.clock.now()
        if self._log.group.is_housekeeper():
            await self._log.deadlines.rearm(deadlines.full_periods(self.state))
        self._spawn(self._proposals.run())
        self._spawn(self._keep_house())

    async def stop(self) -> None:
        """Store what has been accepted and the newest outputs, let waiting readers go, close the log."""
        if self._stopping:
            return
        self._outputs.flush()
        await self._proposals.drained()
        self._stopping = True
        self.topics.release()
        await self._log.close()
        self._note_progress()
        await self._snapshots.stop()
        for task in self._tasks:
            task.cancel()
            await asyncio.wait({task})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A task of ours that ends with an error stops the process: half an engine is worse than none."""
        if task.cancelled() or self.failed is None or self.failed.done():
            return
        error = task.exception()
        if isinstance(error, Exception):
            self.failed.set_result(error)
            self._proposals.fail(LogUnavailable("the registry is stopping after an error", unknown=True))
            self._note_progress()

    @property
    def busy(self) -> bool:
        """Whether a write is on its way."""
        return self._proposals.busy

    # Writes

    async def propose(self, command: Command) -> None:
        """Make a write durable and part of the state; returns when this process shows it.

        A write that changes nothing, with nothing in flight on what it was judged against, is answered
        without an entry and without an index.

        Raises:
            RequestError: the state refused it; nothing changed.
            LogUnavailable: it is not stored, or (`unknown`) nobody can tell.
            TooManyRequests: too many writes wait already.
        """
        keys = keys_of(command, self.state.server.node)
        if (
            self.state.changes_nothing(command)
            and not self._proposals.touch(*keys, ("n", keys[0][1]))
            and await self._beaten(command)
        ):
            self.observer.skipped(command)
            return
        await self._enqueue(command, keys).future

    async def _beaten(self, command: Command) -> bool:
        """Start the TTLs of a registration that changes nothing anew; False when one has run out or it now would."""
        arms = deadlines.arms_of(self.state, command)
        if not arms:
            return True
        beat = await self._log.deadlines.beat((arm.member, arm.seconds) for arm in arms if arm.seconds is not None)
        await self._caught_up(beat.index)
        return not beat.unknown and self.state.changes_nothing(command)

    async def beat(self, check_id: str, status: str, output: str) -> None:
        """Take a sign of life for a local TTL check: its status, its text, and a new period.

        The same status costs no entry, no index and no wake-up; a new text is shown by the agent's
        reads at once and reaches the log later (`check_update_interval_seconds`).

        Raises:
            NotFound: `check`, no local check has this exact id.
            InvalidRequest: `not-ttl`, the check takes no signs of life.
            LogUnavailable, TooManyRequests: as for `propose`.
        """
        check, renewed = self._beating(check_id, status), False
        if check is not None and (check.status != CRITICAL or check.critical_at):
            renewed = await self._renewed(check)
            check = self._beating(check_id, status)
        if check is None:
            await self._enqueue(UpdateCheck(check_id, status, output, ttl=True)).future
            return
        if not renewed:  # no period is running, or the check begins to count as critical
            stored = self.state.stored_output(check_id)
            await self._enqueue(UpdateCheck(check_id, status, stored, ttl=True)).future
        self._lay_output(check_id, output)

    async def _renewed(self, check: Check) -> bool:
        """Start the period of a TTL check anew and take in all that was stored before; False if none was running."""
        assert check.runs is not None
        member = deadlines.member_of(check.node, check.id)
        beat = await self._log.deadlines.beat(((member, check.runs.ttl_seconds),))
        await self._caught_up(beat.index)
        return not beat.unknown

    def _beating(self, check_id: str, status: str) -> Check | None:
        """The TTL check, if it has this status and nothing on its way is about it.

        Raises:
            InvalidRequest: `not-ttl`.
        """
        check = self.state.local_check(check_id)
        if check is None or check.status != status:
            return None
        if self._proposals.touch(check_key(check.node, check_id), node_key(check.node)):
            return None
        if not is_ttl(check):
            raise InvalidRequest("not-ttl", id=check_id)
        return check

    async def _caught_up(self, index: int) -> None:
        """Wait until the state shows the entry of this index, which may be another process's.

        Raises:
            LogUnavailable: the engine stops before it does.
        """
        while self.state.applied < index:
            if self._stopping or (self.failed is not None and self.failed.done()):
                raise LogUnavailable("the registry is stopping")
            progress: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._behind.append(progress)
            await progress

    def _lay_output(self, check_id: str, output: str) -> None:
        """Show a newer text at once and bring it into the log later, unless one waits for that already."""
        waits, changes = self.state.output_waits(check_id), Changes()
        self.state.lay_output(check_id, output, changes)
        self.topics.changed(changes)
        if not self.state.output_waits(check_id):
            self._outputs.forget(fold(check_id))
        elif not waits:
            interval = self.options.check_update_interval_seconds
            self._outputs.defer(fold(check_id), interval * (0.5 + self.random()))

    def _flush_output(self, key: str) -> None:
        """Bring a deferred text into the log, if it is still newer than what the log has.

        Args:
            key: the folded id; the check may have been registered again in another spelling meanwhile.
        """
        stored = self.state.checks.get(self.state.own_key(), {}).get(key)
        if stored is None or not self.state.output_waits(stored.id):
            return
        newest = self.state.local_check(stored.id)
        assert newest is not None
        self._submit(UpdateCheck(newest.id, newest.status, newest.output, newest.create_index))

    def _enqueue(
        self, command: Command, keys: tuple[WriteKey, ...] | None = None, condition: Condition | None = None
    ) -> Proposal:
        if self._stopping or (self.failed is not None and self.failed.done()):
            raise LogUnavailable("the registry is stopping")
        if keys is None:
            keys = keys_of(command, self.state.server.node)
        record = Record(encoded(command), deadlines.arms_of(self.state, command), condition)
        return self._proposals.add(command, record, keys)

    def _submit(self, command: Command, condition: Condition | None = None) -> None:
        """Propose without waiting: nobody asked for it, so a failure is only told to the observer."""
        try:
            proposal = self._enqueue(command, condition=condition)
        except (LogUnavailable, TooManyRequests) as error:
            self.observer.trouble(str(error))
            return
        proposal.future.add_done_callback(self._submitted)

    def _submitted(self, future: "asyncio.Future[None]") -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self.observer.trouble(str(error))

    # What the log says

    async def _follow(self) -> None:
        async for item in self._log.follow(0):
            if isinstance(item, Reset):
                self._reset(item)
            else:
                self._apply(item)
            self._note_progress()

    def _note_progress(self) -> None:
        behind, self._behind = self._behind, []
        for waiting in behind:
            resolve(waiting)
        if self._recovered is not None and not self._recovered.done() and self.state.applied >= self._recover_to:
            self._recovered.set_result(None)

    def _show(self, state: State) -> None:
        self.state = self.topics.state = state

    def _reset(self, reset: Reset) -> None:
        """Take the log's word for everything; what waited in the log may have been swallowed."""
        self._snapshots.newest_bytes = sum(map(len, reset.chunks))
        self._coming = state_of(reset)
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
            coming.lay_output(shown.checks[node][key].id, output, changes)
        self._show(coming)
        changes.everything = True
        self.topics.changed(changes)

    def _apply(self, entries: list[Entry]) -> None:
        changes, state = Changes(), self._coming or self.state
        settled: list[tuple[OwnId, RequestError | None]] = []
        for entry in entries:
            if entry.index <= state.applied:
                continue
            proposal = self._proposals.find(entry.own_id)
            refusal = apply_entry(state, entry, proposal.command if proposal is not None else None, changes)
            if proposal is not None:
                settled.append((entry.own_id, refusal))
                self.observer.applied(entry.index, proposal.command, refusal)
        if self._coming is not None:
            self._show_coming()
        elif changes:
            self.topics.changed(changes)
        for own_id, refusal in settled:
            self._proposals.settle(own_id, refusal)
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

    # By itself

    async def _keep_house(self) -> None:
        while True:
            await self._sleep(deadlines.TICK_SECONDS)
            if not self._log.group.is_housekeeper():
                continue
            for due in await self._log.deadlines.due(deadlines.LARGEST_BATCH):
                self._expire(due)
            minimum = self.options.deregister_critical_minimum_seconds
            for reap in deadlines.reaps(self.state, self.clock.now(), self._started_at, minimum):
                if not self._proposals.touch(check_key(self.state.server.node, reap.check_id)):
                    self._submit(reap)

    def _expire(self, due: Due) -> None:
        """A TTL has run out, unless a beat comes before the record is stored."""
        command = deadlines.expiry_of(self.state, due)
        if self._proposals.touch(check_key(self.state.server.node, command.check_id)):
            return
        check = self.state.local_check(command.check_id)
        if check is not None and check.status == CRITICAL:
            self._lay_output(command.check_id, expired_output(command.last_output))
        self._submit(command, Condition(due.member, due.score))

    async def _sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.clock.call_later(seconds, partial(resolve, woken))
        try:
            await woken
        finally:
            timer.cancel()


__all__ = ["Answer", "Engine", "Options", "Question"]
