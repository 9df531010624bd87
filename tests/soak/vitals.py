"""What a server takes of the machine: memory, open files, tasks, waiting readers; and whether it grows.

Owns where these are read, and when memory counts as flat: a line is fitted to all samples after the warm-up, and over
the time measured it may rise by 5 MB, or by half a megabyte a minute if that is more. Where the warm-up is shorter than
what it takes to fill all caches (a minute), it may rise by 16 MB.
"""

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.wire import Connection

RISE_MB, RISE_MB_A_MINUTE = 5.0, 0.5
FILLED_SECONDS, FILLING_MB = 60.0, 16.0


class Vitals(NamedTuple):
    """One look at a server."""

    rss_mb: float
    files: int
    tasks: int
    parked: int

    def __str__(self) -> str:
        return f"{self.rss_mb:.1f} MB, {self.files} files, {self.tasks} tasks, {self.parked} waiting readers"


async def vitals(pid: int, connection: Connection) -> Vitals:
    """How the process is now. The connection is one of its files, and perhaps one of its tasks."""
    gauges = json.loads((await connection.ask("GET", "/v1/agent/metrics")).body)["Gauges"]
    values = {gauge["Name"].rpartition("runtime.")[2]: gauge["Value"] for gauge in gauges}
    blocked = next(gauge["Value"] for gauge in gauges if gauge["Name"].endswith("rpc.queries_blocking"))
    return Vitals(
        rss_mb=rss_mb(pid),
        files=len(os.listdir(f"/proc/{pid}/fd")),
        tasks=round(values["num_goroutines"]) - _status(pid, "Threads"),
        parked=round(blocked),
    )


def rss_mb(pid: int) -> float:
    """The memory that the process holds, in 10^6 bytes."""
    return _status(pid, "VmRSS") * 1024 / 1e6


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise KeyError(name)


class Slope(NamedTuple):
    """How memory went after the warm-up."""

    mb_a_minute: float
    minutes: float
    filled: bool

    @classmethod
    def of(cls, samples: Sequence[tuple[float, float]]) -> "Slope":
        """From samples of seconds since the begin of the load, and MB."""
        seconds, held = zip(*samples, strict=True)
        minutes, rise = (seconds[-1] - seconds[0]) / 60, statistics.linear_regression(seconds, held).slope
        return cls(60 * rise, minutes, seconds[0] >= FILLED_SECONDS)

    @property
    def flat(self) -> bool:
        """Whether it counts as flat."""
        return self.mb_a_minute * self.minutes <= self.allowed_mb

    @property
    def allowed_mb(self) -> float:
        """By how much it may rise."""
        return max(RISE_MB if self.filled else FILLING_MB, RISE_MB_A_MINUTE * self.minutes)

    def __str__(self) -> str:
        rise = f"{self.mb_a_minute * self.minutes:+.1f} of at most {self.allowed_mb:.1f} MB"
        return f"{self.mb_a_minute:+.2f} MB/min over {self.minutes:.1f} min, {rise}"
