"""Two registries over one store in memory: replicas, of which the test can keep one behind or cut it off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from registry import testing
from registry.errors import LogUnavailable
from registry.log.base import Contact, Item, NotStored, Outcome, Record
from registry.log.memory import MemoryLog, MemoryStore
from registry.testing import FakeClock
from tests.contract.consul.exchange import Client


class Wire(MemoryLog):
    """One replica's end of the log, as if the store were somewhere else."""

    shared = True

    def __init__(self, store: MemoryStore, writer: str, clock: FakeClock) -> None:
        super().__init__(store, writer=writer)
        self._clock = clock
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut_at: float | None = None
        self.asked = 0  # how often the newest index was

    def hold(self) -> None:
        """Let nothing through from the store: the replica falls behind."""
        self._flowing.clear()

    def let_go(self) -> None:
        """The end of `hold`."""
        self._flowing.set()

    def cut(self) -> None:
        """The store does not answer from now on, and nothing comes from it."""
        self.hold()
        self._cut_at = self._clock.elapsed()

    def mend(self) -> None:
        """The end of `cut`."""
        self.let_go()
        self._cut_at = None

    def contact(self) -> Contact:
        if self._cut_at is None:
            return Contact(False, 0.0, "")
        return Contact(True, self._clock.elapsed() - self._cut_at, "the cable was cut")

    async def append(self, batch: int, records: list[Record]) -> Outcome:
        if self._cut_at is not None:
            return NotStored(self.contact().reason)
        return await super().append(batch, records)

    async def sync(self) -> int:
        self.asked += 1
        if self._cut_at is not None:
            raise LogUnavailable(self.contact().reason)
        return (await super().newest()).index

    async def follow(self, after: int) -> AsyncIterator[Item]:
        async for item in super().follow(after):
            await self._flowing.wait()
            yield item

    async def close(self) -> None:
        self.let_go()
        await super().close()


class Replica(Client):
    """A client of one replica, with the replica's end of the log."""

    def __init__(self, server: testing.TestServer, wire: Wire) -> None:
        super().__init__(server)
        self.wire = wire

    async def asked(self, times: int) -> None:
        """Wait until this replica has asked the store for its newest index so often."""
        while self.wire.asked < times:  # noqa: ASYNC110 - a request on its way
            await asyncio.sleep(0)

    async def caught_up(self, other: "Replica") -> None:
        """Wait until this replica shows what the other one does."""
        while self.server.engine.state.applied < other.server.engine.state.applied:  # noqa: ASYNC110 - in one process
            await asyncio.sleep(0)


@asynccontextmanager
async def pair(**settings: Any) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two replicas; the first one was there first and keeps house."""
    clock = FakeClock()
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    wires = [Wire(store, writer, clock) for writer in ("aaaaaaaa", "bbbbbbbb")]
    async with (
        testing.server(log=wires[0], clock=clock, **settings) as one,
        testing.server(log=wires[1], clock=clock, **settings) as two,
    ):
        first, second = Replica(one, wires[0]), Replica(two, wires[1])
        try:
            yield first, second
        finally:
            for replica in (first, second):
                replica.wire.let_go()
                replica.wire.mend()
                await replica.close()
