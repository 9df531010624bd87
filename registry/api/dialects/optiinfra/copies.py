"""Readable copies of OptiInfra's agents in Redis, where its operators look for them (`KEYS agent:*`).

Owns what is copied and when; it is never read back. One process of those on a log writes them: the housekeeper.
Source: dialects.md §3.6.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from registry.api.dialects.optiinfra.wire import agent_body
from registry.clock import Clock, sleep
from registry.core.engine import Engine
from registry.model.agent import OPTIINFRA

LOOK_SECONDS = 1.0  # between two looks at whether anything has changed
EVERY_SECONDS = 15.0  # between two writes where nothing has
LASTING_SECONDS = 60  # as long as the original server's records
_INDEX = "agents:active"


class Store(Protocol):
    """Where the copies go."""

    async def keep(self, texts: Mapping[str, str], seconds: int, index: str, members: Sequence[str]) -> None:
        """Write texts that last so long, and a set with the names of all."""

    async def forget(self, keys: Sequence[str]) -> None:
        """Remove keys."""


class Copies:
    """Writes the copies again and again while this process keeps house."""

    def __init__(self, engine: Engine, clock: Clock, store: Store) -> None:
        self._engine = engine
        self._clock = clock
        self._store = store
        self._written: dict[str, None] = {}  # ids that have a copy of ours
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first copies are written at once."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End; the copies go by themselves."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        applied, until = -1, 0.0
        while True:
            now, newest = self._clock.elapsed(), self._engine.state.applied
            if self._engine.keeps_house and (newest != applied or now >= until):
                applied, until = newest, now + EVERY_SECONDS
                await self.write()
            await sleep(self._clock, LOOK_SECONDS)

    async def write(self) -> None:
        """Write a copy of each agent as it is, and remove those of agents that are gone."""
        records = [one for one in self._engine.state.records() if one.source == OPTIINFRA and one.local]
        seen = await self._engine.agents.last_seen(records)
        texts = {
            _key(record.id): msgspec.json.encode(agent_body(record, at)).decode()
            for record, at in zip(records, seen, strict=True)
        }
        there = dict.fromkeys(record.id for record in records)
        await self._store.forget([_key(one) for one in self._written if one not in there])
        if there or self._written:
            await self._store.keep(texts, LASTING_SECONDS, _INDEX, list(there))
        self._written = there


def _key(agent_id: str) -> str:
    return f"agent:{agent_id}"
