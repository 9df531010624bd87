"""Everything at once for minutes: a server under all kinds of clients answers rightly, and grows by nothing.

`SOAK_SECONDS` says how long (`make soak` takes 600, `.ci/run` 60; without it the test is left out), `SOAK_SEED` repeats
the choices of an earlier run, though not its timing. Figures are printed each minute and at the end.
"""

import asyncio
import os
import random
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.crash.observation import observed, owner_of
from tests.fuzz.wire import Connection
from tests.processes import ServerProcess
from tests.replicas.agents import Agents
from tests.replicas.callers import Caller
from tests.soak import slow
from tests.soak.flipping import Flipping
from tests.soak.slow import SLOW_CLIENTS, SlowClients
from tests.soak.tally import Tally
from tests.soak.vitals import Slope, Vitals, rss_mb, vitals
from tests.soak.watchers import WATCHERS, Watchers, path_of
from tests.soak.writers import GUESTS, Guests, Writers

SECONDS = int(os.environ.get("SOAK_SECONDS", "0"))
SEED = os.environ.get("SOAK_SEED") or str(random.SystemRandom().randrange(10**6))
WARM_SECONDS = min(240.0, SECONDS / 2)
SAMPLE_SECONDS = 1.0
ERRORS = 0.001  # of all requests
AGENTS = 40  # that beat three times in the three seconds of their TTL
LEFT_OVER = 3  # files or tasks: what the server itself may be about at the moment it is looked at
LOOKS = 10  # at the server at rest
GONE_SECONDS = 10.0  # for the server to notice that clients are gone

pytestmark = [
    pytest.mark.skipif(SECONDS == 0, reason="SOAK_SECONDS is not set (make soak)"),
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 120),
]


class Door(ServerProcess):
    """The server, as the agents know it."""

    name = "server"


class Soak:
    """One server and all its clients."""

    def __init__(self, folder: Path, seed: str) -> None:
        chance = random.Random(seed)
        self.server = Door("--data-dir", str(folder), "--snapshot-min-bytes", "1048576", *slow.FLAGS)
        self.tally = Tally()
        self.writers = Writers(self.server, self.tally, chance)
        self.guests = Guests(self.server, self.tally, chance)
        self.watchers = Watchers(self.server, self.tally, chance)
        self.slow = SlowClients(self.server, self.tally, chance)
        self.flipping = Flipping(self.tally, chance)
        self.agents = Agents(lambda: Caller([self.server], chance), AGENTS, chance=chance)
        self.problems: list[str] = []
        self._over = asyncio.Event()
        self._samples: list[tuple[float, float]] = []  # seconds since the begin, and MB
        self._tasks: list[asyncio.Task[None]] = []
        self._endless: list[asyncio.Task[None]] = []

    async def run(self, seconds: float) -> None:
        """All of it; what is wrong is in `problems`."""
        await self.server.start()
        connection = await self.server.connected()
        try:
            before = await self._at_rest(connection)
            await self._begin(connection)
            await self._last(seconds, connection)
            await self._end()
            await self._audit(connection)
            await self._clear(connection)
            await self._gone(before, connection)
        finally:
            self._over.set()
            for task in (*self._tasks, *self._endless):
                task.cancel()
            await connection.close()
            await self.server.kill()

    async def _at_rest(self, connection: Connection) -> Vitals:
        """The server before anybody came: the least of a second, since it may be about something of its own."""
        looks = []
        for _ in range(LOOKS):
            await asyncio.sleep(1 / LOOKS)
            looks.append(await vitals(self.server.pid, connection))
        files, tasks = (min(values) for values in zip(*((one.files, one.tasks) for one in looks), strict=True))
        return looks[-1]._replace(files=files, tasks=tasks)

    async def _begin(self, connection: Connection) -> None:
        await self.flipping.register(connection)
        await self.agents.start(self.server)
        self._start(self._tasks, self.flipping.flip(self._over))
        for ledger in self.writers.ledgers:
            self._start(self._tasks, self.writers.write(ledger, self._over))
        for _ in range(GUESTS):
            self._start(self._tasks, self.guests.visit(self._over))
        for place in range(WATCHERS):
            self._start(self._endless, self.watchers.watch(path_of(place)))
        for _ in range(SLOW_CLIENTS):
            self._start(self._endless, self.slow.come())

    @staticmethod
    def _start(tasks: list["asyncio.Task[None]"], work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.create_task(work))

    async def _last(self, seconds: float, connection: Connection) -> None:
        """Let them work, and look at the server meanwhile."""
        begun, minute = time.monotonic(), 0
        while (now := time.monotonic() - begun) < seconds:
            await asyncio.sleep(SAMPLE_SECONDS)
            self._samples.append((now, rss_mb(self.server.pid)))
            if now // 60 > minute or len(self._samples) == 1:
                minute = int(now // 60)
                print(f"  {now:5.0f} s: {await vitals(self.server.pid, connection)}; {self.tally}", flush=True)
            for task in (*self._tasks, *self._endless):
                if task.done():
                    task.result()

    async def _end(self) -> None:
        """Let those who write come to their end; the others are cut off."""
        self._over.set()
        await asyncio.gather(*self._tasks)
        for task in self._endless:
            task.cancel()
        for ended in await asyncio.gather(*self._endless, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                self.problems.append(f"a client ended by itself: {ended!r}")

    async def _audit(self, connection: Connection) -> None:
        """Compare what is there with what was acknowledged."""
        self.problems += await self.flipping.problems(connection)
        self.problems += await self.agents.problems(connection)
        await self.agents.stop()
        taken, refused = self.agents.beats, self.agents.refused
        self.tally.requests["beats"] += taken + refused
        self.tally.errors["beats"] += refused
        found = await observed(connection)
        self.problems += [*found.problems, *self.writers.problems(found)]
        known = {ledger.owner for ledger in self.writers.ledgers} | {"flip", "beat"}
        self.problems += [f"{'/'.join(key)}: nobody left that" for key in found.rows if owner_of(key) not in known]
        if self.tally.share >= ERRORS:
            self.problems.append(f"{self.tally.share:.2%} of all requests went wrong")

    async def _clear(self, connection: Connection) -> None:
        """Let go what keeps something running in the server."""
        await self.flipping.deregister(connection)

    async def _gone(self, before: Vitals, connection: Connection) -> None:
        """Compare files and tasks with those before, and say how memory went."""
        give_up = time.monotonic() + GONE_SECONDS
        while True:
            after = await vitals(self.server.pid, connection)
            more = max(after.files - before.files, after.tasks - before.tasks)
            if (more <= LEFT_OVER and not after.parked) or time.monotonic() > give_up:
                break
            await asyncio.sleep(0.1)
        if more > LEFT_OVER or after.parked:
            self.problems.append(f"left over: {after}; before: {before}")
        slope = Slope.of([sample for sample in self._samples if sample[0] >= WARM_SECONDS])
        if not slope.flat:
            self.problems.append(f"memory rises: {slope}")
        print(
            f"  before: {before}\n  after:  {after}\n  memory after {WARM_SECONDS:.0f} s of warm-up: {slope}\n"
            f"  {self.tally}: {self.tally.share:.4%}\n"
            f"  {self.flipping.flips} flips, {self.watchers.left} watchers left, {self.slow.came} slow clients; "
            f"{len(self.problems)} problems (SOAK_SEED={SEED})"
        )


async def test_everything_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soak = Soak(tmp_path / "data", SEED)
    with capsys.disabled():
        print(f"\n  {SECONDS} s, SOAK_SEED={SEED}", flush=True)
        await soak.run(SECONDS)
    assert not soak.problems, "\n".join([f"SOAK_SEED={SEED}", *soak.problems[:30], *soak.tally.words])
