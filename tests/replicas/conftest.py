"""Fixtures of the suites over real Redis servers; where there is none they are left out, which is said."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from registry.log.base import Log
from registry.log.open import open_log
from registry.testing import FakeClock
from tests.replicas.proxy import Proxy
from tests.replicas.redis_server import MISSING, PROGRAM, RedisServer

OpenLog = Callable[..., Awaitable[Log]]


@pytest.fixture(autouse=True)
def _there_is_redis() -> None:
    if PROGRAM is None:
        pytest.skip(MISSING)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own, which it may do anything to."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def proxy(redis: RedisServer) -> AsyncIterator[Proxy]:
    """A way to that Redis that the test can cut and lose bytes on."""
    between = Proxy(redis.port)
    await between.start()
    yield between
    await between.stop()


@pytest.fixture
async def opened() -> AsyncIterator[OpenLog]:
    """`opened(url, writer)`: an open log; all are closed at the end, the newest first."""
    logs: list[Log] = []

    async def opened(url: str, writer: str) -> Log:
        clock = FakeClock()  # Redis's own time counts
        log = open_log(url, now=clock.now, elapsed=clock.elapsed, writer=writer)
        await log.open()
        logs.append(log)
        return log

    yield opened
    for log in reversed(logs):
        await log.close()
