"""A registry for tests: the real server in this process, in memory, with a clock that the test moves.

    async with registry.testing.server() as consul:
        ... any Consul client against consul.url ...
        await consul.advance(seconds=60)  # TTLs run out, blocking queries come to their deadline

It is the same engine, state and HTTP edge as the real one; only the store is in memory, the clock stands
still until it is moved, and random waits are 0. This module is public: the verified double for programs
that use Consul, and what our own tests use.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from registry.app import App
from registry.events import Events
from registry.log.base import Log
from registry.settings import Settings

EPOCH_SECONDS = 1_700_000_000.0  # where a FakeClock begins: 2023-11-14 22:13:20 UTC
_TURNS = 12  # of the loop after each timer: a request needs fewer from its wake-up to its answer


class FakeTimer:
    """What `FakeClock.call_later` returns."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Forget the call."""
        self.call = None


class FakeClock:
    """Time that passes only when `advance` says so; timers run in their order as it passes them."""

    def __init__(self, now: float = EPOCH_SECONDS) -> None:
        self._start = now
        self._elapsed = 0.0
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._order = itertools.count()
        self.busy: Callable[[], bool] = lambda: False  # whether work is under way that a timer began
        self.passing: Callable[[float], Awaitable[None]] | None = None  # told of each step, before its timers run

    def now(self) -> float:
        """Unix time."""
        return self._start + self._elapsed

    def elapsed(self) -> float:
        """Monotonic time."""
        return self._elapsed

    def call_later(self, seconds: float, call: Callable[[], object]) -> FakeTimer:
        """Run `call` when the clock has been moved by `seconds`."""
        timer = FakeTimer(call)
        heapq.heappush(self._timers, (self._elapsed + max(seconds, 0.0), next(self._order), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Let time pass; what becomes due runs at its time, and the loop gets to work after each step."""
        until = self._elapsed + seconds
        await self.settle()
        while self._timers and self._timers[0][0] <= until:
            due, _, timer = heapq.heappop(self._timers)
            if timer.call is None:
                continue
            await self._pass_to(max(self._elapsed, due))
            timer.call()
            await self.settle()
        await self._pass_to(until)
        await self.settle()

    async def _pass_to(self, elapsed: float) -> None:
        seconds, self._elapsed = elapsed - self._elapsed, elapsed
        if self.passing is not None and seconds > 0:
            await self.passing(seconds)

    async def settle(self) -> None:
        """Let everything that can go on without time passing go on."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        while self.busy():
            await asyncio.sleep(0.0005)  # a store on a thread of its own; the clock stands still
            for _ in range(_TURNS):
                await asyncio.sleep(0)


class TestServer:
    """A running registry: its address, its clock and, for those who look inside, its parts."""

    __test__ = False  # pytest: not a test

    def __init__(self, app: App, clock: FakeClock) -> None:
        self.app = app
        self.clock = clock
        self.engine = app.engine
        self.host, self.port = app.addresses[0]

    @property
    def url(self) -> str:
        """The base url of the HTTP interface."""
        return f"http://{self.host}:{self.port}"

    async def advance(self, seconds: float) -> None:
        """Let time pass for the server."""
        await self.clock.advance(seconds)

    async def parked(self, readers: int) -> None:
        """Wait until this many readers are parked: a blocking query that was sent has arrived."""
        while self.engine.topics.parked < readers:  # noqa: ASYNC110 - the real time of a loopback connection
            await asyncio.sleep(0)


@asynccontextmanager
async def server(
    *, log: Log | None = None, clock: FakeClock | None = None, **settings: Any
) -> AsyncIterator[TestServer]:
    """A registry on a free port of 127.0.0.1, empty, ready when the block begins.

    Args:
        settings: rows of `registry.settings.Settings`, e.g. `enable_script_checks=True`.
    """
    clock = clock or FakeClock()
    chosen = replace(Settings(store="memory:", node="test-node", http_port=0), **settings)
    app = App(chosen, clock=clock, log=log, events=Events(level="error"), chance=lambda: 0.0)
    clock.busy = lambda: app.engine.busy
    try:
        await app.start()
        yield TestServer(app, clock)
    finally:
        await app.close()
