"""The stores that the suite of this directory runs on, a clock that the tests move, and a few makers."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from registry.log.base import Entry, Log, Record, Reset
from registry.log.memory import MemoryLog, MemoryStore
from registry.log.redis.log import RedisLog
from registry.log.redis.url import Target, target_of
from registry.log.sqlite import SqliteLog
from tests.replicas.redis_server import RedisServer
from tests.stores import empty_namespace


class Clock:
    """Unix and monotonic time that stand still until a test moves them.

    A store with a time of its own follows: it is told by `moved`, and its time is `unix` only about.
    """

    def __init__(self) -> None:
        self._unix = 1_700_000_000.0
        self.monotonic = 1000.0
        self.tolerance_seconds = 0.0
        self.moved: Callable[[], None] = lambda: None

    @property
    def unix(self) -> float:
        return self._unix

    @unix.setter
    def unix(self, unix: float) -> None:
        self._unix = unix
        self.moved()

    def now(self) -> float:
        return self._unix

    def elapsed(self) -> float:
        return self.monotonic

    def about(self, unix: float | None = None) -> Any:
        """Equal to the time that a store would stamp now, or would have stamped at `unix`."""
        return pytest.approx(self._unix if unix is None else unix, rel=0, abs=self.tolerance_seconds)

    def advance(self, seconds: float) -> None:
        self.monotonic += seconds
        self.unix += seconds


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


class RedisBackend:
    """Logs over one namespace of a real Redis, whose time is Redis's with an offset."""

    def __init__(self, clock: Clock, server: RedisServer) -> None:
        self._clock = clock
        self.url = empty_namespace(server)
        self._server = server
        self._meta = f"{{{target_of(self.url).namespace}}}:meta"
        clock.tolerance_seconds, clock.moved = 0.2, self._move

    def _move(self) -> None:
        """Let Redis's time be the clock's, as if the housekeeper had looked at it all the while."""
        now = int(self._clock.unix * 1000)
        if self._server.ask("HEXISTS", self._meta, "store"):
            offset = now - int(time.time() * 1000)
            self._server.ask("HSET", self._meta, "offset", offset, "tick", now, "until", now + 3000)

    def log(self, writer: str = "a") -> RedisLog:
        return _TimedRedisLog(target_of(self.url), writer=writer, opened=self._move)


class _TimedRedisLog(RedisLog):
    """Sets the time of the store right once it is open."""

    def __init__(self, target: Target, *, writer: str, opened: Callable[[], None]) -> None:
        super().__init__(target, writer=writer)
        self._opened = opened

    async def open(self) -> None:
        await super().open()
        self._opened()


Backend = MemoryBackend | SqliteBackend | RedisBackend
LOCAL: dict[str, type[MemoryBackend] | type[SqliteBackend]] = {
    "memory": MemoryBackend,
    "sqlite": SqliteBackend,
}


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
