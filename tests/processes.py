"""A server process of ours that tests start, ask, pause and kill.

Owns the process and what it writes to its log. Which store it serves its flags say: `tests/crash/server.py` and
`tests/replicas/replica.py` know that.
"""

import asyncio
import json
import signal
import sys
import time
from collections import deque
from pathlib import Path

from tests.fuzz.wire import Connection

ROOT = Path(__file__).parents[1]
START_SECONDS = 20.0  # far more than a start takes, also on a machine that is busy
LOG_LINES = 40  # kept for the message of a failure


class NotStarted(AssertionError):
    """The server did not start, or ended while it did; its last words."""


class ServerProcess:
    """`registry serve` with these flags, on whatever port is free, and after that always on that one."""

    def __init__(self, *flags: str, port: int = 0) -> None:
        self.port = port
        self.serving = False  # whether it ought to answer: it has started, and nobody has begun to end or pause it
        self.start_seconds: list[float] = []  # of each start that came to its end
        self.exit_code: int | None = None  # of the run before this one
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
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    async def spawn(self) -> None:
        """Start the process; returns at once."""
        self._log.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", "serve", "--http-port", str(self.port), "--log-format", "json",
            *self._flags, cwd=ROOT, stderr=asyncio.subprocess.PIPE,
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
        self.serving = True

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
        self.serving = False
        self._signal(signal.SIGTERM)

    def pause(self) -> None:
        """Let it stand still (SIGSTOP): its connections stay, but nobody answers."""
        self.serving = False
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on as if nothing had been."""
        self._signal(signal.SIGCONT)
        self.serving = True

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> int:
        """Ask it to end and wait for that; its exit code."""
        assert self._process is not None
        self.terminate()
        await self._ended()
        assert self.exit_code is not None
        return self.exit_code

    async def kill(self) -> None:
        """kill -9, unless it has ended by itself, and wait for the end."""
        process, self.serving = self._process, False
        if process is None:
            return
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                pass  # it was faster
        await self._ended()

    async def _ended(self) -> None:
        assert self._process is not None
        assert self._reader is not None
        self.exit_code = await self._process.wait()
        await self._reader
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
