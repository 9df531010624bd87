"""Readers of each replica, who are answered throughout whatever happens to the store.

Owns what they read and what must hold of it: no index goes back on one replica, none was given out twice, and no
answer fails or is late while its replica runs.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence

from tests.crash.clients import PATHS
from tests.crash.indexes import Indexes
from tests.replicas.given import Given
from tests.replicas.replica import Replica

PAUSE_SECONDS = 0.01  # between two reads of a reader: it shares the machine with what it watches


class Readers:
    """Two for each replica: one who asks all the time, and one who waits for news."""

    def __init__(self, replicas: Sequence[Replica], chance: random.Random) -> None:
        self.given = Given()
        self.indexes = {replica.name: Indexes() for replica in replicas}
        self.reads = 0
        self.slowest_seconds = 0.0
        self.failures: list[str] = []
        self._replicas = replicas
        self._chance = chance
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def highest(self) -> int:
        """The highest index that any replica has ever shown."""
        return max(indexes.highest for indexes in self.indexes.values())

    def start(self) -> None:
        """Let them read."""
        self._tasks = [asyncio.create_task(self._go_on(replica, wait)) for replica in self._replicas for wait in (0, 1)]

    async def stop(self) -> None:
        """Let them go.

        Raises:
            AssertionError: one of them met something that is no answer.
        """
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def _go_on(self, replica: Replica, waits: int) -> None:
        """Read as long as the replica is there, and again when it is."""
        while True:
            run = replica.pid
            if not replica.serving:
                await asyncio.sleep(0.02)
                continue
            try:
                await self._read(replica, bool(waits))
            except (OSError, EOFError, TimeoutError) as error:
                if replica.serving and replica.pid == run:
                    self.failures.append(f"{replica.name}: {error!r}")
                await asyncio.sleep(0.02)

    async def _read(self, replica: Replica, waits: bool) -> None:
        connection = await replica.connected()
        indexes = self.indexes[replica.name]
        try:
            while replica.serving:
                path = self._chance.choice(PATHS)
                if waits:
                    await indexes.watch(connection, path)
                    continue
                begun = time.monotonic()
                async with asyncio.timeout(10):
                    answer = await indexes.read(connection, path)
                if replica.serving:
                    self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - begun)
                self.reads += 1
                self.given.body(path, int(answer.headers["x-consul-index"]), answer.body)
                self.given.rows(json.loads(answer.body) or [])
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await connection.close()

    async def audit(self, replicas: Sequence[Replica]) -> list[str]:
        """Every path on every replica, once more; then a new write is newer than all that was ever seen."""
        for replica in replicas:
            connection = await replica.connected()
            for path in PATHS:
                answer = await self.indexes[replica.name].read(connection, path)
                self.given.body(path, int(answer.headers["x-consul-index"]), answer.body)
            await connection.close()
        problems = await self._newest(self._chance.choice(replicas))
        for indexes in self.indexes.values():
            problems += indexes.problems
            indexes.problems = []
        problems += [*self.given.problems, *self.failures]
        self.given.problems, self.failures = [], []
        return problems

    async def _newest(self, replica: Replica) -> list[str]:
        before, connection = self.highest, await replica.connected()
        body = {"Node": "newest", "Address": "10.0.0.1", "NodeMeta": {"n": str(before)}}
        answer = await connection.ask("PUT", "/v1/catalog/register", json.dumps(body).encode())
        assert answer.status == 200, answer
        answer = await self.indexes[replica.name].read(connection, "/v1/catalog/nodes")
        await connection.close()
        after = int(answer.headers["x-consul-index"])
        return [] if after > before else [f"a new write has index {after}, but {before} was seen before"]
