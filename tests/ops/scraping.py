"""A real server of ours with something going on in it, and a real Prometheus that scrapes it.

Owns the two processes. Prometheus cannot be told to scrape now, so whoever waits for it asks again and again.
"""

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.ops.files import ROOT, RULES
from tests.replicas.redis_server import free_port

SECONDS = 20.0  # for what takes one or two on a machine that is not busy
CONFIG = """
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: registry
    static_configs: [{{targets: ["{address}"]}}]
"""


def eventually(true: Callable[[], object]) -> None:
    """Ask again until it is true."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            if true():
                return
        except urllib.error.URLError:
            pass  # still starting
        time.sleep(0.05)  # another process: no clock of ours moves it
    raise AssertionError(f"not so within {SECONDS:g} s: {true()}")


class Registry:
    """`registry serve` on a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.address = ""
        self._log = folder / "registry.log"
        flags = ["--http-port", "0", "--data-dir", str(folder / "data")]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "registry", "serve", *flags], cwd=ROOT, stdout=log, stderr=log
            )
        eventually(self._listens)

    def _listens(self) -> bool:
        text = self._log.read_text()
        assert self.process.poll() is None, text
        found = re.search(r"Listening: address=([\d.]+) port=(\d+)", text)
        self.address = f"{found[1]}:{found[2]}" if found else ""
        return bool(found)

    def ask(self, target: str, body: object = None) -> str:
        """What is answered; with a body it is a PUT."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://{self.address}{target}", data, method="PUT" if data else "GET")
        with urllib.request.urlopen(request, timeout=5) as answer:
            text: str = answer.read().decode()
            return text


class Prometheus:
    """A running Prometheus, as far as its HTTP interface shows it."""

    def __init__(self, program: str, folder: Path, address: str) -> None:
        (folder / "prometheus.yml").write_text(CONFIG.format(rules=RULES, address=address))
        listen = f"127.0.0.1:{free_port()}"
        self._base = f"http://{listen}"
        command = [
            program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address={listen}",
        ]  # fmt: skip
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ready(self) -> bool:
        """Whether it takes queries; while it starts it says 503, which is an error to `urlopen`."""
        with urllib.request.urlopen(self._base + "/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)

    def api(self, path: str) -> Any:
        """The data of an answer that says `success`; one that does not is an error."""
        try:
            with urllib.request.urlopen(self._base + path, timeout=5) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        assert found["status"] == "success", found
        return found["data"]

    def values(self, expression: str) -> list[float]:
        """The values of an instant query."""
        found = self.api("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        return [float(one["value"][1]) for one in found["result"]]

    def rules(self) -> dict[str, Any]:
        """The alerts that it evaluates, by name."""
        groups = self.api("/api/v1/rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}


class _Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def target() -> Iterator[ThreadingHTTPServer]:
    """A service that is well, until it is closed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Well)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def scraped(program: str, folder: Path) -> Iterator[tuple[Registry, Prometheus]]:
    """Both, running; killed at the end."""
    registry = Registry(folder)
    try:
        prometheus = Prometheus(program, folder, registry.address)
        try:
            eventually(prometheus.ready)
            yield registry, prometheus
        finally:
            prometheus.process.kill()
            prometheus.process.wait()
    finally:
        registry.process.terminate()
        registry.process.wait(10)
