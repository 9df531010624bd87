"""A row of crashes of one server under the load of its clients, and what they cost.

Owns the rounds: load, blow, restart, audit. It stops at the first round after which something is wrong.
"""

import asyncio
import random
import statistics
from pathlib import Path

from tests.crash.blows import Blow
from tests.crash.clients import Clients
from tests.crash.observation import observed, owner_of
from tests.crash.server import Process

LEAST_WRITES, MOST_WRITES = 100, 600  # of a round, before the blow falls


class Campaign:
    """One server, its clients and its crashes."""

    def __init__(self, name: str, folder: Path, seed: str, *flags: str) -> None:
        self.name, self.seed = name, seed
        self.server = Process(folder, *flags)
        self.chance = random.Random(f"{name} {seed}")
        self.clients = Clients(self.chance)
        self.rounds = 0
        self.struck = 0
        self._identity: tuple[str, str] | None = None

    async def crash(self, blow: Blow) -> None:
        """Let the clients work on the server until the blow falls, and see them all gone."""
        enough = asyncio.Event()
        left = self.chance.randint(LEAST_WRITES, MOST_WRITES)

        def acknowledged() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                enough.set()

        self.clients.start(self.server, acknowledged)
        await enough.wait()
        self.struck += await blow(self.server, self.chance)
        await self.clients.gone()
        self.rounds += 1

    async def audit(self) -> list[str]:
        """Everything that is wrong with the server that was started again."""
        connection = await self.server.connected()
        try:
            found = await observed(connection)
            problems = [*found.problems, *self.clients.problems]
            for ledger in self.clients.ledgers:
                problems += ledger.settle(found.of(ledger.owner))
            problems += self.clients.contest.settle(found.shared)
            problems += await self.clients.indexes.audit(connection)
        finally:
            await connection.close()
        known = {ledger.owner for ledger in self.clients.ledgers}
        problems += [f"{'/'.join(key)}: nobody wrote that" for key in found.rows if owner_of(key) not in known]
        if self._identity not in (None, found.identity):
            problems.append(f"node {self._identity} has become {found.identity}")
        self._identity = found.identity
        return problems

    async def run(self, rounds: int, blow: Blow) -> list[str]:
        """Crash and audit; what is wrong after the first round with which something is."""
        try:
            await self.server.start()
            await self.audit()  # of an empty server: who it is
            for _ in range(rounds):
                await self.crash(blow)
                await self.server.start()
                if problems := await self.audit():
                    return problems
        finally:
            await self.server.kill()
        return []

    def figures(self) -> str:
        """What the rounds came to, in a line; the times are least, median and most."""
        ledgers, starts = self.clients.ledgers, sorted(self.server.start_seconds[1:]) or [0.0]
        doubt, done = sum(one.in_doubt for one in ledgers), sum(one.done_in_doubt for one in ledgers)
        return (
            f"{self.name}: {self.rounds} rounds, {self.struck} kills in the midst of it, "
            f"{self.clients.acknowledged:,} writes acknowledged, {doubt} cut off ({done} of them done), "
            f"index {self.clients.indexes.highest:,}, "
            f"restart {starts[0]:.2f} / {statistics.median(starts):.2f} / {starts[-1]:.2f} s"
        )
