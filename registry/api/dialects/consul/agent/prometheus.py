"""`/v1/agent/metrics` in Prometheus' text: Consul's names for our figures, then our own.

Imported when first asked for, and run on a thread. Source: agent.md §3.5.
"""

import re
from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from registry import __version__
from registry.api.metrics_figures import Figures
from registry.api.metrics_page import page
from registry.api.processes import Report

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")


def prometheus_text(report: Report, gauges: Mapping[str, float]) -> tuple[bytes, str]:
    """The text and its content type; `gauges` are Consul's, by their dotted names."""
    return page(report, __version__, also=(_Consul(report.figures, gauges),))


class _Consul(Collector):
    """What Consul's own registry of metrics would hold."""

    def __init__(self, figures: Figures, gauges: Mapping[str, float]) -> None:
        self._figures = figures
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for name, value in sorted(self._gauges.items()):
            yield GaugeMetricFamily(_NOT_IN_NAMES.sub("_", name), name, value=value)
        requests = SummaryMetricFamily("consul_api_http", "Milliseconds to the answer.", labels=("method", "path"))
        for one in self._figures.endpoints:
            requests.add_metric([one.method, one.path_label], sum(one.latency.counts), one.latency.total * 1000)
        yield requests
        commits = self._figures.append_seconds
        yield SummaryMetricFamily(
            "consul_raft_commitTime", "Milliseconds until a batch of writes was durable.",
            count_value=sum(commits.counts), sum_value=commits.total * 1000,
        )  # fmt: skip
