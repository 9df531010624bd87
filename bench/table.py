"""The results of a run as records, as a table for people and as JSON for programs."""

import json
from collections.abc import Iterable
from typing import NamedTuple

HEAD = ("", "consul", "ours", "ratio", "target", "p99 ms", "CPU µs/request", "")


class Line(NamedTuple):
    """One measured thing. A figure that was not taken is None.

    Attributes:
        unit: of `consul` and `ours`: "/s" is better when larger, "ms", "s" and "MB" when smaller.
        target: the ratio of ours to Consul's asked for; at least for a rate, at most otherwise.
        limit: a value of ours that may not be passed.
        p99_ms, cpu_us: Consul's and ours.
        note: why a figure is missing, or what went wrong.
    """

    key: str
    title: str
    unit: str
    consul: float | None = None
    ours: float | None = None
    target: float | None = None
    limit: float | None = None
    p99_ms: tuple[float | None, float | None] = (None, None)
    cpu_us: tuple[float | None, float | None] = (None, None)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.consul if self.ours is not None and self.consul else None

    @property
    def verdict(self) -> str:
        """What of the line's aims is missed, in words; `ok` when none is; empty when there is nothing to judge."""
        if self.ours is None:
            return ""
        judged, missed = 0, []
        if self.ratio is not None and self.target is not None:
            judged += 1
            reached = self.ratio >= self.target if self.unit == "/s" else self.ratio <= self.target
            missed += [] if reached else [f"{self.ratio / self.target:.2f} of target"]
        if self.limit is not None:
            judged += 1
            missed += [] if self.ours <= self.limit else [f"over {self.limit:g} {self.unit}"]
        theirs, own = self.cpu_us
        if theirs is not None and own is not None:
            judged += 1
            missed += [] if own < theirs else ["CPU"]
        return "missed: " + ", ".join(missed) if missed else "ok" if judged else ""

    def cells(self) -> tuple[str, ...]:
        sign = "≥" if self.unit == "/s" else "≤"
        aims = [f"{sign} {self.target:g}×"] if self.target is not None else []
        aims += [f"≤ {self.limit:g} {self.unit}"] if self.limit is not None else []
        values = [_figure(value, self.unit) for value in (self.consul, self.ours)]
        ratio = f"{self.ratio:.2f}×" if self.ratio is not None else "–"
        pairs = [_pair(self.p99_ms), _pair(self.cpu_us)]
        return (self.title, *values, ratio, ", ".join(aims), *pairs, "; ".join(filter(None, (self.verdict, self.note))))

    def record(self) -> dict[str, object]:
        """The line for JSON: all fields, the ratio and the verdict."""
        return {**self._asdict(), "ratio": self.ratio, "verdict": self.verdict}


def markdown(lines: Iterable[Line]) -> str:
    """The lines as an aligned Markdown table. In the p99 and CPU columns Consul's figure comes first."""
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rows.insert(1, tuple("-" * width for width in widths))
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def as_json(lines: Iterable[Line]) -> str:
    return json.dumps([line.record() for line in lines], indent=2, ensure_ascii=False)


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    digits = 0 if unit == "/s" or value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{unit if unit == '/s' else ' ' + unit}"


def _pair(pair: tuple[float | None, float | None]) -> str:
    if pair == (None, None):
        return ""
    return " / ".join("–" if value is None else f"{value:,.{0 if value >= 100 else 1}f}" for value in pair)
