"""Events of agents for programs that listen in Redis, and the figures that follow from what happens by itself.

Owns the channels and their messages. What happens is told by the process that keeps house, a sign of life that changes
nothing by the one that took it, so that each is told once; without Redis nothing is published. It is best effort: who
must not miss anything watches over gRPC. Source: dialects.md §5.7 and NotifyAgent in §5.4.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from registry.api.dialects.hive.edge import Settings
from registry.api.dialects.hive.figures import HiveFigures, type_label
from registry.core.agent_feed import DEREGISTERED, STATUS_CHANGED, AgentChange, TooSlow
from registry.core.engine import Engine
from registry.events import Events
from registry.model.agent import UNREACHABLE

Publish = Callable[[str, str], Awaitable[None]]  # channel and text

MOST_WAITING = 10_000  # events; more than that while Redis hangs are left out


class Announcements:
    """What one process tells others about agents."""

    def __init__(
        self, engine: Engine, settings: Settings, events: Events, figures: HiveFigures, publish: Publish | None
    ) -> None:
        """Args:
        publish: tells whoever listens on a channel; None where there is no Redis.
        """
        self._engine = engine
        self._settings = settings
        self._events = events
        self._figures = figures
        self._publish = publish
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, where anybody wants to know."""
        if self._publish is not None or self._settings().hive_code_metrics:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End; what waits is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            watch = self._engine.agents.feed.watch(self._engine.state, MOST_WAITING)
            try:
                while (change := await watch.next()) is not None:
                    await self._take(change)
                return
            except TooSlow:
                self._events.agent.warning("Events of agents were left out: Redis takes them too slowly")
            finally:
                watch.close()

    async def _take(self, change: AgentChange) -> None:
        if not (self._engine.keeps_house or change.bare):
            return
        record = change.record
        if record.status == UNREACHABLE and change.kind == STATUS_CHANGED:
            self._figures.count("agents_marked_unhealthy", type_label(record.type))
            self._figures.count("health_checks")
        elif record.status == UNREACHABLE and change.kind == DEREGISTERED:
            self._figures.count("agents_removed", type_label(record.type))
        await self._tell("events", {"event": change.kind, "agent_id": record.id})

    async def notify(self, agent_id: str, kind: str, message: str, metadata: dict[str, str]) -> None:
        """Tell whoever listens for an agent."""
        self._events.agent.info("An agent is notified", agent=agent_id, type=kind)
        news: dict[str, object] = {"agent_id": agent_id, "notification_type": kind, "message": message}
        await self._tell("notifications", {**news, "metadata": metadata})

    async def _tell(self, channel: str, news: dict[str, object]) -> None:
        if self._publish is not None:
            await self._publish(f"{self._settings().hive_redis_prefix}:{channel}", msgspec.json.encode(news).decode())
