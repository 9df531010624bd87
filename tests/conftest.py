"""What every test may ask for: a clock it moves, an engine on each log, and readers that are really parked.

No test may block the loop: a file, socket or database call of ours on it is an error.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from registry.core.engine import Engine
from registry.log.open import open_log
from registry.testing import FakeClock
from tests.makers import Tally, parked, start_server

# How long one example takes says more about what else this machine does than about the code. A run always
# tries the same examples, so that it fails for what was changed; PROPERTY_EXAMPLES=n looks for new ones.
settings.register_profile(
    "here",
    deadline=None,
    derandomize="PROPERTY_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("here")

Park = Callable[[Awaitable[Any]], Awaitable["asyncio.Task[Any]"]]


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> Iterator[None]:
    with blockbuster_ctx("registry"):
        yield


@pytest.fixture
def clock() -> FakeClock:
    """Time that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The url of an empty store, of each kind of log in turn."""
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/data/registry.db"


@pytest.fixture
async def engine(store: str, clock: FakeClock) -> AsyncIterator[Engine]:
    """A started engine that knows who it is; `engine.observer` is a `Tally`."""
    log = open_log(store, now=clock.now, elapsed=clock.elapsed, writer="self")
    started = Engine(log, clock, observer=Tally())
    clock.busy = lambda: started.busy
    await started.start()
    await started.propose(start_server())
    yield started
    await started.stop()


@pytest.fixture
async def park(engine: Engine) -> AsyncIterator[Park]:
    """Starts a reader and returns its task once it is parked; what still waits at the end is cancelled."""
    tasks: list[asyncio.Task[Any]] = []

    async def start(reader: Awaitable[Any]) -> "asyncio.Task[Any]":
        tasks.append(await parked(engine, reader))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
