"""The figures in Prometheus' text formats.

Owns the names of our metrics (all begin with `registry_`) and their help lines. It runs on a thread of its own,
because it reads /proc and takes milliseconds: it sees frozen figures only.
Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from registry.api.metrics_disk import DiskFamilies
from registry.api.metrics_figures import COUNTER, HISTOGRAM, Family, Figures, HistogramFigures
from registry.api.metrics_foreign import ForeignFamilies
from registry.api.metrics_processes import ProcessFamilies, WorkerFamilies
from registry.api.processes import Report

PREFIX = "registry"


def page(
    report: Report, version: str, accept: str = "", also: tuple[Collector, ...] = (), *, store_url: str = ""
) -> tuple[bytes, str]:
    """The text and its content type; OpenMetrics when `accept` (the request's header) asks for it.

    Args:
        also: families of others, which come first. store_url: the store whose disk is told of, if it has one.
    """
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    ours = (_Families(report.figures, version), ProcessFamilies(PREFIX, report.pids), DiskFamilies(PREFIX, store_url))
    for collector in (*also, *ours, ForeignFamilies(report.figures)):
        registry.register(collector)
    if report.supervised:
        registry.register(WorkerFamilies(PREFIX, len(report.pids), report.silent, report.restarts))
    return encode(registry), content_type


class _Families(Collector):
    """All families but those of the process."""

    def __init__(self, figures: Figures, version: str) -> None:
        self._figures = figures
        self._version = version

    def collect(self) -> Iterator[Metric]:
        yield _gauge("info", "1, with the version of this registry as a label.", ("version",), {(self._version,): 1})
        yield from self._requests()
        yield from self._reads()
        yield from self._log()
        yield from self._store()
        yield from self._sizes()
        yield from self._checks()
        yield from self._failures()
        for name, family in {**self._figures.families, **self._figures.sizes.families}.items():
            yield _family(name, family)
        yield _counter("gc_collections", "Runs of the garbage collector.", (), {(): self._figures.collections})
        yield _counter(
            "gc_pause_seconds", "Time that all runs of the garbage collector took.", (),
            {(): self._figures.collection_seconds},
        )  # fmt: skip

    def _requests(self) -> Iterator[Metric]:
        labels = ("endpoint", "method", "status")
        requests: dict[tuple[str, ...], float] = {}
        latency = HistogramMetricFamily(
            f"{PREFIX}_http_request_seconds",
            "Time to the answer, a blocking read's wait included; without answers repeated from memory.",
            labels=labels[:2],
        )
        for one in self._figures.endpoints:
            for status, count in one.statuses.items():
                requests[one.route, one.method, str(status)] = count
            if one.ready:
                key = (one.route, one.method, "200")
                requests[key] = requests.get(key, 0) + one.ready
            buckets, total = _buckets(one.latency)
            latency.add_metric([one.route, one.method], buckets, total)
        yield _counter("http_requests", "Requests answered.", labels, requests)
        yield latency
        ready = {(one.route, one.method): one.ready for one in self._figures.endpoints if one.ready}
        yield _counter(
            "http_requests_repeated", "Requests answered from memory without being parsed; they are requests too.",
            labels[:2], ready,
        )  # fmt: skip
        yield _counter("http_requests_slow", "Requests that worked longer than slow_request_seconds.", (),
                       {(): self._figures.slow})  # fmt: skip
        load = self._figures.load
        yield _gauge("http_connections", "Connections of clients that are open.", (), {(): load.connections})
        yield _counter("http_connections_refused", "Connections refused, since their client had too many.", (),
                       {(): load.refused})  # fmt: skip
        yield _gauge("http_requests_in_flight", "Requests being answered, waiting ones included.", (),
                     {(): self._figures.in_flight})  # fmt: skip

    def _reads(self) -> Iterator[Metric]:
        cache = self._figures.cache
        yield _gauge("parked_readers_limit", "Blocking reads that may wait at a time.", (),
                     {(): self._figures.load.parked_limit})  # fmt: skip
        yield _gauge("parked_readers", "Blocking reads that wait for a change.", (), {(): cache.parked})
        yield _counter("cache_hits", "Answers that were ready in memory.", (), {(): cache.hits})
        yield _counter("cache_misses", "Answers that had to be computed.", (), {(): cache.misses})
        yield _gauge("cache_bytes", "Bytes of the answers kept ready.", (), {(): cache.size_bytes})

    def _log(self) -> Iterator[Metric]:
        figures = self._figures
        appends = {(outcome,): count for outcome, count in figures.appends.items()}
        yield _counter("log_appends", "Batches given to the log, by outcome.", ("outcome",), appends)
        yield _histogram("log_append_seconds", "Time until a batch came back from the log.", figures.append_seconds)
        yield _histogram("log_append_records", "Records in a batch.", figures.append_records)
        yield _counter("commands", "Writes by kind and outcome.", ("command", "outcome"), figures.commands)
        yield _gauge("writes_pending", "Writes that wait for the log.", (), {(): figures.load.pending})
        yield _gauge("writes_pending_limit", "Writes that may wait for the log before further ones are refused.", (),
                     {(): figures.load.pending_limit})  # fmt: skip
        yield _gauge("log_backlog_bytes", "Entries of the log since its newest snapshot.", (),
                     {(): figures.store.backlog_bytes})  # fmt: skip
        yield _gauge("log_backlog_due_bytes", "Size of such entries at which a snapshot is taken.", (),
                     {(): figures.store.backlog_due_bytes})  # fmt: skip
        yield _counter("log_snapshots", "Snapshots published.", (), {(): figures.snapshots})
        yield _counter("log_resets", "Times the state was replaced by a snapshot.", (), {(): figures.resets})

    def _store(self) -> Iterator[Metric]:
        figures, store = self._figures, self._figures.store
        yield _gauge("store_up", "1 while the store takes writes, as far as is known.", (), {(): store.up})
        yield _gauge("store_silent_seconds", "Time since the store last answered; 0 while it does.", (),
                     {(): store.silent_seconds})  # fmt: skip
        yield _counter("store_troubles", "Times that trouble with the store was told in the log.", (),
                       {(): figures.troubles})  # fmt: skip
        yield _counter("store_outages", "Times the store was found to be away.", (), {(): figures.openings})
        yield _gauge("log_housekeeper", "1 where this replica expires, reaps, snapshots and trims.", (),
                     {(): store.housekeeper})  # fmt: skip
        yield _gauge("log_members", "Live replicas on the log; 0 where it is not shared.", (),
                     {(): figures.sizes.members})  # fmt: skip
        yield _counter("log_recoveries", "Times the log went on after a gap in its past.", (),
                       {(): figures.recoveries})  # fmt: skip
        yield _counter("log_rearms", "Times this replica gave every deadline a full period anew.", (),
                       {(): figures.rearms})  # fmt: skip
        age = {} if store.deadlines_age_seconds is None else {(): store.deadlines_age_seconds}
        yield _gauge("log_deadlines_age_seconds", "Time since this replica gave every deadline a full period.", (), age)

    def _sizes(self) -> Iterator[Metric]:
        sizes = self._figures.sizes
        yield _gauge("state_index", "Index of the newest entry that the state has.", (), {(): sizes.index})
        yield _gauge("nodes", "Nodes in the catalog.", (), {(): sizes.nodes})
        yield _gauge("services", "Service names in the catalog.", (), {(): sizes.services})
        yield _gauge("instances", "Service instances in the catalog.", (), {(): sizes.instances})
        checks = {(status,): count for status, count in sizes.checks.items()}
        yield _gauge("checks", "Health checks by status.", ("status",), checks)
        instances = {(status,): count for status, count in sizes.instances_by_status.items()}
        yield _gauge("instances_by_status", "Service instances, each by its worst check or its node's.", ("status",),
                     instances)  # fmt: skip
        services = {(status,): count for status, count in sizes.services_by_status.items()}
        yield _gauge("services_by_status", "Service names, each by its best instance.", ("status",), services)

    def _checks(self) -> Iterator[Metric]:
        figures = self._figures.checks
        yield _gauge("checks_run_here", "Checks that this process runs.", (), {(): figures.given})
        yield _gauge("check_runs_in_flight", "Checks that are looking at their targets.", (), {(): figures.running})
        yield _gauge("check_runs_queued", "Checks that are due and wait for others to end.", (), {(): figures.queued})
        yield _counter("check_results", "Runs of checks, by what they found, before thresholds.", ("type", "status"),
                       figures.results)  # fmt: skip
        seconds = HistogramMetricFamily(f"{PREFIX}_check_seconds", "Time that a run of a check took.", labels=("type",))
        for kind, found in figures.seconds.items():
            seconds.add_metric([kind], *_buckets(found))
        yield seconds
        yield _histogram("check_lag_seconds", "How long after its time a run began.", figures.lag)
        yield _counter("check_runs_cancelled", "Runs cut off, since their check was gone.", (), {(): figures.cancelled})
        yield _counter("check_errors", "Faults of the registry in a run of a check.", (), {(): figures.errors})

    def _failures(self) -> Iterator[Metric]:
        figures = self._figures
        detection = HistogramMetricFamily(
            f"{PREFIX}_failure_detection_seconds",
            "Time until a failure was shown: since the run that found it was due, or since the TTL had run out.",
            labels=("kind",),
        )
        for kind, found in figures.detection.items():
            detection.add_metric([kind], *_buckets(found))
        yield detection
        yield _counter("ttl_expirations", "Checks that became critical, since their TTL had run out.", (),
                       {(): figures.expirations})  # fmt: skip
        yield _counter("reaps", "Instances removed, since they were critical for longer than they may.", (),
                       {(): figures.reaps})  # fmt: skip


Samples = Mapping[Any, float]  # by the values of the labels


def _family(name: str, figures: Family) -> Metric:
    """Figures of a dialect, under its own name."""
    if figures.kind == HISTOGRAM:
        histogram = HistogramMetricFamily(name, figures.help)
        buckets, total = _buckets(figures.histogram)
        histogram.add_metric([], buckets, total)
        return histogram
    labels = figures.labels.split(",") if figures.labels else ()
    made = CounterMetricFamily if figures.kind == COUNTER else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = made(name, figures.help, labels=labels)
    for values, value in figures.values.items():
        family.add_metric(list(values), value)
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for values, value in samples.items():
        family.add_metric(list(values), value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for values, value in samples.items():
        family.add_metric(list(values), value)
    return family


def _histogram(name: str, text: str, figures: HistogramFigures) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}_{name}", text)
    buckets, total = _buckets(figures)
    family.add_metric([], buckets, total)
    return family


def _buckets(figures: HistogramFigures) -> tuple[list[tuple[str, float]], float]:
    """Counts up to each bound, as Prometheus adds them up."""
    buckets: list[tuple[str, float]] = []
    count = 0
    for bound, within in zip((*map(str, figures.bounds), "+Inf"), figures.counts, strict=True):
        count += within
        buckets.append((bound, count))
    return buckets, figures.total
