"""`python -m bench.compare`: measures ours and a real Consul side by side and prints one table.

Owns the order of a run: which servers live when, and that rounds alternate between them. What is asked
is in `scenarios.py`, how it is measured in `load.py`, `watchers.py` and `servers.py`.
"""

import argparse
import contextlib
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.load import CONNECTIONS, Rate, Round, drive, fill, refusal
from bench.scenarios import LARGE_FLEET, LARGE_ROW, ROWS, WATCHERS, Row, large_fleet, standard_fleet
from bench.servers import OPEN_FILES, ROOT, Broken, Consul, Memory, Registry, Server, consul_binary
from bench.table import Line, as_json, markdown
from bench.watchers import Watchers

STAGES = ("memory", "watchers", "large")
WATCHED_CHANGES = 5


class Run:
    """One run: its options, and a folder in which each server gets a fresh store."""

    def __init__(self, options: argparse.Namespace, folder: Path, binary: str | None) -> None:
        self._folder = folder
        self._binary = binary
        self._seconds: int = options.seconds
        self._rounds: int = options.rounds
        self._connections: int = options.connections
        self._started = 0

    def measure(self, keys: set[str]) -> Iterator[Line]:
        """Measure what `keys` name, in the order of the table; each line as soon as it is known."""
        rows = [row for row in ROWS if row.key in keys]
        if rows or "memory" in keys:
            yield from self._standard(rows)
        if "watchers" in keys:
            with self._servers() as servers:
                yield from uvloop.run(self._watchers(servers))
        if "large" in keys:
            with self._servers(with_consul=False) as servers:
                yield from self._large(servers[0])

    @contextlib.contextmanager
    def _servers(self, with_consul: bool = True) -> Iterator[list[Server]]:
        """Fresh servers, Consul first; without Consul where there is none or it is not wanted."""
        self._started += 1
        folder = self._folder / str(self._started)
        servers: list[Server] = [Registry(folder / "registry")]
        if with_consul and self._binary:
            servers.insert(0, Consul(folder / "consul", self._binary))
        try:
            for server in servers:
                server.start()
            yield servers
        finally:
            for server in servers:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def _standard(self, rows: list[Row]) -> Iterator[Line]:
        """Memory before and after loading 1,411 instances, then the rows on them."""
        with self._servers() as servers:
            yield self._memory("memory-empty", "memory, empty", servers, limit=60)
            for server in servers:
                fill(server, standard_fleet())
                server.settle()
            yield self._memory("memory-1411", "memory, 1,411 instances", servers, limit=70)
            for row in rows:
                yield self._rate(row, servers)

    def _memory(self, key: str, title: str, servers: list[Server], limit: float) -> Line:
        return _memory_line(key, title, {server.name: server.memory() for server in servers}, limit)

    def _rate(self, row: Row, servers: list[Server]) -> Line:
        """Drive one row at both servers in alternating rounds; the one that begins changes too."""
        refused = {server.name: text for server in servers if (text := refusal(server, row))}
        rounds: dict[str, list[Round]] = {server.name: [] for server in servers if server.name not in refused}
        for number in range(self._rounds):
            for server in servers if number % 2 == 0 else reversed(servers):
                if server.name in rounds:
                    rounds[server.name].append(drive(server, row, self._seconds, self._connections))
        rates = {name: Rate.of(of_server) for name, of_server in rounds.items()}
        failed = [f"{rate.errors} errors at {name}" for name, rate in rates.items() if rate.errors]
        consul, ours = rates.get("consul"), rates.get("registry")
        return Line(
            row.key,
            row.title,
            "/s",
            consul and consul.per_second,
            ours and ours.per_second,
            target=row.target,
            p99_ms=(consul and consul.p99_ms, ours and ours.p99_ms),
            cpu_us=(consul and consul.cpu_us, ours and ours.cpu_us),
            note="; ".join([*(f"{name}: {text}" for name, text in refused.items()), *failed]),
        )

    async def _watchers(self, servers: list[Server]) -> list[Line]:
        """Park all watchers at both servers, then change the watched service at each in turn."""
        groups = [Watchers(server, WATCHERS) for server in servers]
        memory = {group.server.name: await group.park() for group in groups}
        for number in range(WATCHED_CHANGES):
            for group in groups if number % 2 == 0 else reversed(groups):
                await group.change()
        times = {group.server.name: group.median_seconds * 1e3 for group in groups}
        for group in groups:
            group.close()
        title = f"{WATCHERS:,} watchers: change to last answer"
        consul, ours = times.get("consul"), times["registry"]
        return [
            Line("watchers-answer", title, "ms", consul, ours, target=0.8),
            _memory_line("watchers-memory", f"{WATCHERS:,} watchers: memory", memory, limit=150),
        ]

    def _large(self, server: Server) -> Iterator[Line]:
        """Ours alone with 8,741 services: memory, the metrics page, latency, and a start after kill -9."""
        fill(server, large_fleet())
        server.settle()
        fleet = f"{LARGE_FLEET:,} services"
        yield _memory_line("large-memory", f"{fleet}: memory", {server.name: server.memory()}, limit=100)
        began = time.perf_counter()
        status, _, _ = server.ask("GET", "/metrics")
        seconds = time.perf_counter() - began
        yield Line("large-metrics", f"{fleet}: /metrics", "s", ours=seconds if status == 200 else None, limit=1)
        many = [drive(server, LARGE_ROW, self._seconds, connections=200) for _ in range(self._rounds)]
        note = f"first round, nothing encoded yet: {many[0].p99_ms:.0f} ms"
        yield Line("large-p99", f"{fleet}: p99, 200 connections", "ms", ours=Rate.of(many).p99_ms, limit=50, note=note)
        name = LARGE_ROW._replace(request=LARGE_ROW.request.numbered(0))
        one = [drive(server, name, self._seconds, self._connections) for _ in range(self._rounds)]
        yield Line("large-cached", f"{fleet}: p99 of one name", "ms", ours=Rate.of(one).p99_ms, limit=5)
        server.kill()
        seconds = server.start()
        kept = server.ask(*LARGE_ROW.request.numbered(LARGE_FLEET - 1))[1]
        note = "" if b'"alive"' in kept else "the last service is gone"
        yield Line("large-start", f"{fleet}: start after kill -9", "s", ours=seconds, limit=2, note=note)


def _memory_line(key: str, title: str, memory: dict[str, Memory], limit: float) -> Line:
    consul, ours = memory.get("consul"), memory["registry"]
    pss = " / ".join(f"{one.pss:.0f}" for one in (consul, ours) if one)
    return Line(key, title, "MB", consul and consul.rss, ours.rss, limit=limit, note=f"PSS {pss}")


def _options() -> argparse.Namespace:
    keys = [row.key for row in ROWS] + list(STAGES)
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(keys), help=f"what to measure, of: {', '.join(keys)}")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each row at each server (default 3)")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help=f"of wrk (default {CONNECTIONS})")
    parser.add_argument("--ours-only", action="store_true", help="do not start a Consul")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache", help="where both stores are (default .cache)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines to FILE as well")
    options = parser.parse_args()
    options.rows = {key.strip() for key in options.rows.split(",")}
    if unknown := options.rows - set(keys):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return options


def _binary(options: argparse.Namespace) -> str | None:
    """The Consul of this run; prints why when there is none."""
    binary = None if options.ours_only else consul_binary()
    if binary is None:
        why = "--ours-only" if options.ours_only else "set CONSUL_BIN or run scripts/get-consul"
        print(f"no Consul in this run: {why}")
    return binary


def main() -> int:
    options = _options()
    if shutil.which("wrk") is None:
        print("bench: needs wrk (Debian: apt install wrk)", file=sys.stderr)
        return 1
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard) if hard > 0 else OPEN_FILES, hard))
    binary = _binary(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        against = [Consul(Path(folder), binary).version] if binary else []
        print(f"{', '.join([Registry(Path(folder)).version, *against])}; {os.cpu_count()} CPUs, {platform.machine()};")
        rounds = f"{options.rounds} rounds of {options.seconds} s, {options.connections} connections"
        print(f"{rounds}; of two figures in a column Consul's comes first\n", flush=True)
        try:
            for line in Run(options, Path(folder), binary).measure(options.rows):
                print(f"{line.key}: {' | '.join(filter(None, line.cells()[1:]))}", file=sys.stderr, flush=True)
                lines.append(line)
        except Broken as broken:
            print(f"bench: {broken}", file=sys.stderr)
            return 1
    print(markdown(lines))
    if options.json:
        options.json.write_text(as_json(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
