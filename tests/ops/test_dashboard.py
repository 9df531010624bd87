"""The dashboard and the alerts against the real thing: a server with some traffic, scraped by a real Prometheus."""

import math
from collections.abc import Iterator
from itertools import combinations, count
from typing import Any

import pytest

from tests.ops.debian import prometheus_program
from tests.ops.files import alerts, dashboard, metrics_of, panels, queries
from tests.ops.scraping import Prometheus, Registry, eventually, scraped, target

VARIABLES = {"$__rate_interval": "1m", "$job": "registry", "$instance": ".*"}
NOT_HERE = frozenset({  # what only several processes have
    "registry_workers", "registry_workers_silent", "registry_worker_restarts_total",
    "registry_log_deadlines_age_seconds",
})  # fmt: skip


def expression(text: str) -> str:
    """A query of the dashboard with its variables filled in as Grafana does."""
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    return text


def traffic(registry: Registry, port: int) -> Iterator[None]:
    """Something of everything: services that live, one that falls silent, checks, reads, writes."""
    ttl = {"TTL": "1s", "Status": "passing"}
    http = {"HTTP": f"http://127.0.0.1:{port}/", "Interval": "1s", "Status": "passing"}
    for name, check in (("beats", {**ttl, "TTL": "1h"}), ("silent", ttl), ("http", http)):
        registry.ask("/v1/agent/service/register", {"Name": name, "Check": check})
    for number in count():
        registry.ask("/v1/agent/check/pass/service:beats", {})
        registry.ask("/v1/agent/service/register", {"Name": "changes", "Port": number})
        registry.ask("/v1/health/service/beats?passing")
        registry.ask(f"/v1/catalog/services?n={number}")
        registry.ask("/v1/health/service/http?index=1&wait=10ms")
        yield


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has seen all the traffic there is."""
    with scraped(prometheus_program(), tmp_path_factory.mktemp("ops")) as (registry, prometheus), target() as service:
        moving = traffic(registry, service.server_port)
        eventually(lambda: prometheus.values("up") == [1.0])
        eventually(lambda: (next(moving), prometheus.values("rate(registry_ttl_expirations_total[1m]) > 0"))[1])
        passed = 'rate(registry_check_results_total{status="passing"}[1m]) > 0'
        eventually(lambda: (next(moving), prometheus.values(passed))[1])
        service.shutdown()
        service.server_close()
        found = 'rate(registry_failure_detection_seconds_count{kind="check"}[1m]) > 0'
        eventually(lambda: (next(moving), prometheus.values(found))[1])
        yield prometheus


@pytest.mark.slow
@pytest.mark.timeout(180)  # the first one may fetch the package
def test_every_query_of_the_dashboard_shows_something(prometheus: Prometheus) -> None:
    """Each is run as Grafana would; what has no number behind it would be an empty panel."""
    empty = {}
    for query in queries():
        values = [value for value in prometheus.values(expression(query.expression)) if not math.isnan(value)]
        if not values and not NOT_HERE & set(metrics_of(query.expression)):
            empty[query.panel] = query.expression
    assert empty == {}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_the_dashboard_shows_is_what_happened(prometheus: Prometheus) -> None:
    def shown(panel: str) -> list[list[float]]:
        return [prometheus.values(expression(one.expression)) for one in queries() if one.panel == panel]

    assert shown("Servers that answer") == [[1.0], [1.0]]
    assert shown("Take writes") == [[1.0]]
    assert shown("Services") == [[5.0], [5.0], [1.0]]  # consul, beats, silent, http, changes
    assert shown("Critical") == [[2.0], [2.0], [2.0]]  # silent, and http since its target is gone
    assert shown("Replicas") == [[0.0]]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_alert_can_be_evaluated_and_none_fires_for_what_is_well(prometheus: Prometheus) -> None:
    eventually(lambda: all(rule["health"] == "ok" for rule in prometheus.rules().values()))
    rules = prometheus.rules()
    assert set(rules) == set(alerts())
    for name, rule in rules.items():
        prometheus.values(rule["query"])
        assert "lastError" not in rule, name
    assert [name for name, rule in rules.items() if rule["state"] == "firing"] == []


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_metric_that_an_alert_asks_for_is_there(prometheus: Prometheus) -> None:
    """An alert on a name that nobody exports would never fire, and nobody would notice."""
    there = {name.removesuffix(end) for name in prometheus.api("/api/v1/label/__name__/values")
             for end in ("", "_bucket", "_sum", "_count")}  # fmt: skip
    wanted = {name for text in alerts().values() for name in metrics_of(text)}
    assert wanted - there <= NOT_HERE


def test_the_dashboard_works_with_any_prometheus() -> None:
    found = dashboard()
    variables = {one["name"]: one for one in found["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert {"job", "instance"} < set(variables)
    source = {"type": "prometheus", "uid": "${datasource}"}
    used = [panel["datasource"] for panel in panels()]
    used += [target["datasource"] for panel in panels() for target in panel["targets"]]
    used += [variables[name]["datasource"] for name in ("job", "instance")]
    assert all(one == source for one in used)
    assert all("$job" in query.expression for query in queries())


def test_no_panel_lies_on_another() -> None:
    def cells(panel: Any) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

    everything = dashboard()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert [(a["title"], b["title"]) for a, b in combinations(everything, 2) if cells(a) & cells(b)] == []


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in panels() if not panel["description"]] == []
