"""What is done for agents besides answering requests: their tasks, and copies for others to read.

Owns the parts and their life on one engine. What each does is in its own package.
"""

from typing import TYPE_CHECKING

from registry.api.dialects.optiinfra.copies import Copies
from registry.clock import Clock
from registry.core.engine import Engine
from registry.events import Events
from registry.settings import Settings
from registry.tasks.http import HttpListener
from registry.tasks.runner import TaskRunner

if TYPE_CHECKING:
    from registry.log.redis.neighbours import Neighbours


class AgentDuties:
    """Started once the state is there, stopped before the engine."""

    def __init__(self, engine: Engine, clock: Clock, settings: Settings, events: Events) -> None:
        self._events = events
        self._tasks = TaskRunner(engine, clock, HttpListener(), self._task_failed)
        self._copies: Copies | None = None
        self.neighbours: Neighbours | None = None
        if settings.store_url.startswith("redis") and (
            settings.optiinfra_redis_copies or settings.grpc_port is not None
        ):
            from registry.log.redis.neighbours import neighbours_at  # with the client of Redis, as its log

            self.neighbours = neighbours_at(settings.store_url)
            if settings.optiinfra_redis_copies:
                self._copies = Copies(engine, clock, self.neighbours)

    def start(self) -> None:
        """Begin, with the agents that the state holds."""
        self._tasks.start()
        if self._copies is not None:
            self._copies.start()

    async def stop(self) -> None:
        """Begin no more tasks, and close connections."""
        if self._copies is not None:
            await self._copies.stop()
        if self.neighbours is not None:
            await self.neighbours.close()
        await self._tasks.stop()

    def _task_failed(self, agent_id: str, task_id: str, why: str, error: Exception | None) -> None:
        """Log why a task was not done; an error of ours is logged with its traceback."""
        if error is None:
            self._events.agent.info("A task was not done", agent=agent_id, task=task_id, reason=why)
            return
        self._events.agent.failure("A task could not be done", error, agent=agent_id, task=task_id)
