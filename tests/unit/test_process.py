"""The process around a server: what it says about the limits it is given, and to whoever has started it."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
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


@asynccontextmanager
async def told_by(folder: Path, *flags: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, socket.socket]]:
    """A server, and the socket where it says how it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.setblocking(False)
        told.bind(str(folder / "told"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", "serve", "--http-port", "0", *flags,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "told")}, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield process, told
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()


def said(told: socket.socket) -> list[str]:
    """What has been said so far, in short."""
    words = []
    with suppress(BlockingIOError):
        while True:
            words.append(told.recv(4096).decode().partition("=")[0])
    return words


@pytest.mark.slow
async def test_reloads_take_turns_and_none_speaks_after_the_end_has_begun(tmp_path: Path) -> None:
    """systemd would take a server that is ready after it was stopping for one that serves."""
    async with told_by(tmp_path, "--store", "memory:") as (process, told):
        words = [(await asyncio.get_running_loop().sock_recv(told, 4096)).decode().partition("=")[0]]
        process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.001)  # two signals that meet are one
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        words += said(told)
    assert (words[0], words[-1]) == ("READY", "STOPPING")
    assert all(first != second for first, second in pairwise(words))


@pytest.mark.slow
async def test_a_reload_does_not_call_a_server_ready_that_waits_for_its_store(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and nobody listens
        store = f"redis://127.0.0.1:{held.getsockname()[1]}"
        async with told_by(tmp_path, "--store", store, "--store-wait-seconds", "60s") as (process, told):
            assert process.stderr is not None
            while b"Waiting for the store" not in await process.stderr.readline():
                pass
            process.send_signal(signal.SIGHUP)
            for _ in range(2):  # it goes on to wait
                assert b"Waiting for the store" in await process.stderr.readline()
            process.terminate()
            assert await process.wait() == 0
            assert said(told) == ["STOPPING"]
