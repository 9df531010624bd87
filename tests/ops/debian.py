"""Prometheus and promtool of Debian: where they are, or why they are not here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ops.files import ROOT


def prometheus_program(name: str = "prometheus") -> str:
    """The path of `prometheus` or `promtool`: beside `PROMETHEUS_BIN`, from the cache, or on the path.

    With `COMPAT=1` it is fetched where there is none, else the test is left out.
    """
    chosen = os.environ.get("PROMETHEUS_BIN")
    near = Path(chosen).with_name(name) if chosen else ROOT / ".cache" / "prometheus" / "usr" / "bin" / name
    found = shutil.which(near) or shutil.which(name)
    if found:
        return found
    if os.environ.get("COMPAT") != "1":
        pytest.skip(f"no {name} here: scripts/get-prometheus fetches one (so does COMPAT=1)")
    fetched = subprocess.run([ROOT / "scripts" / "get-prometheus"], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"no {name}: {fetched.stderr.strip().splitlines()[-1]}")
    return str(Path(fetched.stdout.strip()).with_name(name))
