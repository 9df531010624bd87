"""What every test may ask for: a clock it moves, an engine on each log, and readers that are really parked.

No test may block the loop: a file, socket or database call of ours on it is an error.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from registry.core.engine import Engine
from registry.testing import FakeClock
from tests.makers import Tally, parked, start_server
from tests.replicas.redis_server import MISSING, PROGRAM, RedisServer
from tests.stores import empty_store, kinds, log_of

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
    with blockbuster_ctx("registry") as watch:
        # The client library of Redis looks up its own version whenever it makes a client for a sentinel.
        for call in ("os.stat", "io.TextIOWrapper.read"):
            watch.functions[call].can_block_in("redis/utils.py", "get_lib_version")
        yield


@pytest.fixture
def clock() -> FakeClock:
    """Time that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for all tests, each of which has a namespace of its own in it."""
    if PROGRAM is None:
        pytest.skip(MISSING)
    server = RedisServer(tmp_path_factory.mktemp("redis") / "data")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=kinds())
def store(request: pytest.FixtureRequest) -> str:
    """The url of an empty store, of each kind of log in turn."""
    return empty_store(request.param, request)


@pytest.fixture
async def engine(store: str, clock: FakeClock) -> AsyncIterator[Engine]:
    """A started engine that knows who it is; `engine.observer` is a `Tally`."""
    async with log_of(store, clock, writer="self") as timed:
        started = Engine(timed.log, clock, observer=Tally())
        clock.busy = lambda: started.busy or timed.busy()
        await started.start()
        await started.propose(start_server())
        await clock.settle()  # a shared log may show an entry before its append has come back
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
