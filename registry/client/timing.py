"""Time and chance as locks and elections get them: the machine's, or a test's."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from registry.client.backoff import Chance

# Goes on while the machine sleeps, as the server's clock does; `time.monotonic` stands still then.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_boot() -> float:
    """Seconds on a clock that never goes back."""
    return time.clock_gettime(_CLOCK)


class Timing(NamedTuple):
    """How to wait, what time it is, and numbers in [0, 1) that spread a crowd."""

    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    elapsed: Callable[[], float] = since_boot
    chance: Chance = random.random


REAL = Timing()
