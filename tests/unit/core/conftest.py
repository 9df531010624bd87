"""An engine over a log in memory that misbehaves when told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from registry.commands import Command
from registry.commands.codec import encoded
from registry.core.engine import Engine, Options
from registry.log.faults import FaultyMemoryLog, faulty_log
from registry.log.memory import MemoryLog, MemoryStore
from registry.testing import FakeClock
from tests.makers import Tally, start_server


class Rig(NamedTuple):
    """An engine, its log with every fault, and what its observer was told."""

    engine: Engine
    log: FaultyMemoryLog
    told: Tally

    def begin(self, command: Command) -> "asyncio.Task[None]":
        """A write under way."""
        return asyncio.get_running_loop().create_task(self.engine.propose(command))

    async def foreign(self, command: Command) -> None:
        """Another writer's write, as this engine sees it."""
        await self.log.foreign(encoded(command))


class Lagging(MemoryLog):
    """A writer's end whose reader is behind until `go` is set."""

    def __init__(self, store: MemoryStore, *, writer: str) -> None:
        super().__init__(store, writer=writer)
        self.go = asyncio.Event()
        self.go.set()

    async def follow(self, after: int) -> Any:
        async for item in super().follow(after):
            await self.go.wait()
            yield item


Rigged = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def rigged(clock: FakeClock) -> AsyncIterator[Rigged]:
    """Makes engines over faulty logs, with options."""
    made: list[Rig] = []

    async def make(**options: Any) -> Rig:
        log, told = faulty_log(now=clock.now, elapsed=clock.elapsed), Tally()
        engine = Engine(log, clock, options=Options(**options), observer=told)
        await engine.start()
        await engine.propose(start_server())
        made.append(Rig(engine, log, told))
        return made[-1]

    yield make
    for rig in made:
        rig.log.release()
        await clock.advance(10)  # whatever nobody can tell the outcome of is given up by then
        await rig.engine.stop()


@pytest.fixture
async def rig(rigged: Rigged) -> Rig:
    """An engine over a faulty log, with the usual options."""
    return await rigged()
