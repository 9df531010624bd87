"""Workers of a toy server as processes, and the talk with them."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = "tests.unit.supervisor.toy"
SECONDS = 8.0  # far more than anything here takes


class Talk:
    """A connection to one worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, line: str) -> Any:
        """Tell the worker something; its answer."""
        self.writer.write(line.encode() + b"\n")
        return json.loads(await asyncio.wait_for(self.reader.readline(), SECONDS))

    async def line(self) -> str:
        """The next line of a monitor."""
        return (await asyncio.wait_for(self.reader.readline(), SECONDS)).decode()


class Workers:
    """The processes of one supervisor."""

    def __init__(self, process: asyncio.subprocess.Process, workers: int) -> None:
        self.process = process
        self.workers = workers
        self.port = 0
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._heard = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self._talks: list[Talk] = []

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            line = raw.decode()
            self.lines.append(line)
            if line.startswith("{"):
                self.events.append(json.loads(line))
            self._heard.set()
        self._heard.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the log shows it."""
        async with asyncio.timeout(SECONDS):
            while not holds():
                self._heard.clear()
                await self._heard.wait()

    def said(self, event: str) -> list[dict[str, Any]]:
        """The events with this text."""
        return [one for one in self.events if one["event"] == event]

    async def serving(self, births: int) -> None:
        """Wait until so many workers have begun to listen, all in all."""
        await self.until(lambda: len(self.said("Listening")) >= births)
        self.port = self.said("Listening")[0]["port"]

    def pid(self, number: int) -> int:
        """The process that is the worker of this number now."""
        found: int = [one["pid"] for one in self.said("Listening") if one["worker"] == number][-1]
        return found

    async def talk(self, number: int) -> Talk:
        """A connection that the kernel gave to this worker."""
        async with asyncio.timeout(SECONDS):
            while True:
                talk = Talk(*await asyncio.open_connection("127.0.0.1", self.port))
                self._talks.append(talk)
                if (await talk.ask("who"))["worker"] == number:
                    return talk

    async def end(self) -> int:
        """The exit code, once it has ended."""
        async with asyncio.timeout(SECONDS):
            await self.process.wait()
            await self._reader
        assert self.process.returncode is not None
        return self.process.returncode

    async def close(self) -> None:
        """End what is left."""
        for talk in self._talks:
            talk.writer.close()
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            await self.process.wait()
        await self._reader


Start = Callable[..., Awaitable[Workers]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts workers; those that run at the end of the test are ended."""
    started: list[Workers] = []

    async def begin(workers: int = 2, wrong: str = "", *, address: str = "127.0.0.1", port: int = 0) -> Workers:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", PROGRAM, str(workers), address, str(port), wrong,
            cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(Workers(process, workers))
        if not wrong:
            await started[-1].serving(workers)
        return started[-1]

    yield begin
    for one in started:
        await one.close()
