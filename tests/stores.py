"""The stores that tests run on: an empty one of each kind, and how the clock of a test moves it.

`TEST_STORE` names the one kind that everything is to run on which can; without it the suites of the log and of the
engine run on every kind, and those of the interface in memory.
"""

import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import pytest

import registry.log.redis.log  # noqa: F401 - reads its scripts while it is imported, which a test would see as blocking
from registry import testing
from registry.log.base import Log
from registry.log.open import open_log
from registry.testing import FakeClock, TestServer
from tests.replicas.moved_time import MovedTime
from tests.replicas.redis_server import RedisServer

KINDS = ("memory", "sqlite", "redis")
CHOSEN = os.environ.get("TEST_STORE", "")
WINDOW_SECONDS = 0.01  # in which replicas may say what they hold of a new store; there are none
_numbers = itertools.count(1)


def kinds(default: tuple[str, ...] = KINDS) -> tuple[str, ...]:
    """What to run a suite on."""
    return (CHOSEN,) if CHOSEN else default


def empty_store(kind: str, request: pytest.FixtureRequest) -> str:
    """The url of a store in which nothing is."""
    if kind == "memory":
        return "memory:"
    if kind == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/data/registry.db"
    return empty_namespace(request.getfixturevalue("redis_server"))


def empty_namespace(server: RedisServer) -> str:
    """The url of a store in this Redis in which nothing is."""
    return server.url(f"t{next(_numbers)}", window=WINDOW_SECONDS)


class Timed(NamedTuple):
    """A log whose time is a clock's; the clock must not go on while the log is `busy`."""

    log: Log
    busy: Callable[[], bool]


@asynccontextmanager
async def log_of(url: str, clock: FakeClock, *, writer: str) -> AsyncIterator[Timed]:
    """The log at the url, not opened."""
    log = open_log(url, now=clock.now, elapsed=clock.elapsed, writer=writer)
    if not url.startswith("redis"):
        yield Timed(log, lambda: False)
        return
    time = MovedTime(url, log)
    clock.passing = time.move
    try:
        yield Timed(log, lambda: time.busy)
    finally:
        clock.passing = None
        await time.close()


def server_over(make_url: Callable[[], str]) -> Callable[..., AbstractAsyncContextManager[TestServer]]:
    """`registry.testing.server`, but over stores of another kind."""
    over_memory = testing.server

    @asynccontextmanager
    async def server(*, log: Log | None = None, clock: FakeClock | None = None, **settings: Any) -> Any:
        if log is not None or "store" in settings:
            async with over_memory(log=log, clock=clock, **settings) as started:
                yield started
            return
        clock = clock or FakeClock()
        async with (
            log_of(make_url(), clock, writer="self") as timed,
            over_memory(log=timed.log, clock=clock, **settings) as started,
        ):
            clock.busy = lambda: started.engine.busy or timed.busy()
            yield started

    return server
