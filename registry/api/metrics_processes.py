"""What the kernel counts of the processes of one server, in Prometheus' families.

Owns how the families of several processes become one. It reads /proc: not for the event loop.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_EARLIEST = "_process_start_time_seconds"


class ProcessFamilies(Collector):
    """Processor time, memory and file descriptors, added up; the start is that of the oldest process."""

    def __init__(self, prefix: str, pids: tuple[int, ...]) -> None:
        self._prefix = prefix
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """One family each, of those processes that are still there."""
        found: dict[str, Metric] = {}
        values: dict[str, float] = {}
        for pid in self._pids:
            for family in ProcessCollector(self._prefix, pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                value = family.samples[0].value
                known = values.setdefault(family.name, value)
                if found.setdefault(family.name, family) is not family:
                    earliest = family.name.endswith(_EARLIEST)
                    values[family.name] = min(known, value) if earliest else known + value
        for name, family in found.items():
            yield _family(family, values[name])


class WorkerFamilies(Collector):
    """How many workers speak in the figures, and how many do not."""

    def __init__(self, prefix: str, workers: int, silent: int, restarts: int) -> None:
        self._prefix = prefix
        self._workers = workers
        self._silent = silent
        self._restarts = restarts

    def collect(self) -> Iterator[Metric]:
        """Three families."""
        yield GaugeMetricFamily(
            f"{self._prefix}_workers", "Worker processes whose figures are added up here.", value=self._workers
        )
        yield GaugeMetricFamily(
            f"{self._prefix}_workers_silent",
            "Worker processes that did not answer in time: only their counters are here, as they last said.",
            value=self._silent,
        )
        yield CounterMetricFamily(
            f"{self._prefix}_worker_restarts", "Worker processes started in the place of one that died.",
            value=self._restarts,
        )  # fmt: skip


def _family(family: Metric, value: float) -> Metric:
    kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
    return kind(family.name, family.documentation, value=value)
