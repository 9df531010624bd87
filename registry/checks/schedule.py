"""When a check is looked at for the first time, and how often after that.

Owns the spread of first runs, so that thousands of checks registered in one moment do not run in one.
Source: agent.md §8.3 (intervals); DESIGN.md §4.
"""

from collections.abc import Callable

from registry.model.check import CheckDefinition

SHORTEST_SECONDS = 1.0  # Consul runs nothing more often
EARLIEST_SECONDS = 0.3  # after a registration: its answer comes first
LATEST_SECONDS = 1.0
FEW = 200  # that may wait for their first run at once; with more of them it is spread over the interval
_GOLDEN = 0.6180339887498949  # its multiples, without their whole parts, fill [0, 1) evenly however many there are


def interval_seconds(definition: CheckDefinition) -> float:
    """The time between the end of a run and the next."""
    return max(definition.interval_ns / 1e9, SHORTEST_SECONDS)


class FirstRuns:
    """Spreads first runs evenly; `chance` says where it starts."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._place = chance() % 1.0
        self._waiting = 0

    def delay_seconds(self, interval: float) -> float:
        """When to run one more check for the first time; it waits until `done`."""
        place, self._place = self._place, (self._place + _GOLDEN) % 1.0
        self._waiting += 1
        latest = LATEST_SECONDS if self._waiting <= FEW else max(LATEST_SECONDS, interval)
        return EARLIEST_SECONDS + place * (latest - EARLIEST_SECONDS)

    def done(self) -> None:
        """One of those who wait has had its turn, or is gone."""
        self._waiting -= 1
