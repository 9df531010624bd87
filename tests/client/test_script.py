"""The 35 seconds of OptiInfra's helper, for real; `test_agent.py` lets them pass in a moment."""

import asyncio
import os
import sys

import pytest

from tests.processes import ROOT, ServerProcess


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_both_helpers_live_for_35_seconds() -> None:
    if os.environ.get("COMPAT") != "1":
        pytest.skip("runs with COMPAT=1: it takes 36 seconds")
    server = ServerProcess("--dev")
    await server.start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        said = await asyncio.gather(*(run(kind, url) for kind in ("ours", "original")))
        assert said == [(0, "ok\n")] * 2
    finally:
        await server.kill()


async def run(kind: str, url: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "tests.client.script", kind, url, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()
