"""The two servers under test: starting, watching and stopping each as a process of its own.

Owns their command lines, the wait until they answer, and what the kernel says about their CPU and
memory. It does not know what they are asked.
"""

import abc
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
OPEN_FILES = 20_000  # 5,000 watchers of each server and room for the 10,000 connections of a load test
START_SECONDS = 60
STOP_SECONDS = 15


class Broken(Exception):
    """A server did not start or refused its load: the run has no meaning and ends."""


class Memory(NamedTuple):
    """Resident and proportional set size in MB (10^6 bytes), over all processes of a server."""

    rss: float
    pss: float


class Server(abc.ABC):
    """One server process with a store in `folder`. Subclasses say how it is called."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    @abc.abstractmethod
    def version(self) -> str:
        """What the server is, for the head of the table."""

    @abc.abstractmethod
    def command(self) -> list[str]:
        """The command line, given `folder` and `port`."""

    def start(self) -> float:
        """Start the process, wait until it leads and answers; the seconds that took."""
        self.folder.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(self.command(), cwd=ROOT, stdout=log, stderr=log)
        while not self._leads():
            if self._process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                tail = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                raise Broken(f"{self.name} did not start:\n{tail}")
            time.sleep(0.005)
        return time.perf_counter() - began

    def stop(self) -> None:
        """Ask the process to end and wait for it; kill it when it will not."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """kill -9: what has been acknowledged must be there after the next `start`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def cpu_seconds(self) -> float:
        """CPU used so far by all threads and children, user and system."""
        ticks = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])  # utime stime cutime cstime of proc(5)
        return ticks / TICKS_A_SECOND

    def memory(self) -> Memory:
        kilobytes = {"Rss:": 0, "Pss:": 0}
        for pid in self._pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                key, *rest = line.split()
                if key in kilobytes:
                    kilobytes[key] += int(rest[0])
        return Memory(kilobytes["Rss:"] * 1024 / 1e6, kilobytes["Pss:"] * 1024 / 1e6)

    def settle(self, seconds: float = 30) -> None:
        """Wait until the process has gone quiet, so that what it was sent is done and parked."""
        give_up = time.perf_counter() + seconds
        quiet = 0
        used = self.cpu_seconds()
        while quiet < 3 and time.perf_counter() < give_up:
            time.sleep(0.2)
            now = self.cpu_seconds()
            quiet = quiet + 1 if now - used <= 2 / TICKS_A_SECOND else 0
            used = now

    def ask(self, method: str, path: str, body: str = "", trace: str = "") -> tuple[int, bytes, dict[str, str]]:
        """One request on a connection of its own: status, body and headers (names in lower case)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body or None, {"traceparent": trace} if trace else {})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, response.read(), headers
        finally:
            connection.close()

    def _leads(self) -> bool:
        try:
            status, body, _ = self.ask("GET", "/v1/status/leader")
        except (OSError, http.client.HTTPException):
            return False
        return status == 200 and len(body) > len('""')

    def _pids(self) -> Iterator[int]:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        waiting = [self._process.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())


class Registry(Server):
    """Ours, with its default store (SQLite, `synchronous=FULL`)."""

    name = "registry"

    @property
    def version(self) -> str:
        return f"registry on Python {sys.version.split()[0]}"

    def command(self) -> list[str]:
        serve = [sys.executable, "-m", "registry", "serve"]
        return [*serve, "--http-port", str(self.port), "--data-dir", str(self.folder / "data")]


class Consul(Server):
    """A real Consul: one server, its own leader, with a data directory."""

    name = "consul"

    def __init__(self, folder: Path, binary: str) -> None:
        super().__init__(folder)
        self.binary = binary
        self._ports = {"http": self.port, "server": free_port(), "serf_lan": free_port()}

    @property
    def version(self) -> str:
        text = subprocess.run([self.binary, "version"], capture_output=True, text=True, check=True).stdout
        return text.splitlines()[0]

    def command(self) -> list[str]:
        config = {
            "server": True,
            "bootstrap_expect": 1,
            "bind_addr": "127.0.0.1",
            "data_dir": str(self.folder / "data"),
            "ports": {**self._ports, "dns": -1, "grpc": -1, "serf_wan": -1},
            "performance": {"raft_multiplier": 1},  # the production value; the default only elects later
            "limits": {"http_max_conns_per_client": OPEN_FILES // 2},  # 200 by default: too few for the watchers
            "disable_update_check": True,
        }
        path = self.folder / "consul.json"
        path.write_text(json.dumps(config))
        return [self.binary, "agent", "-config-file", str(path)]


def consul_binary() -> str | None:
    """The Consul to compare with: `CONSUL_BIN`, the fetched package, or one on the path."""
    fetched = ROOT / ".cache" / "consul" / "usr" / "bin" / "consul"
    return os.environ.get("CONSUL_BIN") or shutil.which(str(fetched)) or shutil.which("consul")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
