"""WatchAgents: what happens to agents, as it happens.

Owns one stream. It begins with the call, without what is there already; a reader that is too slow is cut off, never
buffered for without end. Source: dialects.md §5.4, WatchAgents.
"""

from typing import Any

from registry.api.dialects.hive.edge import Settings
from registry.api.dialects.hive.schema import UNTYPED, pb, type_number
from registry.api.dialects.hive.service import known_type
from registry.api.dialects.hive.wire import agent_info
from registry.core.agent_feed import DEREGISTERED, REGISTERED, STATUS_CHANGED, UPDATED, AgentChange, TooSlow
from registry.core.engine import Engine
from registry.errors import LogUnavailable, TooManyRequests
from registry.model.agent import HIVE

_Event = pb.AgentChangeEvent
_KINDS = {
    REGISTERED: _Event.REGISTERED, UPDATED: _Event.UPDATED, DEREGISTERED: _Event.DEREGISTERED,
    STATUS_CHANGED: _Event.STATUS_CHANGED,
}  # fmt: skip


class Watching:
    """The streams over one engine."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    async def watch_agents(self, request: Any, context: Any) -> None:
        """Write each change until the caller leaves. The head of the answer says that the stream has begun.

        Raises:
            InvalidRequest: `agent-type`. TooManyRequests: `slow-watcher`. LogUnavailable: the server stops.
        """
        number, limit = known_type(request.agent_type), self._settings().hive_watch_events
        watch = self._engine.agents.feed.watch(self._engine.state, limit)
        try:
            await context.send_initial_metadata(())
            while (change := await watch.next()) is not None:
                if number in (UNTYPED, *_types(change)) and self._is_shown(change):
                    await context.write(await self._event(change))
            raise LogUnavailable("the registry is stopping: watch another one")
        except TooSlow:
            raise TooManyRequests("slow-watcher", limit=limit) from None
        finally:
            watch.close()

    async def _event(self, change: AgentChange) -> Any:
        now = self._engine.clock.now()
        if change.beaten:
            seen = now
        else:
            (seen,) = await self._engine.agents.last_seen([change.record])
        return _Event(event_type=_KINDS[change.kind], agent=agent_info(change.record, seen), timestamp=int(now))

    def _is_shown(self, change: AgentChange) -> bool:
        return self._settings().dialect_scope != "own" or change.record.source == HIVE


def _types(change: AgentChange) -> tuple[int, ...]:
    """The types that a change concerns: who watches the one that an agent leaves is told too (dialects.md M-3)."""
    types = (change.record.type, change.former_type) if change.former_type else (change.record.type,)
    return tuple(map(type_number, types))
