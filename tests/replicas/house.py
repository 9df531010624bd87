"""Replicas over one Redis with everybody who uses them: writers, readers, and agents that beat.

Owns the order of a round: load, a fault (`faults.py`), calm, audit; and the figures of all rounds.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from tests.crash.ledger import Row
from tests.crash.observation import observed, owner_of
from tests.replicas.agents import Agents, seconds_to_find_out
from tests.replicas.callers import DONE, Caller, Tried
from tests.replicas.readers import Readers
from tests.replicas.replica import NotTheSame, Replica, agreed
from tests.replicas.writers import Writers

AGENTS = 12
AGREE_SECONDS = 10.0
REFUSED_WITHIN_SECONDS = 1.5  # a second is promised; the rest is for a busy machine
BACK_WITHIN_SECONDS = 5.0
STRANGERS = frozenset({"beat", "silent"})  # owners of rows that are no writer's


Fault = Callable[["House"], Awaitable[None]]


class Outage(NamedTuple):
    """A time in which the store could not be reached by these replicas."""

    begun: float
    ended: float
    replicas: tuple[str, ...]


class House:
    """Three replicas, unless said otherwise, and their clients."""

    def __init__(self, name: str, urls: list[str], folder: Path, seed: str, *flags: str, agents: int = AGENTS) -> None:
        """Args:
        urls: of the store, one for each replica: they may reach it by different ways.
        """
        self.name, self.seed = name, seed
        self.chance = random.Random(f"{name} {seed}")
        self.replicas = [
            Replica(f"r{place}", url, "--data-dir", str(folder / f"r{place}"), *flags) for place, url in enumerate(urls)
        ]
        self.writers = Writers(self.replicas, self.chance)
        self.readers = Readers(self.replicas, self.chance)
        self.agents = Agents(lambda: Caller(self.replicas, self.chance), agents, chance=self.chance)
        self.outages: list[Outage] = []
        self.rounds = 0
        self.more_figures: dict[str, float] = {}
        self._agree_seconds: list[float] = []
        self._expiry_seconds: list[float] = []

    # Life

    async def start(self) -> None:
        """Start the replicas, then everybody else; the writers last."""
        await self.replicas[0].start()
        await asyncio.gather(*(replica.start() for replica in self.replicas[1:]))
        await self.agents.start(self.replicas[0])
        self.readers.start()

    async def stop(self) -> None:
        """End everything, whatever state it is in."""
        await self.writers.abandon()
        await self.agents.stop()
        try:
            await self.readers.stop()
        finally:
            await asyncio.gather(*(replica.kill() for replica in self.replicas))

    async def written(self, count: int) -> None:
        """Wait until so many writes more are acknowledged."""
        aim = self.writers.acknowledged + count
        async with asyncio.timeout(30):
            while self.writers.acknowledged < aim:  # noqa: ASYNC110 - what happens in other processes
                await asyncio.sleep(0.005)

    def away(self, begun: float, ended: float, *replicas: Replica) -> None:
        """Note an outage, for the figures and the limits."""
        self.outages.append(Outage(begun, ended, tuple(one.name for one in replicas or self.replicas)))

    # After a round

    async def audit(self) -> list[str]:
        """Let the writers end, and say all that is wrong."""
        self.rounds += 1
        await self.writers.stop()
        begun = time.monotonic()
        try:
            await agreed(self.replicas, AGREE_SECONDS)
        except NotTheSame as error:
            words = "\n".join(f"--- {replica.name}\n{replica.words()}" for replica in self.replicas)
            return [f"not the same after {AGREE_SECONDS} s: {error}\n{words}"]
        self._agree_seconds.append(time.monotonic() - begun)
        connection = await self.chance.choice(self.replicas).connected()
        try:
            found = await observed(connection)
            problems = [*found.problems, *self.writers.problems]
            for ledger in self.writers.ledgers:
                before = dict(ledger.certain)
                problems += ledger.settle(found.of(ledger.owner))
                ledger.certain = {key: _with_texts(row, before.get(key)) for key, row in ledger.certain.items()}
            problems += self.writers.contest.settle(found.shared)
            problems += await self.agents.problems(connection)
            known = {ledger.owner for ledger in self.writers.ledgers} | STRANGERS
            problems += [f"{'/'.join(key)}: nobody wrote that" for key in found.rows if owner_of(key) not in known]
            self._expiry_seconds.append(await seconds_to_find_out(connection, 1.0, 10.0))
        finally:
            await connection.close()
        problems += await self.readers.audit(self.replicas)
        self.writers.problems = []
        return problems + self._late()

    def _late(self) -> list[str]:
        """Where a write took too long to fail, or to succeed again."""
        problems = []
        for outage in self.outages:
            problems += [
                f"refused after {one.seconds:.2f} s only: {one.request} at {one.replica}: {one.answer}"
                for one in self.refusals(outage)
                if one.seconds > REFUSED_WITHIN_SECONDS
            ]
            for name, seconds in self.back_seconds(outage).items():
                if seconds > BACK_WITHIN_SECONDS:
                    problems.append(f"{name} took its first write {seconds:.2f} s after the store was back")
        return problems

    def refusals(self, outage: Outage) -> list[Tried]:
        """The writes of the outage that were not done."""
        return [one for one in self._tried() if one.outcome != DONE and one.replica in outage.replicas
                and one.ended >= outage.begun and one.begun <= outage.ended]  # fmt: skip

    def back_seconds(self, outage: Outage) -> dict[str, float]:
        """How long after its end each replica did its first write."""
        firsts: dict[str, float] = {}
        for one in self._tried():
            if one.outcome == DONE and one.replica in outage.replicas and one.ended > outage.ended:
                firsts[one.replica] = min(firsts.get(one.replica, one.ended), one.ended)
        return {name: ended - outage.ended for name, ended in firsts.items()}

    def _tried(self) -> list[Tried]:
        return list(self.writers.tried())

    def figures(self) -> str:
        """What the rounds came to."""
        ledgers, tried = self.writers.ledgers, self._tried()
        failed = sum(one.outcome != DONE for one in tried)
        back = [seconds for outage in self.outages for seconds in self.back_seconds(outage).values()]
        lines = [
            f"{self.name}: {self.rounds} rounds, {sum(one.acknowledged for one in ledgers):,} writes acknowledged, "
            f"{failed} failed, {self.readers.reads:,} reads (slowest {self.readers.slowest_seconds:.2f} s), "
            f"{self.agents.beats:,} beats ({self.agents.refused} refused), index {self.readers.highest:,} "
            f"({len(self.readers.given):,} seen with their rows)",
        ]
        times = {
            "slowest refusal": max(
                (one.seconds for outage in self.outages for one in self.refusals(outage)), default=0.0
            ),
            "first write after the outage": max(back, default=0.0),
            "the same state after": max(self._agree_seconds, default=0.0),
            "a silent agent (TTL 1 s) found out after": max(self._expiry_seconds, default=0.0),
            **self.more_figures,
        }
        return "; ".join([*lines, *(f"{what} {seconds:.2f} s" for what, seconds in times.items())])


def _with_texts(found: Row, before: Row | None) -> Row:
    """The row as it was found, with all texts it may have: each replica may know another one, until one is stored."""
    if before is None or (found.number, found.status) != (before.number, before.status):
        return found
    return found._replace(outputs=found.outputs | before.outputs)


async def campaign(house: House, rounds: int, fault: Fault) -> list[str]:
    """Load, fault and audit; what is wrong after the first round with which something is."""
    try:
        await house.start()
        for _ in range(rounds):
            house.writers.start()
            await house.written(house.chance.randint(50, 200))
            await fault(house)
            await house.written(100)
            if problems := await house.audit():
                return problems
    finally:
        await house.stop()
    return []
