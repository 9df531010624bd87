"""The process around a server: what it says about the limits it is given."""

import asyncio
import json
import sys

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
