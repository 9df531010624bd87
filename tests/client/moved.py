"""An agent whose waits end when the test moves the server's clock, whether it runs on a thread or on the loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Literal

from registry.client import AgentRegistration, AsyncAgentRegistration
from registry.testing import TestServer

Kind = Literal["thread", "loop"]
KINDS: tuple[Kind, ...] = ("thread", "loop")


async def until(reached: Callable[[], object]) -> None:
    """Return once it is so: the real time of a loopback connection, or of a thread."""
    while not reached():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def tasks() -> set["asyncio.Task[Any]"]:
    """All there are but the server's own."""

    def code(task: "asyncio.Task[Any]") -> str:
        return str(getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", ""))

    return {task for task in asyncio.all_tasks() if "/registry/" not in code(task) or "/registry/client/" in code(task)}


class Waits:
    """What an agent is given for waiting: it goes on when enough time was said to have passed."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.left = 0.0  # of the wait under way

    def on_thread(self, event: threading.Event, seconds: float) -> None:
        self._begin(seconds)
        while not event.wait(0.002) and self.left > 0:  # two things can end it; this one is looked at now and then
            pass
        self.left = 0.0

    async def on_loop(self, event: asyncio.Event, seconds: float) -> None:
        self._begin(seconds)
        while not event.is_set() and self.left > 0:  # noqa: ASYNC110 - one of the two is a number
            await asyncio.sleep(0)
        self.left = 0.0

    def _begin(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.left = seconds

    async def begun(self) -> None:
        """Return once the agent waits: what it had to do is done."""
        await until(lambda: self.left > 0)


class Driven:
    """An agent of either kind, with the methods of both awaited."""

    def __init__(self, kind: Kind, url: str, *, really: bool = False, **changed: Any) -> None:
        """really: it waits in real time."""
        self.kind, self.waits = kind, Waits()
        said: dict[str, Any] = {
            "agent_name": "cost-1", "agent_type": "cost", "host": "10.0.0.5", "port": 8001,
            "capabilities": ["spot"], "orchestrator_url": url, "chance": lambda: 0.0, **changed,
        }  # fmt: skip
        self.agent: Any
        if kind == "thread":
            self.agent = AgentRegistration(**said, **({} if really else {"wait": self.waits.on_thread}))
        else:
            self.agent = AsyncAgentRegistration(**said, **({} if really else {"wait": self.waits.on_loop}))

    async def call(self, method: Callable[[], Any]) -> Any:
        """Call one of the agent's methods; those of a thread are called on another."""
        return await asyncio.to_thread(method) if self.kind == "thread" else await method()

    async def register(self) -> bool:
        registered = await self.call(self.agent.register)
        assert isinstance(registered, bool)
        return registered

    async def start_heartbeat(self) -> None:
        """Start, and wait for the end of the first beat."""
        await self.call(self.agent.start_heartbeat)
        await self.waits.begun()

    async def unregister(self) -> None:
        await self.call(self.agent.unregister)

    async def stop(self) -> None:
        await self.call(self.agent.stop_heartbeat_loop)

    @property
    def beats(self) -> bool:
        """Whether its thread or task is there."""
        if self.kind == "thread":
            return self.agent.heartbeat_thread is not None and self.agent.heartbeat_thread.is_alive()
        return self.agent.heartbeat_task is not None and not self.agent.heartbeat_task.done()

    async def live(self, server: TestServer, seconds: float) -> None:
        """Let time pass for the server and for the agent, which beats whenever its time has come."""
        while seconds > 0:
            await self.waits.begun()
            step = min(seconds, self.waits.left)
            await server.advance(step)
            self.waits.left -= step
            seconds -= step
        await self.waits.begun()
