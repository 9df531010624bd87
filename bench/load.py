"""Puts load on a server: fills it with records, and drives one row with wrk.

Owns the meaning of a measured round. The watchers, which wrk cannot be, are in `watchers.py`.
"""

import http.client
import itertools
import json
import statistics
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.scenarios import Request, Row
from bench.servers import Broken, Server

CONNECTIONS = 32
WRK_THREADS = 2
FILL_THREADS = 16  # writers of the filling; both stores commit what waits together
SCRIPT = Path(__file__).with_name("wrk.lua")
NUMBERS = 1_000_000_000  # each round of wrk has this many of its own, so <n> never repeats in a run
_numbers = itertools.count(1)


class Round(NamedTuple):
    """What one server did in one round of wrk."""

    requests: int
    seconds: float
    p99_ms: float
    cpu_seconds: float
    errors: int


class Rate(NamedTuple):
    """The rounds of one row at one server: medians, and CPU over all of them."""

    per_second: float
    p99_ms: float
    cpu_us: float
    errors: int

    @classmethod
    def of(cls, rounds: list[Round]) -> "Rate":
        requests = sum(one.requests for one in rounds)
        return cls(
            statistics.median(one.requests / one.seconds for one in rounds),
            statistics.median(one.p99_ms for one in rounds),
            sum(one.cpu_seconds for one in rounds) * 1e6 / max(requests, 1),
            sum(one.errors for one in rounds),
        )


def fill(server: Server, requests: Iterable[Request]) -> None:
    """Send every request, from several connections at once.

    Raises:
        Broken: an answer was not a 200; the text says to what and why.
    """
    waiting = iter(requests)
    lock = threading.Lock()
    refused: list[str] = []

    def write() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while not refused:
            with lock:
                request = next(waiting, None)
            if request is None:
                break
            connection.request(request.method, request.path, request.body or None)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                refused.append(f"{request.method} {request.path}: {answer.status} {text[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(FILL_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        raise Broken(f"{server.name}: {refused[0]}")


def refusal(server: Server, row: Row) -> str | None:
    """Why the row cannot be driven at this server, from its answer to a first request; None when it can."""
    first = row.request.numbered(next(_numbers) * NUMBERS, row.pool)
    for request in filter(None, (row.before, first)):
        status, body, _ = server.ask(*request)
        if status != 200:
            return f"{request.method} {request.path}: {status} {body[:60].decode(errors='replace').strip()}"
    return None


def drive(server: Server, row: Row, seconds: int, connections: int = CONNECTIONS) -> Round:
    """One round: as many requests of the row as the server answers in the time."""
    cpu = server.cpu_seconds()
    output = subprocess.run(_wrk(server, row, seconds, connections), capture_output=True, text=True, check=True).stdout
    cpu = server.cpu_seconds() - cpu
    result = json.loads(output.strip().splitlines()[-1])
    return Round(result["requests"], result["microseconds"] / 1e6, result["p99"] / 1e3, cpu, result["errors"])


def _wrk(server: Server, row: Row, seconds: int, connections: int) -> list[str]:
    first = next(_numbers) * NUMBERS
    load = ["-t", str(WRK_THREADS), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
    numbers = [str(first), str(row.pool), str(WRK_THREADS)]
    return ["wrk", *load, "-s", str(SCRIPT), server.url, "--", *row.request, *numbers]
