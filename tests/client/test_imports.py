"""What a program takes on with `registry.client`: aiohttp, and nothing of the server."""

import subprocess
import sys

from tests.processes import ROOT

IMPORTED = """
import sys
import aiohttp
before = {name.partition(".")[0] for name in sys.modules}
import registry.client
after = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
print(*sorted(after - before), *sorted(name for name in sys.modules if name.startswith("registry.")))
"""


def test_it_needs_aiohttp_alone_and_nothing_of_the_server() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTED], cwd=ROOT, check=True, capture_output=True, text=True
    )
    others, ours = set(), set()
    for name in ran.stdout.split():
        (ours if name.startswith("registry") else others).add(name)
    assert others == set()
    assert all(name.startswith("registry.client") for name in ours - {"registry"})
    assert "registry.client.agent" in ours
