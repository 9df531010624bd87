"""Locks: who holds a key, what takes it from them, and when it can be had again. Source: kv.md §5; session.md §6.

Time stands still unless a test moves it.
"""

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.keys import delete, done, end, entry, put, session

pytestmark = pytest.mark.usefixtures("every_command")

NO_DELAY = {"LockDelay": "0s"}


async def held(consul: Client, key: str) -> tuple[str, int, bytes, int]:
    """Holder, lock index, value and flags of a key."""
    found = await entry(consul, key)
    return found.get("Session", ""), found["LockIndex"], found["Value"], found["Flags"]


async def test_a_lock_is_taken_once_and_given_back(consul: Client) -> None:
    one, two = await session(consul), await session(consul)
    assert await put(consul, f"k?acquire={one}&flags=5", b"mine")
    assert await held(consul, "k") == (one, 1, b"mine", 5)
    assert not await put(consul, f"k?acquire={two}", b"yours")
    assert not await put(consul, f"k?release={two}", b"yours")
    assert await held(consul, "k") == (one, 1, b"mine", 5)
    assert await put(consul, f"k?release={one}", b"")
    assert await held(consul, "k") == ("", 1, b"", 0)
    assert not await put(consul, f"k?release={one}")
    assert await put(consul, f"k?acquire={two}", b"yours")
    assert await held(consul, "k") == (two, 2, b"yours", 0)


async def test_its_holder_may_take_a_lock_again(consul: Client) -> None:
    one = await session(consul)
    await put(consul, f"k?acquire={one}", b"1")
    first = await consul.get("/v1/kv/k")
    assert await put(consul, f"k?acquire={one}", b"1")
    assert (await consul.get("/v1/kv/k")).lasting() == first.lasting()
    assert await put(consul, f"k?acquire={one}&flags=2", b"2")
    assert await held(consul, "k") == (one, 1, b"2", 2)


async def test_a_plain_write_leaves_the_holder_and_forgets_the_count(consul: Client) -> None:
    one = await session(consul)
    await put(consul, f"k?acquire={one}")
    assert await put(consul, "k", b"anybody's")
    assert await held(consul, "k") == (one, 0, b"anybody's", 0)
    assert await put(consul, f"k?cas={await consul.index('/v1/kv/k')}", b"checked")
    assert await put(consul, f"k?acquire={one}", b"again")
    assert await held(consul, "k") == (one, 0, b"again", 0)
    await put(consul, f"k?release={one}")
    await put(consul, f"k?acquire={one}")
    assert (await held(consul, "k"))[:2] == (one, 1)


async def test_releasing_a_key_that_is_not_there_makes_none(consul: Client) -> None:
    assert not await put(consul, f"k?release={await session(consul)}")
    assert (await consul.get("/v1/kv/k")).status == 404


async def test_the_holder_is_the_session_as_it_was_typed(consul: Client) -> None:
    one = await session(consul, **NO_DELAY)
    assert await put(consul, f"k?acquire={one.upper()}")
    assert (await held(consul, "k"))[0] == one.upper()
    assert not await put(consul, f"k?release={one}")
    assert not await put(consul, f"k?acquire={one}")
    await end(consul, one)
    assert (await held(consul, "k"))[0] == ""


async def test_a_session_that_ends_lets_go_of_all_its_keys_at_one_index(consul: Client) -> None:
    one = await session(consul, **NO_DELAY)
    await put(consul, f"a?acquire={one}&flags=1", b"a")
    await put(consul, f"b?acquire={one}", b"b")
    await put(consul, "c", b"c")
    free = (await entry(consul, "c"))["ModifyIndex"]
    await end(consul, one)
    first, second, third = (await consul.get("/v1/kv/?recurse")).json
    assert first["ModifyIndex"] == second["ModifyIndex"] == await consul.index("/v1/session/list")
    assert third["ModifyIndex"] == free
    assert await held(consul, "a") == ("", 1, b"a", 1)


async def test_a_session_may_delete_what_it_holds(consul: Client) -> None:
    one = await session(consul, Behavior="delete", **NO_DELAY)
    await put(consul, f"gone/a?acquire={one}")
    await put(consul, f"gone/b?acquire={one}")
    await put(consul, f"gone/b?release={one}")
    await end(consul, one)
    answer = await consul.get("/v1/kv/gone/?keys")
    assert answer.json == ["gone/b"]
    assert (await consul.get("/v1/kv/gone/a")).status == 404
    assert answer.index == await consul.index("/v1/session/list")  # the deletion left its mark under the prefix


async def test_a_held_key_that_is_deleted_is_free_at_once(consul: Client) -> None:
    one, two = await session(consul), await session(consul)
    await put(consul, f"k?acquire={one}")
    await delete(consul, "k")
    assert await put(consul, f"k?acquire={two}")
    await end(consul, one)
    assert (await held(consul, "k"))[:2] == (two, 1)


# Lock-delay


async def test_after_the_end_of_its_holder_a_key_cannot_be_locked_for_a_while(consul: Client) -> None:
    one, two = await session(consul, LockDelay="20s"), await session(consul)
    await put(consul, f"k?acquire={one}", b"one")
    await end(consul, one)
    before = await consul.get("/v1/kv/k")
    assert not await put(consul, f"k?acquire={two}")
    await consul.server.advance(19.9)
    assert not await put(consul, f"k?acquire={two}")
    assert (await consul.get("/v1/kv/k")).lasting() == before.lasting()
    await consul.server.advance(0.2)
    assert await put(consul, f"k?acquire={two}")


async def test_only_locking_has_to_wait(consul: Client) -> None:
    one, two = await session(consul, LockDelay="20s"), await session(consul)
    await put(consul, f"k?acquire={one}")
    await end(consul, one)
    for nonsense in (two, "garbage", ""):
        assert not done(await consul.send(f"PUT /v1/kv/k?acquire={nonsense}", body=b""))
    assert not await put(consul, f"k?release={two}")
    assert await put(consul, "k", b"plain")
    assert await put(consul, f"k?cas={await consul.index('/v1/kv/k')}", b"checked")
    assert await delete(consul, "k")
    assert not await put(consul, f"k?acquire={two}")  # the delay is the name's
    assert await put(consul, "k?cas=0")
    assert not await put(consul, f"k?acquire={two}")
    assert await put(consul, f"other?acquire={two}")


async def test_a_session_that_deletes_leaves_the_delay_too(consul: Client) -> None:
    one, two = await session(consul, Behavior="delete", LockDelay="20s"), await session(consul)
    await put(consul, f"k?acquire={one}")
    await end(consul, one)
    assert not await put(consul, f"k?acquire={two}")
    await consul.server.advance(20)
    assert await put(consul, f"k?acquire={two}")


async def test_nobody_waits_after_an_orderly_end(consul: Client) -> None:
    one, two = await session(consul, LockDelay="60s"), await session(consul)
    await put(consul, f"k?acquire={one}")
    await put(consul, f"k?release={one}")
    await end(consul, one)
    assert await put(consul, f"k?acquire={two}")


async def test_a_lock_delay_counts_for_a_minute_at_most(consul: Client) -> None:
    one, two = await session(consul, LockDelay="10m"), await session(consul)
    await put(consul, f"k?acquire={one}")
    await end(consul, one)
    await consul.server.advance(59.9)
    assert not await put(consul, f"k?acquire={two}")
    await consul.server.advance(0.2)
    assert await put(consul, f"k?acquire={two}")


async def test_a_lock_delay_of_nothing_or_less_is_none(consul: Client) -> None:
    two = await session(consul)
    for delay in ("0s", 0, "-1s", True):
        one = await session(consul, LockDelay=delay)
        await put(consul, f"k?acquire={one}")
        await end(consul, one)
        assert await put(consul, f"k?acquire={two}")
        assert await put(consul, f"k?release={two}")


async def test_the_end_of_a_lock_delay_wakes_nobody(consul: Client) -> None:
    one = await session(consul, LockDelay="5s")
    await put(consul, f"k?acquire={one}")
    await end(consul, one)
    watcher = await consul.follow("/v1/kv/k", wait="20s")
    await consul.server.advance(19)
    assert not watcher.done()
    await consul.server.advance(1)
    assert (await watcher).index == await consul.index("/v1/kv/k")
