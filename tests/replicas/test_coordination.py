"""Keys, sessions, transactions, events and snapshots over one Redis with two replicas, which are one server together.

Time is moved; Redis and the way of each entry through it are real, except where one replica has to be behind: those
share a store in memory. Reads of keys by such a one are in `tests/contract/consul/test_kv_replicas.py`, what faults do
in `test_linear_faults.py`.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.contract.consul.exchange import Client
from tests.contract.consul.keys import end, entry, lives, put, session
from tests.contract.consul.replicas import pair
from tests.contract.consul.test_snapshots import restored, saved
from tests.contract.consul.test_txn import errors, kv, results, value
from tests.replicas.moved import replicas, until
from tests.replicas.redis_server import RedisServer
from tests.stores import empty_namespace

ROUNDS = 20  # of what could be right by luck

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
Both = tuple[Client, Client]


@pytest.fixture
async def both(redis_server: RedisServer) -> AsyncIterator[Both]:
    """Clients of two replicas."""
    async with replicas(empty_namespace(redis_server), 2) as clients:
        one, two = (Client(client.server) for client in clients)
        yield one, two
        await one.close()
        await two.close()


async def listed(replica: Client, query: str = "") -> list[str]:
    """The ids of the events that a replica lists."""
    return [event["ID"] for event in (await replica.send(f"GET /v1/event/list{query}")).json]


async def test_an_event_fired_on_one_is_listed_on_the_other(both: Both) -> None:
    one, two = both
    fired = [(await replica.put("/v1/event/fire/deploy", b"x")).json["ID"] for replica in (one, two, one)]

    async def everywhere() -> bool:
        return [len(await listed(one)), len(await listed(two))] == [len(fired)] * 2

    await until(everywhere, "an event is not listed on both replicas")
    assert await listed(one) == await listed(two) == fired
    assert (await one.index("/v1/event/list")) == (await two.index("/v1/event/list"))


async def test_who_waits_for_an_event_on_one_hears_of_that_on_the_other(both: Both) -> None:
    one, two = both
    waiting = await two.watch("/v1/event/list?name=deploy&index=1")
    fired = (await one.put("/v1/event/fire/deploy", b"x")).json["ID"]
    assert [event["ID"] for event in (await waiting).json] == [fired]


async def test_a_transaction_on_one_is_read_on_the_other_as_soon_as_it_is_answered(both: Both) -> None:
    """Whole: no read shows one of its keys without the other."""
    for number in range(ROUNDS):
        one, two = both if number % 2 else both[::-1]
        text = f"{number}"
        await results(one, kv("set", "t/a", Value=value(text)), kv("set", "t/b", Value=value(text)))
        found = (await two.send("GET /v1/kv/t/?recurse")).json
        assert [row["Value"] for row in found] == [value(text)] * 2
        assert len({row["ModifyIndex"] for row in found}) == 1
        shown = await results(two, kv("get", "t/a"), kv("get", "t/b"))
        assert [row["KV"]["Value"] for row in shown] == [value(text)] * 2


async def test_a_replica_that_is_behind_shows_a_transaction_of_the_other_once_it_has_caught_up() -> None:
    """A read and a transaction of reads wait for it; one that may be stale does not, and shows none of it."""
    reads = json.dumps([kv("get-or-empty", "t/a"), kv("get-or-empty", "t/b")]).encode()
    async with pair() as (one, two):
        await one.know_commands()
        for number in range(3):
            await two.caught_up(one)
            before = (await one.send("PUT /v1/txn", body=reads)).text
            two.wire.hold()
            await results(one, kv("set", "t/a", Value=value(f"{number}")), kv("set", "t/b", Value=value(f"{number}")))
            assert (await two.send("PUT /v1/txn?stale", body=reads)).text == before
            asked = two.wire.asked
            other = Client(two.server)
            listing = asyncio.create_task(two.send("GET /v1/kv/t/?recurse"))
            reading = asyncio.create_task(other.send("PUT /v1/txn", body=reads))
            async with asyncio.timeout(5):
                await two.asked(asked + 1)
            assert not listing.done()
            assert not reading.done()
            two.wire.let_go()
            assert [row["Value"] for row in (await listing).json] == [value(f"{number}")] * 2
            assert [row["KV"]["Value"] for row in (await reading).json["Results"]] == [value(f"{number}")] * 2
            await other.close()


async def test_a_transaction_compares_with_what_the_other_has_written(both: Both) -> None:
    one, two = both
    for number in range(ROUNDS):
        assert await put(one, "k", b"%d" % number)
        index = (await one.send("GET /v1/kv/k")).json[0]["ModifyIndex"]
        again = kv("cas", "k", Index=index, Value=value(f"next {number}"))
        await results(two, again)
        assert await errors(one, again) == [(0, 'failed to set key "k", index is stale')]


async def test_a_session_of_one_locks_on_the_other_until_it_ends(both: Both) -> None:
    one, two = both
    for number in range(ROUNDS):
        party, rival = await session(one, LockDelay="0s"), await session(two)
        assert await put(two, f"k{number}?acquire={party}")
        assert not await put(one, f"k{number}?acquire={rival}")
        await end(two, party)
        assert not await lives(one, party)
        assert await put(one, f"k{number}?acquire={rival}")


async def test_a_lock_delay_holds_on_both(both: Both) -> None:
    one, two = both
    party, rival = await session(one, LockDelay="15s"), await session(two)
    assert await put(one, f"k?acquire={party}")
    await end(one, party)
    assert not await put(two, f"k?acquire={rival}")
    await one.server.advance(16)
    assert await put(two, f"k?acquire={rival}")


async def test_a_session_that_nobody_renews_ends_on_both(both: Both) -> None:
    one, two = both
    party = await session(one, TTL="10s")
    assert await put(two, f"k?acquire={party}")
    await one.server.advance(15)
    assert (await two.send(f"PUT /v1/session/renew/{party}")).status == 200
    await one.server.advance(15)
    assert await lives(one, party)
    await one.server.advance(8)

    async def gone() -> bool:
        return not (await lives(one, party) or await lives(two, party))

    await until(gone, "a session that nobody renews goes on")
    assert "Session" not in await entry(two, "k")


async def test_a_snapshot_restored_through_one_is_shown_by_the_other(both: Both) -> None:
    one, two = both
    party = await session(one, LockDelay="0s")
    assert await put(one, f"held?acquire={party}", b"before")
    before = await entry(two, "held")
    archive = await saved(two)
    await end(one, party)
    assert await put(two, "held", b"after")
    assert await put(one, "more", b"after")
    newest = (await one.send("GET /v1/kv/more")).json[0]["ModifyIndex"]
    waiting = await two.follow("/v1/kv/held")
    await restored(one, archive)
    for replica in (two, one):
        assert await entry(replica, "held") == before
        assert (await replica.send("GET /v1/kv/more")).status == 404
        assert await lives(replica, party)
    assert (await waiting).json[0]["Session"] == party
    assert await put(two, "more", b"again")
    assert (await one.send("GET /v1/kv/more")).json[0]["ModifyIndex"] > newest


async def test_restored_through_either_both_go_on_from_there(both: Both) -> None:
    one, two = both
    assert await put(one, "k", b"0")
    archive = await saved(one)
    for number in range(5):
        here, there = (one, two) if number % 2 else (two, one)
        assert await put(here, "k", b"changed")
        await restored(there, archive)
        assert (await here.send("GET /v1/kv/k?raw")).body == b"0"
        assert (await there.send("GET /v1/kv/k?raw")).body == b"0"
        assert (await one.index("/v1/catalog/nodes")) == (await two.index("/v1/catalog/nodes"))
