"""The examples of the README do what they say."""

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from registry import testing

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
async def test_the_python_example_runs(code: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", code)
    assert await process.wait() == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_the_three_calls_find_the_service() -> None:
    commands = re.findall(r"^\$ (.*)$", blocks("console")[0], re.MULTILINE)
    async with testing.server() as registry:
        for command in commands:
            here = command.replace("localhost:8500", f"{registry.host}:{registry.port}")
            process = await asyncio.create_subprocess_shell(
                here.replace("curl", "curl -sS --fail", 1), stdout=asyncio.subprocess.PIPE
            )
            output, _ = await process.communicate()
            assert process.returncode == 0, command
    (found,) = json.loads(output)
    assert found["Service"]["Port"] == 80
    assert found["Checks"][-1]["Status"] == "passing"
