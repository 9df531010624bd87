"""The time as the registry sees it, so that tests can move it.

Owns the protocol and the real clock. The clock that tests move is `registry.testing.FakeClock`.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class TimerHandle(Protocol):
    """What `Clock.call_later` returns."""

    def cancel(self) -> None:
        """Forget the call; a call that has run or was cancelled is left alone."""


class Clock(Protocol):
    """Unix time, monotonic time, and calls in the future; all in float seconds."""

    def now(self) -> float:
        """Unix time."""

    def elapsed(self) -> float:
        """Monotonic time; only differences mean anything."""

    def call_later(self, seconds: float, call: Callable[[], object]) -> TimerHandle:
        """Run `call` on the event loop once `seconds` have gone by."""


class SystemClock:
    """The clock of the machine and of the running event loop."""

    now = staticmethod(time.time)
    elapsed = staticmethod(time.monotonic)

    def call_later(self, seconds: float, call: Callable[[], object]) -> TimerHandle:
        """Run `call` on the running event loop once `seconds` have gone by."""
        return asyncio.get_running_loop().call_later(seconds, call)


async def sleep(clock: Clock, seconds: float) -> None:
    """Return once the clock has gone on by `seconds`."""
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    timer = clock.call_later(seconds, wake)
    try:
        await woken
    finally:
        timer.cancel()
