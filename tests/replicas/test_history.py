"""What becomes of a batch when its connection breaks, comes too late, or its past is trimmed: exactly once, and truly.

Each test knows what has happened to the bytes, since they went through a proxy; the log has to find it out.
"""

import asyncio

import pytest

from registry.errors import LogUnavailable
from registry.log.base import Arm, Condition, Entry, Log, NotStored, OwnId, Record, Reset, Stored, Tenure, Unknown
from tests.backends.stores import Reader, each, records
from tests.replicas.conftest import OpenLog
from tests.replicas.proxy import Proxy
from tests.replicas.redis_server import RedisServer

pytestmark = pytest.mark.slow
WINDOW = 0.05  # seconds
GIVEN_UP_SECONDS = 1.5  # a call fails within a second; the rest is for a busy machine


def url_of(server: RedisServer | Proxy, **more: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in {"namespace": "n", "window": WINDOW, **more}.items())
    return f"redis://127.0.0.1:{server.port}/0?{query}"


async def stored(log: Log) -> list[bytes]:
    """All payloads that the log holds, from its beginning."""
    return [entry.payload for entry in await entries(log)]


async def entries(log: Log) -> list[Entry]:
    newest, found = (await log.newest()).index, []
    reader = Reader(log, 0)
    while not found or found[-1].index < newest:
        entry = await reader.next()
        assert isinstance(entry, Entry)
        found.append(entry)
    return found


async def test_a_batch_that_was_stored_and_whose_answer_was_lost_is_answered_as_stored(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    log, other = await opened(url_of(proxy), "a"), await opened(url_of(redis), "b")
    await log.append(1, records(b"before"))
    proxy.lose_answer(b"marked")

    outcome = await log.append(2, records(b"marked", b"second"))

    assert isinstance(outcome, Stored)
    assert outcome.first == 2
    assert isinstance(await log.append(3, records(b"after")), Stored)
    for end in (log, other):
        assert await stored(end) == [b"before", b"marked", b"second", b"after"]


async def test_a_batch_that_never_arrived_is_stored_once_or_not_at_all(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    log = await opened(url_of(proxy), "a")
    await log.append(1, records(b"before"))
    proxy.lose_request(b"marked")

    outcome = await log.append(2, records(b"marked"))

    assert not isinstance(outcome, Unknown)
    assert isinstance(await log.append(3, records(b"after")), Stored)
    marked = [b"marked"] if isinstance(outcome, Stored) else []
    assert await stored(log) == [b"before", *marked, b"after"]


async def test_a_batch_that_lands_late_changes_nothing(redis: RedisServer, proxy: Proxy, opened: OpenLog) -> None:
    """It was held on its way for longer than its sender waits, and arrives when the next one is stored already."""
    log, other = await opened(url_of(proxy), "a"), await opened(url_of(redis), "b")
    held = proxy.hold_request(b"marked")
    began = asyncio.get_running_loop().time()

    outcome = await log.append(1, records(b"marked"))

    assert asyncio.get_running_loop().time() - began < GIVEN_UP_SECONDS
    assert held.done()
    assert not isinstance(outcome, Stored), "it was not stored then"
    await until_stored(log, 2, b"after")
    proxy.release()
    await asyncio.sleep(0.2)  # it arrives and is executed
    for end in (log, other):
        assert await stored(end) == [b"after"]
    assert redis.ask("XLEN", "{n}:log") == 1


async def test_a_batch_held_while_the_store_is_away_is_not_stored_later(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    """Nothing passes for longer than a call waits: what was told to the sender holds when the way is free again."""
    log = await opened(url_of(proxy), "a")
    await log.append(1, records(b"before"))
    proxy.silence()
    outcomes = [await log.append(number, records(b"%d" % number)) for number in (2, 3, 4)]
    assert not any(isinstance(outcome, Stored) for outcome in outcomes)
    assert any(isinstance(outcome, NotStored) for outcome in outcomes), "the store is known to be away by then"
    proxy.release()
    await until_stored(log, 5, b"after")

    found = await stored(log)

    assert found[0] == b"before"
    assert found[-1] == b"after"
    for number, outcome in zip((2, 3, 4), outcomes, strict=True):
        if isinstance(outcome, NotStored):
            assert b"%d" % number not in found
        assert found.count(b"%d" % number) <= 1


async def test_every_append_of_many_is_told_the_truth_on_a_way_that_breaks_all_the_time(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    """Forty appends, every third of which loses its request or its answer: what was told is stored, in order."""
    log = await opened(url_of(proxy), "a")
    told: list[tuple[bytes, object]] = []
    for number in range(1, 41):
        payload = b"p%03d" % number
        if number % 3 == 0:
            (proxy.lose_request if number % 2 else proxy.lose_answer)(payload)
        told.append((payload, await log.append(number, records(payload))))

    found = await entries(log)

    payloads = [entry.payload for entry in found]
    assert len(set(payloads)) == len(payloads)
    assert payloads == sorted(payloads)
    for payload, outcome in told:
        if isinstance(outcome, Stored):
            assert [entry.index for entry in found if entry.payload == payload] == [outcome.first]
        elif isinstance(outcome, NotStored):
            assert payload not in payloads
    assert sum(isinstance(outcome, Stored) for _, outcome in told) > 20


async def test_conditions_are_judged_once_when_the_answer_was_lost(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    """An expiry whose answer is lost removes its deadline; asked again, it must not be taken for void."""
    log = await opened(url_of(proxy), "a")
    await log.deadlines.disarm()
    await log.deadlines.rearm([("late", 0.05)])
    await asyncio.sleep(0.1)
    [due] = (await log.deadlines.tick(10)).due
    await log.append(1, records(b"before"))
    proxy.lose_answer(b"expired")

    outcome = await log.append(2, [Record(b"expired", (Arm("late", None),), Condition(*due)), Record(b"more")])

    assert isinstance(outcome, Stored)
    assert outcome.void == ()
    assert await stored(log) == [b"before", b"expired", b"more"]


async def test_a_former_housekeeper_changes_nothing_under_its_tenure(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    """Cut off for longer than its lease, it comes back, and what it decided as housekeeper is void."""
    first = await opened(url_of(proxy), "a")
    second = await opened(url_of(redis), "b")
    assert first.group.is_housekeeper()
    tenure = first.group.tenure()
    proxy.silence()
    async with asyncio.timeout(8):
        while not second.group.is_housekeeper():  # noqa: ASYNC110 - the real time of a lease
            await asyncio.sleep(0.05)
    assert not first.group.is_housekeeper(), "a housekeeper that hears nothing gives up before another begins"
    proxy.release()
    await until_stored(first, 1, b"anything")

    outcome = await first.append(2, [Record(b"as housekeeper", condition=Tenure(tenure))])

    assert isinstance(outcome, Stored)
    assert outcome.void == (0,)
    with pytest.raises(LogUnavailable):
        await first.deadlines.tick(1)
    with pytest.raises(LogUnavailable):
        await first.publish_snapshot(1, 0.0, each(b"all"))
    assert await stored(second) == [b"anything"]


async def test_a_follower_that_a_trim_overtook_is_reset_and_misses_nothing(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    """A gap in a trimmed stream is silent in Redis: the entries after it look as if they were the next ones."""
    log = await opened(url_of(redis), "a")
    lagging = await opened(url_of(proxy), "b")
    await log.append(1, records(b"seen"))
    reader = Reader(lagging, 0)
    assert await reader.payloads(1) == [b"seen"]
    proxy.silence()
    for number in range(2, 8):
        await log.append(number, records(*[b"%d.%d" % (number, place) for place in range(100)]))
    newest = await log.newest()
    for index in (newest.index - 1, newest.index):
        await log.publish_snapshot(index, newest.time, each(b"as of %d" % index))
    await log.append(8, records(b"tail"))
    redis.ask("XTRIM", "{n}:log", "MINID", str(newest.index))  # what `~` may leave for a while
    proxy.release()

    reset = await reader.next()

    assert isinstance(reset, Reset)
    assert (reset.index, reset.chunks) == (newest.index, (b"as of %d" % newest.index,))
    assert await reader.payloads(1) == [b"tail"]


async def test_a_follower_that_was_away_reads_on_where_it_was(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    log = await opened(url_of(redis), "a")
    away = await opened(url_of(proxy), "b")
    await log.append(1, records(b"seen"))
    reader = Reader(away, 0)
    assert await reader.payloads(1) == [b"seen"]
    await proxy.cut()
    for number in range(2, 8):
        await log.append(number, records(b"%d" % number))
    await proxy.start()
    assert await reader.payloads(6) == [b"%d" % number for number in range(2, 8)]


async def test_an_append_during_the_recovery_is_answered_as_it_is(redis: RedisServer, opened: OpenLog) -> None:
    """kill -9 between two appends: nothing stored is lost, and ids stay those of their writer."""
    log = await opened(url_of(redis), "a")
    await log.append(1, records(b"one", b"two"))
    reader = Reader(log, 0)
    await reader.entries(2)
    await asyncio.to_thread(redis.kill)
    await asyncio.to_thread(redis.start)
    await until_stored(log, 2, b"three")
    found = [entry for entry in await entries(log) if entry.payload]
    assert [(entry.own_id, entry.payload) for entry in found[:2]] == [
        (OwnId("a", 1, 0), b"one"),
        (OwnId("a", 1, 1), b"two"),
    ]
    assert [entry.payload for entry in found] == [b"one", b"two", b"three"]


async def test_calls_fail_within_a_second_while_nothing_passes(
    redis: RedisServer, proxy: Proxy, opened: OpenLog
) -> None:
    log = await opened(url_of(proxy), "a")
    await log.append(1, records(b"one"))
    proxy.silence()
    loop = asyncio.get_running_loop()
    for snapshots in ((), (log.publish_snapshot,)):  # one that is under way may take longer over a chunk
        began = loop.time()
        outcomes = await asyncio.gather(
            log.append(2, records(b"two")),
            log.newest(),
            log.sync(),
            log.deadlines.beat([("x", 1.0)]),
            log.deadlines.tick(1),
            *(publish(1, 0.0, each(b"x")) for publish in snapshots),
            return_exceptions=True,
        )
        assert loop.time() - began < GIVEN_UP_SECONDS
        assert not isinstance(outcomes[0], Stored)
        assert all(isinstance(outcome, LogUnavailable) for outcome in outcomes[1:]), outcomes
    assert log.contact().away
    assert log.contact().silent_seconds > 0.5
    proxy.release()
    await until_stored(log, 3, b"three")
    assert not log.contact().away
    assert log.contact().silent_seconds == 0.0


async def until_stored(log: Log, batch: int, payload: bytes, within_seconds: float = 5.0) -> None:
    """Append until it is stored.

    Raises:
        TimeoutError: it was not for too long.
    """
    async with asyncio.timeout(within_seconds):
        while True:
            outcome = await log.append(batch, records(payload))
            if isinstance(outcome, Stored):
                return
            assert isinstance(outcome, NotStored), "nothing is lost on the way any more"
            await asyncio.sleep(0.05)
