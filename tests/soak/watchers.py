"""Readers who wait for changes, hundreds of them; some leave in the midst of it without a word.

Owns what each of them must be told: 200, and an index that is no lower than the one it had.
"""

import asyncio
import random

from tests.fuzz.wire import Connection
from tests.processes import ServerProcess
from tests.soak.tally import Tally

WATCHERS = 400
BUSY_PATHS = (
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/catalog/service/web-x",
    "/v1/health/service/web-0",
    "/v1/health/service/web-1",
    "/v1/health/service/web-2?passing",
    "/v1/health/service/web-y",
    "/v1/health/state/any",
    "/v1/health/state/critical",
    "/v1/health/checks/web-1",
    "/v1/health/service/flipping",
    "/v1/health/service/flipping?passing",
    "/v1/health/service/beaten",  # shows the checks of the node, which writers change
)
QUIET_PATHS = (  # half of the watchers: these really wait
    "/v1/health/checks/beaten",
    "/v1/catalog/service/beaten",
    "/v1/catalog/service/flipping",
    "/v1/health/service/nobody",
    "/v1/catalog/service/nobody",
)
WAIT_SECONDS = (1.0, 20.0)
PAUSE_SECONDS = 1.0  # at most, before it asks again
LEAVES = 0.1  # how often it hangs up instead of waiting for the answer


def path_of(place: int) -> str:
    """What a watcher watches."""
    paths = (BUSY_PATHS, QUIET_PATHS)[place % 2]
    return paths[place // 2 % len(paths)]


class Watchers:
    """All of them."""

    def __init__(self, server: ServerProcess, tally: Tally, chance: random.Random) -> None:
        self.left = 0  # how often one hung up
        self._server, self._tally, self._chance = server, tally, chance

    async def watch(self, path: str) -> None:
        """One of them, until it is cancelled."""
        connection, index = await self._server.connected(), 0
        try:
            while True:
                await asyncio.sleep(self._chance.uniform(0, PAUSE_SECONDS))
                if connection.gone:
                    connection, index = await self._server.connected(), 0
                if self._chance.random() < LEAVES:
                    await self._leave(connection, path, index)
                    connection, index = await self._server.connected(), 0
                else:
                    index = await self._wait(connection, path, index)
        finally:
            connection.writer.transport.abort()

    async def _wait(self, connection: Connection, path: str, index: int) -> int:
        seconds = self._chance.uniform(*WAIT_SECONDS)
        try:
            async with asyncio.timeout(1.2 * seconds + 10):  # the wait, its sixteenth of jitter, and a busy machine
                answer = await connection.ask("GET", self._target(path, index, seconds))
        except (OSError, EOFError, TimeoutError) as error:
            self._tally.wrong("watchers", f"{path}: {error!r}")
            connection.writer.transport.abort()
            return 0
        after = int(answer.headers.get("x-consul-index", 0))
        self._tally.judge("watchers", answer.status == 200 and after >= max(1, index), f"{path} at {index}: {answer}")
        return after

    async def _leave(self, connection: Connection, path: str, index: int) -> None:
        """Ask, and be gone before there is an answer, or while it is on its way."""
        method = f"GET {self._target(path, index, 20.0)} HTTP/1.1\r\nHost: registry\r\n\r\n"
        connection.send(method.encode())
        await asyncio.sleep(self._chance.choice((0.0, 0.001, 0.5)))
        connection.writer.transport.abort()
        self.left += 1

    def _target(self, path: str, index: int, seconds: float) -> str:
        return f"{path}{'&' if '?' in path else '?'}index={index}&wait={seconds * 1000:.0f}ms"
