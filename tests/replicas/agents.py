"""Agents that give signs of life in time, all the time, and must never be taken for dead.

Owns their TTL checks, the beats, and the proof: a check whose status has never moved has the index of its beginning. A
few agents fall silent, and must be found out.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

from tests.fuzz.wire import Connection
from tests.replicas.callers import AWAY, DONE, Caller, Door

SERVICE = "beaten"
TTL_SECONDS = 3.0
BEATS_A_PERIOD = 3


def registration(agent: str, ttl_seconds: float) -> bytes:
    """An instance of the service, passing, that lives by signs of life."""
    check = {"CheckID": agent, "TTL": f"{ttl_seconds}s", "Status": "passing", "Notes": "0"}
    body = {"ID": agent, "Name": SERVICE, "Port": 0, "Tags": ["0"], "Meta": {"n": "0"}, "Check": check}
    return json.dumps(body).encode()


async def statuses(connection: Connection) -> dict[str, tuple[str, int]]:
    """Status and `ModifyIndex` of each agent's check, as this replica shows them."""
    answer = await connection.ask("GET", f"/v1/health/service/{SERVICE}")
    rows: list[dict[str, Any]] = json.loads(answer.body)
    checks = [check for row in rows for check in row["Checks"] if check["ServiceName"] == SERVICE]
    return {check["CheckID"]: (check["Status"], check["ModifyIndex"]) for check in checks}


class Agents:
    """So many agents; each beat goes to whichever replica is its turn."""

    def __init__(
        self,
        make_caller: Callable[[], Caller],
        count: int,
        *,
        ttl_seconds: float = TTL_SECONDS,
        chance: random.Random,
    ) -> None:
        self.names = [f"beat-{place}" for place in range(count)]
        self.lost_beats: list[str] = []  # neither the first nor the second attempt was taken
        self._callers = [make_caller() for _ in self.names]
        self._ttl = ttl_seconds
        self._chance = chance
        self._born: dict[str, tuple[str, int]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def beats(self) -> int:
        """Beats that were taken."""
        return sum(one.outcome == DONE for caller in self._callers for one in caller.tried)

    @property
    def refused(self) -> int:
        """Attempts that were not."""
        return sum(one.outcome != DONE for caller in self._callers for one in caller.tried)

    async def start(self, replica: Door) -> None:
        """Register all of them and let them beat."""
        limit = asyncio.Semaphore(50)

        async def register(caller: Caller, name: str) -> None:
            async with limit:
                answer = await caller.ask("PUT", "/v1/agent/service/register", registration(name, self._ttl))
                assert answer is not None
                assert answer.status == 200, answer

        await asyncio.gather(*map(register, self._callers, self.names))
        pairs = zip(self._callers, self.names, strict=True)
        self._tasks = [asyncio.create_task(self._beat(caller, name)) for caller, name in pairs]
        connection = await replica.connected()
        self._born = await statuses(connection)
        await connection.close()
        assert set(self._born) == set(self.names)

    async def _beat(self, caller: Caller, name: str) -> None:
        period = self._ttl / BEATS_A_PERIOD
        await asyncio.sleep(self._chance.random() * period)
        while True:
            begun = time.monotonic()
            taken = await self._try(caller, name) or await self._try(caller, name)
            if not taken:
                self.lost_beats.append(name)
            await caller.turn_kept()
            await asyncio.sleep(max(0.0, period - (time.monotonic() - begun)))

    async def _try(self, caller: Caller, name: str) -> bool:
        answer = await caller.ask("PUT", f"/v1/agent/check/pass/{name}")
        if answer is not None and answer.status != 200 and answer.status not in AWAY:
            raise AssertionError(f"the beat of {name} is answered with {answer}")
        if answer is not None and answer.status in AWAY:
            await caller.turn()
        return answer is not None and answer.status == 200

    async def problems(self, connection: Connection) -> list[str]:
        """Who has been taken for dead, or is gone."""
        for task in self._tasks:
            if task.done() and (error := task.exception()) is not None:
                raise error
        found = await statuses(connection)
        return [
            f"{name}: {self._born[name]} has become {found.get(name, 'nothing')}"
            for name in self.names
            if found.get(name) != self._born[name]
        ]

    async def stop(self) -> None:
        """Let them beat no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for caller in self._callers:
            await caller.close()


async def seconds_to_find_out(connection: Connection, ttl_seconds: float, patience_seconds: float) -> float:
    """How long it takes until an agent that never beats is critical, from its registration.

    Raises:
        AssertionError: longer than that.
    """
    name, begun = "silent-1", time.monotonic()
    answer = await connection.ask("PUT", "/v1/agent/service/register", _silent(name, ttl_seconds))
    assert answer.status == 200, answer
    index, status = "0", ""
    while status != "critical":
        assert time.monotonic() - begun < patience_seconds, f"{name} is {status}, and its TTL is {ttl_seconds} s"
        answer = await connection.ask("GET", f"/v1/health/checks/silent?index={index}&wait=1s")
        index = answer.headers["x-consul-index"]
        status = next((one["Status"] for one in json.loads(answer.body)), "")
    taken = time.monotonic() - begun
    answer = await connection.ask("PUT", f"/v1/agent/service/deregister/{name}")
    assert answer.status == 200, answer
    return taken


def _silent(name: str, ttl_seconds: float) -> bytes:
    return registration(name, ttl_seconds).replace(SERVICE.encode(), b"silent")
