"""Signs of life: beats of TTL checks, results of the other checks, and the texts that come with them.

Owns what a beat costs: while its status stays the same, only a moved deadline. Its text is shown by the
agent's reads at once, passed to the other processes on the log, and stored in the log later. Deadlines
are the log's (`log.base.Deadlines`). Source: agent.md §8.3; `DESIGN.md` §4.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from registry.clock import Clock, sleep
from registry.commands import UpdateAgent, UpdateCheck
from registry.commands.codec import MEMBERS_LEVEL
from registry.core import deadlines
from registry.core.agent_feed import AgentFeed
from registry.core.keys import check_key, node_key
from registry.core.outputs import DeferredOutputs
from registry.core.topics import Topics
from registry.core.writes import Behind, Writes
from registry.errors import InvalidRequest, LogUnavailable, NotFound
from registry.log.base import Log, Output, Outputs
from registry.model.check import CRITICAL, Check
from registry.model.names import fold
from registry.state.changes import Changes
from registry.state.local_checks import is_sign_of_life, is_ttl
from registry.state.store import State

MOST_UNPUBLISHED = 10_000  # checks whose texts may wait to be passed to the other processes
PAY_AGAIN_SECONDS = 0.25
ECHO_SECONDS = 2.0  # a text of ours that has not come back by then was lost


class Beats:
    """Takes signs of life and keeps track of the newest texts."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        writes: Writes,
        topics: Topics,
        *,
        interval_seconds: float,
        random: Callable[[], float],
    ) -> None:
        """Args:
        interval_seconds: a newer text reaches the log after 0.5 to 1.5 times this; 0 stores it at once.
        random: numbers in [0, 1) that spread those moments.
        """
        self._log = log
        self._clock = clock
        self._writes = writes
        self._topics = topics
        self._interval_seconds = interval_seconds
        self._random = random
        self._deferred = DeferredOutputs(clock, self._flush)
        self.feed = AgentFeed()
        self._owed: dict[str, float] = {}  # deadlines that beats would have moved, and their periods
        self._owing = asyncio.Event()
        self._unpublished: dict[str, Output] = {}
        self._to_publish = asyncio.Event()
        self._echoes: dict[str, tuple[str, float]] = {}  # our newest text of a check on its way, and until when

    @property
    def _state(self) -> State:
        return self._topics.state

    async def beat(self, check_id: str, status: str, output: str) -> None:
        """As `Engine.beat`."""
        check = self._state.local_check(check_id)
        if check is None or not is_ttl(check):
            await self._let_be_known(check_id)
        try:
            check = self._beating(check_id, status)
            if check is None:
                await self._writes.enqueue(UpdateCheck(check_id, status, output, ttl=True)).future
                return
            if not await self._continued(check, status, output):
                return
        except Behind:
            raise
        except LogUnavailable:
            if not self._owe(check_id, status):
                raise
            self._tell(check_id)
        self.lay(check_id, output)

    async def agent(self, news: UpdateAgent) -> bool:
        """Take a sign of life of an agent; returns whether it changed anything and so cost an entry.

        One that changes nothing is accepted even while the store is away.
        """
        try:
            return (await self._writes.propose(news)).stored
        except Behind:
            raise
        except LogUnavailable:
            if not self._log.shared or self._writes.ended or not self._state.changes_nothing(news):
                raise
            arms = deadlines.arms_of(self._state, news)
            self._owed.update((arm.member, arm.seconds) for arm in arms if arm.seconds is not None)
            self._owing.set()
            return False

    def _tell(self, check_id: str) -> None:
        """Tell who watches agents of a sign of life that no entry tells of."""
        if not self.feed.watched:
            return
        check = self._state.local_check(check_id)
        if check is not None and is_sign_of_life(check.status):
            record = self._state.record_at((self._state.own_key(), fold(check.service_id)))
            if record is not None:
                self.feed.beaten(record)

    def _owe(self, check_id: str, status: str) -> bool:
        """Accept a beat that the store cannot be told of now, if it changes nothing; the store is told later.

        Nothing expires because of that. A store that was away arms everything anew, and a store that only this
        process cannot reach lets nothing expire once it has missed us for a moment.
        """
        check = self._state.local_check(check_id)
        if not self._log.shared or self._writes.ended or check is None or check.status != status or not is_ttl(check):
            return False
        assert check.runs is not None
        self._owed[deadlines.member_of(check.node, check.id)] = check.runs.ttl_seconds
        self._owing.set()
        return True

    async def pay(self) -> None:
        """Tell the store of the beats that were taken while it was away, once it is back; never returns."""
        while True:
            await self._owing.wait()
            owed = dict(self._owed)
            try:
                await self._log.deadlines.beat(owed.items())
            except LogUnavailable:
                await sleep(self._clock, PAY_AGAIN_SECONDS)
                continue
            for member in owed:
                del self._owed[member]
            if not self._owed:
                self._owing.clear()

    async def _continued(self, check: Check, status: str, output: str) -> bool:
        """Start a new period for a check whose status stays; False if it changed meanwhile and was written instead."""
        if check.status != CRITICAL or check.critical_at:
            renewed = await self._renewed(check)
            if self._beating(check.id, status) is None:
                await self._writes.enqueue(UpdateCheck(check.id, status, output, ttl=True)).future
                return False
            if renewed:
                self._tell(check.id)
                return True
        # no period is running, or the check begins to count as critical
        stored = self._state.stored_output(check.id)
        await self._writes.enqueue(UpdateCheck(check.id, status, stored, ttl=True)).future
        return True

    async def _let_be_known(self, check_id: str) -> None:
        """Return if there is such a TTL check, or a write about it is under way.

        Raises:
            NotFound: `check`. InvalidRequest: `not-ttl`. A command would be refused too, but would cost an entry.
        """
        if self._in_flight(check_id):
            return
        await self._writes.confirm()
        check = self._state.local_check(check_id)
        if (check is not None and is_ttl(check)) or self._in_flight(check_id):
            return
        if check is None:
            raise NotFound("check", id=check_id)
        raise InvalidRequest("not-ttl", id=check_id)

    def _in_flight(self, check_id: str) -> bool:
        node = self._state.server.node
        return self._writes.proposals.touch(check_key(node, check_id), node_key(node))

    async def _renewed(self, check: Check) -> bool:
        """Start a new period and wait for what was stored before it; False if no period was running."""
        seconds = deadlines.period_seconds(self._state, check)
        if not seconds:  # the server gives its signs of life itself
            return True
        member = deadlines.member_of(check.node, check.id)
        beat = await self._log.deadlines.beat(((member, seconds),))
        await self._writes.caught_up(beat.index)
        return not beat.unknown

    def _beating(self, check_id: str, status: str) -> Check | None:
        """The TTL check, if it has this status and no write about it is under way."""
        check = self._state.local_check(check_id)
        if check is None or check.status != status or not is_ttl(check) or self._in_flight(check_id):
            return None
        return check

    def report(self, check_id: str, create_index: int, status: str, output: str, since: float | None = None) -> None:
        """As `Engine.report`."""
        check = self._state.local_check(check_id)
        if check is None or check.create_index != create_index or self._writes.ended:
            return
        if check.status == status and (status != CRITICAL or check.critical_at):
            self.lay(check_id, output)
            return
        runner = self._log.writer if self._state.members else ""
        proposal = self._writes.submit(UpdateCheck(check_id, status, output, create_index, runner=runner))
        if proposal is not None and since is not None and status == CRITICAL != check.status:
            self._writes.time_detection(proposal, "check", since)

    # Texts

    def lay(self, check_id: str, output: str) -> None:
        """Show a newer text at once; it reaches the log later, with one that is waiting already if there is any."""
        state = self._state
        waited, before = state.output_waits(check_id), state.local_check(check_id)
        if not waited and before is not None and before.output == output:
            return  # it is what the log has
        key = fold(check_id)
        self._show(check_id, output)
        if not state.output_waits(check_id):
            self._deferred.forget(key)
        elif not waited or not self._deferred.waits(key):  # a text of another process may wait here without a timer
            self._defer(key)
        if self._log.shared and before is not None and before.output != output:
            self._publish(check_id, output)

    def _defer(self, key: str) -> None:
        self._deferred.defer(key, self._interval_seconds * (0.5 + self._random()))

    def _show(self, check_id: str, output: str) -> None:
        changes = Changes()
        self._state.lay_output(check_id, output, changes)
        self._topics.changed(changes)

    def _publish(self, check_id: str, output: str) -> None:
        key = fold(check_id)
        if len(self._unpublished) < MOST_UNPUBLISHED or key in self._unpublished:
            self._unpublished[key] = Output(key, self._state.applied, output)
            self._to_publish.set()

    async def publish(self) -> None:
        """Pass texts to the other processes as they come; never returns."""
        while True:
            await self._to_publish.wait()
            while self._log.contact().away:  # a text lost now would be missing for minutes
                await sleep(self._clock, PAY_AGAIN_SECONDS)
            self._to_publish.clear()
            texts, self._unpublished = list(self._unpublished.values()), {}
            until = self._clock.elapsed() + ECHO_SECONDS
            self._echoes = {key: echo for key, echo in self._echoes.items() if echo[1] > until - ECHO_SECONDS}
            self._echoes.update((one.key, (one.text, until)) for one in texts)
            await self._log.publish_outputs(texts)

    def take(self, outputs: Outputs) -> None:
        """Show texts that a process on the log has published, unless something newer is known of their checks."""
        for one in outputs.texts:
            if self._superseded(one):
                continue
            stored = self._state.checks.get(self._state.own_key(), {}).get(one.key)
            if stored is not None and stored.local is not None and stored.modify_index <= one.after:
                self._show(stored.id, one.text)

    def _superseded(self, one: Output) -> bool:
        """Whether a text is our own that has come back, or is older than one of ours that has not come back yet."""
        if one.key in self._unpublished:
            return True
        echo = self._echoes.get(one.key)
        if echo is None or echo[1] <= self._clock.elapsed():
            return False
        if one.text == echo[0]:
            del self._echoes[one.key]
        return True

    def _flush(self, key: str) -> None:
        """Write a deferred text to the log if it is still newer than the log's; after a failure, try again later.

        Args:
            key: the folded id, since the check may have been registered again in another spelling.
        """
        stored = self._state.checks.get(self._state.own_key(), {}).get(key)
        if stored is None or not self._state.output_waits(stored.id):
            return
        newest = self._state.local_check(stored.id)
        assert newest is not None
        # the status is only what this process knows; on a log of others too it must not undo a newer one
        knows_all = not self._log.shared or self._state.level < MEMBERS_LEVEL
        index = 0 if knows_all else stored.modify_index
        command = UpdateCheck(newest.id, newest.status, newest.output, newest.create_index, modify_index=index)
        proposal = self._writes.submit(command)
        if proposal is not None:
            proposal.future.add_done_callback(partial(self._flushed, key))

    def _flushed(self, key: str, done: "asyncio.Future[None]") -> None:
        failed = not done.cancelled() and isinstance(done.exception(), LogUnavailable)
        if failed and not self._writes.ended and self._interval_seconds > 0:
            self._defer(key)

    def flush(self) -> None:
        """Write every text that is newer than the log's to the log now."""
        self._deferred.flush()
