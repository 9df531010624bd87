"""One report of many: figures added up.

Owns which figures are sums, and which are taken from the most advanced replica: every worker has the whole state,
so its sizes must not be counted twice. Who is asked is `questions.py`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from registry.api.metrics_figures import (
    EndpointCounts,
    Figures,
    HistogramFigures,
    LoadFigures,
    StateSizes,
    StoreFigures,
)
from registry.api.metrics_intervals import Aggregate, Interval, Named
from registry.api.processes import Report

_NO_SUMS = ("sizes", "store")


def merged(reports: Sequence[Report], past: Iterable[Figures] = (), silent: int = 0, restarts: int = 0) -> Report:
    """The report on all these processes; `past` are the figures of processes that have ended."""
    alive = [one.figures for one in reports]
    figures = reduce(_figures, (*alive, *map(counters_only, past)))
    return Report(
        figures=figures,
        interval=_interval([one.interval for one in reports]),
        runtime=reduce(_added, (one.runtime for one in reports)),
        pids=tuple(pid for one in reports for pid in one.pids),
        supervised=True,
        silent=silent,
        restarts=restarts,
    )


def counters_only(figures: Figures) -> Figures:
    """What remains of a process's figures when it has ended: those that only ever grow."""
    cache = replace(figures.cache, size_bytes=0, parked=0)
    load = LoadFigures(refused=figures.load.refused)
    return replace(figures, in_flight=0, cache=cache, load=load, sizes=StateSizes(), store=StoreFigures())


def added(one: Figures, other: Figures) -> Figures:
    """The sum of the counters of two processes that have ended."""
    return _figures(counters_only(one), counters_only(other))


def _figures(one: Figures, other: Figures) -> Figures:
    values = {
        each.name: _added(getattr(one, each.name), getattr(other, each.name))
        for each in fields(Figures)
        if each.name not in _NO_SUMS
    }
    values["store"] = one.store.beside(other.store)
    values["sizes"] = max(one.sizes, other.sizes, key=lambda sizes: sizes.index)
    return Figures(**values)


def _added(one: Any, other: Any) -> Any:
    """The sum of two values of one field, by what they are."""
    match one:
        case bool():
            return one or other
        case int() | float():
            return one + other
        case dict():
            return {**one, **{key: _added(one[key], value) if key in one else value for key, value in other.items()}}
        case HistogramFigures() if one.bounds != other.bounds:
            return one if one.bounds else other  # a process that has nothing to count has no bounds
        case HistogramFigures():
            counts = tuple(map(sum, zip(one.counts, other.counts, strict=True)))
            return HistogramFigures(one.bounds, counts, one.total + other.total)
        case tuple():
            return _endpoints(one, other)
        case Struct():
            both = {each.name: _added(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)}
            return type(one)(**both)
    return one or other  # a text, or nothing: it cannot be added


def _endpoints(one: Iterable[EndpointCounts], other: Iterable[EndpointCounts]) -> tuple[EndpointCounts, ...]:
    found = {(each.route, each.method): each for each in one}
    for each in other:
        key = (each.route, each.method)
        known = found.get(key)
        found[key] = each if known is None else EndpointCounts(
            *key, known.ready + each.ready, _added(known.statuses, each.statuses), _added(known.latency, each.latency)
        )  # fmt: skip
    return tuple(found.values())


# The last ten seconds


def _interval(intervals: Sequence[Interval]) -> Interval:
    """The interval that most have finished, added up; who has just begun or is a moment behind is not in it."""
    starts = Counter(one.start for one in intervals)
    start = min(starts, key=lambda each: (-starts[each], each))
    same = [one for one in intervals if one.start == start]
    return Interval(start, _named(one.counters for one in same), _named(one.samples for one in same))


def _named(groups: Iterable[Iterable[Named]]) -> tuple[Named, ...]:
    found: dict[tuple[str, Any], Aggregate] = {}
    for group in groups:
        for one in group:
            known = found.get(one[:2])
            found[one[:2]] = one.values if known is None else _aggregate(known, one.values)
    return tuple(Named(name, labels, found[name, labels]) for name, labels in sorted(found))


def _aggregate(one: Aggregate, other: Aggregate) -> Aggregate:
    both = Aggregate()
    both.count = one.count + other.count
    both.total, both.squares = one.total + other.total, one.squares + other.squares
    both.least, both.greatest = min(one.least, other.least), max(one.greatest, other.greatest)
    return both


# On the line


def encoded(report: Report) -> bytes:
    """The bytes of a report."""
    return _encoder.encode(report)


def decoded(data: bytes) -> Report:
    """The report of these bytes.

    Raises:
        ValueError: they are none.
    """
    return _decoder.decode(data)


def _plain(value: object) -> object:
    if isinstance(value, Aggregate):
        return (value.count, value.total, value.squares, value.least, value.greatest)
    raise TypeError(f"{type(value)} in a report")


def _aggregate_of(kind: type, value: Any) -> object:
    if kind is not Aggregate:
        raise TypeError(f"{kind} in a report")
    made = Aggregate()
    made.count, made.total, made.squares, made.least, made.greatest = value
    return made


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_decoder = msgspec.msgpack.Decoder(Report, dec_hook=_aggregate_of)
