"""What stands in `ops/`: the alerts of the rules and the queries of the dashboard."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
RULES = ROOT / "ops" / "prometheus" / "registry.rules.yml"
RULE_TESTS = ROOT / "ops" / "prometheus" / "registry.rules.test.yml"
DASHBOARD = ROOT / "ops" / "grafana" / "registry.json"
_ALERT = re.compile(r"^ +- alert: (\w+)\n(.*?)(?=^ +- alert|^  - name|\Z)", re.MULTILINE | re.DOTALL)
_METRIC = re.compile(r"\bregistry_[a-z_]+")


class Query(NamedTuple):
    """One query of a panel."""

    panel: str
    expression: str


def alerts() -> dict[str, str]:
    """The text of each alert by its name."""
    return dict(_ALERT.findall(RULES.read_text()))


def severities() -> dict[str, str]:
    """How bad each alert is."""
    return {name: re.findall(r"severity: (\w+)", text)[0] for name, text in alerts().items()}


def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text())


def panels() -> list[Any]:
    """Those that show something: all but the headings."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every query of the dashboard, as it stands there."""
    for panel in panels():
        for target in panel["targets"]:
            yield Query(panel["title"], target["expr"])


def metrics_of(expression: str) -> list[str]:
    """The names of our metrics in an expression, those of a histogram's parts as the histogram's."""
    return [re.sub(r"_(bucket|sum|count)$", "", name) for name in _METRIC.findall(expression)]
