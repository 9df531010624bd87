"""`Lock`: one holder, whoever gets it next, and every way to lose it."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from registry.client import Held, Lock, LockLost, NotLocked, Refused
from registry.client.key import LOCK_FLAGS
from tests.client.locking import Resource, Way, in_time_of, live, passing, way_to
from tests.client.moved import tasks, until
from tests.contract.rest import RestClient

KEY = "jobs/nightly"
PATH = "/v1/kv/jobs/nightly"

Make = Callable[..., Lock]


@pytest.fixture
async def make(rest: RestClient, way: Way) -> AsyncIterator[Make]:
    """Makes locks that live in the server's time; they are released in the end, and nothing is left of them."""
    before, made = tasks(), list[Lock]()

    def lock(url: str = rest.server.url, key: str = KEY, **more: Any) -> Lock:
        made.append(Lock(url, key, timing=in_time_of(rest.server.clock), **more))
        return made[-1]

    yield lock
    for one in made:
        await one.release()
    assert (await rest.get("/v1/session/list")).value == []
    assert tasks() - {asyncio.current_task()} <= before


@pytest.fixture
async def way(rest: RestClient) -> AsyncIterator[Way]:
    """A way to the registry on which things get lost."""
    async with way_to(rest.server.url) as way:
        yield way


async def pair(rest: RestClient) -> dict[str, Any]:
    (found,) = (await rest.get(PATH)).value
    assert isinstance(found, dict)
    return found


async def lose(rest: RestClient, held: Held) -> None:
    assert (await rest.put(f"/v1/session/destroy/{held.session}")).value is True


def cancellations() -> int:
    """How often this task has been asked to end, and has not been let off it."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


class Block:
    """A block inside a lock, on a task of its own."""

    def __init__(self, lock: Lock) -> None:
        self.held: Held | None = None
        self.task = asyncio.create_task(self._live(lock))

    async def _live(self, lock: Lock) -> None:
        async with lock as self.held:
            await asyncio.Event().wait()

    async def entered(self) -> Held:
        await until(lambda: self.held is not None or self.task.done())
        if self.held is None:
            await self.task
        assert self.held is not None
        return self.held

    async def ended(self) -> Any:
        """What it ended with, without any time having passed."""
        await asyncio.wait({self.task}, timeout=5)
        assert self.task.done(), "nobody told it"
        return LockLost if self.task.cancelled() else self.task.exception()


# Getting and giving back


async def test_it_is_had_by_one_and_then_at_once_by_the_next(rest: RestClient, make: Make) -> None:
    first, second = make(), make()
    held = await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await rest.server.parked(2)  # the one that waits, and the one that watches its key
    assert not waiting.done()
    assert held.alive
    await first.release()
    assert (await waiting).fence > held.fence  # though the clock stood still: no lock-delay
    assert not held.alive


async def test_the_key_shows_who_has_it_as_consuls_own_locks_do(rest: RestClient, make: Make) -> None:
    lock = make(value=b"worker \xff", ttl_seconds=20, lock_delay_seconds=3)
    held = await lock.acquire()
    shown = await pair(rest)
    assert (shown["Session"], shown["Flags"], shown["LockIndex"]) == (held.session, LOCK_FLAGS, held.lock_index)
    assert base64.b64decode(shown["Value"]) == b"worker \xff"
    (session,) = (await rest.get(f"/v1/session/info/{held.session}")).value
    assert (session["TTL"], session["LockDelay"], session["Behavior"]) == ("20000ms", 3_000_000_000, "release")
    await lock.release()
    assert "Session" not in await pair(rest)


async def test_a_key_may_have_any_name(rest: RestClient, make: Make) -> None:
    lock = make(key="a b/ü?%2F//c")
    assert (await lock.acquire()).alive
    assert (await rest.get("/v1/kv/?keys")).value == ["a b/ü?%2F//c"]


@pytest.mark.parametrize("key", ["", "/jobs"])
def test_a_key_that_consuls_clients_refuse_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Lock("http://localhost:8500", key)


@pytest.mark.parametrize("seconds", [0, 0.0004, -15, 86401, float("nan")])
def test_a_ttl_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="needs a TTL"):
        Lock("http://localhost:8500", KEY, ttl_seconds=seconds)


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a url"):
        Lock("localhost:8500", KEY)


async def test_fences_rise_whatever_becomes_of_the_key(rest: RestClient, make: Make) -> None:
    """Consul's own counter does not."""
    lock, fences, counts = make(), list[int](), list[int]()
    for number in range(4):
        held = await lock.acquire()
        fences.append(held.fence)
        counts.append(held.lock_index)
        await lock.release()
        if number == 1:
            await rest.ask("DELETE", PATH)
        elif number == 2:
            await rest.put(f"{PATH}?flags={LOCK_FLAGS}", b"by hand")
    assert sorted(set(fences)) == fences
    assert counts == [1, 2, 1, 1]


async def test_who_has_no_more_time_leaves_nothing_behind(rest: RestClient, make: Make) -> None:
    first, second = make(), make()
    await first.acquire()
    with pytest.raises(NotLocked, match=KEY):
        await second.acquire(timeout=0.2)
    await first.release()
    assert (await make().acquire(timeout=5)).alive


async def test_a_waiting_one_that_is_cancelled_leaves_nothing_behind(rest: RestClient, make: Make) -> None:
    first, second = make(), make()
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await rest.server.parked(2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await first.release()
    assert (await second.acquire(timeout=5)).alive


async def test_it_is_held_once_at_a_time(make: Make) -> None:
    """Two tasks with one object would have one session, and so the lock both."""
    lock = make()
    first, second = await asyncio.gather(lock.acquire(), lock.acquire(), return_exceptions=True)
    assert isinstance(first, Held)
    assert isinstance(second, RuntimeError)
    await lock.release()
    await lock.release()
    assert (await lock.acquire()).alive


async def test_a_key_that_is_something_else_stays_as_it_is(rest: RestClient, make: Make) -> None:
    await rest.put(PATH, b"settings")
    before = await pair(rest)
    with pytest.raises(Refused, match="something else"):
        await make().acquire()
    assert await pair(rest) == before


async def test_what_the_server_refuses_for_ever_is_told(make: Make) -> None:
    with pytest.raises(Refused, match="TTL"):
        await make(ttl_seconds=1).acquire()


@pytest.mark.parametrize("key", [".", ".."])
async def test_a_key_that_no_path_can_name_is_told(make: Make, key: str) -> None:
    """The server sends such a request elsewhere, as Consul does; waiting would be without end."""
    with pytest.raises(Refused, match="redirect"):
        await make(key=key).acquire()


# Losing it


async def test_a_session_that_is_ended_ends_the_block(rest: RestClient, make: Make) -> None:
    block = Block(make())
    await lose(rest, await block.entered())
    assert isinstance(await block.ended(), LockLost)


async def test_a_key_that_is_deleted_ends_the_block(rest: RestClient, make: Make) -> None:
    block = Block(make())
    await block.entered()
    await rest.ask("DELETE", PATH)
    assert isinstance(await block.ended(), LockLost)


async def test_a_key_that_is_another_s_ends_the_block(rest: RestClient, make: Make) -> None:
    block, other = Block(make()), make()
    await block.entered()
    waiting = asyncio.create_task(other.acquire())
    await rest.server.parked(2)
    await rest.ask("DELETE", PATH)
    held = await waiting
    assert isinstance(await block.ended(), LockLost)
    assert held.alive
    assert (await pair(rest))["Session"] == held.session  # what the loser leaves behind is not the winner's


async def test_a_write_of_somebody_who_does_not_lock_takes_nothing_away(rest: RestClient, make: Make) -> None:
    block = Block(make())
    held = await block.entered()
    await rest.server.parked(1)
    await rest.put(f"{PATH}?flags={LOCK_FLAGS}", b"by hand")
    await rest.server.parked(1)  # it has looked, and waits for the next change
    assert held.alive
    assert (await pair(rest))["Session"] == held.session
    block.task.cancel()
    assert await block.ended() is LockLost


async def test_a_server_that_is_away_for_a_ttl_loses_it_before_anybody_else_can_have_it(
    rest: RestClient, make: Make, way: Way
) -> None:
    block, clock = Block(make(way.url, ttl_seconds=10)), rest.server.clock
    held = await block.entered()
    await clock.advance(9)
    assert held.alive  # renewed in between
    way.open = False
    went = await passing(clock, lambda: not held.alive, at_most=10)
    assert went > 10 - 10 / 3 - 1
    assert (await pair(rest))["Session"] == held.session  # the server has it still
    assert isinstance(await block.ended(), LockLost)
    other = asyncio.create_task(make(lock_delay_seconds=0).acquire())
    await passing(clock, other.done, at_most=45)
    assert (await other).fence > held.fence


async def test_a_server_that_says_nothing_for_a_ttl_loses_it_too(rest: RestClient, make: Make, way: Way) -> None:
    """Its connections stay open, as when its machine is gone: nobody may wait for it."""
    lock, clock = make(way.url, ttl_seconds=10, lock_delay_seconds=0), rest.server.clock
    held = await lock.acquire()
    way.keeps = lambda line: "renew" in line
    await passing(clock, lambda: any(map(way.keeps, way.asked)), at_most=4)
    await clock.advance(10)
    assert not held.alive
    way.keeps = lambda line: False


async def test_a_short_absence_of_the_server_loses_nothing(rest: RestClient, make: Make, way: Way) -> None:
    block, clock = Block(make(way.url, ttl_seconds=10)), rest.server.clock
    held = await block.entered()
    for _ in range(5):
        way.open = False
        await live(clock, 5)
        way.open = True
        way.asked.clear()
        await passing(clock, lambda: any("renew" in line for line in way.asked), at_most=2)
        await live(clock, 2)
    assert held.alive
    assert not block.task.done()
    block.task.cancel()
    await block.ended()


async def test_a_program_that_slept_through_its_ttl_knows_before_it_acts(rest: RestClient, make: Make) -> None:
    """Nothing of it has run since: neither a renewal nor the watch."""
    lock, clock = make(), rest.server.clock

    async def sleep_inside() -> None:
        async with lock as held:
            clock._elapsed += 16
            assert not held.alive
            with pytest.raises(LockLost):
                held.check()

    with pytest.raises(LockLost):
        await sleep_inside()


async def test_an_acquire_whose_answer_gets_lost_is_asked_again(rest: RestClient, make: Make, way: Way) -> None:
    lost = list[str]()

    def first(line: str) -> bool:
        if "acquire=" in line and len(lost) < 2:  # aiohttp asks a second time when a connection breaks
            lost.append(line)
            return True
        return False

    way.loses = first
    acquiring = asyncio.create_task(make(way.url).acquire())
    await passing(rest.server.clock, acquiring.done, at_most=5)
    held = await acquiring
    assert lost
    assert (held.lock_index, held.session) == (1, (await pair(rest))["Session"])


async def test_who_gives_up_after_a_lost_answer_leaves_the_key_free_at_once(
    rest: RestClient, make: Make, way: Way
) -> None:
    """It has the lock and does not know: ending the session alone would delay the next one."""
    way.loses = lambda line: "acquire=" in line
    with pytest.raises(NotLocked):
        await make(way.url).acquire(timeout=0.3)
    assert (await pair(rest))["LockIndex"] == 1
    assert (await make().acquire(timeout=5)).alive


async def test_a_session_that_ends_while_waiting_is_replaced(rest: RestClient, make: Make) -> None:
    first, second, clock = make(lock_delay_seconds=0), make(lock_delay_seconds=0), rest.server.clock
    held = await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await rest.server.parked(2)
    await rest.ask("DELETE", PATH)
    await rest.put(f"{PATH}?acquire={held.session}&flags={LOCK_FLAGS}")  # it comes back to the first
    await rest.server.parked(1)
    for session in (await rest.get("/v1/session/list")).value:
        await rest.put(f"/v1/session/destroy/{session['ID']}")
    await passing(clock, waiting.done, at_most=30)
    assert (await waiting).fence > held.fence


async def test_after_a_loss_nobody_has_it_for_the_lock_delay(rest: RestClient, make: Make) -> None:
    block, clock = Block(make(lock_delay_seconds=12)), rest.server.clock
    held = await block.entered()
    waiting = asyncio.create_task(make().acquire())
    await rest.server.parked(2)
    await lose(rest, held)
    went = await passing(clock, waiting.done, at_most=20)
    assert 12 <= went <= 12 + 5
    with suppress(LockLost):
        await block.task


async def test_a_loss_ends_in_the_block_s_own_error_where_there_is_one(rest: RestClient, make: Make) -> None:

    async def fail_inside() -> None:
        async with make() as held:
            await lose(rest, held)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ZeroDivisionError from None

    with pytest.raises(ZeroDivisionError):
        await fail_inside()
    assert cancellations() == 0


async def test_a_block_that_does_not_listen_is_told_at_its_end(rest: RestClient, make: Make) -> None:
    async def ignore_inside() -> None:
        async with make() as held:
            await lose(rest, held)
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    with pytest.raises(LockLost):
        await ignore_inside()
    assert cancellations() == 0


async def test_who_is_cancelled_by_somebody_else_is_cancelled(rest: RestClient, make: Make) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), make():
            await asyncio.Event().wait()
    block = Block(make())
    held = await block.entered()
    await lose(rest, held)
    block.task.cancel()
    await asyncio.wait({block.task})
    assert block.task.cancelled()


async def test_it_can_be_had_again_after_a_loss(rest: RestClient, make: Make) -> None:
    lock = make(lock_delay_seconds=0)
    held = await lock.acquire()
    await lose(rest, held)
    await held.lost.wait()
    with pytest.raises(RuntimeError):
        await lock.acquire()
    await lock.release()
    assert (await lock.acquire()).fence > held.fence


async def test_renewals_keep_it_for_as_long_as_it_is_wanted(rest: RestClient, make: Make) -> None:
    held = await make(ttl_seconds=300).acquire()
    for _ in range(4):
        await live(rest.server.clock, 300, step=75)
        assert held.alive
    assert len((await rest.get("/v1/session/list")).value) == 1


# Many


@pytest.mark.slow
async def test_of_fifty_contenders_there_is_one_at_a_time(rest: RestClient) -> None:
    resource, visits = Resource(), 0

    async def contend() -> None:
        nonlocal visits
        async with Lock(rest.server.url, KEY) as held:
            await resource.visit(held.fence)
            visits += 1

    await asyncio.gather(*(contend() for _ in range(50)))
    assert (resource.most, visits) == (1, 50)
    assert resource.fences == sorted(set(resource.fences))
    assert len(resource.fences) == 50


@pytest.mark.slow
async def test_of_contenders_whose_sessions_end_at_any_moment_each_term_has_its_fence(rest: RestClient) -> None:
    """Without a lock-delay the last holder may still be there when the next one comes: fences tell them apart."""
    resource, terms, losses = Resource(), list[int](), 0

    async def contend() -> None:
        nonlocal losses
        while True:
            try:
                async with Lock(rest.server.url, KEY, lock_delay_seconds=0) as held:
                    terms.append(held.fence)
                    if len(terms) % 3:
                        await lose(rest, held)
                    for _ in range(20):
                        resource.write(held.fence)
                        await asyncio.sleep(0.001)
                    return
            except LockLost:
                losses += 1
                assert not resource.write(terms[0] - 1)

    await asyncio.gather(*(contend() for _ in range(20)))
    assert losses >= 20
    assert len(terms) == len(set(terms)) == losses + 20
