"""Ten thousand connections that wait for one service: what they cost, and how soon all are answered and gone.

Prints memory before and with them, the reads of another client meanwhile, the wake-up of all by one change, and the
end of the server with all of them parked. Needs twice as many open files as connections.
"""

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.servers import Broken, Registry
from bench.watchers import Watchers

READS = 500
CHANGES = 3


def main() -> int:
    """Run it and print; 1 where the system allows too few files or the server breaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--connections", type=int, default=10_000)
    count = parser.parse_args().connections
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 500:
        print(f"{count} connections need {count + 500} open files; ulimit -Hn allows {hard}")
        return 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        server = Registry(Path(folder))
        try:
            server.start()
            asyncio.run(_measure(server, count))
        except Broken as error:
            print(error)
            return 1
        finally:
            server.stop()
    return 0


async def _measure(server: Registry, count: int) -> None:
    before = server.memory()
    watchers = Watchers(server, count)
    began = time.perf_counter()
    parked = await watchers.park()
    _say(f"{count} readers connected and parked", f"{time.perf_counter() - began:.2f} s (until the server is quiet)")
    each = (parked.rss - before.rss) * 1e6 / count
    _say("memory (RSS)", f"{before.rss:.0f} MB before, {parked.rss:.0f} MB with them: {each / 1000:.1f} kB each")
    seconds = sorted(_read(server) for _ in range(READS))
    at = f"p50 {seconds[READS // 2] * 1e3:.2f} ms, p99 {seconds[READS * 99 // 100] * 1e3:.2f} ms"
    _say(f"{READS} reads of another client, a connection each", at)
    for _ in range(CHANGES):
        await watchers.change()
    _say("one change until all are answered", f"{statistics.median(watchers.seconds):.2f} s (median of {CHANGES})")
    began = time.perf_counter()
    await asyncio.to_thread(server.stop)
    _say("SIGTERM until the process is gone", f"{time.perf_counter() - began:.2f} s")
    watchers.close()


def _read(server: Registry) -> float:
    began = time.perf_counter()
    status, _, _ = server.ask("GET", "/v1/health/service/watched?passing")
    if status != 200:
        raise Broken(f"a read was answered {status}")
    return time.perf_counter() - began


def _say(what: str, figure: str) -> None:
    print(f"{what + ':':58} {figure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
