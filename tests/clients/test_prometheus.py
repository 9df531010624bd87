"""A real Prometheus that discovers its targets through `consul_sd_configs`, and scrapes our own page."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(120)  # the first one may fetch the package
SEEN_SECONDS = 20

CONFIG = """
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: discovered
    consul_sd_configs:
      - server: "{address}"
        refresh_interval: 1s
        allow_stale: true
    relabel_configs:
      - {{source_labels: [__meta_consul_service], regex: "prom-.*", action: keep}}
      - {{source_labels: [__meta_consul_health], regex: critical, action: drop}}
      - {{source_labels: [__meta_consul_service], target_label: service}}
      - {{source_labels: [__meta_consul_service_metadata_zone], target_label: zone}}
      - {{source_labels: [__meta_consul_tags], target_label: tags}}
      - {{source_labels: [__meta_consul_node], target_label: node}}
      - {{source_labels: [__meta_consul_dc], target_label: dc}}
  - job_name: registry
    static_configs: [{{targets: ["{address}"]}}]
"""


class Prometheus:
    """A running Prometheus, as far as its HTTP interface shows it."""

    def __init__(self, base: str) -> None:
        self.base = base

    def api(self, path: str) -> Any:
        with urllib.request.urlopen(self.base + path, timeout=5) as answer:
            return json.load(answer)["data"]

    def targets(self, service: str) -> dict[str, dict[str, str]]:
        """The labels of the targets it has now for one service, by address."""
        active = [target["labels"] for target in self.api("/api/v1/targets?state=active")["activeTargets"]]
        return {labels["instance"]: labels for labels in active if labels.get("service") == service}

    def value(self, query: str) -> float | None:
        result = self.api("/api/v1/query?" + urllib.parse.urlencode({"query": query}))["result"]
        return float(result[0]["value"][1]) if result else None


def eventually(true: Callable[[], bool]) -> bool:
    """Asks again until it is true; Prometheus has no way to tell us when it has looked."""
    give_up = time.monotonic() + SEEN_SECONDS
    while time.monotonic() < give_up:
        try:
            if true():
                return True
        except urllib.error.URLError:
            pass  # still starting
        time.sleep(0.05)
    return true()


@pytest.fixture(scope="module")
def prometheus(
    prometheus_program: str,
    address: tuple[str, int],
    free_port: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(CONFIG.format(address=f"{address[0]}:{address[1]}"))
    listen = f"127.0.0.1:{free_port()}"
    files = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command = [prometheus_program, *files, f"--web.listen-address={listen}"]
    with open(folder / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield Prometheus(f"http://{listen}")
        finally:
            process.kill()


@pytest.fixture
def put(registry_server: str) -> Callable[..., None]:
    def send(path: str, body: object = None) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        request = urllib.request.Request(f"{registry_server}/v1{path}", data, method="PUT")
        urllib.request.urlopen(request, timeout=5).close()

    return send


def instance(name: str, number: int, **more: object) -> dict[str, object]:
    return {"Name": name, "ID": f"{name}-{number}", "Address": f"127.0.0.{number}", "Port": 1, **more}


def test_discovers_follows_and_drops(prometheus: Prometheus, put: Callable[..., None], name: str) -> None:
    name = f"prom-{name}"
    check = {"TTL": "10m", "Status": "passing"}
    put("/agent/service/register", instance(name, 1, Tags=["blue", "eu"], Meta={"zone": "a"}))
    put("/agent/service/register", instance(name, 2, Check=check))
    assert eventually(lambda: set(prometheus.targets(name)) == {"127.0.0.1:1", "127.0.0.2:1"})
    labels = prometheus.targets(name)["127.0.0.1:1"]
    assert (labels["zone"], labels["tags"], labels["dc"]) == ("a", ",blue,eu,", "dc1")
    assert labels["node"]

    put("/agent/service/register", instance(name, 1, Port=2))
    put("/agent/service/register", instance(name, 3))
    assert eventually(lambda: set(prometheus.targets(name)) == {"127.0.0.1:2", "127.0.0.2:1", "127.0.0.3:1"})

    put(f"/agent/check/fail/service:{name}-2")
    assert eventually(lambda: set(prometheus.targets(name)) == {"127.0.0.1:2", "127.0.0.3:1"})

    put(f"/agent/service/deregister/{name}-3")
    assert eventually(lambda: set(prometheus.targets(name)) == {"127.0.0.1:2"})


def test_discovered_target_is_scraped(prometheus: Prometheus, put: Callable[..., None], name: str) -> None:
    """Prometheus itself has a page of figures; registered as a service, it must find and scrape itself."""
    name = f"prom-{name}"
    host, port = prometheus.base.removeprefix("http://").split(":")
    put("/agent/service/register", {"Name": name, "Address": host, "Port": int(port)})
    assert eventually(lambda: prometheus.value(f'up{{service="{name}"}}') == 1)


def test_our_own_page_is_scraped(prometheus: Prometheus, registry_server: str) -> None:
    try:
        urllib.request.urlopen(f"{registry_server}/metrics", timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
        pytest.skip("the server has no /metrics: not ours")
    assert eventually(lambda: prometheus.value('up{job="registry"}') == 1)
    assert eventually(lambda: prometheus.value('count({job="registry", __name__=~"registry_.+"})') not in (None, 0))
