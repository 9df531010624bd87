"""`python -m bench.detection`: how soon a reader knows of a process that was killed; prints each kill.

Owns the kills: a real process with an HTTP check of one second, a blocking reader of its service, kill -9 at a moment
of chance within the interval, and the time until the reader's answer says that it is critical.
"""

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from bench.servers import ROOT, Broken, Registry, Server

SERVICE = "mortal"
INTERVAL_SECONDS = 1
LIMIT_SECONDS = 3.0
BEFORE_SECONDS = 15  # at most, until a service passes
PARKED_SECONDS = 0.1  # in which the reader's request has arrived and waits
PATIENCE_SECONDS = 20  # with a reader that is not told


class Answer(NamedTuple):
    """What a reader was told: the index it is of, and the status of each check of the service."""

    at: str
    statuses: list[str]


def seconds_to_find_out(server: Server, number: int, chance: random.Random) -> float:
    """One kill, from the signal to the answer of a reader who waits.

    Raises:
        Broken: the service does not come to pass, or the reader is not told at all.
    """
    process = subprocess.Popen([sys.executable, "-m", "bench.target"], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # asked for above
        port = int(process.stdout.readline())
        _register(server, number, port)
        index = _until(server, "passing", "0", BEFORE_SECONDS)
        with ThreadPoolExecutor(1) as reader:
            told = reader.submit(_until, server, "critical", index, PATIENCE_SECONDS)
            time.sleep(PARKED_SECONDS + chance.uniform(0, INTERVAL_SECONDS))
            process.kill()
            begun = time.perf_counter()
            told.result()
            return time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()
        server.ask("PUT", f"/v1/agent/service/deregister/{SERVICE}-{number}")


def _register(server: Server, number: int, port: int) -> None:
    url = f"http://127.0.0.1:{port}/health"
    check = {"HTTP": url, "Interval": f"{INTERVAL_SECONDS}s", "Timeout": "1s"}
    body: dict[str, Any] = {"ID": f"{SERVICE}-{number}", "Name": SERVICE, "Port": port, "Check": check}
    status, text, _ = server.ask("PUT", "/v1/agent/service/register", json.dumps(body))
    if status != 200:
        raise Broken(f"a registration is answered {status}: {text!r}")


def _until(server: Server, status: str, index: str, seconds: float) -> str:
    """Block until the one check of the service has this status; the index of the answer that says so."""
    give_up = time.perf_counter() + seconds
    while time.perf_counter() < give_up:
        answer = _read(server, index, give_up - time.perf_counter())
        if answer.statuses == [status]:
            return answer.at
        index = answer.at
    raise Broken(f"no reader is told of {SERVICE} that it is {status}, after {seconds} s")


def _read(server: Server, index: str, seconds: float) -> Answer:
    url = f"{server.url}/v1/health/service/{SERVICE}?index={index}&wait={max(1, round(seconds * 1000))}ms"
    with urllib.request.urlopen(url, timeout=seconds + 5) as answer:
        rows = json.load(answer)
        checks = [check for row in rows for check in row["Checks"] if check["ServiceName"] == SERVICE]
        return Answer(answer.headers["X-Consul-Index"], [check["Status"] for check in checks])


def main() -> int:
    """Kill and print; 1 where a kill takes too long to be known or the server breaks."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)), help="of the moments")
    options = parser.parse_args()
    chance, taken = random.Random(options.seed), []
    print(f"Python {platform.python_version()}; an HTTP check at {INTERVAL_SECONDS} s; seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        server = Registry(Path(folder))
        try:
            server.start()
            for number in range(options.kills):
                taken.append(seconds_to_find_out(server, number, chance))
                print(f"kill {number + 1:2}: its reader knows after {taken[-1]:.3f} s", flush=True)
        except Broken as broken:
            print(f"bench: {broken}", file=sys.stderr)
            return 1
        finally:
            server.stop()
    late = sum(seconds > LIMIT_SECONDS for seconds in taken)
    print(f"{len(taken)} kills: median {statistics.median(taken):.3f} s, longest {max(taken):.3f} s; "
          f"{late} over {LIMIT_SECONDS:g} s")  # fmt: skip
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main())
