"""How long to wait before the next try, and how often an answer may be asked for.

Owns the two numbers that keep a crowd of clients from trampling a server that has just come back. Nothing here sleeps.
"""

import random
from collections.abc import Callable

Chance = Callable[[], float]  # numbers in [0, 1)

FIRST_SECONDS = 1.0  # soon enough to be back within a TTL of 45 s after a missed beat
LONGEST_SECONDS = 30.0


class Backoff:
    """Waits that double from the first to the longest, each a random part of its second half."""

    def __init__(
        self, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS, chance: Chance = random.random
    ) -> None:
        self.longest = longest
        self._first = first
        self._chance = chance
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        full = min(self._first * 2.0 ** min(self._failures, 32), self.longest)  # 2**32 s is longer than anybody waits
        self._failures += 1
        return full * (0.5 + 0.5 * self._chance())

    def reset(self) -> None:
        """It worked: the next failure is a first one again."""
        self._failures = 0


class Pace:
    """A few answers at once, but only so many a second for long.

    A blocking query that is answered at once, again and again, would otherwise be a loop without a rest.

    Source: Consul's API pages, "Blocking Queries": rate-limit the requests.
    """

    def __init__(self, burst: int, per_second: float, elapsed: Callable[[], float]) -> None:
        self._burst, self._per_second, self._elapsed = burst, per_second, elapsed
        self._left = float(burst)
        self._at = elapsed()

    def next(self) -> float:
        """Seconds to wait before the next query; 0 mostly."""
        now = self._elapsed()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - 1.0
        self._at = now
        return max(0.0, -self._left / self._per_second)
