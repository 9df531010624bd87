"""What the client tests share: a server process to talk to, and the tools that talk to it.

`CLIENTS_BASE=http://127.0.0.1:8500` points all of them at a server that is running already, for
instance a real Consul. Clients that must be fetched or compiled first run with `COMPAT=1` only.
"""

import http.client
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
START_SECONDS = 8
FETCH_SECONDS = 240

Background = Callable[..., Future[Any]]


def unused_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether the server has elected itself and takes requests."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/v1/status/leader")
        return len(connection.getresponse().read()) > len('""')
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="session")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a real server process with a durable store."""
    if base := os.environ.get("CLIENTS_BASE"):
        yield base.rstrip("/")
        return
    folder = tmp_path_factory.mktemp("registry")
    port = unused_port()
    serve = [sys.executable, "-m", "registry", "serve", "--http-port", str(port), "--data-dir", str(folder / "data")]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(serve, cwd=ROOT, stdout=log, stderr=log)
    try:
        give_up = time.monotonic() + START_SECONDS
        while not answers(port):
            if process.poll() is not None or time.monotonic() > give_up:
                pytest.fail(f"the server did not start:\n{(folder / 'log').read_text()[-2000:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return unused_port


@pytest.fixture(scope="session")
def address(registry_server: str) -> tuple[str, int]:
    """Host and port of the server."""
    parts = urlsplit(registry_server)
    return parts.hostname or "127.0.0.1", parts.port or 80


@pytest.fixture(scope="session")
def version(registry_server: str) -> tuple[int, ...]:
    """The Consul version the server says it is."""
    with urllib.request.urlopen(f"{registry_server}/v1/agent/self", timeout=5) as answer:
        return tuple(map(int, json.load(answer)["Config"]["Version"].split(".")))


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(os.getpid() * 1000)  # so that runs against one long-lived server do not meet


@pytest.fixture
def name(_numbers: Iterator[int]) -> str:
    """A service name no other test uses."""
    return f"web-{next(_numbers)}"


@pytest.fixture
def background() -> Iterator[Background]:
    """`background(call, …)` runs a blocking call in a thread and returns its future."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit


@pytest.fixture(scope="session")
def compat() -> None:
    """Skips where only the quick tests are wanted."""
    if os.environ.get("COMPAT") != "1":
        pytest.skip("runs with COMPAT=1: it fetches or builds a client and takes seconds")


def _fetched(package: str) -> str:
    """The program of a Debian package: of `<PACKAGE>_BIN`, from the cache, on the path, or fetched now."""
    cached = CACHE / package / "usr" / "bin" / package
    found = os.environ.get(f"{package.upper()}_BIN") or shutil.which(cached)
    if found:
        return found
    fetch = subprocess.run([ROOT / "scripts" / "get-bullseye", package], capture_output=True, text=True)
    if fetch.returncode:
        pytest.skip(f"no {package}: {fetch.stderr.strip().splitlines()[-1]}")
    return fetch.stdout.strip()


@pytest.fixture(scope="session")
def consul_program(compat: None) -> str:
    """The real `consul` command line."""
    return _fetched("consul")


@pytest.fixture(scope="session")
def prometheus_program(compat: None) -> str:
    """A Prometheus with discovery through Consul."""
    return _fetched("prometheus")


@pytest.fixture(scope="session")
def node_program(compat: None) -> tuple[str, Path]:
    """The path of node, and a folder whose modules include the npm `consul` client."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("no node or no npm on the path")
    folder = CACHE / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json", "exercise.js"):
        shutil.copy(Path(__file__).parent / "npm" / file, folder)
    command = [npm, "ci", "--no-audit", "--no-fund"]
    if subprocess.run(command, cwd=folder, capture_output=True, timeout=FETCH_SECONDS).returncode:
        pytest.skip("npm could not install the client: no network?")
    return node, folder


@pytest.fixture(scope="session")
def go_program(compat: None) -> str:
    """The compiled test program that uses the official Go client."""
    go = shutil.which("go")
    if not go:
        pytest.skip("no go on the path")
    program = CACHE / "go-client"
    command = [go, "build", "-o", str(program), "."]
    built = subprocess.run(command, cwd=Path(__file__).parent / "go", capture_output=True, text=True)
    if built.returncode and "proxy" in built.stderr:
        pytest.skip(f"the Go client could not be fetched: {built.stderr.strip().splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    return str(program)


def _made_by(script: str) -> Path:
    """The folder that one of our scripts prints; skips where it finds nothing."""
    made = subprocess.run([ROOT / "scripts" / script], capture_output=True, text=True, timeout=FETCH_SECONDS)
    if made.returncode:
        pytest.skip(f"{script}: {made.stderr.strip().splitlines()[-1]}")
    return Path(made.stdout.strip())


@pytest.fixture(scope="session")
def patroni_programs(compat: None) -> Path:
    """The folder of `patroni` and `patronictl`."""
    return _made_by("get-patroni")


@pytest.fixture(scope="session")
def postgresql_programs(compat: None) -> Path:
    """The folder of PostgreSQL's programs."""
    return _made_by("get-postgresql")
