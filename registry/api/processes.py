"""What one server's processes say of themselves together: the source of the metrics pages.

Owns the shape of such a report and how the only process makes it. How several are asked and added up is the
supervisor's business; what a page shows of it is the dialects'.
"""

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from registry.api.metrics import Metrics
from registry.api.metrics_figures import Figures
from registry.api.metrics_intervals import Interval

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Report(Struct, frozen=True, kw_only=True):
    """All figures at one moment.

    `interval` is the last finished one, `runtime` what Go calls the runtime, by Go's names. `pids` are the
    processes that speak here, `silent` those of the same server that did not answer in time, `restarts` how
    many were started in the place of one that had died.
    """

    figures: Figures
    interval: Interval
    runtime: dict[str, float]
    pids: tuple[int, ...]
    supervised: bool = False
    silent: int = 0
    restarts: int = 0


class Processes(Protocol):
    """The processes of one server, of which this is one."""

    async def report(self) -> Report:
        """What all of them count, added up."""


class OneProcess:
    """`Processes` where this is the only one; for several, what each of them says of itself."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def report(self) -> Report:
        """What this process counts."""
        await asyncio.to_thread(self._metrics.count_states)
        figures = self._metrics.figures()
        runtime = await asyncio.to_thread(_runtime, figures, len(asyncio.all_tasks()))
        return Report(
            figures=figures, interval=self._metrics.intervals.latest(), runtime=runtime, pids=(os.getpid(),)
        )  # fmt: skip


def _runtime(figures: Figures, tasks: int) -> dict[str, float]:
    """What Go calls the runtime, for Python: blocks of its allocator, runs of its collector, tasks and threads."""
    virtual, resident = _memory()
    freed = sum(one["collected"] for one in gc.get_stats())
    blocks = sys.getallocatedblocks()
    return {
        "alloc_bytes": resident,
        "free_count": freed,
        "heap_objects": blocks,
        "malloc_count": blocks + freed,
        "num_goroutines": tasks + threading.active_count(),
        "sys_bytes": virtual,
        "total_gc_pause_ns": round(figures.collection_seconds * 1e9),
        "total_gc_runs": figures.collections,
    }


def _memory() -> tuple[int, int]:
    """Bytes of address space and of memory that the process has; reads a file of the kernel."""
    try:
        virtual, resident, *_ = Path("/proc/self/statm").read_text("ascii").split()
    except OSError:
        return 0, 0
    return int(virtual) * _PAGE_BYTES, int(resident) * _PAGE_BYTES
