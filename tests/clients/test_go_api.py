"""Consul's official Go client: what `go/main.go` saw through it."""

import json
import subprocess
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)  # the first build fetches and compiles the client
RUN_SECONDS = 8  # less than one of its waits: a change that wakes nobody is noticed


@pytest.fixture(scope="module")
def seen(go_program: str, registry_server: str, version: tuple[int, ...]) -> dict[str, Any]:
    """What one run of the program printed."""
    if version < (1, 9):
        pytest.skip("this client sends a check field that Consul 1.8 refuses")
    run = subprocess.run([go_program, registry_server, "go-web"], capture_output=True, text=True, timeout=RUN_SECONDS)
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def test_registration_comes_back_whole(seen: dict[str, Any]) -> None:
    service = seen["services"]
    assert (service["Service"], service["Address"], service["Port"]) == ("go-web", "10.0.0.1", 80)
    assert (service["Tags"], service["Meta"]) == (["blue"], {"zone": "a"})
    assert service["Weights"] == {"Passing": 7, "Warning": 3}
    assert seen["filtered"] == 1
    assert seen["hash"] is True


def test_ttl_decides_who_is_passing(seen: dict[str, Any]) -> None:
    assert seen["before"] == ["go-web-2"]
    assert (seen["check"]["Status"], seen["check"]["Output"]) == ("passing", "up")
    assert sorted(seen["after"]) == ["go-web-1", "go-web-2"]
    assert seen["health"] == ["passing", 2]


def test_maintenance_is_known_to_the_client(seen: dict[str, Any]) -> None:
    assert seen["maintenance"] == ["go-web-2"]
    assert seen["aggregated"] == "maintenance"


def test_catalog_keeps_node_service_and_check_definition(seen: dict[str, Any]) -> None:
    assert seen["node"] == ["10.9.8.7", "r1", 83]
    assert seen["catalog"] == [1, "go-web-3", True, True]
    assert seen["definition"] == ["10s", "10.9.8.7:83"]
    assert seen["listed"] is True
    assert seen["gone"] is True


def test_blocking_reads_follow_each_change(seen: dict[str, Any]) -> None:
    first, after_failure, after_removal = seen["watched"]
    assert sorted(first) == ["go-web-1", "go-web-2"]
    assert after_failure == ["go-web-2"]
    assert after_removal == []
    assert seen["waited"] is True


def test_refusals_reach_the_caller(seen: dict[str, Any]) -> None:
    assert "400" in seen["refused"]
    assert seen["unknown"] is True


def test_the_server_describes_itself(seen: dict[str, Any]) -> None:
    assert seen["itself"] == ["dc1", True, 1]
    assert seen["datacenters"] == ["dc1"]
    assert seen["leader"].count(":") == 1
