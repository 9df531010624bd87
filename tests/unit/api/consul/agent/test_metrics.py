"""The figures: what is counted, Prometheus' page, and the ten-second intervals of Consul's."""

import asyncio
import gc
import math
import os
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from registry.api.metrics import Metrics
from registry.api.metrics_figures import StoreFigures
from registry.api.metrics_intervals import Aggregate
from registry.api.metrics_page import page
from registry.api.processes import Report
from registry.commands import DeregisterLocal
from registry.errors import NotFound
from registry.log.base import Contact
from registry.testing import FakeClock

HEALTH = "/v1/health/service/{service}"
FOREIGN = ("fr0g_registry_", "agent_", "active_agents", "http_request")  # dialects.md §6.4 and §7.4


def report_of(metrics: Metrics) -> Report:
    """What a process that is alone says of itself."""
    return Report(
        figures=metrics.figures(), interval=metrics.intervals.latest(), runtime={}, pids=(os.getpid(),)
    )  # fmt: skip


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """The page as a scraper reads it: name, then the values of the labels by their names."""
    text = page(report_of(metrics), "1.2.3")[0].decode()
    return {
        (one.name, *(one.labels[label] for label in sorted(one.labels))): one.value
        for family in parsed(text)
        for one in family.samples
    }


def engine_of(**state: Any) -> Any:
    """What the figures look at in an engine."""
    rows = {"node_rows": {}, "by_service": {}, "checks_by_status": {}, "applied": 0, "members": (), **state}
    topics = SimpleNamespace(hits=5, misses=2, bytes=1000, parked=3)
    contact = Contact(False, 0.0, "")
    return SimpleNamespace(
        state=SimpleNamespace(**rows), topics=topics, clock=FakeClock(), failed=None, contact=lambda: contact,
        keeps_house=True, log_backlog_bytes=(0, 0), pending_writes=0,
        options=SimpleNamespace(max_pending_writes=10, max_parked_readers=20),
    )  # fmt: skip


@pytest.fixture
def metrics() -> Any:
    found = Metrics()
    yield found
    found.stop()


def test_requests_are_counted_by_endpoint_method_and_status(metrics: Metrics) -> None:
    endpoint = metrics.endpoint(HEALTH, "GET")
    endpoint.count(200, 0.002)
    endpoint.count(200, 0.02)
    endpoint.count(500, 3.0)
    endpoint.ready += 10

    found = samples(metrics)

    name = "registry_http_requests_total"
    assert found[name, HEALTH, "GET", "200"] == 12
    assert found[name, HEALTH, "GET", "500"] == 1
    assert found["registry_http_requests_repeated_total", HEALTH, "GET"] == 10
    seconds = "registry_http_request_seconds"
    assert found[f"{seconds}_bucket", HEALTH, "0.0025", "GET"] == 1
    assert found[f"{seconds}_bucket", HEALTH, "0.025", "GET"] == 2
    assert found[f"{seconds}_bucket", HEALTH, "+Inf", "GET"] == found[f"{seconds}_count", HEALTH, "GET"] == 3
    assert found[f"{seconds}_sum", HEALTH, "GET"] == pytest.approx(3.022)


def test_methods_that_clients_make_up_are_one_label(metrics: Metrics) -> None:
    for method in ("BREW", "WHEN", "X" * 1000):
        metrics.endpoint("/v1/kv/{key}", method).count(405, 0.001)

    assert samples(metrics)["registry_http_requests_total", "/v1/kv/{key}", "other", "405"] == 3
    assert len(metrics.endpoints) == 1


def test_appends_commands_and_what_happened_to_them(metrics: Metrics) -> None:
    metrics.appended(3, 0.004, "stored")
    metrics.appended(1, 0.001, "not-stored")
    metrics.applied(DeregisterLocal("a"), None)
    metrics.applied(DeregisterLocal("a"), NotFound("service", id="a"))
    metrics.skipped(DeregisterLocal("a"))

    found = samples(metrics)

    assert found["registry_log_appends_total", "stored"] == found["registry_log_appends_total", "not-stored"] == 1
    assert found["registry_log_append_records_sum",] == 4
    assert found["registry_log_append_seconds_bucket", "0.001"] == 1
    for outcome in ("applied", "refused", "skipped"):
        assert found["registry_commands_total", "DeregisterLocal", outcome] == 1


async def test_sizes_and_cache_are_those_of_the_engine(metrics: Metrics) -> None:
    statuses = {"passing": {1: 1, 2: 2}, "critical": {3: 3}, "odd": {4: 4}, "odder": {5: 5}}
    row = SimpleNamespace(agent=None)
    engine = engine_of(
        node_rows={"a": 1, "b": 2},
        by_service={"web": {1: row, 2: row}, "db": {3: row}},
        checks_by_status=statuses,
        applied=9,
    )
    metrics.start(engine.clock, engine)

    found = await asyncio.to_thread(samples, metrics)  # it reads files of the kernel

    assert found["registry_state_index",] == 9
    assert (found["registry_nodes",], found["registry_services",], found["registry_instances",]) == (2, 2, 3)
    assert {status: found["registry_checks", status] for status in ("passing", "warning", "critical", "other")} == {
        "passing": 2, "warning": 0, "critical": 1, "other": 2,
    }  # fmt: skip
    assert (found["registry_cache_hits_total",], found["registry_cache_misses_total",]) == (5, 2)
    assert (found["registry_cache_bytes",], found["registry_parked_readers",]) == (1000, 3)


def test_every_name_is_ours_and_the_process_is_described(metrics: Metrics) -> None:
    metrics.endpoint(HEALTH, "GET").count(200, 0.1)
    found = samples(metrics)

    assert {name for name, *_ in found if not name.startswith(("registry_", *FOREIGN))} == set()
    assert found["registry_process_resident_memory_bytes",] > 1_000_000
    assert found["registry_info", "1.2.3"] == 1


def test_openmetrics_is_given_to_those_who_ask(metrics: Metrics) -> None:
    metrics.endpoint(HEALTH, "GET").count(200, 0.1)
    text, content_type = page(report_of(metrics), "1", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in parsed_openmetrics(text.decode())}
    assert {"registry_http_requests", "registry_http_request_seconds"} <= names
    assert page(report_of(metrics), "1", "*/*")[1] == "text/plain; version=0.0.4; charset=utf-8"


async def test_the_collectors_pauses_are_counted_while_it_runs(metrics: Metrics) -> None:
    engine = engine_of()
    metrics.start(engine.clock, engine)
    gc.collect()
    metrics.stop()
    counted = metrics.collections
    gc.collect()

    assert counted >= 1
    assert metrics.collections == counted
    assert metrics.collection_seconds > 0


async def test_a_refused_write_means_the_store_is_away_until_one_is_stored(metrics: Metrics) -> None:
    engine = engine_of()
    assert metrics.store_away  # not started yet
    metrics.start(engine.clock, engine)
    assert not metrics.store_away

    metrics.appended(1, 0.1, "not-stored")
    assert metrics.store_away
    metrics.appended(1, 0.1, "stored")
    assert not metrics.store_away


async def test_where_nobody_writes_the_store_is_given_another_chance(metrics: Metrics) -> None:
    """A balancer sends no writes to a server that is not ready, so a write cannot be what ends it."""
    engine = engine_of()
    metrics.start(engine.clock, engine)
    metrics.appended(1, 0.1, "unknown")

    await engine.clock.advance(4.9)
    assert metrics.store_away
    await engine.clock.advance(0.2)
    assert not metrics.store_away


async def test_how_the_store_is_and_what_we_are_to_it(metrics: Metrics) -> None:
    engine = engine_of(members=("a", "b"))
    metrics.start(engine.clock, engine)
    metrics.armed_anew()
    await engine.clock.advance(3)
    engine.contact = lambda: Contact(True, 2.5, "the cable was cut")
    shown = await asyncio.to_thread(samples, metrics)

    assert (metrics.store_away, metrics.trouble) == (True, "the cable was cut")
    assert shown["registry_store_up",] == 0.0
    assert shown["registry_store_silent_seconds",] == 2.5
    assert (shown["registry_log_housekeeper",], shown["registry_log_members",]) == (1.0, 2.0)
    assert (shown["registry_log_rearms_total",], shown["registry_log_deadlines_age_seconds",]) == (1.0, 3.0)


def test_of_several_processes_the_worst_contact_and_any_housekeeper_count() -> None:
    keeper, other = StoreFigures(True, 0.0, True, 7.0), StoreFigures(False, 2.0, False, None)
    assert keeper.beside(other) == other.beside(keeper) == StoreFigures(False, 2.0, True, 7.0)
    assert StoreFigures().beside(other) == other


async def test_what_failed_while_the_store_was_away_is_forgotten_when_it_is_back(metrics: Metrics) -> None:
    engine = engine_of()
    metrics.start(engine.clock, engine)
    metrics.appended(1, 0.1, "not-stored")
    metrics.store_came_back()

    assert not metrics.store_away


async def test_an_interval_is_shown_once_it_is_over(metrics: Metrics) -> None:
    engine = engine_of()
    metrics.start(engine.clock, engine)
    await engine.clock.advance(10 - engine.clock.now() % 10)
    start = engine.clock.now()
    endpoint = metrics.endpoint(HEALTH, "GET")
    for seconds in (0.001, 0.004, 0.004):
        endpoint.count(200, seconds)
    await engine.clock.advance(10)
    endpoint.count(200, 9.0)

    shown = metrics.intervals.latest()

    (sample,) = [one for one in shown.samples if one.name == "api.http"]
    assert shown.start == start
    assert sample.labels == (("method", "GET"), ("path", "v1_health_service_"))
    assert (sample.values.count, sample.values.least, sample.values.greatest) == (3, 1.0, 4.0)
    assert sample.values.deviation == pytest.approx(math.sqrt(3))


async def test_an_idle_interval_is_empty(metrics: Metrics) -> None:
    engine = engine_of()
    metrics.start(engine.clock, engine)
    metrics.endpoint(HEALTH, "GET").count(200, 1)
    await engine.clock.advance(30)

    assert [one.name for one in metrics.intervals.latest().samples if one.name == "api.http"] == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_an_aggregate_is_what_it_says(values: list[float]) -> None:
    aggregate = Aggregate()
    for value in values:
        aggregate.add(value)

    assert (aggregate.least, aggregate.greatest, aggregate.count) == (min(values), max(values), len(values))
    assert aggregate.mean == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert not math.isnan(aggregate.deviation)


def test_names_stay_clear_of_those_of_other_dialects(metrics: Metrics) -> None:
    text = page(report_of(metrics), "1")[0].decode()

    assert not re.search(r"^(agents_active|active_agents|http_requests_total|agent_)", text, re.MULTILINE)
