"""Clients that write, read and watch at the same time, until the server is gone.

Owns the requests under way and what each client notes of them. What may be true after the end is `ledger.py`.
"""

import asyncio
import itertools
import random
from collections.abc import Callable

from tests.crash.indexes import Indexes
from tests.crash.ledger import Contest, Ledger
from tests.crash.operations import contested, operation
from tests.crash.server import Process
from tests.fuzz.wire import Answer, Connection

WRITERS, READERS, WATCHERS = 8, 1, 2
PATHS = (
    "/v1/catalog/nodes",
    "/v1/catalog/node/c1-n0",
    "/v1/catalog/services",
    "/v1/catalog/service/web-x",
    "/v1/health/service/web-0",
    "/v1/health/service/web-y",
    "/v1/health/state/any",
    "/v1/health/checks/web-1",
)
NOT_STORED = b"Nothing was changed"  # what a server says that is about to end
Acknowledged = Callable[[], None]


class Clients:
    """All clients of one server, over all its lives."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.ledgers = [Ledger(f"c{place}") for place in range(WRITERS)]
        self.contest = Contest()
        self.indexes = Indexes()
        self.problems: list[str] = []
        self._numbers = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def acknowledged(self) -> int:
        """Writes acknowledged so far."""
        return sum(ledger.acknowledged for ledger in self.ledgers)

    def start(self, server: Process, acknowledged: Acknowledged) -> None:
        """Let all of them work; `acknowledged` is called after each write that was."""
        work = [
            *(self._write(server, ledger, acknowledged) for ledger in self.ledgers),
            *(self._read(server) for _ in range(READERS)),
            *(self._watch(server) for _ in range(WATCHERS)),
        ]
        self._tasks = [asyncio.create_task(one) for one in work]

    async def gone(self) -> None:
        """Wait until all have seen that the server is gone.

        Raises:
            AssertionError: one of them met something else.
        """
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, (EOFError, OSError)):
                raise ended

    async def _write(self, server: Process, ledger: Ledger, acknowledged: Acknowledged) -> None:
        connection = await server.connected()
        try:
            while True:
                if self.chance.random() < 0.02:
                    await connection.close()
                    connection = await server.connected()
                if self.chance.random() < 0.05:
                    await self._compete(connection)
                else:
                    await self._change(connection, ledger)
                acknowledged()
        finally:
            await connection.close()

    async def _change(self, connection: Connection, ledger: Ledger) -> None:
        """Send one write about rows that are this client's alone."""
        method, target, body, status, after = operation(ledger.owner, next(self._numbers), ledger.certain, self.chance)
        ledger.begin(after)
        answer = await connection.ask(method, target, body)
        _go_on(answer, ledger)
        if answer.status != status:
            self.problems.append(f"{ledger.owner}: {method} {target} is answered with {answer}, not {status}")
        ledger.acknowledge()

    async def _compete(self, connection: Connection) -> None:
        """Send one write about the row that all write."""
        number = next(self._numbers)
        self.contest.begin(number)
        answer = await connection.ask("PUT", "/v1/catalog/register", contested(number))
        if answer.status == 503:
            raise EOFError
        assert answer.status == 200, answer
        self.contest.end(number)

    async def _read(self, server: Process) -> None:
        connection = await server.connected()
        try:
            while True:
                await self.indexes.read(connection, self.chance.choice(PATHS))
        finally:
            await connection.close()

    async def _watch(self, server: Process) -> None:
        connection = await server.connected()
        try:
            while True:
                await self.indexes.watch(connection, self.chance.choice(PATHS))
        finally:
            await connection.close()


def _go_on(answer: Answer, ledger: Ledger) -> None:
    """A server that is going away refuses, or says that it cannot tell: either way this client is done.

    Raises:
        EOFError: it is.
    """
    if answer.status == 503:
        if NOT_STORED in answer.body:
            ledger.refuse()
        raise EOFError
