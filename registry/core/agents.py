"""What the agents' dialects do to records, in one place for all of them.

Owns when an agent was last heard of, which is not part of the state: a beat that changes nothing costs no entry. What
a command does to a record is `state/agents.py`; how things are named and written is the dialects' business.
Source: dialects.md §2 and §8.5.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from registry.clock import Clock
from registry.commands import Deregister, FinishTask, MoveAgent, RegisterAgent, RemoveAgent, SubmitTask, UpdateAgent
from registry.core import deadlines
from registry.core.beats import Beats
from registry.core.keys import node_key, service_key
from registry.core.topics import Topics
from registry.core.writes import Writes
from registry.errors import LogUnavailable, NotFound
from registry.log.base import Log
from registry.model.addresses import with_default_addresses
from registry.model.agent import AgentConfig, Task, Telemetry
from registry.model.record import Record, record_of
from registry.model.service import Local
from registry.state.agent_checks import beaten_checks
from registry.state.store import State

_INTERVAL = AgentConfig()
_NOTES_AT_LEAST = 1_000  # of what was heard, before those of agents that are gone are looked for


class _Heard(NamedTuple):
    """The last sign of life of an instance: the one that was created with this index."""

    create_index: int
    elapsed: float


class Agents:
    """Records as the dialects read and write them. Writes raise what `Engine.propose` does, besides what is named."""

    def __init__(self, log: Log, clock: Clock, writes: Writes, beats: Beats, topics: Topics) -> None:
        self._log = log
        self._clock = clock
        self._writes = writes
        self._beats = beats
        self._topics = topics
        self._heard: dict[str, _Heard] = {}  # if no deadline shows it; for a while also of agents that are gone
        self.feed = beats.feed

    @property
    def _state(self) -> State:
        return self._topics.state

    # Reads

    async def find(self, record_id: str) -> Record:
        """The record with this id, even if another process has only just written it.

        Raises:
            NotFound: `agent`.
            LogUnavailable: a shared store must be asked and does not answer.
        """
        record = self._state.record(record_id)
        if record is None and self._log.shared:
            await self._writes.confirm()
            record = self._state.record(record_id)
        if record is None:
            raise NotFound("agent", id=record_id)
        return record

    async def last_seen(self, records: Sequence[Record]) -> list[float]:
        """When each record last gave a sign of life (Unix seconds), as far as can be told.

        For a TTL it follows from the deadline, whichever process took the beat. A running agent that this server
        runs itself gives its own. Of others this process knows what it took since its start; before that, it is when
        they were last written.
        """
        state = self._state
        asked: dict[str, float] = {}  # member of a deadline → its period
        members: list[str] = []  # of each record, "" where there is none
        for record in records:
            checks = beaten_checks(state, record.instance) if record.local else []
            member = deadlines.member_of(checks[0].node, checks[0].id) if checks else ""
            period = deadlines.period_seconds(state, checks[0]) if checks else 0.0
            members.append(member if period else "")
            if period:
                asked[member] = period
        now, left = await self._left(list(asked))
        seen = (
            self._seen(record, left.get(member), asked.get(member, 0.0), now)
            for record, member in zip(records, members, strict=True)
        )
        return [round(at, 3) for at in seen]  # two clocks are read, so the rest of it means nothing

    async def _left(self, members: list[str]) -> tuple[float, dict[str, float]]:
        """The log's time (Unix seconds), and the seconds left of each of these deadlines that is armed.

        A log of this process alone tells its time in whole milliseconds and deadlines more finely, so that one would
        waver against the other; what it goes by is our clock.
        """
        if not members:
            return self._clock.now(), {}
        try:
            time, found = await self._log.deadlines.left(members)
        except LogUnavailable:
            return self._clock.now(), {}
        if not self._log.shared:
            time = max(time, self._clock.now())
        return time, {member: left for member, left in zip(members, found, strict=True) if left is not None}

    def _seen(self, record: Record, left: float | None, period: float, now: float) -> float:
        instance, agent = record.instance, record.agent
        if left is not None:
            return max(min(now, now + left - period), instance.registered_at)
        if agent.beats_itself:
            interval = (agent.config or _INTERVAL).heartbeat_interval_ns / 1e9
            return now - (now - instance.updated_at) % interval if interval else now
        for check in record.checks:
            if check.expired and period:
                return max(check.critical_at - period, instance.registered_at)
        heard = self._heard.get(record.id)
        if heard is None or heard.create_index != instance.create_index:
            return instance.updated_at
        return max(now - (self._clock.elapsed() - heard.elapsed), instance.registered_at)

    def heard(self, service_id: str) -> None:
        """Note a sign of life of a local instance, which may move no deadline, such as a check that passes."""
        instance = self._state.local_service(service_id)
        if instance is None:
            return
        self._heard[service_id] = _Heard(instance.create_index, self._clock.elapsed())
        there = self._state.local_ids
        if len(self._heard) > max(2 * len(there), _NOTES_AT_LEAST):
            self._heard = {one: note for one, note in self._heard.items() if one in there}

    # Writes

    async def register(self, command: RegisterAgent) -> Record:
        """Write an agent; returns the record as this process shows it afterwards, or as written if it is gone already.

        One that says what is there already is a sign of life, and costs no entry.

        The agent gets the tagged addresses that a registration over Consul's API would give it, so that a Consul
        client that reads it and writes it back changes nothing (dialects.md §8.4).

        Raises:
            TooManyRequests: `agent-limit`.
        """
        service = with_default_addresses(command.service)
        written = await self._writes.propose(replace(command, service=service))
        self.heard(service.id)
        found = self._state.record(service.id)
        if found is not None:
            if self.feed.watched and not written.stored:
                self.feed.beaten(found)
            return found
        now, server = self._clock.now(), self._state.server
        instance = replace(service, node=server.node, local=Local(), registered_at=now, updated_at=now)
        return record_of(instance, server.address, ())

    async def beat(
        self,
        service_id: str,
        status: str = "",
        metadata: dict[str, Any] | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        """Take a sign of life of a local instance, whoever registered it; costs an entry only if it changes something.

        An agent that was removed for its silence comes back. A beat that changes nothing is accepted even while a
        shared store is away.

        Args:
            status: passing, warning or critical as the agent reports it; "" leaves it as it is.
            metadata: merged into the agent's own, key by key.
        Raises:
            NotFound: `agent`, also for an instance of another node.
        """
        await self._let_be_known(service_id)
        news = UpdateAgent(service_id=service_id, status=status, metadata=metadata or None, telemetry=telemetry)
        told = await self._beats.agent(news)
        self.heard(service_id)
        if self.feed.watched and not told:
            self.feed.beaten(self.known(service_id))
        elif not self._state.is_agent(service_id):  # removed again before we looked
            raise NotFound("agent", id=service_id)

    async def move(self, service_id: str, verb: str) -> Record:
        """Start, stop, pause, resume or restart an agent.

        Raises:
            NotFound: `agent`, also for an instance of another node. Conflict: `agent-state`.
        """
        await self._let_be_known(service_id)
        await self._writes.propose(MoveAgent(service_id, verb))
        return self.known(service_id)

    async def remove(self, record_id: str) -> bool:
        """Remove a record of any node for good; False when there is none."""
        try:
            record: Record | None = await self.find(record_id)
        except NotFound:
            record = None
        if record is not None and not record.local:
            await self._writes.propose(Deregister(record.instance.node, record.instance.id))
            return True
        if record is None and not self._state.is_buried(record_id):
            return False
        try:
            await self._writes.propose(RemoveAgent(record_id))
        except NotFound:  # another caller was faster
            return False
        return record is not None

    async def submit(self, service_id: str, task: Task) -> None:
        """Put a task into the queue of an agent, where it stays until it is finished.

        Raises:
            NotFound: `agent`. Conflict: `agent-no-tasks`, `agent-stopped`. TooManyRequests: `task-queue`.
        """
        await self._let_be_known(service_id)
        await self._writes.propose(SubmitTask(service_id, task))

    async def finish(self, service_id: str, task_id: str, *, succeeded: bool) -> None:
        """Note that a task is done, or has failed."""
        await self._writes.propose(FinishTask(service_id, task_id, succeeded))

    async def _let_be_known(self, service_id: str) -> None:
        """Return if there is such a local record, or a write about it is under way.

        Raises:
            NotFound: `agent`; a command would be refused for the same reason, but would cost an entry.
        """
        if self._is_known(service_id):
            return
        await self._writes.confirm()
        if not self._is_known(service_id):
            raise NotFound("agent", id=service_id)

    def _is_known(self, service_id: str) -> bool:
        if self._state.is_agent(service_id):
            return True
        node = self._state.server.node
        in_flight = self._writes.proposals.touch(service_key(node, service_id), node_key(node))
        return in_flight or self._state.is_buried(service_id)

    def known(self, service_id: str) -> Record:
        """The record of this id as this process shows it.

        Raises:
            NotFound: `agent`.
        """
        record = self._state.record(service_id)
        if record is None:  # removed again before we looked
            raise NotFound("agent", id=service_id)
        return record
