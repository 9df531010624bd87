"""The real `consul` command line (1.8.7) against a running server."""

import contextlib
import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(120)  # the first one may fetch the package
COMMAND_SECONDS = 10

Consul = Callable[..., str]


@pytest.fixture(scope="module")
def environment(registry_server: str) -> dict[str, str]:
    return {**os.environ, "CONSUL_HTTP_ADDR": registry_server}


@pytest.fixture(scope="module")
def consul(consul_program: str, environment: dict[str, str]) -> Consul:
    """Runs one command, asserts that it succeeds, returns what it printed."""

    def run(*arguments: str) -> str:
        command = [consul_program, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert done.returncode == 0, f"consul {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def service(consul: Consul, name: str) -> Iterator[str]:
    """A registered service of that name and id."""
    consul("services", "register", f"-name={name}", "-port=8080", "-tag=blue", "-meta=zone=a")
    yield name
    consul("services", "deregister", f"-id={name}")


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[Iterator[str]]:
    """Starts a command that runs on, yields the lines it prints, and ends it."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield filter(str.strip, process.stdout)
        finally:
            process.kill()


def column(table: str, number: int) -> list[str]:
    """One column of a table the command printed, without its head."""
    return [line.split()[number] for line in table.strip().splitlines()[1:]]


def watched(consul: Consul, *arguments: str) -> Any:
    """What `consul watch` without a handler prints once."""
    return json.loads(consul("watch", *arguments))


def test_catalog_lists_datacenters_nodes_and_services(consul: Consul, service: str) -> None:
    assert consul("catalog", "datacenters").split() == ["dc1"]
    nodes = consul("catalog", "nodes", "-detailed")
    assert nodes.splitlines()[0].split()[:4] == ["Node", "ID", "Address", "DC"]
    (node,) = column(consul("catalog", "nodes", f"-service={service}"), 0)
    assert node in column(nodes, 0)
    assert service in consul("catalog", "services").split()
    assert [line.split() for line in consul("catalog", "services", "-tags").splitlines() if service in line] == [
        [service, "blue"]
    ]


def test_catalog_nodes_takes_filters(consul: Consul) -> None:
    assert consul("catalog", "nodes", '-filter=Meta["none"] == "x"').strip() == ""
    assert "127.0.0.1" in consul("catalog", "nodes", '-filter=Address == "127.0.0.1"')


def test_members_shows_one_server_alive(consul: Consul) -> None:
    table = consul("members")
    assert column(table, 2) == ["alive"]
    assert column(table, 3) == ["server"]
    assert "dc=dc1" in consul("members", "-detailed")


def test_services_register_from_a_file(consul: Consul, name: str, tmp_path: Path) -> None:
    file = tmp_path / "service.hcl"
    file.write_text(f'service {{ name = "{name}" port = 80 tags = ["a", "b"] check {{ ttl = "1m" name = "beat" }} }}')
    assert consul("services", "register", str(file)).strip() == f"Registered service: {name}"

    (entry,) = watched(consul, "-type=service", f"-service={name}")
    assert (entry["Service"]["Port"], entry["Service"]["Tags"]) == (80, ["a", "b"])
    assert entry["Checks"][-1]["Name"] == "beat"

    assert consul("services", "deregister", str(file)).strip() == f"Deregistered service: {name}"
    assert name not in consul("catalog", "services").split()


def test_services_register_with_flags(consul: Consul, name: str) -> None:
    consul("services", "register", f"-name={name}", f"-id={name}-1", "-address=10.0.0.1", "-port=81", "-meta=a=b")
    (entry,) = watched(consul, "-type=service", f"-service={name}")
    assert entry["Service"]["Meta"] == {"a": "b"}
    assert (entry["Service"]["Address"], entry["Service"]["Port"]) == ("10.0.0.1", 81)

    consul("services", "deregister", f"-id={name}-1")
    assert watched(consul, "-type=service", f"-service={name}") == []


def test_watch_prints_services_nodes_and_checks(consul: Consul, service: str) -> None:
    assert watched(consul, "-type=services")[service] == ["blue"]
    assert len(watched(consul, "-type=nodes")) >= 1
    assert "serfHealth" in [check["CheckID"] for check in watched(consul, "-type=checks")]
    assert watched(consul, "-type=checks", f"-service={service}") == []
    assert watched(consul, "-type=service", f"-service={service}", "-tag=green", "-passingonly=true") == []


def test_watch_calls_its_handler_for_every_change(
    consul_program: str, environment: dict[str, str], consul: Consul, service: str
) -> None:
    command = [consul_program, "watch", "-type=service", f"-service={service}", "cat; echo"]
    with running(command, environment) as output:
        (entry,) = json.loads(next(output))
        assert entry["Service"]["Port"] == 8080
        consul("services", "register", f"-name={service}", "-port=8081")
        (entry,) = json.loads(next(output))
        assert entry["Service"]["Port"] == 8081


def test_maintenance_of_a_service_and_of_the_node(consul: Consul, service: str) -> None:
    consul("maint", "-enable", f"-service={service}", "-reason=upgrade")
    try:
        listed = consul("maint")
        assert service in listed
        assert "upgrade" in listed
        assert watched(consul, "-type=service", f"-service={service}", "-passingonly=true") == []
    finally:
        consul("maint", "-disable", f"-service={service}")
    consul("maint", "-enable", "-reason=reboot")
    try:
        assert "reboot" in consul("maint")
    finally:
        consul("maint", "-disable")
    assert consul("maint").strip() == ""


def test_info_prints_the_groups_of_figures(consul: Consul) -> None:
    lines = consul("info").splitlines()
    groups = {line.rstrip(":") for line in lines if line and not line.startswith("\t")}
    assert {"agent", "build", "consul", "raft", "runtime", "serf_lan"} <= groups
    assert "\tserver = true" in lines
    assert "\tleader = true" in lines


def test_monitor_shows_a_registration(
    consul_program: str, environment: dict[str, str], consul: Consul, name: str, version: tuple[int, ...]
) -> None:
    if version < (1, 9):
        pytest.skip("a Consul 1.8 announces gzip here, sends plain text, and so breaks its own command line")

    with running([consul_program, "monitor", "-log-level=debug"], environment) as output:
        stop = threading.Event()

        def register() -> None:
            """Registers until a line was seen: those before the stream opened are not in it."""
            for port in itertools.count(1):
                consul("services", "register", f"-name={name}", f"-port={port}")
                if stop.is_set():
                    break

        writer = threading.Thread(target=register)
        writer.start()
        try:
            assert any("[INFO]" in line or "[DEBUG]" in line for line in output)
        finally:
            stop.set()
            writer.join()
            consul("services", "deregister", f"-id={name}")


def test_reload_is_accepted(consul: Consul) -> None:
    assert consul("reload").strip() == "Configuration reload triggered"


def test_force_leave_of_an_unknown_node_fails(consul_program: str, environment: dict[str, str]) -> None:
    command = [consul_program, "force-leave", "nobody"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    assert done.returncode == 1
    assert "nobody" in done.stderr
