"""`scripts/start` and `scripts/stop` as people use them, on a server of their own."""

import asyncio
import json
import os
import signal
import socket
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent


class Result(NamedTuple):
    code: int
    said: str


class Scripts:
    """The two scripts with a folder for logs, a store and a port of their own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.logs = folder / "logs"
        self.pid_file = self.logs / "registry.pid"
        self._flags = ("--http-port", str(self.port), "--data-dir", str(folder / "data"), "--node", "scripted")

    async def start(self, *more: str) -> Result:
        return await self._run("start", *self._flags, *more)

    async def stop(self, *flags: str) -> Result:
        return await self._run("stop", *flags)

    async def _run(self, name: str, *arguments: str) -> Result:
        process = await asyncio.create_subprocess_exec(
            ROOT / "scripts" / name, *arguments, env={**os.environ, "LOGS": str(self.logs)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode is not None
        return Result(process.returncode, said.decode())

    def pid(self) -> int:
        return int(self.pid_file.read_text())

    def health(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
            return str(json.load(answer)["status"])


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits for nobody but its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
async def scripts(tmp_path: Path) -> AsyncIterator[Scripts]:
    made = Scripts(tmp_path)
    yield made
    await made.stop()


@pytest.mark.slow
async def test_a_server_is_there_when_start_returns_and_gone_when_stop_does(scripts: Scripts) -> None:
    started = await scripts.start()
    assert started.code == 0, started.said
    assert await asyncio.to_thread(scripts.health) == "healthy"
    pid = scripts.pid()

    again = await scripts.start()
    assert (again.code, scripts.pid()) == (0, pid)
    assert f"runs already, process {pid}" in again.said

    stopped = await scripts.stop()
    assert stopped.code == 0
    assert has_ended(pid)
    assert not scripts.pid_file.exists()
    assert "Listening" in (scripts.logs / "registry.log").read_text()
    assert (await scripts.stop("--clean-logs")).code == 0
    assert not scripts.logs.exists()


@pytest.mark.slow
async def test_of_two_who_start_it_at_once_one_does(scripts: Scripts) -> None:
    """The other one finds it running; it must not take the pid file with it when it ends."""
    both = await asyncio.gather(scripts.start(), scripts.start())
    assert [each.code for each in both] == [0, 0], [each.said for each in both]
    assert sum(f"runs already, process {scripts.pid()}" in each.said for each in both) == 1
    assert await asyncio.to_thread(scripts.health) == "healthy"


async def test_cleaning_the_logs_takes_nothing_else_from_their_folder(scripts: Scripts) -> None:
    """LOGS may name a folder that others use too."""
    scripts.logs.mkdir()
    (scripts.logs / "registry.log").touch()
    (scripts.logs / "other.log").touch()
    assert (await scripts.stop("--clean-logs")).code == 0
    assert [each.name for each in scripts.logs.iterdir()] == ["other.log"]


async def test_only_the_recorded_process_is_ever_signalled(scripts: Scripts) -> None:
    """The pid file names a process that is none of ours: its number has been given to somebody else."""
    other = await asyncio.create_subprocess_exec("sleep", "60")
    scripts.logs.mkdir()
    scripts.pid_file.write_text(f"{other.pid}\n")
    assert "does not run" in (await scripts.stop()).said
    assert other.returncode is None
    other.send_signal(signal.SIGKILL)
    await other.wait()


@pytest.mark.slow
async def test_a_server_that_cannot_start_says_why(scripts: Scripts) -> None:
    refused = await scripts.start("--store", "nosuch:")
    assert refused.code == 2
    assert "no backend for 'nosuch:'" in refused.said
    assert not scripts.pid_file.exists()


@pytest.mark.slow
async def test_a_killed_server_is_started_again(scripts: Scripts) -> None:
    assert (await scripts.start()).code == 0
    os.kill(first := scripts.pid(), signal.SIGKILL)
    started = await scripts.start()
    assert started.code == 0, started.said
    assert scripts.pid() != first


async def test_stop_takes_no_other_flags(scripts: Scripts) -> None:
    assert (await scripts.stop("--all")).code == 2
