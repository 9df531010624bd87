"""Services whose processes are well and ill by turns, with HTTP checks that find it out.

Owns the processes (a `Target`), their moods, and the proof that in the end each check says what its target says.
"""

import asyncio
import json
import random
import time

from bench.target import DOWN, OK, Target
from tests.fuzz.wire import Connection
from tests.soak.tally import Tally

SERVICE = "flipping"
CHECKS = 100
INTERVAL_SECONDS = 1
FLIP_SECONDS = 0.2  # from one flip to the next
SETTLED_SECONDS = 5.0  # at most, from the last flip until all is known


class Flipping:
    """All of them."""

    def __init__(self, tally: Tally, chance: random.Random) -> None:
        self.target = Target()
        self.flips = 0
        self._tally, self._chance = tally, chance
        self._names = [f"flip-{place}" for place in range(CHECKS)]

    async def register(self, connection: Connection) -> None:
        """Let the server run the checks."""
        await self.target.start()
        for name in self._names:
            check = {"CheckID": name, "HTTP": self.target.url(f"/{name}"), "Interval": f"{INTERVAL_SECONDS}s",
                     "Notes": "0"}  # fmt: skip
            body = {"ID": name, "Name": SERVICE, "Tags": ["0"], "Meta": {"n": "0"}, "Check": check}
            await self._ask(connection, "/v1/agent/service/register", json.dumps(body).encode())

    async def flip(self, over: asyncio.Event) -> None:
        """Change the mood of one after the other, until it is over."""
        while not over.is_set():
            await asyncio.sleep(FLIP_SECONDS)
            path = f"/{self._chance.choice(self._names)}"
            self.target.status[path] = OK if self.target.status.get(path) == DOWN else DOWN
            self.flips += 1
            self.target.arrivals.clear()

    async def problems(self, connection: Connection) -> list[str]:
        """Which checks do not come to say what their targets say."""
        give_up = time.monotonic() + SETTLED_SECONDS
        while (wrong := await self._wrong(connection)) and time.monotonic() < give_up:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return wrong

    async def _wrong(self, connection: Connection) -> list[str]:
        answer = await connection.ask("GET", f"/v1/health/checks/{SERVICE}")
        found = {check["CheckID"]: check["Status"] for check in json.loads(answer.body)}
        expected = {
            name: "passing" if self.target.status.get(f"/{name}", OK) == OK else "critical" for name in self._names
        }
        return [f"{name} is {found.get(name)}, not {expected[name]}" for name in expected
                if found.get(name) != expected[name]]  # fmt: skip

    async def deregister(self, connection: Connection) -> None:
        """End the checks, then their targets."""
        for name in self._names:
            await self._ask(connection, f"/v1/agent/service/deregister/{name}")
        await self.target.stop()

    async def _ask(self, connection: Connection, target: str, body: bytes = b"") -> None:
        answer = await connection.ask("PUT", target, body)
        self._tally.judge("flipping", answer.status == 200, f"{target} is answered {answer}")
