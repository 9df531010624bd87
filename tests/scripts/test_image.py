"""The image: what its Dockerfile builds starts, is healthy, writes to its data only, and stops.

Docker itself is used where a daemon answers. Without one the same instructions are carried out in a folder.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replicas.redis_server import free_port
from tests.scripts.image import NOBODY, ROOT, Layout, read_only_is_possible, stages

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def offline(layout: Layout) -> bool:
    """Whether pip cannot reach its index; only asked after an installation has failed."""
    pip = [str(layout.under("/opt/registry/bin/pip")), "download", "--no-deps", "--no-cache-dir", "-d"]
    return subprocess.run([*pip, str(layout.under("/tmp")), "setuptools"], capture_output=True).returncode != 0


@pytest.fixture
def layout() -> Iterator[Layout]:
    """The image as folders, where another user can read them."""
    folder = Path(tempfile.mkdtemp(prefix="registry-image-"))
    folder.chmod(0o755)
    made = Layout(folder)
    try:
        if not made.made():
            if offline(made):
                pytest.skip("the package index cannot be reached")
            pytest.fail(made.said)
        made.read_only()
        yield made
    finally:
        shutil.rmtree(folder)


def register(port: int) -> None:
    body = json.dumps({"Name": "web", "Port": 80}).encode()
    url = f"http://127.0.0.1:{port}/v1/agent/service/register"
    urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"), timeout=5).close()


def services(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/catalog/services", timeout=5) as answer:
        return sorted(json.load(answer))


class Container:
    """A process of the image, without Docker."""

    def __init__(self, layout: Layout) -> None:
        self.port = free_port()
        self._layout = layout
        self._environment = layout.environment(REGISTRY_HTTP_PORT=str(self.port), REGISTRY_BIND="127.0.0.1")
        command = layout.final.command("ENTRYPOINT") + layout.final.command("CMD")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(address := str(layout.data / "ready"))
            os.chmod(address, 0o777)
            told.settimeout(20)
            self.process = subprocess.Popen(
                layout.command(command), cwd=layout.data, env={**self._environment, "NOTIFY_SOCKET": address},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                assert b"READY=1" in told.recv(4096)
            except TimeoutError:
                pytest.fail(self.killed())
            finally:
                os.unlink(address)

    def is_healthy(self) -> bool:
        """What Docker finds out with the command of HEALTHCHECK."""
        command = self._layout.command(self._layout.final.health)
        asked = subprocess.run(
            command, env=self._environment, cwd=self._layout.data, capture_output=True, timeout=5, check=False
        )
        return asked.returncode == 0

    def stopped(self) -> tuple[int, str]:
        """Stop it as Docker does: its exit code, and what it said."""
        (name,) = self._layout.final.all("STOPSIGNAL")
        self.process.send_signal(signal.Signals[name])
        said, _ = self.process.communicate(timeout=10)
        return self.process.returncode, said.decode()

    def killed(self) -> str:
        self.process.kill()
        return self.process.communicate()[0].decode()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_layout_of_the_image_serves_as_it_would_in_a_container(
    layout: Layout, capfd: pytest.CaptureFixture[str]
) -> None:
    with capfd.disabled():
        print("\nas root, with a read-only tree" if read_only_is_possible() else "\nwith read-only permissions alone")
    before = {path for path in layout.folder.rglob("*") if layout.data not in path.parents}
    container = Container(layout)
    try:
        if os.geteuid() == 0:
            assert f"\nUid:\t{NOBODY}\t" in Path(f"/proc/{container.process.pid}/status").read_text()
        assert container.is_healthy()
        register(container.port)
        code, said = container.stopped()
    finally:
        container.killed()
    assert code == 0, said
    assert {json.loads(line)["level"] for line in said.splitlines()} <= {"info"}, said
    assert not container.is_healthy()

    again = Container(layout)
    try:
        assert services(again.port) == ["consul", "web"]
    finally:
        again.stopped()
    assert {path for path in layout.folder.rglob("*") if layout.data not in path.parents} == before
    assert not layout.under("/opt/registry/bin/pip").exists()


def daemon() -> str:
    """Why there is no Docker to build with; empty where there is one."""
    if shutil.which("docker") is None:
        return "there is no docker here"
    asked = subprocess.run(["docker", "info"], capture_output=True, text=True)
    return (asked.stderr.strip().splitlines() or ["docker info failed"])[-1] if asked.returncode else ""


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_docker_builds_and_runs_the_image() -> None:
    if reason := daemon():
        pytest.skip(reason)
    for base in {stage.base for stage in stages(ROOT / "Dockerfile")}:
        if subprocess.run(["docker", "pull", "--quiet", base], capture_output=True).returncode:
            pytest.skip(f"{base} cannot be fetched")
    tag = f"registry-test:{os.getpid()}"
    docker("build", "--tag", tag, str(ROOT))
    container = docker(
        "run", "--detach", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--publish", "127.0.0.1::8500", tag
    )
    try:
        until = time.monotonic() + 60
        while docker("inspect", "--format", "{{.State.Health.Status}}", container) != "healthy":
            assert time.monotonic() < until, docker("logs", container)
            time.sleep(0.2)  # another process: no clock of ours moves it
        port = int(docker("port", container, "8500").splitlines()[0].rpartition(":")[2])
        register(port)
        assert services(port) == ["consul", "web"]
        docker("stop", container)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
    finally:
        docker("rm", "--force", "--volumes", container)
        docker("rmi", tag)


def test_the_image_is_not_root_and_keeps_its_data_in_a_volume() -> None:
    final = stages(ROOT / "Dockerfile")[-1]
    assert final.all("USER") == ["registry"]
    assert final.all("VOLUME") == [final.environment["REGISTRY_DATA_DIR"]]
    assert any(f"useradd --system --uid {NOBODY} " in command for command in final.all("RUN"))


def test_the_example_of_env_has_every_variable_of_compose_with_its_default() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE))
    assert set(used) == set(re.findall(r"\$\{?(\w+)", COMPOSE))
    assert dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE)) == used


def test_the_variables_compose_gives_to_the_registry_are_settings_of_it() -> None:
    given = set(re.findall(r"^      (REGISTRY_\w+):", COMPOSE, re.MULTILINE))
    listing = subprocess.run(
        [sys.executable, "-m", "registry", "settings", "--markdown"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    known = {f"REGISTRY_{name.upper()}" for name in re.findall(r"^\| `(\w+)` ", listing, re.MULTILINE)}
    assert given
    assert given <= known
