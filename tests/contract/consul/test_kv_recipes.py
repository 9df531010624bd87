"""What HashiCorp's lock and semaphore do, step by step, must work as it does with Consul. Source: kv.md §7."""

import asyncio
import base64

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.keys import delete, end, entry, put
from tests.contract.consul.recipes import SEMAPHORE_FLAGS, Foreign, Lock, Semaphore

pytestmark = pytest.mark.usefixtures("every_command")


async def test_one_of_two_has_the_lock_and_the_other_gets_it_at_once(consul: Client) -> None:
    one, two = await Lock.contender(consul, "lock"), await Lock.contender(consul, "lock")
    assert await one.attempt() is None
    assert await one.attempt() is None  # it has it already
    assert (await entry(consul, "lock"))["LockIndex"] == 1
    held = await two.attempt()
    assert held is not None
    waiting = await two.wait(held)
    await one.unlock()
    assert "Session" not in (await waiting).json[0]
    assert await two.attempt() is None
    assert (await entry(consul, "lock"))["LockIndex"] == 2


async def test_who_holds_a_lock_hears_that_it_is_lost(consul: Client) -> None:
    for loss in ("destroyed", "deleted", "expired", "released"):
        one = await Lock.contender(consul, f"lock-{loss}")
        assert await one.attempt() is None
        monitor = await one.monitor()
        if loss == "destroyed":
            await end(consul, one.session_id)
        elif loss == "deleted":
            await delete(consul, one.key)
        elif loss == "expired":
            await consul.server.advance(31)
        else:
            await one.unlock()
        assert one.lost(await monitor), loss


async def test_who_holds_a_lock_keeps_it_through_a_plain_write(consul: Client) -> None:
    one = await Lock.contender(consul, "lock")
    assert await one.attempt() is None
    monitor = await one.monitor()
    await put(consul, f"lock?flags={(await entry(consul, 'lock'))['Flags']}", b"anybody's")
    assert not one.lost(await monitor)
    assert await one.attempt() is None


async def test_renewals_keep_the_lock(consul: Client) -> None:
    one, two = await Lock.contender(consul, "lock"), await Lock.contender(consul, "lock")
    assert await one.attempt() is None
    for _ in range(20):
        await consul.server.advance(7.5)
        for party in (one, two):
            assert (await consul.send(f"PUT /v1/session/renew/{party.session_id}")).json[0]["TTL"] == "15s"
    assert await two.attempt() is not None


async def test_after_the_death_of_its_holder_a_lock_is_had_when_the_delay_is_over(consul: Client) -> None:
    one, two = await Lock.contender(consul, "lock"), await Lock.contender(consul, "lock")
    assert await one.attempt() is None
    begun = consul.server.clock.elapsed()
    await end(consul, one.session_id)
    for _ in range(4):
        try:
            assert await two.attempt() is None
            break
        except AssertionError:
            continue
    assert 15 <= consul.server.clock.elapsed() - begun <= 20
    assert (await entry(consul, "lock"))["Session"] == two.session_id


async def test_after_an_orderly_end_there_is_no_delay(consul: Client) -> None:
    one, two = await Lock.contender(consul, "lock"), await Lock.contender(consul, "lock")
    assert await one.attempt() is None
    await one.unlock()
    await end(consul, one.session_id)
    begun = consul.server.clock.elapsed()
    assert await two.attempt() is None
    assert consul.server.clock.elapsed() == begun


async def test_a_lock_in_use_is_not_destroyed(consul: Client) -> None:
    one, two = await Lock.contender(consul, "lock"), await Lock.contender(consul, "lock")
    assert await one.attempt() is None
    assert not await two.destroy()
    await one.unlock()
    assert await two.destroy()
    assert (await consul.get("/v1/kv/lock")).status == 404


async def test_a_key_of_something_else_is_no_lock(consul: Client) -> None:
    await put(consul, "lock?flags=1")
    with pytest.raises(Foreign):
        await (await Lock.contender(consul, "lock")).attempt()


async def test_one_try_waits_no_longer_than_it_says(consul: Client) -> None:
    one, two = await Lock.contender(consul, "lock"), await Lock.contender(consul, "lock")
    assert await one.attempt() is None
    held = await two.attempt()
    assert held is not None
    waiting = await consul.watch(f"/v1/kv/lock?index={held.index}&wait=250ms")
    await consul.server.advance(0.25)
    assert (await waiting).lasting() == held.lasting()


async def test_of_fifty_contenders_one_at_a_time_has_the_lock(consul: Client) -> None:
    contenders = [await Lock.contender(consul, "lock") for _ in range(50)]
    served = []
    while contenders:
        outcomes = [(one, await one.attempt()) for one in contenders]
        (holder,) = [one for one, held in outcomes if held is None]
        waiting = [await one.wait(held) for one, held in outcomes if held is not None]
        served.append(holder.session_id)
        await holder.unlock()
        contenders.remove(holder)
        assert all("Session" not in answer.json[0] for answer in await asyncio.gather(*waiting))
    assert len(set(served)) == 50
    assert (await entry(consul, "lock"))["LockIndex"] == 50


# Semaphores


async def test_a_semaphore_has_as_many_holders_as_it_says(consul: Client) -> None:
    parties = [await Semaphore.contender(consul, "sem", 2) for _ in range(4)]
    assert [await one.attempt() is None for one in parties] == [True, True, False, False]
    found = {one["Key"]: one for one in (await consul.get("/v1/kv/sem/?recurse")).json}
    assert found["sem/.lock"]["Flags"] == SEMAPHORE_FLAGS
    assert all(found[f"sem/{one.session_id}"]["Value"] is None for one in parties)
    assert b'"Limit": 2' in base64.b64decode(found["sem/.lock"]["Value"])
    full = await parties[2].attempt()
    assert full is not None
    waiting = await consul.watch(f"/v1/kv/sem/?recurse&index={full.index}&wait=15000ms")
    await parties[0].release()
    assert (await waiting).index > full.index
    assert [await one.attempt() is None for one in parties[2:]] == [True, False]


async def test_the_place_of_a_holder_that_died_is_free(consul: Client) -> None:
    parties = [await Semaphore.contender(consul, "sem", 1) for _ in range(2)]
    assert await parties[0].attempt() is None
    full = await parties[1].attempt()
    assert full is not None
    waiting = await consul.watch(f"/v1/kv/sem/?recurse&index={full.index}&wait=15000ms")
    await parties[0].die()
    assert f"sem/{parties[0].session_id}" not in {one["Key"] for one in (await waiting).json}
    assert await parties[1].attempt() is None


async def test_a_semaphore_that_two_write_at_once_is_written_by_one(consul: Client) -> None:
    index = 0
    for number in range(3):
        wins = [await put(consul, f"sem/.lock?cas={index}", b"%d %d" % (number, party)) for party in range(5)]
        assert wins == [True, False, False, False, False]
        index = (await entry(consul, "sem/.lock"))["ModifyIndex"]
