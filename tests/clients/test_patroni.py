"""Patroni with PostgreSQL: the cluster elects its leader through the registry, and another one after a kill -9.

Three nodes on this machine, each with its own data. PostgreSQL refuses to run as root, so that root's tests run it as
`nobody`.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(400)  # the first one may fetch the packages
TTL_SECONDS = 20  # the shortest that Patroni takes; it halves it for its session, which then ends after 20 s
BOOT_SECONDS = 90
REJOIN_SECONDS = 60
STOP_SECONDS = 20
NOBODY: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}

CONFIG = """
scope: {scope}
name: {name}
restapi: {{listen: "127.0.0.1:{api}", connect_address: "127.0.0.1:{api}"}}
consul: {{host: "{address}", register_service: true, service_check_interval: 1s}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: 1
    retry_timeout: 3
    postgresql: {{use_pg_rewind: true, parameters: {{wal_log_hints: "on"}}}}
  initdb: [{{encoding: UTF8}}, data-checksums, no-sync]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: {folder}/data
  bin_dir: {programs}
  pgpass: {folder}/pgpass
  authentication:
    superuser: {{username: postgres, password: secret}}
    replication: {{username: replicator, password: secret}}
  parameters: {{unix_socket_directories: {folder}, fsync: "off", shared_buffers: 8MB, max_connections: 20}}
  pg_hba: ["host all all 127.0.0.1/32 md5", "host replication all 127.0.0.1/32 md5"]
"""


class Node:
    """One Patroni and its PostgreSQL."""

    def __init__(self, name: str, folder: Path, patroni: Path, port: int, config: str) -> None:
        self.name, self.folder, self.port = name, folder, port
        self._patroni = patroni
        folder.mkdir()
        (folder / "patroni.yml").write_text(config)
        if NOBODY:
            shutil.chown(folder, "nobody", "nogroup")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def file(self) -> Path:
        return self.folder / "patroni.yml"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._patroni / "patroni"), str(self.file)], cwd=self.folder, stdout=log, stderr=log, **NOBODY
            )

    def kill(self) -> None:
        """kill -9 of Patroni, and of PostgreSQL with all that it has started."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._kill_postgres()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._kill_postgres()

    def _kill_postgres(self) -> None:
        """Its children end by themselves when it does."""
        try:
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass

    def words(self) -> str:
        return (self.folder / "log").read_text()[-2000:]


class Cluster:
    """The nodes, and what the registry and Patroni's own command line say of them."""

    def __init__(self, scope: str, base: str, nodes: dict[str, Node], programs: Path, patroni: Path) -> None:
        self.scope, self.nodes = scope, nodes
        self._base, self._programs, self._patroni = base, programs, patroni

    def leader(self) -> str | None:
        """Who has the key of the leader."""
        url = f"{self._base}/v1/kv/service/{self.scope}/leader?raw"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            return None

    def listed(self) -> dict[str, tuple[str, str]]:
        """Role and state of each member, by `patronictl list`."""
        file = next(iter(self.nodes.values())).file
        command = [str(self._patroni / "patronictl"), "-c", str(file), "list", "-f", "json"]
        output = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, **NOBODY).stdout
        return {one["Member"]: (one["Role"], one["State"]) for one in json.loads(output)}

    def healthy(self, leader: str | None = None) -> bool:
        """Whether one leads and all others follow it."""
        if (leading := self.leader()) is None or leader not in (None, leading):
            return False
        follows = dict.fromkeys(self.nodes, ("Replica", "streaming"))
        return self.listed() == {**follows, leading: ("Leader", "running")}

    def query(self, name: str, statement: str) -> str | None:
        """What one node's database answers; None where it does not."""
        url = f"postgresql://postgres:secret@127.0.0.1:{self.nodes[name].port}/postgres?connect_timeout=3"
        command = [str(self._programs / "psql"), url, "-X", "-A", "-t", "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd="/", **NOBODY)
        return None if done.returncode else done.stdout.strip()

    def within(self, seconds: float, reached: Callable[[], bool]) -> float:
        """Wait until it is so; the seconds it took."""
        begun = time.monotonic()
        while not reached():
            assert time.monotonic() - begun < seconds, "\n".join(node.words() for node in self.nodes.values())
            time.sleep(0.2)
        return time.monotonic() - begun


@pytest.fixture
def cluster(
    registry_server: str,
    address: tuple[str, int],
    free_port: Callable[[], int],
    name: str,
    patroni_programs: Path,
    postgresql_programs: Path,
) -> Iterator[Cluster]:
    patroni = [str(patroni_programs / "patroni"), "--version"]
    try:
        subprocess.run(patroni, check=True, capture_output=True, **NOBODY)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"{NOBODY.get('user', 'this user')} cannot run Patroni, and root must not: {error}")
    with tempfile.TemporaryDirectory(prefix="patroni-") as made:  # pytest's own are closed to `nobody`
        folder, nodes = Path(made), dict[str, Node]()
        folder.chmod(0o755)
        for node in ("node1", "node2", "node3"):
            port = free_port()
            config = CONFIG.format(
                scope=name, name=node, api=free_port(), address="{}:{}".format(*address), ttl=TTL_SECONDS, port=port,
                folder=folder / node, programs=postgresql_programs,
            )  # fmt: skip
            nodes[node] = Node(node, folder / node, patroni_programs, port, config)
        try:
            for one in nodes.values():
                one.start()
            yield Cluster(name, registry_server, nodes, postgresql_programs, patroni_programs)
        finally:
            for one in nodes.values():
                one.stop()


def test_a_leader_is_elected_and_another_takes_over_when_it_is_killed(cluster: Cluster) -> None:
    booted = cluster.within(BOOT_SECONDS, cluster.healthy)
    first = cluster.leader()
    assert first is not None
    assert cluster.query(first, "create table t (x int)") is not None
    assert cluster.query(first, "insert into t values (1)") is not None

    others = set(cluster.nodes) - {first}
    cluster.within(10, lambda: all(cluster.query(one, "select x from t") == "1" for one in others))
    cluster.nodes[first].kill()
    went = cluster.within(TTL_SECONDS + 5, lambda: cluster.leader() in others)  # + the loops of those who look
    second = cluster.leader()
    assert second is not None
    promoted = cluster.within(15, lambda: cluster.query(second, "insert into t values (2)") is not None)
    assert cluster.listed()[second] == ("Leader", "running")

    cluster.nodes[first].start()
    rejoined = cluster.within(REJOIN_SECONDS, lambda: cluster.healthy(second))
    both = "select string_agg(x::text, ',' order by x) from t"
    cluster.within(10, lambda: all(cluster.query(one, both) == "1,2" for one in cluster.nodes))
    print(f"booted {booted:.1f} s, leader after {went:.1f} s, writes {promoted:.1f} s later, back {rejoined:.1f} s")
