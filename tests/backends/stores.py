"""The stores that the suite of this directory runs on, a clock that the tests move, and a few makers."""

from collections.abc import AsyncIterator
from pathlib import Path

from registry.log.base import Entry, Log, Record, Reset
from registry.log.memory import MemoryLog, MemoryStore
from registry.log.sqlite import SqliteLog


class Clock:
    """Unix and monotonic time that stand still until a test moves them."""

    def __init__(self) -> None:
        self.unix = 1_700_000_000.0
        self.monotonic = 1000.0

    def now(self) -> float:
        return self.unix

    def elapsed(self) -> float:
        return self.monotonic

    def advance(self, seconds: float) -> None:
        self.unix += seconds
        self.monotonic += seconds


class MemoryBackend:
    """Logs over one store in memory."""

    def __init__(self, clock: Clock, directory: Path) -> None:
        self._store = MemoryStore(now=clock.now, elapsed=clock.elapsed)

    def log(self, writer: str = "a") -> MemoryLog:
        return MemoryLog(self._store, writer=writer)


class SqliteBackend:
    """Logs over one file; a second one only after the first is closed."""

    def __init__(self, clock: Clock, directory: Path) -> None:
        self._clock = clock
        self.path = directory / "data" / "registry.db"

    def log(self, writer: str = "a", max_pages: int | None = None) -> SqliteLog:
        clock = self._clock
        return SqliteLog(self.path, now=clock.now, elapsed=clock.elapsed, writer=writer, max_pages=max_pages)


Backend = MemoryBackend | SqliteBackend
BACKENDS: dict[str, type[MemoryBackend] | type[SqliteBackend]] = {"memory": MemoryBackend, "sqlite": SqliteBackend}


class Reader:
    """Takes entries from one follower, one after the other, however they come in batches."""

    def __init__(self, log: Log, after: int) -> None:
        self._items = log.follow(after)
        self._left: list[Entry] = []

    async def next(self) -> Entry | Reset:
        if not self._left:
            item = await anext(self._items)
            if isinstance(item, Reset):
                return item
            assert item, "an empty batch"
            self._left = list(item)
        return self._left.pop(0)

    async def entries(self, count: int) -> list[Entry]:
        found = []
        for _ in range(count):
            entry = await self.next()
            assert isinstance(entry, Entry), entry
            found.append(entry)
        return found

    async def payloads(self, count: int) -> list[bytes]:
        return [entry.payload for entry in await self.entries(count)]

    async def ended(self) -> bool:
        try:
            await anext(self._items)
        except StopAsyncIteration:
            return True
        return False


def records(*payloads: bytes) -> list[Record]:
    return [Record(payload) for payload in payloads]


async def each(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
