"""Writers that go on through every fault, each with a ledger of what it was told.

Owns how a writer goes on: a write that was refused is forgotten, one whose outcome nobody can tell is sent again until
somebody acknowledges it. All writes of a ledger say what is to be, so twice is as good as once; but one that lands
after the next has been acknowledged is found out. What is written is `tests/crash/operations.py`.
"""

import asyncio
import itertools
import random
from collections.abc import Iterator, Sequence

from tests.crash.ledger import Contest, Ledger
from tests.crash.operations import Operation, contested, operation
from tests.fuzz.wire import Answer
from tests.replicas.callers import NOT_STORED, Caller, Tried
from tests.replicas.replica import Replica

AGAIN_SECONDS = 0.05  # a client that was refused does not ask again at once


class Writers:
    """Several clients who write at the same time, each about rows of its own, and a row that all write."""

    def __init__(self, replicas: Sequence[Replica], chance: random.Random, count: int = 8) -> None:
        self.ledgers = [Ledger(f"c{place}") for place in range(count)]
        self.contest = Contest()
        self.problems: list[str] = []
        self._chance = chance
        self._callers = [Caller(replicas, chance) for _ in self.ledgers]
        self._numbers = itertools.count(1)
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def acknowledged(self) -> int:
        """Writes acknowledged so far."""
        return sum(ledger.acknowledged for ledger in self.ledgers)

    def tried(self) -> Iterator[Tried]:
        """Every request so far."""
        return itertools.chain.from_iterable(caller.tried for caller in self._callers)

    def start(self) -> None:
        """Let them work."""
        self._stopping = False
        pairs = zip(self._callers, self.ledgers, strict=True)
        self._tasks = [asyncio.create_task(self._write(caller, ledger)) for caller, ledger in pairs]

    async def stop(self) -> None:
        """Let each bring its write under way to an end.

        Raises:
            AssertionError: one of them met something that is wrong in itself.
        """
        self._stopping = True
        await asyncio.gather(*self._tasks)
        self._tasks = []

    async def abandon(self) -> None:
        """End them wherever they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for caller in self._callers:
            await caller.close()

    async def _write(self, caller: Caller, ledger: Ledger) -> None:
        while not self._stopping:
            if self._chance.random() < 0.1:
                await caller.turn()
            if self._chance.random() < 0.05:
                await self._compete(caller)
            else:
                await self._change(caller, ledger)

    async def _change(self, caller: Caller, ledger: Ledger) -> None:
        """One write about rows that are this client's alone, until its outcome is known."""
        wanted = operation(ledger.owner, next(self._numbers), ledger.certain, self._chance)
        ledger.begin(wanted.after)
        doubt = False
        while True:
            answer = await caller.ask(wanted.method, wanted.target, wanted.body)
            if answer is None or answer.status == 503:
                if not doubt and answer is not None and NOT_STORED in answer.body:
                    ledger.refuse()
                    await self._turned_away(caller)
                    return
                doubt = True
                await self._turned_away(caller)
                continue
            if answer.status != wanted.status and not (doubt and _is_done_already(wanted, answer)):
                self.problems.append(
                    f"{ledger.owner}: {wanted.method} {wanted.target} at {caller.replica.name} is answered with "
                    f"{answer.status} {answer.body[:200]!r}, not {wanted.status}"
                )
            ledger.acknowledge()
            return

    async def _turned_away(self, caller: Caller) -> None:
        await caller.turn()
        await asyncio.sleep(AGAIN_SECONDS)

    async def _compete(self, caller: Caller) -> None:
        """One write about the row that all write."""
        number = next(self._numbers)
        self.contest.begin(number)
        answer = await caller.ask("PUT", "/v1/catalog/register", contested(number))
        if answer is None or answer.status == 503:
            if answer is not None and NOT_STORED in answer.body:
                self.contest.refuse(number)
            await self._turned_away(caller)
            return
        assert answer.status == 200, answer
        self.contest.end(number)


def _is_done_already(wanted: Operation, answer: Answer) -> bool:
    """What was removed by the first request is not there for the second one."""
    return wanted.status == 200 and answer.status == 404 and "deregister" in wanted.target
