"""Script checks: the exit code of a program on this machine.

Owns the process, with all it has started, until it ends or is killed. Whether scripts may run at all is
decided when they are registered.
Source: agent.md §8.3, §8.5; dialects.md §6.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Sequence

from registry.checks.base import Result, Tail, critical, output_limit, status_of_exit, timeout_seconds
from registry.checks.gotext import errno_text, quoted
from registry.checks.means import Means
from registry.model import duration
from registry.model.check import CheckDefinition

TIMEOUT_SECONDS = 30.0  # Consul's, for scripts
_READ_BYTES = 65536
_LAST_WORDS_SECONDS = 1.0  # what a killed process has for what it still has to say


class CannotStart(Exception):
    """There is no such program, or it may not run; the text is Go's."""


async def start(arguments: Sequence[str]) -> asyncio.subprocess.Process:
    """Start a program in a process group of its own, with one pipe for both of its outputs.

    Raises:
        CannotStart: the system does not.
    """
    name = arguments[0]
    if not name:
        raise CannotStart("exec: no command")
    if "/" not in name and await asyncio.to_thread(shutil.which, name) is None:
        raise CannotStart(f"exec: {quoted(name)}: executable file not found in $PATH")
    try:
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        said = errno_text(error) if isinstance(error, OSError) else "invalid argument"
        raise CannotStart(f"fork/exec {name}: {said}") from None


def kill(process: asyncio.subprocess.Process) -> None:
    """End the process and all of its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs and wait until it is gone; not for those who left the group and hold the pipe."""
    if process.returncode is None:
        kill(process)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await process.wait()


class ScriptProbe:
    """Runs the program of the check."""

    def __init__(self, definition: CheckDefinition, means: Means) -> None:
        self._arguments = definition.script_args or ()
        self._limit = output_limit(definition, means.output_max_bytes)
        self._seconds = timeout_seconds(definition, TIMEOUT_SECONDS)

    async def run(self) -> Result:
        """Run it once; what it started dies with it when the time is up or the check is cancelled."""
        try:
            process = await start(self._arguments)
        except CannotStart as error:
            return critical(str(error), at_once=True)
        output = Tail(self._limit)
        try:
            async with asyncio.timeout(self._seconds):
                code = await _finished(process, output)
        except TimeoutError:
            return await self._timed_out(process, output)
        finally:
            await end(process)
        return Result(status_of_exit(code), output.captured())

    async def _timed_out(self, process: asyncio.subprocess.Process, output: Tail) -> Result:
        kill(process)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await _finished(process, output)
        said = output.captured()
        text = f"Timed out ({duration.text(round(self._seconds * 1e9))}) running check"
        return critical(f"{text}\n\n{said}" if said else text, at_once=True)


async def _finished(process: asyncio.subprocess.Process, output: Tail) -> int:
    """Read until all who hold the pipe have let go of it, then the exit code."""
    assert process.stdout is not None  # asked for above
    while data := await process.stdout.read(_READ_BYTES):
        output.write(data)
    return await process.wait()
