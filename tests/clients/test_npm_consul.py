"""The npm `consul` client: what `npm/exercise.js` saw through it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)  # npm fetches the client on the first run
RUN_SECONDS = 8  # less than one of its waits: a change that wakes nobody is noticed


@pytest.fixture(scope="module")
def seen(node_program: tuple[str, Path], address: tuple[str, int]) -> dict[str, Any]:
    """What one run of the script printed."""
    node, folder = node_program
    host, port = address
    command = [node, str(folder / "exercise.js"), host, str(port), "npm-web"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def test_registered_service_is_listed(seen: dict[str, Any]) -> None:
    service = seen["services"]
    assert (service["Service"], service["Address"], service["Port"]) == ("npm-web", "10.0.0.1", 80)
    assert service["Tags"] == ["blue"]


def test_only_passing_instances_are_found(seen: dict[str, Any]) -> None:
    assert seen["before"] == ["npm-web-2"]
    assert sorted(seen["after"]) == ["npm-web-1", "npm-web-2"]
    assert seen["tagged"] == ["npm-web-1"]
    assert seen["maintenance"] == ["npm-web-2"]


def test_checks_have_the_status_they_were_told(seen: dict[str, Any]) -> None:
    assert (seen["check"]["Status"], seen["check"]["Output"]) == ("passing", "up")
    assert seen["checks"] == [["npm-web-disk", "warning"], ["service:npm-web-1", "passing"]]


def test_catalog_shows_every_node(seen: dict[str, Any]) -> None:
    assert ["npm-web-3", "10.9.8.7"] in seen["catalog"]
    assert len(seen["catalog"]) == 3
    assert seen["tags"] == ["blue"]
    assert seen["node"] == ["npm-web-3"]
    assert seen["gone"] is False


def test_watch_follows_failure_and_removal(seen: dict[str, Any]) -> None:
    first, after_failure, after_removal = seen["watched"]
    assert sorted(first) == ["npm-web-1", "npm-web-2"]
    assert after_failure == ["npm-web-2"]
    assert after_removal == []


def test_the_server_describes_itself(seen: dict[str, Any]) -> None:
    assert seen["itself"] == ["dc1", True, 1]
    assert seen["datacenters"] == ["dc1"]
    assert seen["leader"] is True


def test_a_bad_registration_is_refused(seen: dict[str, Any]) -> None:
    status, message = seen["refused"]
    assert status == 400
    assert "duration" in message or "soon" in message
