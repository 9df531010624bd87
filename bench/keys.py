"""1,000,000 keys: what they cost in memory and at a start, and how fast they are read.

Fills a server of ours over HTTP in transactions, then reads single keys and a prefix of 100 one after the other on one
connection. The figures go to standard output; run it on a machine that does nothing else.
"""

import argparse
import base64
import http.client
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.servers import Registry

KEYS = 1_000_000
KEYS_A_PREFIX = 100
OPS = 64  # of one transaction
VALUE = base64.b64encode(b"v" * 100).decode()
READS = 20_000


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, path: str, body: str = "") -> bytes:
        self._connection.request(method, path, body or None)
        response = self._connection.getresponse()
        data = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:200]!r}")
        return data


def key(number: int) -> str:
    """The key of a number: 100 of them share a prefix."""
    return f"bench/{number // KEYS_A_PREFIX:05}/{number % KEYS_A_PREFIX:02}"


def fill(client: Client, first: int, count: int) -> float:
    """Write so many keys; the seconds it took."""
    begun = time.perf_counter()
    for start in range(first, first + count, OPS):
        numbers = range(start, min(start + OPS, first + count))
        ops = [{"KV": {"Verb": "set", "Key": key(number), "Value": VALUE}} for number in numbers]
        client.ask("PUT", "/v1/txn", json.dumps(ops))
    return time.perf_counter() - begun


def timed(some: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of each call, sorted."""
    found = []
    for _ in range(count):
        begun = time.perf_counter()
        some()
        found.append((time.perf_counter() - begun) * 1e3)
    return sorted(found)


def percentiles(some: list[float]) -> str:
    """The median, the 99th percentile and the worst."""
    return f"p50 {some[len(some) // 2]:.2f} ms, p99 {some[int(len(some) * 0.99)]:.2f} ms, worst {some[-1]:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=KEYS, help="how many keys (default %(default)s)")
    keys = parser.parse_args().keys
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        server = Registry(Path(folder))
        server.start()
        try:
            client, empty = Client(server.port), server.memory().rss
            seconds = fill(client, 0, keys)
            server.settle()
            print(f"{keys:,} keys of 100 bytes: written in {seconds:.0f} s ({keys / seconds:,.0f}/s), "
                  f"{server.memory().rss - empty:,.0f} MB")  # fmt: skip
            one = timed(lambda: client.ask("GET", f"/v1/kv/{key(chance.randrange(keys))}"), READS)
            print(f"GET of a key: {percentiles(one)}")
            prefixes = keys // KEYS_A_PREFIX
            many = timed(lambda: client.ask("GET", f"/v1/kv/bench/{chance.randrange(prefixes):05}/?recurse"), READS)
            print(f"GET of {KEYS_A_PREFIX} keys: {percentiles(many)}")
            server.stop()
            begun = time.perf_counter()
            server.start()
            print(f"start: {time.perf_counter() - begun:.1f} s, then {server.memory().rss:,.0f} MB")
            client = Client(server.port)
            tree = timed(lambda: client.ask("DELETE", "/v1/kv/bench/000?recurse"), 1)
            print(f"DELETE of {min(keys, 100 * KEYS_A_PREFIX):,} keys: {tree[0]:.0f} ms")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
