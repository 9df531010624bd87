"""The figures of the last interval in Consul's shape, at once or as a stream, and in Prometheus' text.

Owns Consul's names for what `registry/api/metrics.py` counts and `registry/api/processes.py` brings together.
Source: agent.md §3.5.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

from registry.api.call import Call
from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.wire.fields import Shape
from registry.api.metrics_intervals import INTERVAL_SECONDS, Named
from registry.api.processes import Report
from registry.api.reply import Reply, header_lines

_SERVICE = "consul"  # what every name begins with
_NOT_ENABLED = "Prometheus is not enabled since its retention time is not positive"


class GaugeShape(Shape):
    """One element of `Gauges`."""

    name: str
    value: float
    labels: dict[str, str]


class SampleShape(Shape):
    """One element of `Counters` and of `Samples`."""

    name: str
    count: int
    rate: float
    sum: float
    min: float
    max: float
    mean: float
    stddev: float
    labels: dict[str, str]


class SummaryShape(Shape):
    """The whole answer."""

    timestamp: str
    gauges: list[GaugeShape]
    points: list[Any]
    counters: list[SampleShape]
    samples: list[SampleShape]


@endpoint("GET", "/v1/agent/metrics", source="api-docs/agent#view-metrics")
async def show_metrics(call: Call) -> Reply:
    """The last finished interval of ten seconds; 200 and a JSON object, or Prometheus' text.

    Query: format (`prometheus`; so does an Accept header that names OpenMetrics). That form needs
    `prometheus_retention_seconds` over 0, else the answer is empty and says so in a header.
    """
    if _wants_prometheus(call):
        if call.server.settings.prometheus_retention_seconds <= 0:
            return Reply(headers=header_lines(("X-Consul-Reason", _NOT_ENABLED)))
        return await _prometheus(call)
    return Reply(body=await _summary(call, await call.server.processes.report()))


@endpoint("GET", "/v1/agent/metrics/stream", source="api-docs/agent#stream-metrics")
async def stream_metrics(call: Call) -> Reply:
    """Every interval as it ends, as JSON objects one after another until the client goes."""

    async def summaries() -> AsyncIterator[bytes]:
        while await call.server.metrics.intervals.next():
            yield await _summary(call, await call.server.processes.report()) + b"\n"

    return Reply(stream=summaries())


def _wants_prometheus(call: Call) -> bool:
    if call.query.value("format") == "prometheus":
        return True
    for part in call.headers.get("Accept", "").split(","):
        kind, *parameters = (one.strip() for one in part.split(";"))
        if kind.lower() == "application/openmetrics-text":
            return True
        if kind.lower() == "text/plain" and parameters[:1] == ["version=0.4.0"]:  # sic: Consul's spelling
            return True
    return False


async def _prometheus(call: Call) -> Reply:
    report = await call.server.processes.report()
    gauges = {one.name: one.value for one in _gauges(call, report)}
    body, content_type = await asyncio.to_thread(_prometheus_text, report, gauges)
    return Reply(body=body, content_type=content_type)


def _prometheus_text(report: Report, gauges: dict[str, float]) -> tuple[bytes, str]:
    from registry.api.dialects.consul.agent.prometheus import prometheus_text  # 1.5 MB nobody needs before

    return prometheus_text(report, gauges)


async def _summary(call: Call, report: Report) -> bytes:
    interval = report.interval
    start = datetime.fromtimestamp(round(interval.start), UTC)
    return encoded(
        SummaryShape(
            f"{start:%Y-%m-%d %H:%M:%S} +0000 UTC",
            _gauges(call, report),
            [],
            _samples(interval.counters),
            _samples(interval.samples),
        )
    )


def _gauges(call: Call, report: Report) -> list[GaugeShape]:
    """The gauges as they are now, by name; names hold the host's, unless that is turned off."""
    settings, figures = call.server.settings, report.figures
    datacenter = {"datacenter": call.engine.state.server.datacenter}
    state = {
        "rpc.queries_blocking": figures.cache.parked,
        "state.nodes": figures.sizes.nodes,
        "state.services": figures.sizes.services,
        "state.service_instances": figures.sizes.instances,
    }
    prefix = _SERVICE if settings.telemetry_disable_hostname else f"{_SERVICE}.{socket.gethostname()}"
    gauges = [GaugeShape(f"{prefix}.runtime.{name}", value, {}) for name, value in report.runtime.items()]
    gauges += [GaugeShape(f"{prefix}.{name}", value, datacenter) for name, value in state.items()]
    return sorted(gauges, key=lambda one: one.name)


def _samples(all_values: Iterable[Named]) -> list[SampleShape]:
    return [
        SampleShape(
            f"{_SERVICE}.{name}", one.count, one.total / INTERVAL_SECONDS, one.total, one.least, one.greatest,
            one.mean, one.deviation, dict(labels),
        )
        for name, labels, one in all_values
    ]  # fmt: skip
