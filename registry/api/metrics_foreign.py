"""The metrics of fr0g's registry and of OptiInfra under their own names, from what is counted anyway.

Owns the names and how our figures are cut into theirs; the Hive's are its dialect's. Source: dialects.md §6.4, §7.4.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from registry.api.metrics_arrivals import DEREGISTERED, REGISTERED
from registry.api.metrics_figures import STATUSES, EndpointCounts, Figures

GO_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds; Prometheus' default in Go
# What fr0g calls an endpoint → the beginnings of our routes.
_ENDPOINTS = {
    "register": "/v1/agent/service/register",
    "deregister": "/v1/agent/service/deregister/",
    "services": "/v1/catalog/services",
    "health": "/v1/health/service/",
}
_SAVES = frozenset({"Register", "RegisterLocal", "RegisterAgent"})  # commands
_DELETES = frozenset({"Deregister", "DeregisterLocal", "RemoveAgent"})


class ForeignFamilies(Collector):
    """Both sets."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All families, those without a sample too."""
        yield from self._fr0g()
        yield from self._optiinfra()

    def _fr0g(self) -> Iterator[Metric]:
        prefix, cache = "fr0g_registry", self._figures.cache
        yield self._arrivals(
            f"{prefix}_service_registrations", "Registrations of services.", "service_name", REGISTERED
        )
        yield self._arrivals(f"{prefix}_service_deregistrations", "Services removed.", "service_name", DEREGISTERED)
        requests = CounterMetricFamily(f"{prefix}_discovery_requests", "Requests by their kind.", labels=["endpoint"])
        seconds = HistogramMetricFamily(
            f"{prefix}_discovery_duration_seconds", "Time to their answer.", labels=["endpoint"]
        )
        for endpoint, route in _ENDPOINTS.items():
            asked = [one for one in self._figures.endpoints if one.route.startswith(route)]
            if asked:
                requests.add_metric([endpoint], sum(map(_answered, asked)))
                seconds.add_metric([endpoint], *_buckets(asked))
        yield requests
        yield seconds
        yield CounterMetricFamily(f"{prefix}_cache_hits", "Answers that were ready in memory.", value=cache.hits)
        yield CounterMetricFamily(f"{prefix}_cache_misses", "Answers that had to be computed.", value=cache.misses)
        yield self._store_operations(f"{prefix}_redis_operations")
        health = GaugeMetricFamily(f"{prefix}_services_total", "Instances by health.", labels=["health_status"])
        by_status = dict(self._figures.sizes.records_by_status)
        by_status["critical"] = by_status.get("critical", 0) + by_status.pop("maintenance", 0)
        for status in STATUSES:
            health.add_metric([status], by_status.get(status, 0))
        yield health

    def _arrivals(self, name: str, text: str, label: str, what: str) -> Metric:
        family = CounterMetricFamily(name, text, labels=[label])
        for (happened, named), count in self._figures.arrivals.items():
            if happened == what:
                family.add_metric([named], count)
        return family

    def _store_operations(self, name: str) -> Metric:
        """Writes of services, whatever the store is; an error is one that was answered with a fault of ours."""
        family = CounterMetricFamily(name, "Writes of services to the store.", labels=["operation", "status"])
        for operation, commands, route in (("save", _SAVES, "register"), ("delete", _DELETES, "deregister")):
            done = sum(
                count for (command, outcome), count in self._figures.commands.items()
                if command in commands and outcome == "applied"
            )  # fmt: skip
            failed = sum(
                one.statuses.get(503, 0) for one in self._figures.endpoints if one.route.startswith(_ENDPOINTS[route])
            )
            family.add_metric([operation, "success"], done)
            family.add_metric([operation, "error"], failed)
        return family

    def _optiinfra(self) -> Iterator[Metric]:
        yield self._arrivals("agent_registrations", "Registrations of agents.", "agent_type", REGISTERED)
        yield self._arrivals("agent_deregistrations", "Agents removed.", "agent_type", DEREGISTERED)
        active = GaugeMetricFamily("active_agents", "Agents that are registered.", labels=["agent_type"])
        for kind, count in self._figures.sizes.agents.items():
            active.add_metric([kind], count)
        yield active
        health = GaugeMetricFamily(
            "agent_health_status", "1 for an agent that is healthy, 0.5 degraded, 0 otherwise; not all are shown.",
            labels=["agent", "agent_type"],
        )  # fmt: skip
        for labels, value in self._figures.sizes.agent_health.items():
            health.add_metric(list(labels), value)
        yield health
        requests = CounterMetricFamily("http_requests", "Requests answered.", labels=["method", "endpoint", "status"])
        seconds = HistogramMetricFamily(
            "http_request_duration_seconds", "Time to the answer.", labels=["method", "endpoint"]
        )
        for one in self._figures.endpoints:
            statuses = dict(one.statuses)
            if one.ready:
                statuses[200] = statuses.get(200, 0) + one.ready
            for status, count in statuses.items():
                requests.add_metric([one.method, one.route, str(status)], count)
            seconds.add_metric([one.method, one.route], *_buckets([one]))
        yield requests
        yield seconds


def _answered(one: EndpointCounts) -> int:
    return one.ready + sum(one.statuses.values())


def _buckets(endpoints: Iterable[EndpointCounts]) -> tuple[list[tuple[str, float]], float]:
    """Go's buckets of these requests, added up, and the sum of their seconds; every bound of Go's is one of ours."""
    within, total, everything = [0.0] * len(GO_BOUNDS), 0.0, 0
    for one in endpoints:
        up_to = dict(zip(one.latency.bounds, accumulate(one.latency.counts), strict=False))
        within = [count + up_to[bound] for count, bound in zip(within, GO_BOUNDS, strict=True)]
        total += one.latency.total
        everything += sum(one.latency.counts)
    return [*zip(map(str, GO_BOUNDS), within, strict=True), ("+Inf", everything)], total
