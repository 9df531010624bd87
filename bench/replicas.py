"""`python -m bench.replicas`: what replicas over one Redis do, and workers on one machine; prints one table.

Owns the servers of this run and what is asked of them. Ours only: nothing here is compared with Consul. Redis stores
with `appendfsync always`, in a folder of its own.
"""

import argparse
import asyncio
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.load import drive, fill
from bench.scenarios import LARGE_FLEET, ROWS, Request, large_fleet, standard_fleet, watched
from bench.servers import ROOT, Broken, Registry, Server
from bench.table import Line, markdown
from bench.watchers import PATH, Connection

STAGES = ("workers", "commits", "wake", "join")
WORKERS = (1, 2, 4)
BATCHES = (1, 8, 32, 128, 512)
COMMIT_SECONDS = 2.0
WAKES = 300
PARKED_SECONDS = 0.005  # in which a reader's request has arrived and waits
RECORD_BYTES = 300  # what a registration takes


class Redis(Server):
    """The store."""

    name = "redis"

    @property
    def version(self) -> str:
        text = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
        return "Redis " + text.split("v=")[1].split()[0]

    def command(self) -> list[str]:
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        return ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), *durable]

    def store(self, namespace: str) -> str:
        """The url of a log in it."""
        return f"redis://127.0.0.1:{self.port}/0?namespace={namespace}&window=0.1"

    def _leads(self) -> bool:
        try:
            return self._pong()
        except OSError:
            return False

    def _pong(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")


class Replica(Registry):
    """One of ours over that store."""

    def __init__(self, folder: Path, store: str, *flags: str) -> None:
        super().__init__(folder)
        self._flags = ("--store", store, *flags)

    def command(self) -> list[str]:
        return [*super().command(), *self._flags]


class Run:
    """One run of some of the stages."""

    def __init__(self, folder: Path, seconds: int, rounds: int) -> None:
        self._folder = folder
        self._seconds, self._rounds = seconds, rounds
        self._redis = Redis(folder / "redis")

    def measure(self, stages: set[str]) -> Iterator[Line]:
        """The lines, each as soon as it is known."""
        self._redis.start()
        try:
            if "workers" in stages:
                yield from self._workers()
            if "commits" in stages:
                yield from uvloop.run(self._commits())
            if "wake" in stages:
                yield from self._wake()
            if "join" in stages:
                yield from self._join()
        finally:
            self._redis.stop()

    def _replica(self, name: str, namespace: str, *flags: str) -> Replica:
        return Replica(self._folder / name, self._redis.store(namespace), *flags)

    def _workers(self) -> Iterator[Line]:
        """Reads of one healthy instance with each number of workers on one port."""
        row = ROWS[0]
        for count in WORKERS:
            server = self._replica(f"workers-{count}", f"w{count}", "--workers", str(count))
            try:
                server.start()
                fill(server, standard_fleet())
                server.settle()
                rounds = [drive(server, row, self._seconds) for _ in range(self._rounds)]
                rate = statistics.median(one.requests / one.seconds for one in rounds)
                p99 = statistics.median(one.p99_ms for one in rounds)
                cpu = sum(one.cpu_seconds for one in rounds) * 1e6 / sum(one.requests for one in rounds)
                note = f"memory {server.memory().pss:.0f} MB"
                yield Line(f"reads-{count}", f"{row.title}, {count} workers", "/s", ours=rate, p99_ms=(None, p99),
                           cpu_us=(None, cpu), note=note)  # fmt: skip
            finally:
                server.stop()

    async def _commits(self) -> list[Line]:
        """Batches of records appended one after the other."""
        from registry.log.base import Record, Stored
        from registry.log.open import open_log

        lines = []
        log = open_log(self._redis.store("commits"), now=time.time, elapsed=time.monotonic, writer="bench")
        await log.open()
        number = 0
        for size in BATCHES:
            records, took = [Record(os.urandom(RECORD_BYTES)) for _ in range(size)], []
            until = time.perf_counter() + COMMIT_SECONDS
            while (begun := time.perf_counter()) < until:
                number += 1
                if not isinstance(await log.append(number, records), Stored):
                    raise Broken("an append was not stored")
                took.append(time.perf_counter() - begun)
            p99 = statistics.quantiles(took, n=100)[98] * 1e3
            rate = size * len(took) / sum(took)
            title = f"records committed, {size} a batch"
            lines.append(Line(f"commits-{size}", title, "/s", ours=rate, p99_ms=(None, p99)))
        await log.close()
        return lines

    def _wake(self) -> Iterator[Line]:
        """From a write at one replica to the answer of a reader who waits at another."""
        one, other = (self._replica(name, "wake") for name in ("one", "other"))
        try:
            one.start()
            other.start()
            took = sorted(uvloop.run(_wakes(one, other)))
            for percent in (50, 99):
                value = took[len(took) * percent // 100] * 1e3
                title = f"write at one replica to wake-up at another, p{percent}"
                yield Line(f"wake-{percent}", title, "ms", ours=value, note=f"{len(took)} writes")
        finally:
            one.stop()
            other.stop()

    def _join(self) -> Iterator[Line]:
        """A replica that joins loads what is there."""
        first, joining = (self._replica(name, "join") for name in ("first", "joining"))
        try:
            first.start()
            fill(first, large_fleet())
            seconds = joining.start()
            title = f"{LARGE_FLEET:,} services loaded by a joining replica"
            yield Line("join", title, "s", ours=seconds, limit=2, note=f"memory {joining.memory().rss:.0f} MB")
        finally:
            first.stop()
            joining.stop()


async def _wakes(one: Server, other: Server) -> list[float]:
    """Seconds from sending each write to the reader's answer; the write's own answer may come later."""
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[int] = asyncio.Queue()
    fill(one, [watched(0)])
    _, writer = await loop.create_connection(lambda: Connection(lambda index: None), "127.0.0.1", one.port)
    _, reader = await loop.create_connection(lambda: Connection(answers.put_nowait), "127.0.0.1", other.port)
    reader.send(Request("GET", f"{PATH}0"))
    index, took = await answers.get(), []
    for revision in range(1, WAKES + 1):
        reader.send(Request("GET", f"{PATH}{index}"))
        await asyncio.sleep(PARKED_SECONDS)
        begun = time.perf_counter()
        writer.send(watched(revision))
        index = await asyncio.wait_for(answers.get(), 10)
        took.append(time.perf_counter() - begun)
    reader.close()
    writer.close()
    return took


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.replicas", description=__doc__.splitlines()[0])
    parser.add_argument("--stages", default=",".join(STAGES), help=f"of: {', '.join(STAGES)}")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each row (default 3)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache", help="where the store is (default .cache)")
    return parser.parse_args()


def main() -> int:
    options = _options()
    for program in ("wrk", "redis-server"):
        if shutil.which(program) is None:
            print(f"bench: needs {program}", file=sys.stderr)
            return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        versions = f"{Replica(Path(folder), '').version}, {Redis(Path(folder)).version}"
        print(f"{versions}; {os.cpu_count()} CPUs, {platform.machine()}\n", flush=True)
        try:
            for line in Run(Path(folder), options.seconds, options.rounds).measure(set(options.stages.split(","))):
                print(f"{line.key}: {' | '.join(filter(None, line.cells()[1:]))}", file=sys.stderr, flush=True)
                lines.append(line)
        except Broken as broken:
            print(f"bench: {broken}", file=sys.stderr)
            return 1
    print(markdown(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
