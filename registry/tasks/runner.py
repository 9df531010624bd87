"""The tasks that this process works off: which they are, and what becomes of them.

Stands between the engine, which knows the queues and who owns which agent, and the places where tasks are done.
What is under way follows from the state, so nothing is stored when a task is begun, only when it has ended. A task
whose process ends before that is begun anew by the next one: an agent may be given it twice, but it is never lost. On
a shared log each agent's tasks have one owner; a replica that has lost the store stops before another one begins.
Source: dialects.md §4.3; `DESIGN.md` §3, Members.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from registry.clock import Clock, TimerHandle, sleep
from registry.core.engine import Engine
from registry.errors import LogUnavailable, RegistryError, TooManyRequests
from registry.model.agent import CODEVALD, OPTIINFRA, AgentConfig, Task
from registry.model.service import Instance

STAND_IN_SECONDS = 0.1  # what a task of CodeValdCortex takes: its runtime waits, and does nothing else
LOOK_SECONDS = 0.5  # between two looks at the store and at who owns what
SILENT_SECONDS = 3.0  # without the store for longer, what is ours may be another's by now
AGAIN_SECONDS = 0.5  # after the end of a task could not be stored
MOST_SENT = 500  # tasks that are with agents at a time: each holds a socket of this process
_DEFAULTS = AgentConfig()

Key = tuple[str, str]  # folded node and folded id of an agent
Failed = Callable[[str, str, str, Exception | None], None]  # agent's id, task's id, why; the error where it is ours


class Refused(RegistryError):
    """A task was not done; the text says why."""


class Listener(Protocol):
    """How tasks get to agents that listen for them."""

    async def run(self, agent: Instance, task: Task, seconds: float) -> None:
        """Have the agent do a task; returns when it says that it is done. The caller cancels it after `seconds`.

        Raises:
            Refused: it is not done.
        """

    async def close(self) -> None:
        """Let connections go."""


class TaskRunner:
    """Works off the tasks of the agents that are this process's."""

    def __init__(self, engine: Engine, clock: Clock, listener: Listener, failed: Failed) -> None:
        """Args:
        failed: told of each task that was not done.
        """
        self._engine = engine
        self._clock = clock
        self._listener = listener
        self._failed = failed
        self._jobs: dict[str, dict[str, asyncio.Task[None]]] = {}  # folded id of the agent → task's id
        self._alive: dict[asyncio.Task[None], None] = {}
        self._room = asyncio.Semaphore(MOST_SENT)
        self._timer: TimerHandle | None = None
        self._cut_off = False
        self._settled: tuple[object, ...] = ()  # whom the work was divided among

    def start(self) -> None:
        """Begin with what the state holds, and follow it from then on."""
        self._engine.watch_agents(self._changed)
        self._look_at_all()
        if self._engine.shared:
            self._look_around()

    async def stop(self) -> None:
        """Begin nothing any more and leave off what is under way: it stays in its queue."""
        self._engine.watch_agents(None)
        if self._timer is not None:
            self._timer.cancel()
        for key in list(self._jobs):
            self._leave_off(key, list(self._jobs[key]))
        if self._alive:
            await asyncio.wait(list(self._alive))
        await self._listener.close()

    # Which are ours

    def _changed(self, keys: Iterable[Key] | None) -> None:
        if keys is None:
            self._look_at_all()
            return
        state = self._engine.state
        if not state.tasks and not self._jobs:
            return
        own = state.own_key()
        for node, key in keys:
            if node == own and (key in state.tasks or key in self._jobs):
                self._look_at(key)

    def _look_around(self) -> None:
        """Members come and go, and so does the store; neither is a change of an agent."""
        self._timer = self._clock.call_later(LOOK_SECONDS, self._look_around)
        cut_off = self._engine.contact().silent_seconds > SILENT_SECONDS
        state = self._engine.state
        settled = (state.members, self._engine.keeps_house and not state.members)
        if (cut_off, settled) != (self._cut_off, self._settled):
            self._cut_off, self._settled = cut_off, settled
            self._look_at_all()

    def _look_at_all(self) -> None:
        for key in list(dict.fromkeys((*self._jobs, *self._engine.state.tasks))):
            self._look_at(key)

    def _look_at(self, key: str) -> None:
        """Begin what is to be done for an agent; leave off what is not ours any more, or is in no queue.

        A task of an agent that was stopped or paused meanwhile is brought to its end.
        """
        state = self._engine.state
        queue = state.tasks.get(key, {})
        agent = state.instances.get(state.own_key(), {}).get(key)
        mine = agent is not None and not self._cut_off and self._engine.owns(task_item(key))
        jobs = self._jobs.get(key, {})
        self._leave_off(key, [name for name in jobs if not mine or name not in queue])
        if agent is None or not mine:
            return
        for task in state.tasks_under_way(agent.id):
            if task.id not in self._jobs.get(key, {}):
                self._begin(key, agent, task)

    def _leave_off(self, key: str, names: Iterable[str]) -> None:
        for name in names:
            self._jobs[key].pop(name).cancel()
        if not self._jobs.get(key, True):
            del self._jobs[key]

    def _begin(self, key: str, agent: Instance, task: Task) -> None:
        job = asyncio.get_running_loop().create_task(self._job(agent, task))
        self._jobs.setdefault(key, {})[task.id] = job
        self._alive[job] = None
        job.add_done_callback(self._alive.pop)

    # What becomes of them

    async def _job(self, agent: Instance, task: Task) -> None:
        """Do a task and store how it ended; until that can be stored it counts as under way.

        What the state then shows leaves this job off.
        """
        why = await self._outcome(agent, task)
        while True:
            try:
                return await self._engine.agents.finish(agent.id, task.id, succeeded=not why)
            except (LogUnavailable, TooManyRequests):
                await sleep(self._clock, AGAIN_SECONDS)

    async def _outcome(self, agent: Instance, task: Task) -> str:
        """Do a task; why it was not done, "" when it was."""
        fault: Exception | None = None
        try:
            await self._do(agent, task)
        except Refused as refused:
            why = str(refused)
        except Exception as error:  # the edge to what agents answer: no task may stay for ever in its queue
            why, fault = "internal error", error
        else:
            return ""
        self._failed(agent.id, task.id, why, fault)
        return why

    async def _do(self, agent: Instance, task: Task) -> None:
        """Raises:
        Refused: it was not done.
        """
        source = agent.agent.source if agent.agent is not None else ""
        seconds = timeout_seconds(agent, task)
        if source == CODEVALD:
            await self._within(seconds, sleep(self._clock, STAND_IN_SECONDS))
        elif source == OPTIINFRA:
            async with self._room:
                await self._within(seconds, self._listener.run(agent, task, seconds))
        else:  # nothing is ever posted to the address of a plain service, whatever is in its queue
            raise Refused("the agent does not accept tasks")

    async def _within(self, seconds: float, work: Coroutine[Any, Any, None]) -> None:
        """Raises:
        Refused: the work does not end in time and was left off; and what the work raises.
        """
        doing = asyncio.get_running_loop().create_task(work)
        timer = self._clock.call_later(seconds, doing.cancel)
        try:
            await asyncio.wait({doing})
        finally:
            timer.cancel()
            doing.cancel()
            await asyncio.wait({doing})
        if doing.cancelled():
            raise Refused(f"not done within {seconds:g}s")
        doing.result()


def task_item(key: str) -> str:
    """The item of work that the tasks of an agent are, given by its folded id."""
    return f"task\0{key}"


def timeout_seconds(agent: Instance, task: Task) -> float:
    """How long a task may take: as long as it says itself, else as its agent does."""
    config = agent.agent.config if agent.agent is not None else None
    return (task.timeout_ns or (config or _DEFAULTS).task_timeout_ns) / 1e9
