"""Many reports as one: what is added up, what is not, and what remains of the dead."""

from msgspec.structs import fields, replace

from registry.api.metrics import Metrics
from registry.api.metrics_figures import (
    CacheFigures,
    CheckFigures,
    Figures,
    HistogramFigures,
    LoadFigures,
    StateSizes,
    StoreFigures,
)
from registry.api.metrics_intervals import Aggregate, Interval, Named
from registry.api.processes import Report
from registry.supervisor.ledger import Ledger
from registry.supervisor.sums import counters_only, decoded, encoded, merged


def figures(**given: object) -> Figures:
    """The figures of a process that has counted one of everything."""
    metrics = Metrics()
    metrics.in_flight = 2
    metrics.endpoint("/a", "GET").count(200, 0.002)
    metrics.commands["Register", "applied"] += 1
    metrics.appends["stored"] += 1
    metrics.append_seconds.add(0.3)
    metrics.append_records.add(5)
    metrics.snapshots = metrics.resets = metrics.collections = 1
    metrics.collection_seconds = 0.5
    metrics.expirations = metrics.reaps = metrics.troubles = metrics.slow = 1
    metrics.detection["ttl"].add(0.2)
    checks = CheckFigures(2, 1, results={("http", "passing"): 3}, lag=HistogramFigures((0.1,), (1, 2), 0.5))
    made = replace(
        metrics.figures(), cache=CacheFigures(5, 4, 100, 3), sizes=StateSizes(index=7, instances=10), checks=checks,
        load=LoadFigures(connections=4, refused=3, pending=2, pending_limit=10, parked_limit=20),
    )  # fmt: skip
    return replace(made, **given)


def report(pid: int, start: float = 10.0, *values: float, **given: object) -> Report:
    aggregate = Aggregate()
    for value in values:
        aggregate.add(value)
    samples = (Named("api.http", (("method", "GET"),), aggregate),) if values else ()
    return Report(
        figures=figures(**given), interval=Interval(start, (), samples), runtime={"alloc_bytes": 5}, pids=(pid,)
    )  # fmt: skip


def test_what_is_counted_is_added_up() -> None:
    both = merged([report(1), report(2)]).figures
    one = figures()
    assert both.in_flight == 4
    assert both.commands == {("Register", "applied"): 2}
    assert both.appends == {"stored": 2}
    assert (both.snapshots, both.resets, both.collections, both.collection_seconds) == (2, 2, 2, 1.0)
    assert both.append_seconds.total == 0.6
    assert both.append_seconds.counts == tuple(2 * count for count in one.append_seconds.counts)
    assert both.cache == CacheFigures(10, 8, 200, 6)
    assert both.checks.results == {("http", "passing"): 6}
    assert (both.checks.given, both.checks.running, both.checks.lag.counts) == (4, 2, (2, 4))
    assert both.load == LoadFigures(8, 6, 4, 20, 40)
    assert (both.expirations, both.reaps, both.troubles) == (2, 2, 2)
    assert (sum(both.detection["ttl"].counts), sum(both.detection["check"].counts)) == (2, 0)
    (endpoint,) = both.endpoints
    assert (endpoint.statuses, sum(endpoint.latency.counts)) == ({200: 2}, 2)


def test_every_figure_there_is_comes_out_of_a_sum() -> None:
    """Also one that somebody adds later: nothing is lost because this place was forgotten."""
    both = merged([report(1), report(2)]).figures
    same = {each.name for each in fields(Figures) if getattr(both, each.name) == getattr(figures(), each.name)}
    assert same <= {"sizes", "store", *(each.name for each in fields(Figures) if not getattr(figures(), each.name))}


def test_endpoints_that_only_one_has_seen_are_there_too() -> None:
    metrics = Metrics()
    metrics.endpoint("/b", "PUT").count(500, 1.0)
    other = replace(report(2), figures=metrics.figures())
    found = {one.route: one.statuses for one in merged([report(1), other]).figures.endpoints}
    assert found == {"/a": {200: 1}, "/b": {500: 1}}


def test_the_state_is_that_of_the_replica_that_is_furthest() -> None:
    """Every worker has the whole state: ten instances in two workers are ten."""
    behind, ahead = StateSizes(index=7, instances=10), StateSizes(index=8, instances=9)
    for pair in ((behind, ahead), (ahead, behind)):
        assert merged([report(n, sizes=sizes) for n, sizes in enumerate(pair)]).figures.sizes == ahead


def test_the_store_is_as_the_worse_off_of_them_sees_it() -> None:
    away = StoreFigures(up=False, silent_seconds=3.0)
    assert merged([report(1), report(2, store=away)]).figures.store == away


def test_the_dead_count_but_hold_nothing() -> None:
    both = merged([report(1)], [figures(sizes=StateSizes(index=99, instances=500))]).figures
    assert both.appends == {"stored": 2}
    assert both.in_flight == 2
    assert both.sizes.instances == 10
    assert (both.cache.hits, both.cache.size_bytes, both.cache.parked) == (10, 100, 3)
    assert (both.load.connections, both.load.refused, both.load.parked_limit) == (4, 6, 20)
    assert sum(both.detection["ttl"].counts) == 2


def test_an_interval_is_that_of_those_who_have_finished_it() -> None:
    total = merged([report(1, 10.0, 1.0, 3.0), report(2, 10.0, 8.0), report(3, 20.0, 100.0)]).interval
    assert total.start == 10.0
    ((name, labels, values),) = total.samples
    assert (name, labels) == ("api.http", (("method", "GET"),))
    assert (values.count, values.total, values.least, values.greatest) == (3, 12.0, 1.0, 8.0)
    assert values.squares == 74.0


def test_who_speaks_is_told() -> None:
    total = merged([report(7), report(9)], silent=1, restarts=4)
    assert (total.pids, total.silent, total.restarts, total.supervised) == ((7, 9), 1, 4, True)
    assert total.runtime == {"alloc_bytes": 10}


def test_a_report_survives_the_line() -> None:
    sent = report(1, 10.0, 2.0, 4.0)
    got = decoded(encoded(sent))
    assert got.figures == sent.figures
    assert merged([got]).interval.samples[0].values.squares == 20.0


def test_the_ledger_adds_up_the_dead_and_stands_in_for_the_silent() -> None:
    ledger = Ledger()
    for pid in (1, 2, 3):
        ledger.note(pid, encoded(report(pid)))
    ledger.bury(1)
    ledger.bury(2)
    ledger.bury(77)  # never said anything
    past = [decoded(one).figures for one in ledger.past(())]
    assert [one.appends for one in past] == [{"stored": 2}]
    assert [decoded(one).figures.appends for one in ledger.past((3, 88))] == [{"stored": 2}, {"stored": 1}]


def test_nothing_that_can_fall_is_left_of_counters() -> None:
    left = counters_only(figures(store=StoreFigures(up=False)))
    assert (left.in_flight, left.sizes, left.store) == (0, StateSizes(), StoreFigures())
    assert left.appends == {"stored": 1}
