"""Figures of the last ten seconds, as Consul's `/v1/agent/metrics` shows them.

Owns sums over one interval and their change from one interval to the next. What is measured, and the JSON, are
elsewhere. Source: agent.md §3.5.
"""

import asyncio
from collections.abc import Callable, Iterator
from math import sqrt
from typing import NamedTuple

from registry.clock import Clock, TimerHandle

INTERVAL_SECONDS = 10  # Consul's, and its clients poll for that long

Labels = tuple[tuple[str, str], ...]


class Aggregate:
    """Count, sum, sum of squares, least and greatest of the values of one interval."""

    __slots__ = ("count", "greatest", "least", "squares", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = self.squares = 0.0
        self.least = self.greatest = 0.0

    def add(self, value: float) -> None:
        """Take in one value."""
        if self.count:
            if value < self.least:
                self.least = value
            elif value > self.greatest:
                self.greatest = value
        else:
            self.least = self.greatest = value
        self.count += 1
        self.total += value
        self.squares += value * value

    @property
    def mean(self) -> float:
        """The mean; 0 when nothing came."""
        return self.total / self.count if self.count else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation of a sample; 0 for fewer than two values, never NaN."""
        if self.count < 2:
            return 0.0
        spread = self.count * self.squares - self.total * self.total
        return sqrt(max(spread, 0.0) / (self.count * (self.count - 1)))


class Named(NamedTuple):
    """One measurement of an interval; times are milliseconds."""

    name: str
    labels: Labels
    values: Aggregate


class Interval(NamedTuple):
    """What was measured from `start` (Unix seconds, a multiple of the interval) on."""

    start: float
    counters: tuple[Named, ...]
    samples: tuple[Named, ...]


class Intervals:
    """The interval that runs and the one before it."""

    def __init__(self, values: Callable[[float], Interval], begin_anew: Callable[[], None]) -> None:
        """Args:
        values: what came since `begin_anew` was last called, as an interval that began at the given time.
        """
        self._values = values
        self._begin_anew = begin_anew
        self._clock: Clock | None = None
        self._timer: TimerHandle | None = None
        self._start = 0.0
        self._finished: Interval | None = None
        self._waiting: list[asyncio.Future[Interval | None]] = []

    def start(self, clock: Clock) -> None:
        """Begin, on the event loop; intervals end at multiples of their length."""
        self._clock = clock
        self._schedule(clock)

    def stop(self) -> None:
        """End; those who wait for the next interval are let go without one."""
        if self._timer is not None:
            self._timer.cancel()
        self._settle(None)

    def _schedule(self, clock: Clock) -> None:
        now = clock.now()
        self._start = now - now % INTERVAL_SECONDS
        self._timer = clock.call_later(self._start + INTERVAL_SECONDS - now, self._turn)

    def _turn(self) -> None:
        assert self._clock is not None
        finished = self._finished = self._values(self._start)
        self._begin_anew()
        self._settle(finished)
        self._schedule(self._clock)

    def _settle(self, interval: Interval | None) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(interval)

    def latest(self) -> Interval:
        """The last finished interval; during the first, what there is of it."""
        return self._finished or self._values(self._start)

    async def next(self) -> Interval | None:
        """The interval that runs now, once it is over; None when everything ends before."""
        future: asyncio.Future[Interval | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future


def changed(all_values: Iterator[Named]) -> tuple[Named, ...]:
    """Those with anything in them, sorted by name and labels."""
    return tuple(sorted((one for one in all_values if one.values.count), key=lambda one: one[:2]))
