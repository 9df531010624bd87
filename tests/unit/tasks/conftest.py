"""Replicas that work off tasks, over one store in memory, with agents of which the test decides what they do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from registry.commands import RaiseLevel, RegisterAgent, SubmitTask
from registry.commands.codec import LEVEL
from registry.core.engine import Engine
from registry.log.memory import MemoryStore
from registry.model.agent import OPTIINFRA, Agent, AgentConfig, Task
from registry.model.member import Member
from registry.model.service import Instance
from registry.tasks.runner import Refused, TaskRunner
from registry.testing import FakeClock
from tests.contract.consul.replicas import Wire
from tests.makers import Tally, start_server


class Agents:
    """All agents behind a replica: they take what they are given, and end it when the test says so."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str]] = []  # agent and task, each time
        self.left_off: list[str] = []
        self.answers: dict[str, str] = {}  # by task; "" that it is done, else why not
        self.fault: Exception | None = None
        self._ends: dict[str, asyncio.Event] = {}

    async def run(self, agent: Instance, task: Task, seconds: float) -> None:
        self.given.append((agent.id, task.id))
        if self.fault is not None:
            raise self.fault
        try:
            await self._ends.setdefault(task.id, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.left_off.append(task.id)
            raise
        if self.answers[task.id]:
            raise Refused(self.answers[task.id])

    def end(self, task_id: str, why: str = "") -> None:
        """Let a task end, now or when it is given."""
        self.answers[task_id] = why
        self._ends.setdefault(task_id, asyncio.Event()).set()

    async def close(self) -> None:
        """There is nothing to close."""

    @property
    def tasks(self) -> list[str]:
        return [task for _, task in self.given]


class Replica:
    """A replica: its engine, its end of the store, and its runner."""

    def __init__(self, store: MemoryStore, writer: str, clock: FakeClock) -> None:
        self.clock = clock
        self.wire = Wire(store, writer, clock)
        self.engine = Engine(self.wire, clock, observer=Tally())
        self.agents = Agents()
        self.failures: list[tuple[str, str, str, Exception | None]] = []
        self.runner = TaskRunner(self.engine, clock, self.agents, lambda *failure: self.failures.append(failure))
        self.running = False

    async def start(self) -> None:
        await self.engine.start()
        self.engine.announce(Member(self.wire.writer, level=LEVEL).encoded())
        if not self.engine.state.server.node:
            await self.engine.propose(start_server())
            await self.engine.propose(RaiseLevel(LEVEL))
        self.runner.start()
        self.running = True

    async def stop(self) -> None:
        if self.running:
            self.running = False
            self.wire.mend()
            await self.runner.stop()
            await self.engine.stop()

    async def agent(self, agent_id: str = "a1", source: str = OPTIINFRA, **config: int) -> None:
        """Register an agent."""
        told = AgentConfig(**config) if config else None
        agent = Agent(source=source, config=told, ttl_ns=10**15, state="running")
        row = Instance(node="", id=agent_id, name="cost", address="h", port=1, agent=agent)
        await self.engine.agents.register(RegisterAgent(service=row))

    async def submit(self, task_id: str, agent_id: str = "a1", timeout_seconds: int = 0) -> None:
        """Queue a task, and let whoever is to do it begin."""
        task = Task(id=task_id, type="t", timeout_ns=timeout_seconds * 10**9)
        await self.engine.propose(SubmitTask(agent_id, task))
        await self.clock.settle()

    async def end(self, task_id: str, why: str = "") -> None:
        """Let a task end, and what follows from that happen."""
        self.agents.end(task_id, why)
        await self.clock.settle()

    @property
    def queue(self) -> list[str]:
        """The tasks of `a1` that have not ended."""
        return list(self.engine.state.tasks.get("a1", {}))

    @property
    def counted(self) -> tuple[int, int]:
        """Tasks that were done, and that failed."""
        counters = self.engine.state.counters
        return counters.tasks_executed, counters.tasks_failed


Replicas = Callable[[str], Awaitable[Replica]]


@pytest.fixture
async def replicas(clock: FakeClock) -> AsyncIterator[Replicas]:
    """Starts replicas on one store, by the names that they write under."""
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    made: list[Replica] = []
    clock.busy = lambda: any(one.running and one.engine.busy and one.wire.contact().silent_seconds == 0 for one in made)

    async def start(writer: str) -> Replica:
        made.append(Replica(store, writer, clock))
        await made[-1].start()
        await clock.advance(1)
        return made[-1]

    yield start
    for one in reversed(made):
        await one.stop()


@pytest.fixture
async def replica(replicas: Replicas) -> Replica:
    """One replica, alone."""
    return await replicas("aaaaaaaa")
