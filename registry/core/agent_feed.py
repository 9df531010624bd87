"""What happens to agents, as a stream: watchers get each change once and in order.

Holds nothing while nobody watches. Signs of life that change nothing are passed on too, by the process that took them.
Source: dialects.md §5.4, WatchAgents; M-15.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from registry.model.names import fold
from registry.model.record import Record
from registry.state.store import State

REGISTERED, UPDATED, DEREGISTERED, STATUS_CHANGED = "registered", "updated", "deregistered", "status_changed"

Key = tuple[str, str]  # folded node and folded service id


class AgentChange(NamedTuple):
    """One change, and the record after it; for a record that is gone, its last known form.

    `beaten` marks a sign of life. `bare` marks one that changed nothing; only watchers on the process that took it
    see those. `former_type` is the type that the agent had until now, if it has another.
    """

    kind: str
    record: Record
    beaten: bool = False
    bare: bool = False
    former_type: str = ""


class TooSlow(Exception):
    """A watcher reads more slowly than changes arrive, and gets no more of them."""


class AgentWatch:
    """One watcher's end of the feed. Close it when done."""

    def __init__(self, feed: "AgentFeed", most_waiting: int) -> None:
        self._feed = feed
        self._most_waiting = most_waiting
        self._waiting: deque[AgentChange] = deque()
        self._arrived = asyncio.Event()
        self._too_slow = False
        self._ended = False

    async def next(self) -> AgentChange | None:
        """The next change; None when the server stops.

        Raises:
            TooSlow: too many changes were waiting. Those returned before are complete and in order.
        """
        while not self._waiting:
            if self._too_slow:
                raise TooSlow
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Leave the feed. Idempotent."""
        self._feed.leave(self)

    def tell(self, change: AgentChange) -> None:
        """Add a change for `next`; if too many are waiting, leave the feed instead."""
        if len(self._waiting) >= self._most_waiting:
            self._too_slow = True
            self._feed.leave(self)
        else:
            self._waiting.append(change)
        self._arrived.set()

    def end(self) -> None:
        """Let `next` return None once everything waiting has been read."""
        self._ended = True
        self._arrived.set()


class AgentFeed:
    """Finds changes by comparing the records that the state shows with those that watchers were told of."""

    def __init__(self) -> None:
        self._watches: dict[AgentWatch, None] = {}
        self._told: dict[Key, Record] = {}

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        return bool(self._watches)

    def watch(self, state: State, most_waiting: int) -> AgentWatch:
        """Begin to watch: what changes from now on is told.

        Args:
            most_waiting: how many changes may wait to be read before the watcher is dropped.
        """
        if not self._watches:
            self._told = {_key(record): record for record in state.records()}
        watch = AgentWatch(self, most_waiting)
        self._watches[watch] = None
        return watch

    def leave(self, watch: AgentWatch) -> None:
        """Take a watcher out."""
        self._watches.pop(watch, None)
        if not self._watches:
            self._told = {}

    def end(self) -> None:
        """End every watch, because the server is stopping."""
        for watch in list(self._watches):
            watch.end()

    def applied(self, state: State, instances: Mapping[Key, bool]) -> None:
        """Tell what one entry of the log has changed; `instances` is its `Changes.instances`."""
        for (node, service_id), beaten in instances.items():
            keys = [(node, service_id)] if service_id else self._keys_of(state, node)
            for key in keys:
                self._look(state, key, beaten=beaten and bool(service_id))

    def replaced(self, state: State) -> None:
        """Tell what is different in a state that has replaced another."""
        nodes = {**dict.fromkeys(state.instances), **dict.fromkeys(node for node, _ in self._told)}
        for node in nodes:
            for key in self._keys_of(state, node):
                self._look(state, key, beaten=False)

    def beaten(self, record: Record) -> None:
        """Tell of a sign of life that changed nothing."""
        self._tell(AgentChange(UPDATED, record, beaten=True, bare=True))

    def _keys_of(self, state: State, node: str) -> list[Key]:
        there = dict.fromkeys((node, key) for key in state.instances.get(node, {}))
        return list({**dict.fromkeys(key for key in self._told if key[0] == node), **there})

    def _look(self, state: State, key: Key, *, beaten: bool) -> None:
        old, new = self._told.get(key), state.record_at(key)
        if new is None:
            if old is not None:
                del self._told[key]
                self._tell(AgentChange(DEREGISTERED, old))
            return
        self._told[key] = new
        if old is None or old.instance.create_index != new.instance.create_index:
            if old is not None:
                self._tell(AgentChange(DEREGISTERED, old))
            self._tell(AgentChange(REGISTERED, new))
            return
        if beaten or _differs(new, old):
            self._tell(AgentChange(UPDATED, new, beaten, former_type=old.type if old.type != new.type else ""))
        if new.status != old.status:
            self._tell(AgentChange(STATUS_CHANGED, new))

    def _tell(self, change: AgentChange) -> None:
        for watch in list(self._watches):
            watch.tell(change)


def _key(record: Record) -> Key:
    return fold(record.instance.node), fold(record.instance.id)


def _differs(new: Record, old: Record) -> bool:
    return (new.instance.modify_index, new.agent, new.host) != (old.instance.modify_index, old.agent, old.host)
