"""A server process that is killed and started again on the same data directory.

Owns the process and what it writes to its log. Which moment is the right one to kill it is `blows.py`.
"""

import asyncio
import json
import signal
import sys
import time
from collections import deque
from pathlib import Path

from tests.fuzz.wire import Connection

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0  # far more than a start takes, also on a machine that is busy
LOG_LINES = 40  # kept for the message of a failure


class NotStarted(AssertionError):
    """The server did not start, or ended while it did; its last words."""


class Process:
    """`registry serve` with a durable store in `folder`, on whatever port is free."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.port = 0
        self.start_seconds: list[float] = []  # of each start that came to its end
        self._flags = flags
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Future[int] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._log: deque[str] = deque(maxlen=LOG_LINES)

    @property
    def runs(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process is not None and self._process.returncode is None

    @property
    def holds_store(self) -> bool:
        """Whether the process has got as far as taking its store: it has written its id into the lock."""
        lock = self.folder / "lock"
        return self._process is not None and lock.exists() and lock.read_text().strip() == str(self._process.pid)

    @property
    def database(self) -> Path:
        """The file that everything is in."""
        return self.folder / "registry.db"

    async def spawn(self) -> None:
        """Start the process; returns at once."""
        self._log.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", "serve", "--http-port", "0", "--data-dir", str(self.folder),
            "--log-format", "json", *self._flags, cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._listening = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read_log(self._process, self._listening))

    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            NotStarted: it does not.
        """
        begun = time.perf_counter()
        await self.spawn()
        assert self._listening is not None
        try:
            self.port = await asyncio.wait_for(asyncio.shield(self._listening), START_SECONDS)
            connection = await self.connected()
            answer = await connection.ask("GET", "/v1/status/leader")
            await connection.close()
        except (TimeoutError, EOFError, OSError) as error:
            raise NotStarted(f"{error!r}\n{self.words()}") from None
        self.start_seconds.append(time.perf_counter() - begun)
        assert answer.status == 200

    async def listens_within(self, seconds: float) -> bool:
        """Whether the start that is under way ends in time."""
        assert self._listening is not None
        done, _ = await asyncio.wait({self._listening}, timeout=seconds)
        return bool(done)

    async def connected(self) -> Connection:
        """A new connection to the process."""
        return await Connection.opened("127.0.0.1", self.port)

    def terminate(self) -> None:
        """Ask it to end; returns at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        """kill -9, unless it has ended by itself, and wait for the end."""
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                pass  # it was faster
        await process.wait()
        await reader
        self._process = None

    def words(self) -> str:
        """The last lines of the log."""
        return "".join(self._log)

    async def _read_log(self, process: asyncio.subprocess.Process, listening: "asyncio.Future[int]") -> None:
        """Read all that the process says, so that it never waits for us."""
        assert process.stderr is not None
        async for raw in process.stderr:
            line = raw.decode(errors="replace")
            self._log.append(line)
            if not listening.done() and '"event":"Listening"' in line:
                listening.set_result(json.loads(line)["port"])
        if not listening.done():
            listening.set_exception(NotStarted(self.words()))
            listening.exception()  # it may be that nobody asks
