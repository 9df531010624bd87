"""The real `consul` command line (1.8.7) against a running server."""

import contextlib
import itertools
import json
import os
import subprocess
import tarfile
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


@pytest.fixture(scope="module")
def refused(consul_program: str, environment: dict[str, str]) -> Consul:
    """Runs one command, asserts that it fails, returns what it printed."""

    def run(*arguments: str) -> str:
        command = [consul_program, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert done.returncode != 0, f"consul {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

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


# Servers, and snapshots


def json_of(file: str) -> Any:
    """What a snapshot says of itself."""
    with tarfile.open(file) as tar:
        member = tar.extractfile("meta.json")
        assert member is not None
        return json.load(member)


def test_snapshot_save_and_restore(consul: Consul, name: str, tmp_path: Path) -> None:
    """The command line checks what it has downloaded: the form of the file, and its sums."""
    file = str(tmp_path / "backup.snap")
    consul("kv", "put", name, "before")
    assert consul("snapshot", "save", file).startswith("Saved and verified snapshot to index ")
    consul("snapshot", "save", "-stale", file)
    assert f"Index        {json_of(file)['Index']}" in consul("snapshot", "inspect", file).splitlines()
    consul("kv", "put", name, "after")
    assert consul("snapshot", "restore", file).strip() == "Restored snapshot"
    assert consul("kv", "get", name).strip() == "before"
    consul("kv", "delete", name)


def test_snapshot_restore_of_something_else_fails(refused: Consul, tmp_path: Path) -> None:
    file = tmp_path / "no.snap"
    file.write_bytes(b"no snapshot at all")
    assert "gzip: invalid header" in refused("snapshot", "restore", str(file))


def test_operator_raft_lists_the_peers(consul: Consul, refused: Consul) -> None:
    table = consul("operator", "raft", "list-peers")
    assert table.split()[:6] == ["Node", "ID", "Address", "State", "Voter", "RaftProtocol"]
    assert (column(table, 2), column(table, 3)) == (["127.0.0.1:8300"], ["leader"])
    text = refused("operator", "raft", "remove-peer", "-id=nobody")
    assert 'id "nobody" was not found in the Raft configuration' in text


def test_operator_autopilot_reads_and_writes_its_configuration(consul: Consul) -> None:
    assert "MaxTrailingLogs = 250" in consul("operator", "autopilot", "get-config")
    done = consul("operator", "autopilot", "set-config", "-max-trailing-logs=300", "-cleanup-dead-servers=false")
    assert done.strip() == "Configuration updated!"
    shown = consul("operator", "autopilot", "get-config").splitlines()
    assert {"CleanupDeadServers = false", "MaxTrailingLogs = 300", "LastContactThreshold = 200ms"} <= set(shown)
    consul("operator", "autopilot", "set-config", "-max-trailing-logs=250", "-cleanup-dead-servers=true")


def test_the_keyring_of_a_server_without_encryption(refused: Consul) -> None:
    assert "Keyring is empty (encryption not enabled)" in refused("keyring", "-list")
    assert "No keyring to modify (encryption not enabled)" in refused("keyring", "-install=d8wu8CSUrqgtjVsvcBPmhQ==")


# Keys, locks, events


def test_kv_put_get_and_delete(consul: Consul, refused: Consul, name: str) -> None:
    assert consul("kv", "put", f"{name}/a", "1").strip() == f"Success! Data written to: {name}/a"
    assert consul("kv", "put", "-flags=42", f"{name}/b", "2").startswith("Success!")
    assert consul("kv", "get", f"{name}/a") == "1\n"
    detail = dict(line.split(None, 1) for line in consul("kv", "get", "-detailed", f"{name}/b").splitlines())
    assert (detail["Flags"], detail["Value"], detail["LockIndex"]) == ("42", "2", "0")
    assert consul("kv", "get", "-recurse", f"{name}/").split() == [f"{name}/a:1", f"{name}/b:2"]
    assert consul("kv", "get", "-keys", f"{name}/").split() == [f"{name}/a", f"{name}/b"]
    assert "Error! Did not write" in refused("kv", "put", "-cas", "-modify-index=1", f"{name}/a", "3")
    index = detail["ModifyIndex"]
    assert consul("kv", "put", "-cas", f"-modify-index={index}", f"{name}/b", "3").startswith("Success!")
    assert "Error! Did not delete" in refused("kv", "delete", "-cas", f"-modify-index={index}", f"{name}/b")
    assert consul("kv", "delete", "-recurse", f"{name}/").strip() == f"Success! Deleted keys with prefix: {name}/"
    assert "No key exists" in refused("kv", "get", f"{name}/a")


def test_kv_export_and_import(consul: Consul, name: str, tmp_path: Path) -> None:
    consul("kv", "put", f"{name}/a", "1")
    consul("kv", "put", "-flags=7", f"{name}/b", "two words")
    exported = consul("kv", "export", f"{name}/")
    assert [(one["key"], one["flags"]) for one in json.loads(exported)] == [(f"{name}/a", 0), (f"{name}/b", 7)]
    consul("kv", "delete", "-recurse", f"{name}/")
    file = tmp_path / "keys.json"
    file.write_text(exported)
    imported = consul("kv", "import", f"@{file}")
    assert imported.splitlines() == [f"Imported: {name}/a", f"Imported: {name}/b"]
    assert consul("kv", "get", f"{name}/b") == "two words\n"
    consul("kv", "delete", "-recurse", f"{name}/")


def test_a_lock_is_held_while_its_command_runs(consul: Consul, refused: Consul, name: str) -> None:
    assert consul("lock", name, "echo held").strip() == "held"
    said = consul("lock", "-n=2", "-verbose", f"{name}/many", "echo one of two").splitlines()
    assert said[0] == f"Setting up semaphore (limit 2) at prefix: {name}/many"
    assert {"one of two", "Cleanup succeeded"} <= set(said)
    assert "exit status 3" in refused("lock", "-child-exit-code", name, "exit 3")
    assert consul("kv", "get", "-keys", f"{name}").strip() == ""


def test_a_lock_that_somebody_has_is_waited_for(
    consul_program: str, environment: dict[str, str], refused: Consul, name: str
) -> None:
    with running([consul_program, "lock", name, "echo held; sleep 60"], environment) as output:
        assert next(output).strip() == "held"
        assert "timeout during lock acquisition" in refused("lock", "-timeout=1s", name, "true")


def test_watch_of_keys_prefixes_and_events(consul: Consul, name: str) -> None:
    assert watched(consul, "-type=key", f"-key={name}/a") is None
    consul("kv", "put", f"{name}/a", "1")
    pair = watched(consul, "-type=key", f"-key={name}/a")
    assert (pair["Key"], pair["Value"]) == (f"{name}/a", "MQ==")
    assert [one["Key"] for one in watched(consul, "-type=keyprefix", f"-prefix={name}/")] == [f"{name}/a"]
    assert "Event ID: " in consul("event", f"-name={name}", "payload")
    [event] = watched(consul, "-type=event", f"-name={name}")
    assert event["Name"] == name
    consul("kv", "delete", "-recurse", f"{name}/")


def test_exec_is_refused_as_where_remote_execution_is_off(
    consul_program: str, environment: dict[str, str], consul: Consul
) -> None:
    """Nobody acknowledges the event: `disable_remote_exec` is Consul's default."""
    done = subprocess.run(
        [consul_program, "exec", "-wait=200ms", "true"], env=environment, capture_output=True, text=True,
        timeout=COMMAND_SECONDS,
    )  # fmt: skip
    assert "0 / 0 node(s) completed / acknowledged" in done.stdout
    assert done.returncode == 0, done.stderr
    assert consul("kv", "get", "-keys", "_rexec/").strip() == ""
