"""Fixtures of the log suite: each test that takes `backend` or `log` runs on every backend."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from registry.log.base import Log
from tests.backends.stores import LOCAL, Backend, Clock, RedisBackend
from tests.stores import kinds


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> Iterator[None]:
    with blockbuster_ctx("registry"):
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=kinds())
def backend(request: pytest.FixtureRequest, clock: Clock) -> Backend:
    """One store; `backend.log()` makes an end of it."""
    if request.param == "redis":
        return RedisBackend(clock, request.getfixturevalue("redis_server"))
    return LOCAL[request.param](clock, request.getfixturevalue("tmp_path"))


@pytest.fixture(params=sorted(LOCAL))
def local_backend(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Backend:
    """A store within one process, whose insides a test may reach."""
    return LOCAL[request.param](clock, tmp_path)


@pytest.fixture
async def log(backend: Backend) -> AsyncIterator[Log]:
    """The first end of the store, open."""
    opened = backend.log()
    await opened.open()
    yield opened
    await opened.close()
