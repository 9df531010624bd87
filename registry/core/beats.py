"""Signs of life: beats of TTL checks, and the texts that come with them.

Owns what a beat costs: nothing but a moved deadline while its status stays the same. Its text is shown by the
agent's reads at once, handed to the other processes on the log, and reaches the log itself later. Deadlines
are the log's (`log.base.Deadlines`). Source: agent.md §8.3; `DESIGN.md` §4.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from registry.clock import Clock
from registry.commands import UpdateCheck
from registry.core import deadlines
from registry.core.keys import check_key, node_key
from registry.core.outputs import DeferredOutputs
from registry.core.topics import Topics
from registry.core.writes import Writes
from registry.errors import InvalidRequest, LogUnavailable, NotFound
from registry.log.base import Log, Output, Outputs
from registry.model.check import CRITICAL, Check
from registry.model.names import fold
from registry.state.changes import Changes
from registry.state.local_checks import is_ttl
from registry.state.store import State

MOST_UNPUBLISHED = 10_000  # checks whose texts wait to be handed to the other processes
MOST_ECHOES = 10_000  # texts of ours that may still come back


class Beats:
    """Takes signs of life and looks after the newest texts."""

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
        interval_seconds: a newer text reaches the log after half to one and a half of it.
        """
        self._log = log
        self._writes = writes
        self._topics = topics
        self._interval_seconds = interval_seconds
        self._random = random
        self._deferred = DeferredOutputs(clock, self._flush)
        self._unpublished: dict[str, Output] = {}
        self._to_publish = asyncio.Event()
        self._echoes: deque[Output] = deque(maxlen=MOST_ECHOES)

    @property
    def _state(self) -> State:
        return self._topics.state

    async def beat(self, check_id: str, status: str, output: str) -> None:
        """As `Engine.beat`."""
        await self._known(check_id)
        check, renewed = self._beating(check_id, status), False
        if check is not None and (check.status != CRITICAL or check.critical_at):
            renewed = await self._renewed(check)
            check = self._beating(check_id, status)
        if check is None:
            await self._writes.enqueue(UpdateCheck(check_id, status, output, ttl=True)).future
            return
        if not renewed:  # no period is running, or the check begins to count as critical
            stored = self._state.stored_output(check_id)
            await self._writes.enqueue(UpdateCheck(check_id, status, stored, ttl=True)).future
        self.lay(check_id, output)

    async def _known(self, check_id: str) -> None:
        """Return when the check is there, or something about it is on its way.

        Raises:
            NotFound: `check`; an entry of the log would say no more.
        """
        if self._there(check_id):
            return
        await self._writes.confirm()
        if not self._there(check_id):
            raise NotFound("check", id=check_id)

    def _there(self, check_id: str) -> bool:
        state = self._state
        if state.local_check(check_id) is not None:
            return True
        node = state.server.node
        return self._writes.proposals.touch(check_key(node, check_id), node_key(node))

    async def _renewed(self, check: Check) -> bool:
        """Start the period of a TTL check anew and take in all that was stored before; False if none was running.

        While the store is away nothing expires, and everything is armed anew after it: the beat counts.
        """
        assert check.runs is not None
        member = deadlines.member_of(check.node, check.id)
        try:
            beat = await self._log.deadlines.beat(((member, check.runs.ttl_seconds),))
            await self._writes.caught_up(beat.index)
        except LogUnavailable:
            if not self._log.shared or self._writes.ended:
                raise
            return True
        return not beat.unknown

    def _beating(self, check_id: str, status: str) -> Check | None:
        """The TTL check, if it has this status and nothing on its way is about it.

        Raises:
            InvalidRequest: `not-ttl`.
        """
        check = self._state.local_check(check_id)
        if check is None or check.status != status:
            return None
        if self._writes.proposals.touch(check_key(check.node, check_id), node_key(check.node)):
            return None
        if not is_ttl(check):
            raise InvalidRequest("not-ttl", id=check_id)
        return check

    # Texts

    def lay(self, check_id: str, output: str) -> None:
        """Show a newer text at once and bring it into the log later, unless one waits for that already."""
        state = self._state
        waits, before = state.output_waits(check_id), state.local_check(check_id)
        self._show(check_id, output)
        if not state.output_waits(check_id):
            self._deferred.forget(fold(check_id))
        elif not waits:
            self._deferred.defer(fold(check_id), self._interval_seconds * (0.5 + self._random()))
        if self._log.shared and before is not None and before.output != output:
            self._publish(check_id, output)

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
        """Hand texts to the other processes, as they come; never returns."""
        while True:
            await self._to_publish.wait()
            self._to_publish.clear()
            texts, self._unpublished = list(self._unpublished.values()), {}
            self._echoes.extend(texts)
            await self._log.publish_outputs(texts)

    def take(self, outputs: Outputs) -> None:
        """Show texts that a process on the log has published, unless something newer is known of their checks."""
        for one in outputs.texts:
            if one in self._echoes:
                self._echoes.remove(one)
                continue
            stored = self._state.checks.get(self._state.own_key(), {}).get(one.key)
            if stored is not None and stored.local is not None and stored.modify_index <= one.after:
                self._show(stored.id, one.text)

    def _flush(self, key: str) -> None:
        """Bring a deferred text into the log, if it is still newer than what the log has.

        Args:
            key: the folded id; the check may have been registered again in another spelling meanwhile.
        """
        stored = self._state.checks.get(self._state.own_key(), {}).get(key)
        if stored is None or not self._state.output_waits(stored.id):
            return
        newest = self._state.local_check(stored.id)
        assert newest is not None
        self._writes.submit(UpdateCheck(newest.id, newest.status, newest.output, newest.create_index))

    def flush(self) -> None:
        """Bring every newer text into the log now."""
        self._deferred.flush()
