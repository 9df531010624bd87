"""`AsyncAgentRegistration`: the twin of `AgentRegistration` for programs with an event loop.

Owns the task and the waiting; what is said is in `registration.py`. An object belongs to the loop it is used on.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from registry.client.access import Access
from registry.client.backoff import Chance
from registry.client.errors import ServerAway
from registry.client.http import Answer, post_async
from registry.client.registration import (
    BEAT_SECONDS,
    DEFAULT_URL,
    DEFAULT_VERSION,
    JOIN_SECONDS,
    REGISTER_PATH,
    REGISTER_SECONDS,
    UNREGISTER_SECONDS,
    Registration,
    log,
)

Wait = Callable[[asyncio.Event, float], Awaitable[object]]  # returns when the event is set or the seconds are over


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class AsyncAgentRegistration(Registration):
    """An agent's registration, from an event loop. The constructor's arguments are those of `Registration`.

        async with AsyncAgentRegistration("cost-1", "cost", "10.0.0.5", 8001, [], "http://registry:8080"):
            ...

    The methods are those of `AgentRegistration`, to be awaited, and mean the same.

    Attributes:
        heartbeat_task: None until there is one.
        stop_heartbeat: an event, not a method: setting it ends the task.
    """

    def __init__(
        self,
        agent_name: str,
        agent_type: str,
        host: str,
        port: int,
        capabilities: Sequence[str],
        orchestrator_url: str = DEFAULT_URL,
        version: str = DEFAULT_VERSION,
        metadata: dict[str, Any] | None = None,
        *,
        access: Access | None = None,
        chance: Chance = random.random,
        wait: Wait = _wait,
    ) -> None:
        super().__init__(
            agent_name, agent_type, host, port, capabilities, orchestrator_url, version, metadata,
            access=access, chance=chance,
        )  # fmt: skip
        self.heartbeat_task: asyncio.Task[None] | None = None
        self.stop_heartbeat = asyncio.Event()
        self._wait = wait
        self._turn = 0  # of the tasks, one after the other
        self._registering = asyncio.Lock()  # one registration at a time, and no end amid one

    async def register(self) -> bool:
        """Register under a new id; true for a 201 only. Never raises: what went wrong is logged."""
        async with self._registering:
            try:
                await self._register()
            except Exception as error:  # whatever it is, it must not end the agent
                self._failed("register", error)
                return False
            return True

    async def start_heartbeat(self) -> None:
        """Beat at once and then every `heartbeat_interval` seconds, until told to stop; does nothing without an id."""
        if self.agent_id is None:
            log.error("%s cannot beat: it is not registered", self.agent_name)
            return
        self._start_task()

    async def start(self) -> None:
        """Register and beat; while the server is away, go on trying from the task.

        Raises:
            Refused: the server will not have this agent, and will not have it later either.
            ValueError, TypeError: a url or metadata that cannot be sent.
        """
        async with self._registering:
            try:
                if self._live_id is None:
                    await self._register()
            except ServerAway as error:
                self._failed("register", error)
        self._start_task()

    async def stop_heartbeat_loop(self) -> None:
        """End the task; waits at most 5 seconds for a beat that is under way."""
        self.stop_heartbeat.set()
        task = self.heartbeat_task
        if task is None or task is asyncio.current_task():
            return
        await asyncio.wait({task}, timeout=JOIN_SECONDS)  # what is still under way then ends by its own timeout

    async def unregister(self) -> None:
        """Stop beating and take the agent off the registry's list. Never raises; the id stays."""
        if self.heartbeat_task is not None:
            await self.stop_heartbeat_loop()
        async with self._registering:
            if self.agent_id is None:
                return
            try:
                answer = await self._post(self._path(self.agent_id, "unregister"), None, UNREGISTER_SECONDS)
                self._take_unregistration(self.agent_id, answer)
            except Exception as error:  # as above
                self._failed("unregister", error)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.unregister()

    # The task

    def _start_task(self) -> None:
        running = self.heartbeat_task
        if running is not None and not running.done() and not self.stop_heartbeat.is_set():
            return
        self.stop_heartbeat.clear()
        self._turn += 1
        self.heartbeat_task = asyncio.create_task(self._beat_on(self._turn), name="heartbeat")

    async def _beat_on(self, turn: int) -> None:
        while self._goes_on(turn):
            seconds = await self._next(turn)
            if seconds > 0 and self._goes_on(turn):
                await self._wait(self.stop_heartbeat, seconds)

    def _goes_on(self, turn: int) -> bool:
        """Whether this task is still wanted: not stopped, and no other has taken its place since."""
        return not self.stop_heartbeat.is_set() and turn == self._turn

    async def _next(self, turn: int) -> float:
        """One request; seconds until the next."""
        agent_id = self._live_id
        try:
            if agent_id is None:
                await self._register_again(turn)
                return 0.0
            answer = await self._post(self._path(agent_id, "heartbeat"), self._beat_body(), BEAT_SECONDS)
            return self._take_beat(agent_id, answer)
        except Exception as error:  # as above
            return self._failed("register" if agent_id is None else "heartbeat", error)

    async def _register_again(self, turn: int) -> None:
        async with self._registering:
            if self._live_id is None and self._goes_on(turn):  # else somebody else was first
                await self._register()

    async def _register(self) -> None:
        self._take_registration(await self._post(REGISTER_PATH, self._registration_body(), REGISTER_SECONDS))

    async def _post(self, path: str, body: object, seconds: float) -> Answer:
        return await post_async(self.orchestrator_url, path, body, self._access, seconds)
