"""A client of several replicas: one request at a time, to whichever replica is its turn, and what became of it.

Owns the connection and the change to another replica when one does not answer.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tests.fuzz.wire import Answer, Connection

NOT_STORED = b"Nothing was changed"  # the text of a 503 that says so

DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"
AWAY = frozenset({502, 503, 504})  # statuses after which a client asks again: ours, or a balancer's


class Door(Protocol):
    """Where requests are taken: a replica, or a balancer before several."""

    name: str

    async def connected(self) -> Connection:
        """A new connection."""


class Tried(NamedTuple):
    """One request: when it went out (`time.monotonic`), how long it took, whom it was sent to, what became of it."""

    begun: float
    seconds: float
    replica: str
    outcome: str
    request: str
    answer: str  # the text of a refusal

    @property
    def ended(self) -> float:
        """When its answer came."""
        return self.begun + self.seconds


class Caller:
    """One client."""

    def __init__(self, replicas: Sequence[Door], chance: random.Random, *, patience_seconds: float = 20.0) -> None:
        self.tried: list[Tried] = []
        self._replicas = replicas
        self._chance = chance
        self._patience = patience_seconds
        self._turn = chance.randrange(len(replicas))
        self._connection: Connection | None = None

    @property
    def replica(self) -> Door:
        """The one whose turn it is."""
        return self._replicas[self._turn % len(self._replicas)]

    async def turn(self) -> None:
        """Go on with the next replica."""
        await self.close()
        self._turn += 1

    async def turn_kept(self) -> None:
        """Go on with the next replica where there is more than one."""
        if len(self._replicas) > 1:
            await self.turn()

    async def ask(self, method: str, target: str, body: bytes = b"") -> Answer | None:
        """One request; None when there is no answer, and then it is the next one's turn."""
        replica, begun = self.replica, time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                if self._connection is None:
                    self._connection = await replica.connected()
                answer = await self._connection.ask(method, target, body)
        except (OSError, EOFError, TimeoutError):
            self._note(begun, replica, UNKNOWN, f"{method} {target}")
            await self.turn()
            return None
        outcome, text = DONE, ""
        if answer.status in AWAY:
            outcome, text = REFUSED if NOT_STORED in answer.body else UNKNOWN, answer.body.decode()
        self._note(begun, replica, outcome, f"{method} {target}", text)
        if answer.closes:
            await self.close()
        return answer

    def _note(self, begun: float, replica: Door, outcome: str, request: str, text: str = "") -> None:
        self.tried.append(Tried(begun, time.monotonic() - begun, replica.name, outcome, request, text))

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()
