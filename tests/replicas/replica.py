"""Replicas: server processes of ours over one store in Redis, and what shows that they hold the same state.

Owns their start and the comparison of their digests. What they are asked is in `load.py`.
"""

import asyncio
import json
import time
from typing import NamedTuple

from tests.fuzz.wire import Malformed
from tests.processes import ServerProcess

NODE = "here"


class NotTheSame(AssertionError):
    """Replicas did not come to hold the same state in time."""


class Held(NamedTuple):
    """What a replica holds: the index it has applied, and a digest of the state there."""

    index: int
    digest: str


class Replica(ServerProcess):
    """`registry serve` over a store that others share."""

    def __init__(self, name: str, url: str, *flags: str, port: int = 0) -> None:
        super().__init__("--store", url, "--node", NODE, *flags, port=port)
        self.name = name

    async def held(self) -> Held:
        """What it holds now.

        Raises:
            OSError, EOFError, TimeoutError: it does not say.
        """
        async with asyncio.timeout(5):
            connection = await self.connected()
            try:
                answer = await connection.ask("GET", "/health?digest")
            finally:
                await connection.close()
        state = json.loads(answer.body)["state"]
        return Held(state["index"], state["digest"])


async def agreed(replicas: list[Replica], within_seconds: float = 10.0) -> Held:
    """Wait until all of them hold the same.

    Raises:
        NotTheSame: they do not.
    """
    give_up = time.monotonic() + within_seconds
    while True:
        try:
            held = await asyncio.gather(*(replica.held() for replica in replicas))
        except (OSError, EOFError, TimeoutError, Malformed) as error:
            held = []
            seen = repr(error)
        else:
            seen = ", ".join(f"{replica.name}: {one}" for replica, one in zip(replicas, held, strict=True))
        if held and len(set(held)) == 1:
            return held[0]
        if time.monotonic() > give_up:
            raise NotTheSame(seen)
        await asyncio.sleep(0.05)
