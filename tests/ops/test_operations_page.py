"""docs/operations.md and what it describes: every metric, every alert, and no figure that nobody has measured."""

import asyncio
import re
from pathlib import Path

import aiohttp
from msgspec.structs import replace

from registry import testing
from registry.api.metrics_page import page
from registry.api.processes import OneProcess
from tests.contract.consul.agent import register
from tests.contract.consul.exchange import Client
from tests.ops.files import ROOT, severities
from tests.ops.scraped import families

DOCS = ROOT / "docs"
PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its own."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


async def exported(folder: Path) -> dict[str, tuple[str, str]]:
    """Every family that a server can have: one with a file, and what is only there with workers."""
    async with testing.server(store=f"sqlite:///{folder}/registry.db") as server:
        consul = Client(server)
        await register(consul, Name="web", Check={"TCP": "127.0.0.1:1", "Interval": "10s"})
        await register(consul, Name="gone")
        await consul.send("PUT /v1/agent/service/deregister/gone")
        async with aiohttp.ClientSession() as agents:
            body = {"name": "a", "type": "cost", "host": "h", "port": 1}
            await (await agents.post(f"{server.url}/agents/register", json=body)).read()
        for _ in range(3):
            await consul.send("GET /v1/status/leader")
        await server.advance(0.3)
        while 'results_total{status="critical"' not in (text := (await consul.send("GET /metrics")).text):
            continue  # the target refuses in real time
        report = await OneProcess(server.app.metrics).report()
        await consul.close()
    supervised, _ = await asyncio.to_thread(page, replace(report, supervised=True), "1")
    return families(text) | families(supervised.decode())


async def test_every_metric_is_in_the_table_and_nothing_else_is(tmp_path: Path) -> None:
    told = {name.strip("`"): (kind, labels.replace("`", "")) for name, kind, labels, _ in table("Metrics")}
    assert told == await exported(tmp_path)


def test_every_metric_has_a_meaning() -> None:
    assert [name for name, _, _, meaning in table("Metrics") if not meaning.endswith(".")] == []


def test_every_alert_is_in_the_table_in_the_order_of_the_rules() -> None:
    assert [(name.strip("`"), severity) for name, severity, _ in table("Alerts")] == list(severities().items())


def test_every_alert_has_something_to_do() -> None:
    assert [name for name, _, do in table("Alerts") if len(do) < 30] == []


def test_every_figure_of_the_sizing_was_measured() -> None:
    """Each stands in docs/benchmarks.md: measure again there, then bring it here."""
    measured = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert [what for what, figure, _ in table("Sizing") if figure not in measured] == []


def test_every_command_of_the_sizing_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {command for _, _, cell in table("Sizing") for command in re.findall(r"make (\w+)", cell)}
    assert [name for name in named if f"\n{name}: " not in makefile] == []


def test_every_setting_that_is_named_is_there() -> None:
    settings = (DOCS / "configuration.md").read_text(encoding="utf-8")
    named = {setting.strip("`") for _, setting, _ in table("Limits") if setting.startswith("`")}
    named |= set(re.findall(r"`((?:max|request|check|slow|snapshot|shutdown|answers|log|access)_[a-z_]+)`", PAGE))
    assert len(named) > 10
    assert [name for name in named if f"| `{name}` |" not in settings] == []


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`((?:ops|tests|scripts)/[\w./-]+)", PAGE)) | set(re.findall(r"\]\(([\w.]+)[#)]", PAGE))
    missing = [name for name in named if not (ROOT / name).exists() and not (DOCS / name).exists()]
    assert missing == []
