"""The process around a server: what it says about the limits it is given, and to whoever has started it."""

import asyncio
import json
import os
import signal
import socket
import sys
from itertools import pairwise
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("files", "warned"), [(500, True), (10_256, False)])
async def test_a_low_limit_of_open_files_is_told_at_the_start(files: int, warned: bool) -> None:
    """The soft limit is raised to the hard one; where that is too low for 10,000 connections a warning says so."""
    serve = f"{sys.executable} -m registry serve --http-port 0 --store memory: --log-format json"
    script = f"ulimit -Sn 100 && ulimit -Hn {files} && exec {serve}"
    process = await asyncio.create_subprocess_exec("sh", "-c", script, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    events = []
    try:
        while line := await process.stderr.readline():
            events.append(json.loads(line))
            if events[-1]["event"] == "Listening":
                break
    finally:
        process.terminate()
        await process.communicate()
    told = [event for event in events if "limit of open files" in event["event"]]
    assert [(event["level"], event["limit"], event["connections"]) for event in told] == (
        [("warn", files, files - 256)] if warned else []
    )


@pytest.mark.slow
async def test_reloads_take_turns_and_none_speaks_after_the_end_has_begun(tmp_path: Path) -> None:
    """systemd would take a server that is ready after it was stopping for one that serves."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.setblocking(False)
        told.bind(str(tmp_path / "told"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", "serve", "--http-port", "0", "--store", "memory:",
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "told")}, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        words = [await _word(loop, told)]
        process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.001)  # two signals that meet are one
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        while True:
            try:
                words.append(told.recv(4096).split(b"\n")[0])
            except BlockingIOError:
                break
    assert (words[0], words[-1]) == (b"READY=1", b"STOPPING=1")
    assert all(first != second for first, second in pairwise(words))


async def _word(loop: asyncio.AbstractEventLoop, told: socket.socket) -> bytes:
    return (await loop.sock_recv(told, 4096)).split(b"\n")[0]
