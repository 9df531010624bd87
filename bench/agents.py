"""`python -m bench.agents`: agents over REST: beats, registrations, lists and single reads; prints one table.

Owns the load of this run. wrk shares the machine's cores with the server, so the server's own CPU stands beside each
rate, and what one core could do for that.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.checks import Figure
from bench.load import drive, fill
from bench.scenarios import Request, Row
from bench.servers import ROOT, Broken, Registry

BEATS_A_SECOND = 10_000
VARIANT = "/api/v1/agents/register"
BEAT = json.dumps({"status": "healthy", "metadata": {"zone": "a"}})


def rows(agents: int) -> tuple[Row, ...]:
    """What is asked. Numbers stand for agents that were registered before."""
    new = json.dumps({"name": "new", "type": "new", "host": "10.0.0.1", "port": 80, "capabilities": ["c"]})
    return (
        Row(
            "beats", "a heartbeat that changes nothing",
            Request("POST", "/agents/bench-<k>/heartbeat", BEAT), pool=agents,
        ),
        Row("get", "one agent", Request("GET", "/agents/bench-<k>"), pool=agents),
        Row("by type", "a type of ten agents", Request("GET", "/agents/type/few")),
        Row("list", f"all {agents:,} agents", Request("GET", "/agents")),
        Row("register", "a new agent each time", Request("POST", "/agents/register", new)),
    )  # fmt: skip


def agents(count: int) -> Iterator[Request]:
    """Registrations of agents that choose their own ids; the first ten are of a type of their own."""
    for number in range(count):
        body = {
            "agent_id": f"bench-{number}", "agent_type": "few" if number < 10 else "many", "host": "10.0.0.1",
            "port": 1024 + number, "capabilities": ["a", "b"], "version": "1.0.0", "metadata": {"zone": "a"},
        }  # fmt: skip
        yield Request("POST", VARIANT, json.dumps(body))


def figures(server: Registry, count: int, seconds: int, rounds: int) -> Iterator[Figure]:
    """Every row, measured `rounds` times."""
    fill(server, agents(count))
    server.settle()
    for row in rows(count):
        driven = [drive(server, row, seconds) for _ in range(rounds)]
        rate = statistics.median(one.requests / one.seconds for one in driven)
        requests, errors = sum(one.requests for one in driven), sum(one.errors for one in driven)
        cpu = sum(one.cpu_seconds for one in driven) * 1e6 / max(requests, 1)
        aim, missed = (f"≥ {BEATS_A_SECOND:,}/s", rate < BEATS_A_SECOND) if row.key == "beats" else ("", False)
        p99 = statistics.median(one.p99_ms for one in driven)
        value = f"{rate:,.0f}/s, p99 {p99:.1f} ms, {cpu:,.0f} CPU µs each"
        yield Figure(f"{row.key}: {row.title}", value, aim, missed, shared=True)
        yield Figure(f"{row.key}: not answered with 2xx", f"{errors:,} of {requests:,}", "0", errors > 0)
    yield Figure(f"memory with {count:,} agents and those that were registered", f"{server.memory().rss:.0f} MB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.agents", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agents", type=int, default=1_000, help="registered before (default 1000)")
    parser.add_argument("--seconds", type=int, default=5, help="of each round (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="of each row (default 3)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache", help="where the store is (default .cache)")
    return parser.parse_args()


def main() -> int:
    """Measure and print; 1 where a request fails or the server breaks."""
    options = _options()
    if shutil.which("wrk") is None:
        print("bench: needs wrk", file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"Python {platform.python_version()}; {os.cpu_count()} CPUs, {platform.machine()}\n", flush=True)
    print("| what | ours | target |  |\n| --- | --- | --- | --- |", flush=True)
    missed = False
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        server = Registry(Path(folder) / "store")
        try:
            server.start()
            for figure in figures(server, options.agents, options.seconds, options.rounds):
                print(figure, flush=True)
                missed = missed or (figure.missed and not figure.shared)
        except Broken as broken:
            print(f"bench: {broken}", file=sys.stderr)
            return 1
        finally:
            server.stop()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
