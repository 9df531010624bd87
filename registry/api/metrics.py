"""What the registry counts: requests, reads in memory, appends, and how big the state is.

Owns the figures; it must cost next to nothing where they are raised, so they are plain numbers that are turned
into samples when somebody asks (`metrics_page.py` for Prometheus, the Consul dialect for its JSON). Endpoints
are labels, ids of instances never are.
"""

import gc
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from registry.api.metrics_arrivals import Arrivals
from registry.api.metrics_figures import (
    OTHER,
    CacheFigures,
    CheckFigures,
    EndpointCounts,
    Family,
    Figures,
    HistogramFigures,
    LoadFigures,
    StateSizes,
    StoreFigures,
    cache_figures,
    path_label,
    state_sizes,
)
from registry.api.metrics_intervals import Aggregate, Interval, Intervals, Named, changed
from registry.api.metrics_states import States
from registry.clock import Clock
from registry.commands import Command
from registry.errors import RequestError

if TYPE_CHECKING:
    from registry.core.engine import Engine

LATENCY_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
DETECTION_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0)  # seconds
BATCH_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)  # records
AWAY_SECONDS = 5.0  # how long one refused write speaks for the store
METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})


class Histogram:
    """Values by size: how many were at most each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Take in one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def frozen(self) -> HistogramFigures:
        """The figures as they are now."""
        return HistogramFigures(self.bounds, tuple(self.counts), self.total)


class EndpointFigures:
    """The requests of one endpoint. `ready` counts those answered from memory without being parsed: all 200."""

    __slots__ = ("latency", "method", "ready", "recent", "route", "statuses")

    def __init__(self, route: str, method: str) -> None:
        self.route = route
        self.method = method
        self.ready = 0
        self.statuses: dict[int, int] = {}
        self.latency = Histogram(LATENCY_BOUNDS)
        self.recent = Aggregate()

    def count(self, status: int, seconds: float) -> None:
        """One request was answered after `seconds`, a blocking one's wait included."""
        statuses = self.statuses
        statuses[status] = statuses.get(status, 0) + 1
        self.latency.add(seconds)
        self.recent.add(seconds * 1000)


class Metrics:
    """Every figure of one server."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.slow = 0  # requests that worked for longer than the setting says
        self.endpoints: dict[tuple[str, str], EndpointFigures] = {}
        self.commands: Counter[tuple[str, str]] = Counter()  # (kind, outcome)
        self.appends: Counter[str] = Counter()  # by outcome
        self.append_seconds = Histogram(LATENCY_BOUNDS)
        self.append_records = Histogram(BATCH_BOUNDS)
        self.resets = 0
        self.snapshots = 0
        self.rearms = 0
        self.recoveries = 0
        self.openings = 0  # how often the store was found to be away
        self.troubles = 0  # that an operator was told of
        self.detection = {kind: Histogram(DETECTION_BOUNDS) for kind in ("check", "ttl")}
        self.expirations = 0
        self.reaps = 0
        self.collections = 0
        self.collection_seconds = 0.0
        self.intervals = Intervals(self._recent, self._begin_anew)
        self.checks: Callable[[], CheckFigures] | None = None  # of whoever runs checks here
        self.connections: Callable[[], tuple[int, int]] | None = None  # open now, and refused so far
        self.families: Callable[[], dict[str, Family]] | None = None  # what dialects count
        self.gauges: Callable[[Engine], dict[str, Family]] | None = None  # and what they read off the state
        self.arrivals = Arrivals()
        self._states = States()
        self._engine: Engine | None = None
        self._failed_at: float | None = None  # elapsed seconds of the last append that failed
        self._armed_at: float | None = None
        self._recent_appends, self._recent_commits, self._recent_pauses = Aggregate(), Aggregate(), Aggregate()
        self._pause_begun = 0

    # Life

    def start(self, clock: Clock, engine: "Engine") -> None:
        """Begin, on the event loop; `engine` is asked for sizes when somebody wants to know them."""
        self._engine = engine
        gc.callbacks.append(self._collected)
        self.intervals.start(clock)

    def stop(self) -> None:
        """The end of `start`; idempotent."""
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)
        self.intervals.stop()

    # Raised by others

    def endpoint(self, route: str, method: str) -> EndpointFigures:
        """The figures of an endpoint; methods that no endpoint has are counted together."""
        figures = self.endpoints.get((route, method))
        if figures is None:
            known = method if method in METHODS else OTHER
            figures = self.endpoints.get((route, known))
            if figures is None:
                figures = self.endpoints[route, known] = EndpointFigures(route, known)
        return figures

    def appended(self, records: int, seconds: float, outcome: str) -> None:
        """A batch came back from the log."""
        self.appends[outcome] += 1
        if outcome == "stored":
            self._failed_at = None
        elif self._engine is not None:
            self._failed_at = self._engine.clock.elapsed()
        self.append_seconds.add(seconds)
        self.append_records.add(records)
        self._recent_appends.add(records)
        self._recent_commits.add(seconds * 1000)

    def applied(self, command: Command, refusal: RequestError | None) -> None:
        """The state took a command in or refused it."""
        self.commands[type(command).__name__, "applied" if refusal is None else "refused"] += 1

    def skipped(self, command: Command) -> None:
        """A write that changes nothing was answered without an append."""
        self.commands[type(command).__name__, "skipped"] += 1

    def store_came_back(self) -> None:
        """The store answers again: what it refused before says nothing about it."""
        self._failed_at = None

    def armed_anew(self) -> None:
        """All deadlines have been given a full period."""
        self.rearms += 1
        self._armed_at = self._engine.clock.elapsed() if self._engine is not None else None

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._pause_begun = time.perf_counter_ns()
            return
        pause = time.perf_counter_ns() - self._pause_begun
        self.collections += 1
        self.collection_seconds += pause / 1e9
        self._recent_pauses.add(pause)

    # Asked for

    @property
    def store_away(self) -> bool:
        """Whether writes would be refused at the moment, as far as is known."""
        return bool(self.trouble)

    @property
    def trouble(self) -> str:
        """Why writes would be refused at the moment, for a human; empty when they would not.

        An append that failed counts for a few seconds only: where nobody writes because of it, nobody would ever
        see that the store is back.
        """
        engine = self._engine
        if engine is None:
            return "the registry is starting"
        if engine.failed is not None and engine.failed.done():
            return "the registry is stopping after an error; its log has the details"
        if (contact := engine.contact()).away:
            return contact.reason or "the store does not answer"
        if self._failed_at is not None and engine.clock.elapsed() - self._failed_at < AWAY_SECONDS:
            return "the store has just refused a write"
        return ""

    @property
    def silent_seconds(self) -> float:
        """How long the store has not answered; 0.0 while it does."""
        return self._engine.contact().silent_seconds if self._engine is not None else 0.0

    def _store(self, engine: "Engine") -> StoreFigures:
        age = engine.clock.elapsed() - self._armed_at if self._armed_at is not None else None
        backlog = engine.log_backlog_bytes
        return StoreFigures(not self.store_away, self.silent_seconds, engine.keeps_house, age, *backlog)

    def _sizes(self, engine: "Engine") -> StateSizes:
        families = self.gauges(engine) if self.gauges is not None else None
        return state_sizes(engine, self._states.counted, families, self.arrivals.limit)

    def _load(self, engine: "Engine") -> LoadFigures:
        connections, refused = self.connections() if self.connections is not None else (0, 0)
        options = engine.options
        return LoadFigures(
            connections, refused, engine.pending_writes, options.max_pending_writes, options.max_parked_readers
        )  # fmt: skip

    def _recent(self, start: float) -> Interval:
        return Interval(start, changed(self._counters()), changed(self._samples()))

    def _begin_anew(self) -> None:
        for endpoint in self.endpoints.values():
            endpoint.recent = Aggregate()
        self._recent_appends, self._recent_commits, self._recent_pauses = Aggregate(), Aggregate(), Aggregate()

    def _counters(self) -> Iterator[Named]:
        yield Named("raft.apply", (), self._recent_appends)

    def _samples(self) -> Iterator[Named]:
        yield Named("raft.commitTime", (), self._recent_commits)
        yield Named("runtime.gc_pause_ns", (), self._recent_pauses)
        for one in self.endpoints.values():
            yield Named("api.http", (("method", one.method), ("path", path_label(one.route))), one.recent)

    def count_states(self) -> None:
        """Count what is in which state, for the next `figures`; for a thread."""
        if self._engine is not None:
            self._states.count(self._engine)

    def figures(self) -> Figures:
        """Everything as it is now; cheap, and safe to be read on another thread."""
        engine = self._engine
        return Figures(
            endpoints=tuple(
                EndpointCounts(one.route, one.method, one.ready, dict(one.statuses), one.latency.frozen())
                for one in self.endpoints.values()
            ),
            in_flight=self.in_flight,
            slow=self.slow,
            commands=dict(self.commands),
            appends=dict(self.appends),
            append_seconds=self.append_seconds.frozen(),
            append_records=self.append_records.frozen(),
            resets=self.resets,
            snapshots=self.snapshots,
            rearms=self.rearms,
            recoveries=self.recoveries,
            openings=self.openings,
            collections=self.collections,
            collection_seconds=self.collection_seconds,
            cache=cache_figures(engine) if engine is not None else CacheFigures(),
            sizes=self._sizes(engine) if engine is not None else StateSizes(),
            checks=self.checks() if self.checks is not None else CheckFigures(),
            store=self._store(engine) if engine is not None else StoreFigures(),
            load=self._load(engine) if engine is not None else LoadFigures(),
            detection={kind: found.frozen() for kind, found in self.detection.items()},
            expirations=self.expirations,
            reaps=self.reaps,
            troubles=self.troubles,
            arrivals=dict(self.arrivals.counts),
            families=self.families() if self.families is not None else {},
        )
