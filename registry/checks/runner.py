"""The runner: keeps the times of all checks that are run from here, and hands their results on.

Owns when each check is looked at, how many at a time, and the end of all of it. It owns neither the stored
status nor the choice of the checks: `run` and `stop` say which, `report` takes what they found.
Source: agent.md §8.3, §8.7; DESIGN.md §4.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from registry.checks.base import Key, Probe, Result, critical, storable
from registry.checks.figures import Figures, Spread
from registry.checks.means import Means
from registry.checks.schedule import FirstRuns, interval_seconds
from registry.checks.table import Kind, kind_of, probe_of
from registry.checks.thresholds import Thresholds
from registry.clock import Clock, TimerHandle
from registry.model.check import CheckDefinition

MOST_AT_ONCE = 1000  # probes under way: a file each, and a process for some

Report = Callable[[Key, Result], object]
Failed = Callable[[Key, Exception], object]


class Parts(NamedTuple):
    """What the runner is given. `chance` is uniform in [0, 1); `failed` is told of errors of ours in a probe."""

    report: Report
    clock: Clock
    chance: Callable[[], float]
    failed: Failed
    means: Means
    probe: Callable[[Kind, CheckDefinition, Means], Probe] = probe_of


class _Job:
    """One check: its definition, its probe, and where it is on its way round."""

    __slots__ = (
        "definition",
        "due",
        "due_before",
        "first",
        "key",
        "kind",
        "probe",
        "queued",
        "task",
        "thresholds",
        "timer",
    )

    def __init__(self, key: Key, definition: CheckDefinition) -> None:
        self.key = key
        self.definition = definition
        self.kind: Kind | None = kind_of(definition)
        self.probe: Probe | None = None
        self.thresholds: Thresholds | None = None
        self.timer: TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None
        self.due = 0.0
        self.due_before: float | None = None  # of the newest run that has begun
        self.first = self.queued = False


class CheckRunner:
    """Runs checks until they are stopped. All of it belongs to one event loop."""

    def __init__(self, parts: Parts, *, most_at_once: int = MOST_AT_ONCE) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._most_at_once = most_at_once
        self._jobs: dict[Key, _Job] = {}
        self._queue: deque[_Job] = deque()
        self._first = FirstRuns(parts.chance)
        self._tasks: set[asyncio.Task[None]] = set()
        self._figures = Figures()
        self._closed = False

    def run(self, key: Key, definition: CheckDefinition, *, taken_over: bool = False) -> None:
        """Run this check from now on.

        A check that runs already with the same definition goes on as it was: in its schedule, with what is under
        way and with what its thresholds have counted. TTL and alias checks are nobody's to run and only stop what
        ran under the key.

        Args:
            taken_over: it ran elsewhere until now, so its first result is one of many to its thresholds.
        """
        if self._closed:
            return
        job = self._jobs.get(key)
        if job is not None and job.definition == definition:
            return
        self.stop(key)
        job = _Job(key, definition)
        if job.kind is not None:
            self._begin(job, settled=taken_over)

    def stop(self, key: Key) -> None:
        """Forget the check. A probe under way is cancelled and reports nothing any more."""
        job = self._jobs.pop(key, None)
        if job is None:
            return
        if job.timer is not None:
            job.timer.cancel()
        if job.first:
            job.first = False
            self._first.done()
        if job.queued:
            self._queue.remove(job)
        if job.task is not None:
            job.task.cancel()
            self._figures.cancelled += 1

    def due_at(self, key: Key) -> float | None:
        """When the newest run of a check was due (elapsed), whenever it began; None before the first."""
        job = self._jobs.get(key)
        return job.due_before if job is not None else None

    def figures(self) -> Figures:
        """What was counted; the same object each time, brought up to date."""
        now = self._figures
        now.checks, now.running, now.queued = len(self._jobs), len(self._tasks), len(self._queue)
        return now

    async def close(self) -> None:
        """Stop everything and wait until it has ended. Nothing is reported after this began."""
        self._closed = True
        for key in [*self._jobs]:
            self.stop(key)
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._parts.means.close()

    def _begin(self, job: _Job, *, settled: bool) -> None:
        assert job.kind is not None  # looked at by `run`
        job.probe = self._parts.probe(job.kind, job.definition, self._parts.means)
        job.thresholds = Thresholds(job.definition, settled=settled)
        job.first = True
        self._jobs[job.key] = job
        self._wait(job, self._first.delay_seconds(interval_seconds(job.definition)))

    def _wait(self, job: _Job, seconds: float) -> None:
        job.due = self._clock.elapsed() + seconds
        job.timer = self._clock.call_later(seconds, lambda: self._due(job))

    def _due(self, job: _Job) -> None:
        job.timer = None
        if job.first:
            job.first = False
            self._first.done()
        if len(self._tasks) >= self._most_at_once:
            job.queued = True
            self._queue.append(job)
        else:
            self._start(job)

    def _start(self, job: _Job) -> None:
        job.queued = False
        job.due_before = job.due
        self._figures.lag.add(max(0.0, self._clock.elapsed() - job.due))
        job.task = asyncio.get_running_loop().create_task(self._once(job))
        self._tasks.add(job.task)
        job.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._queue and len(self._tasks) < self._most_at_once:
            self._start(self._queue.popleft())

    async def _once(self, job: _Job) -> None:
        assert job.kind is not None  # others are not begun
        assert job.probe is not None
        assert job.thresholds is not None
        began = self._clock.elapsed()
        try:
            result = await job.probe.run()
        except Exception as error:  # the probe edge: one check's trouble is nobody else's
            self._figures.errors += 1
            self._parts.failed(job.key, error)
            result = critical(f"{type(error).__name__}: {error}")
        if self._jobs.get(job.key) is not job:
            return  # stopped while it was ending
        ended = self._clock.elapsed()
        self._count(job.kind.name, result, ended - began)
        job.task = None
        self._wait(job, self._next_seconds(job, began))
        if (judged := job.thresholds.judge(storable(result))) is not None:
            self._parts.report(job.key, judged)

    def _next_seconds(self, job: _Job, began: float) -> float:
        """An interval after the end of a run; a late start is made up for, or late checks would stay in a bunch."""
        interval = interval_seconds(job.definition)
        return interval - min(max(0.0, began - job.due), interval / 2)

    def _count(self, kind: str, result: Result, seconds: float) -> None:
        figures, outcome = self._figures, (kind, result.status)
        figures.runs[kind] = figures.runs.get(kind, 0) + 1
        figures.results[outcome] = figures.results.get(outcome, 0) + 1
        spread = figures.durations.get(kind)
        if spread is None:
            spread = figures.durations[kind] = Spread()
        spread.add(seconds)
