"""A store that lost something gets it back from whoever has it, and no index is given out twice.

The log alone, without a registry on it: each process is an end of the log with a follower, and with a state of its
own to heal an empty store with, which here is the list of all payloads.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from registry.errors import LogUnavailable
from registry.log.base import Entry, Held, NotStored, Reset, Stored, Unknown
from registry.log.redis.log import RedisLog
from registry.log.redis.url import target_of
from tests.backends.stores import records
from tests.replicas.proxy import Proxy
from tests.replicas.redis_server import RedisServer
from tests.replicas.redis_sets import Cluster, Sentinels
from tests.replicas.rounds import takes_long

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
JUMP = 1_000_000


class End:
    """One process's end of the log: what it has taken in, and appends that say what became of them."""

    def __init__(self, url: str, writer: str) -> None:
        self.log = RedisLog(target_of(url), writer=writer)
        self.log.held = self._held
        self.state: dict[int, bytes] = {}
        self.applied, self.time = 0, 0.0
        self.resets = 0
        self._batch = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> "End":
        await self.log.open()
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._keep_house())]
        return self

    async def close(self) -> None:
        follower, housekeeper = self._tasks
        housekeeper.cancel()
        await self.log.close()
        await asyncio.gather(follower, housekeeper, return_exceptions=True)

    async def die(self) -> None:
        """End without a word, as after kill -9, for the log's part."""
        keeper = self.log._session._keeper
        assert keeper is not None
        for task in (keeper, *self._tasks):
            task.cancel()
        await asyncio.wait([keeper, *self._tasks])

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            if self.log.group.is_housekeeper():
                try:
                    await self.log.deadlines.tick(1)
                except LogUnavailable:
                    continue

    async def _follow(self) -> None:
        async for item in self.log.follow(0):
            if isinstance(item, Reset):
                self.resets += 1
                self.state = {}
                for line in b"".join(item.chunks).splitlines():
                    index, _, payload = line.partition(b" ")
                    self.state[int(index)] = payload
                self.applied, self.time = item.index, item.time
            elif isinstance(item, list):
                for entry in item:
                    self._take(entry)

    def _take(self, entry: Entry) -> None:
        assert entry.index > self.applied, f"{entry.index} after {self.applied}"
        self.applied, self.time = entry.index, entry.time
        if entry.payload:
            self.state[entry.index] = entry.payload

    def _held(self) -> Held:
        lines = b"".join(b"%d %s\n" % pair for pair in self.state.items())

        async def chunks() -> AsyncIterator[bytes]:
            yield lines

        return Held(self.applied, self.time, chunks())

    async def append(self, *payloads: bytes) -> Stored | NotStored | Unknown:
        self._batch += 1
        return await self.log.append(self._batch, records(*payloads))

    async def stored(self, *payloads: bytes, within_seconds: float = 6.0) -> Stored:
        """Append until it is known to be stored; what nobody can tell of may then be there twice."""
        async with asyncio.timeout(within_seconds):
            while not isinstance(outcome := await self.append(*payloads), Stored):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            return outcome

    async def reaches(self, index: int) -> None:
        async with asyncio.timeout(6):
            while self.applied < index:  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.01)


class Ends:
    """All ends of one test."""

    def __init__(self) -> None:
        self._open: list[End] = []

    async def open(self, url: str, *writers: str) -> list[End]:
        made = [await End(url, writer).open() for writer in writers]
        self._open += made
        return made

    async def close(self) -> None:
        for end in self._open:
            await end.close()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    made = Ends()
    yield made
    await made.close()


async def same(*all_ends: End) -> dict[int, bytes]:
    """Wait until all have taken the same in, and return it."""
    newest = await all_ends[0].log.newest()
    for end in all_ends:
        await end.reaches(newest.index)
    assert all(end.state == all_ends[0].state for end in all_ends), [end.state for end in all_ends]
    return all_ends[0].state


async def named_in_view(redis: RedisServer, names: str) -> None:
    """Wait until the housekeeper has written down that these are alive."""
    async with asyncio.timeout(6):
        while redis.ask("HGET", "{n}:meta", "view") != names.encode():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def after_and_before(before: dict[int, bytes], *all_ends: End) -> None:
    """All have taken in what was there before, under its indexes, and nothing else than `after` behind it."""
    now = await same(*all_ends)
    assert {index: now.get(index) for index in before} == before
    more = now.keys() - before.keys()
    assert {now[index] for index in more} == {b"after"}
    assert min(more) > max(before)


async def test_an_older_dump_that_is_put_back_is_mended(redis: RedisServer, ends: Ends) -> None:
    """The entries come back under the same indexes, and the ends that have them are not reset."""
    a, b = await ends.open(redis.url("n", window=1), "a", "b")
    await a.stored(b"old")
    dump = await asyncio.to_thread(redis.snapshot)
    for number in range(700):  # more than one call mends
        await (a if number % 2 else b).stored(b"%d" % number)
    before = dict(await same(a, b))
    await asyncio.to_thread(redis.put_back, dump)

    await a.stored(b"after")

    await after_and_before(before, a, b)
    [late] = await ends.open(redis.url("n", window=1), "late")
    assert await same(a, late) == a.state
    assert (a.resets, b.resets) == (0, 0)


async def test_a_repair_is_mended_with_its_entry(redis: RedisServer, ends: Ends) -> None:
    """Who joins later must hear of it before it meets the entry that stops every server."""
    a, b = await ends.open(redis.url("n", window=1), "a", "b")
    poison = await a.stored(b"poison")
    await same(a, b)
    dump = await asyncio.to_thread(redis.snapshot)
    await a.log.skip(poison.first)
    await a.stored(b"repaired")
    await same(a, b)
    await asyncio.to_thread(redis.put_back, dump)

    await a.stored(b"after")

    [late] = await ends.open(redis.url("n", window=1), "late")
    assert sorted((await same(a, b, late)).values()) == [b"after", b"repaired"]
    assert late.resets == 0


async def test_a_store_that_was_flushed_gets_the_whole_state_back(redis: RedisServer, ends: Ends) -> None:
    a, b = await ends.open(redis.url("n", window=0.3), "a", "b")
    for number in range(50):
        await a.stored(b"%d" % number)
    before = dict(await same(a, b))
    await asyncio.to_thread(redis.ask, "FLUSHALL")

    await b.stored(b"after")

    await after_and_before(before, a, b)
    [late] = await ends.open(redis.url("n", window=0.3), "late")
    assert await same(a, late) == a.state


async def test_what_only_a_dead_process_knew_costs_a_jump_and_no_index_twice(redis: RedisServer, ends: Ends) -> None:
    """An old dump, and the one that had taken in what came after it is gone: its indexes are left out."""
    url = redis.url("n", window=0.5)
    [a] = await ends.open(url, "a")
    dead = await End(url, "b").open()
    await a.stored(b"old")
    await same(a, dead)
    await named_in_view(redis, "a b")
    dump = await asyncio.to_thread(redis.snapshot)
    a_follows = a._tasks[0]
    a_follows.cancel()  # so that nobody else knows what will be lost
    await asyncio.wait([a_follows])
    lost = await dead.stored(b"lost")
    await dead.die()
    await asyncio.to_thread(redis.put_back, dump)

    after = await a.stored(b"after")

    assert after.first > lost.first + JUMP // 2
    await dead.close()


async def test_a_process_whose_past_the_store_does_not_have_takes_the_stores(redis: RedisServer, ends: Ends) -> None:
    """The rest of them went on from an older dump while it was away: what it alone knew is gone, and said."""
    url = redis.url("n", window=0.2)
    between = Proxy(redis.port)
    await between.start()
    [a] = await ends.open(url, "a")
    [away] = await ends.open(f"redis://127.0.0.1:{between.port}/0?namespace=n&window=0.2", "away")
    await a.stored(b"old")
    await named_in_view(redis, "a away")
    dump = await asyncio.to_thread(redis.snapshot)
    await a.die()
    lost = await away.stored(b"lost")
    await away.reaches(lost.first)
    await between.cut()
    await asyncio.to_thread(redis.put_back, dump)
    [b] = await ends.open(url, "b")
    new = await b.stored(b"new")
    assert new.first > lost.first, "an index that was given out is not given out again"

    await between.start()

    await away.stored(b"back")
    assert sorted((await same(b, away)).values()) == [b"back", b"new", b"old"]
    await between.stop()


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    made = Sentinels(tmp_path)
    yield made
    made.stop()


@takes_long
async def test_a_failover_to_a_copy_that_lags_is_mended(sentinels: Sentinels, ends: Ends) -> None:
    copying = Proxy(sentinels.first.port)
    await copying.start()
    await asyncio.to_thread(sentinels.start, copying.port)
    a, b = await ends.open(sentinels.url("n", window=1), "a", "b")
    await a.stored(b"copied")
    await asyncio.sleep(0.1)
    copying.silence()
    for number in range(20):
        await a.stored(b"%d" % number)
    before = dict(await same(a, b))

    await asyncio.to_thread(sentinels.first.kill)
    await asyncio.to_thread(sentinels.until_master_is_not, sentinels.first)
    await a.stored(b"after")

    await after_and_before(before, a, b)
    await copying.stop()


@takes_long
async def test_a_write_that_no_copy_has_is_not_called_stored(sentinels: Sentinels, ends: Ends) -> None:
    """`wait=1`: a write counts only when a copy has confirmed it."""
    copying = Proxy(sentinels.first.port)
    await copying.start()
    await asyncio.to_thread(sentinels.start, copying.port)
    [a] = await ends.open(sentinels.url("n", window=0.3, wait=1), "a")
    assert isinstance(await a.append(b"copied"), Stored)
    copying.silence()
    began = asyncio.get_running_loop().time()
    outcome = await a.append(b"not copied")
    assert isinstance(outcome, Unknown), outcome
    assert asyncio.get_running_loop().time() - began < 1.5
    copying.release()
    await a.stored(b"after", within_seconds=10)
    await copying.stop()


@takes_long
async def test_a_cluster_keeps_one_log_on_one_of_its_masters_and_survives_it(tmp_path: Path, ends: Ends) -> None:
    cluster = Cluster(tmp_path)
    try:
        await asyncio.to_thread(cluster.start)
        a, b = await ends.open(cluster.url("n", window=1), "a", "b")
        for number in range(20):
            await (a if number % 2 else b).stored(b"%d" % number)
        before = dict(await same(a, b))
        owner = await asyncio.to_thread(cluster.owner_of, "{n}:meta")
        await asyncio.to_thread(owner.kill)
        await a.stored(b"after", within_seconds=20)
        await after_and_before(before, a, b)
        await ends.close()
    finally:
        cluster.stop()
