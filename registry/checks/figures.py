"""What the runner counts: plain numbers, for whoever shows them as metrics.

Owns the counters. Their names on a metrics page are chosen elsewhere.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Spread:
    """How some seconds are distributed. `buckets` counts those up to each of `BOUNDS_SECONDS`, then all above."""

    count: int = 0
    sum_seconds: float = 0.0
    highest_seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.count += 1
        self.sum_seconds += seconds
        self.highest_seconds = max(self.highest_seconds, seconds)
        self.buckets[bisect_left(BOUNDS_SECONDS, seconds)] += 1


@dataclass(slots=True)
class Figures:
    """Counted since the runner was made, except for the first three, which are as of now."""

    checks: int = 0  # that the runner was given
    running: int = 0  # probes under way
    queued: int = 0  # due, but as many as may are under way
    runs: dict[str, int] = field(default_factory=dict)  # by type
    results: dict[tuple[str, str], int] = field(default_factory=dict)  # by type and status, before thresholds
    durations: dict[str, Spread] = field(default_factory=dict)  # by type
    lag: Spread = field(default_factory=Spread)  # behind schedule, at the start of each run
    cancelled: int = 0  # probes cut off, since their check was stopped
    errors: int = 0  # of ours, in a probe
