"""`python -m bench.checks`: thousands of checks that run, and beats of as many that do not; prints one table.

Owns the load of this run: the checks, and what is said of them. A client reads meanwhile, and readers wait for a
change that never comes: a text that differs in every run is none. The target, that client and wrk share the machine's
cores with the server, so the server's own CPU stands beside the rates.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench.load import drive, fill
from bench.meanwhile import Reads, Sleepers
from bench.scenarios import Request, Row
from bench.servers import ROOT, Broken, Registry
from bench.target import SEEN

STAGES = ("checks", "beats")
SERVICES = [f"checked-{number}" for number in range(100)]  # the checks are spread over these names
WARM_SECONDS = 60  # at most, until all pass
P99_MS = 50.0
BEHIND_SECONDS = 0.1  # p99
BEATS_A_SECOND = 20_000
TTL_CHECKS = 5_000
SLICES = 10  # of an interval, to see how evenly it is filled
REGISTER = "/v1/agent/service/register"


class Figure(NamedTuple):
    """One line of the table. `shared`: it depends on what else the cores do, so missing it is told but no failure."""

    what: str
    value: str
    target: str = ""
    missed: bool = False
    shared: bool = False

    def __str__(self) -> str:
        missed = "missed beside all that shares the cores" if self.shared else "missed"
        verdict = "" if not self.target else missed if self.missed else "ok"
        return f"| {self.what} | {self.value} | {self.target} | {verdict} |"


class Seen(NamedTuple):
    """What the target says it has seen since it was asked last."""

    arrivals: dict[str, list[float]]
    opened: int
    open: int


@contextmanager
def target() -> Iterator[int]:
    """A process of its own that checks look at; its port."""
    process = subprocess.Popen([sys.executable, "-m", "bench.target"], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # asked for above
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def seen(port: int) -> Seen:
    """Ask the target."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{SEEN}", timeout=60) as answer:
        return Seen(**json.load(answer))


async def checks(server: Registry, count: int, interval: int, seconds: int, reads: int) -> Iterator[Figure]:
    """`count` HTTP checks, each once in `interval` seconds, looked at for `seconds`."""
    with target() as port:
        await asyncio.to_thread(fill, server, (_checked(number, interval, port) for number in range(count)))
        await _all_pass(server, count)
        await asyncio.sleep(interval)  # what was registered in one moment has found its place
        sleepers, client = Sleepers(server, SERVICES), Reads(server, f"/v1/health/service/{SERVICES[7]}", reads)
        await sleepers.park()
        opened, lag = seen(port).opened, Lag.of(server)
        cpu, begun = server.cpu_seconds(), time.time()
        await client.run(seconds)
        cpu, took = server.cpu_seconds() - cpu, time.time() - begun
        found, woken, lag = seen(port), sleepers.woken, Lag.of(server).since(lag)
        await sleepers.prove(Request("PUT", "/v1/agent/service/deregister/checked-7"))
        sleepers.close()
    runs = sum(map(len, found.arrivals.values()))
    rate, least, percent, p99 = runs / took, 0.95 * count / interval, 100 * cpu / took, _at(client.seconds, 0.99)
    slices = [each / took * interval for each in _slices(found, begun, interval)]
    behind = " / ".join(f"≤ {lag.at(share) * 1e3:g} ms" for share in (0.5, 0.99, 1))
    return iter(
        (
            Figure(f"{count:,} HTTP checks at {interval} s: runs", f"{rate:,.0f}/s", f"≥ {least:,.0f}/s", rate < least),
            Figure("behind schedule, p50 / p99 / max", behind, "p99 ≤ 100 ms", lag.at(0.99) > BEHIND_SECONDS),
            Figure("from run to run of a check, beyond the interval", _spread(_gaps(found, interval))),
            Figure("runs in each tenth of the interval", f"{min(slices):,.0f} to {max(slices):,.0f}"),
            Figure("CPU of the server, reads included", f"{percent:.0f} % of a core", "≤ 100 %", percent > 100),
            Figure("CPU µs/run, reads included", f"{cpu * 1e6 / max(runs, 1):,.0f}"),
            Figure("connections to the target", f"{found.open:,}; {found.opened - opened:,} opened meanwhile"),
            Figure(f"cached reads, {reads}/s", _spread(client.seconds), f"p99 < {P99_MS:g} ms", p99 * 1e3 >= P99_MS),
            Figure(f"wake-ups of {len(SERVICES)} readers by {runs:,} new texts", str(woken), "0", woken > 0),
            Figure(f"memory with {count:,} checks", f"{server.memory().rss:.0f} MB"),
        )
    )


def beats(server: Registry, seconds: int, rounds: int) -> Iterator[Figure]:
    """Signs of life of TTL checks over connections that are kept, as many as the server takes."""
    fill(server, (_beating(number) for number in range(TTL_CHECKS)))
    server.settle()
    row = Row("beats", "", Request("PUT", "/v1/agent/check/pass/service:beating-<k>"), pool=TTL_CHECKS)
    driven = [drive(server, row, seconds) for _ in range(rounds)]
    rate = statistics.median(one.requests / one.seconds for one in driven)
    requests = sum(one.requests for one in driven)
    cpu = sum(one.cpu_seconds for one in driven) * 1e6 / requests
    errors = sum(one.errors for one in driven)
    aim, alone = f"≥ {BEATS_A_SECOND:,}/s", 1e6 / cpu
    yield Figure(f"beats of {TTL_CHECKS:,} TTL checks beside wrk", f"{rate:,.0f}/s", aim, rate < BEATS_A_SECOND, True)
    yield Figure("beats not answered with 2xx", f"{errors:,} of {requests:,}", "0", errors > 0)
    yield Figure("p99 of a beat, every connection busy", f"{statistics.median(one.p99_ms for one in driven):.1f} ms")
    yield Figure(f"on a core of its own, at {cpu:.1f} CPU µs/beat", f"{alone:,.0f}/s", aim, alone < BEATS_A_SECOND)


class Lag(NamedTuple):
    """How late runs began, as the server counts it: so many up to each bound in seconds."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @classmethod
    def of(cls, server: Registry) -> "Lag":
        """What it has counted so far."""
        bounds, counts = [], []
        for line in server.ask("GET", "/metrics")[1].decode().splitlines():
            name, _, rest = line.partition('{le="')
            if name == "registry_check_lag_seconds_bucket":
                bound, _, count = rest.partition('"} ')
                bounds.append(float(bound))
                counts.append(float(count))
        return cls(tuple(bounds), tuple(counts))

    def since(self, before: "Lag") -> "Lag":
        """What was counted after that."""
        return Lag(self.bounds, tuple(now - then for now, then in zip(self.counts, before.counts, strict=True)))

    def at(self, share: float) -> float:
        """The bound that so many of the runs do not exceed."""
        aim = share * self.counts[-1]
        return next(bound for bound, count in zip(self.bounds, self.counts, strict=True) if count >= aim)


def _checked(number: int, interval: int, port: int) -> Request:
    check = {"HTTP": f"http://127.0.0.1:{port}/{number}", "Interval": f"{interval}s", "Timeout": "5s"}
    body = {"ID": f"checked-{number}", "Name": SERVICES[number % len(SERVICES)], "Port": 80, "Check": check}
    return Request("PUT", REGISTER, json.dumps(body))


def _beating(number: int) -> Request:
    body = {"ID": f"beating-{number}", "Name": "beating", "Check": {"TTL": "1h", "Status": "passing"}}
    return Request("PUT", REGISTER, json.dumps(body))


async def _all_pass(server: Registry, count: int) -> None:
    """Wait until each check has passed once.

    Raises:
        Broken: they do not.
    """
    give_up = time.perf_counter() + WARM_SECONDS
    while (passing := await asyncio.to_thread(_passing, server)) < count:
        if time.perf_counter() > give_up:
            raise Broken(f"only {passing} of {count} checks pass after {WARM_SECONDS} s")
        await asyncio.sleep(0.5)


def _passing(server: Registry) -> int:
    for line in server.ask("GET", "/metrics")[1].decode().splitlines():
        if line.startswith('registry_checks{status="passing"}'):
            return int(float(line.split()[-1])) - 1  # serfHealth
    return 0


def _gaps(found: Seen, interval: int) -> list[float]:
    pairs = (pair for times in found.arrivals.values() for pair in itertools.pairwise(times))
    return [max(0.0, later - earlier - interval) for earlier, later in pairs]


def _slices(found: Seen, begun: float, interval: int) -> list[int]:
    counts = [0] * SLICES
    for times in found.arrivals.values():
        for when in times:
            counts[int((when - begun) % interval / interval * SLICES)] += 1
    return counts


def _at(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(int(share * len(seconds)), len(seconds) - 1)] if seconds else float("nan")


def _spread(seconds: list[float]) -> str:
    figures = (f"{_at(seconds, share) * 1e3:.1f}" for share in (0.5, 0.99, 1))
    return f"p50 / p99 / max {' / '.join(figures)} ms"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.checks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stages", default=",".join(STAGES), help=f"of: {', '.join(STAGES)}")
    parser.add_argument("--checks", type=int, default=5000, help="how many HTTP checks (default 5000)")
    parser.add_argument("--interval", type=int, default=10, help="of each, in seconds (default 10)")
    parser.add_argument("--seconds", type=int, default=40, help="how long they are looked at (default 40)")
    parser.add_argument("--reads", type=int, default=200, help="reads a second meanwhile (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="of the beats, of 5 s (default 3)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache", help="where the store is (default .cache)")
    return parser.parse_args()


def _measure(options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    stages = options.stages.split(",")
    for stage in stages:
        server = Registry(folder / stage)
        try:
            server.start()
            if stage == "checks":
                load = checks(server, options.checks, options.interval, options.seconds, options.reads)
                yield from uvloop.run(load)
            else:
                yield from beats(server, 5, options.rounds)
        finally:
            server.stop()


def main() -> int:
    """Measure and print; 1 where a target is missed or the server breaks."""
    options = _options()
    if "beats" in options.stages and shutil.which("wrk") is None:
        print("bench: needs wrk", file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"Python {platform.python_version()}; {os.cpu_count()} CPUs, {platform.machine()}\n", flush=True)
    print("| what | ours | target |  |\n| --- | --- | --- | --- |", flush=True)
    missed = False
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        try:
            for figure in _measure(options, Path(folder)):
                print(figure, flush=True)
                missed = missed or (figure.missed and not figure.shared)
        except Broken as broken:
            print(f"bench: {broken}", file=sys.stderr)
            return 1
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
