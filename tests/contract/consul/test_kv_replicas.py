"""Locks and keys where several replicas answer: what one has acknowledged every other one knows.

Source: `DESIGN.md` §3, kv.md §5. A lock that two replicas see differently is none, so reads without a mode ask the
store first.
"""

from collections.abc import AsyncIterator

import pytest

from tests.contract.consul.keys import done, put, session
from tests.contract.consul.replicas import Replica, pair
from tests.contract.consul.test_read_modes import asking

READS = ["/v1/kv/a/k", "/v1/kv/a/k?raw", "/v1/kv/a/?recurse", "/v1/kv/a/?keys", "/v1/session/list"]


@pytest.fixture
async def both() -> AsyncIterator[tuple[Replica, Replica]]:
    async with pair() as replicas:
        await replicas[0].know_commands()
        await replicas[1].caught_up(replicas[0])
        yield replicas


@pytest.mark.parametrize("target", READS)
async def test_a_read_shows_what_any_replica_has_acknowledged(both: tuple[Replica, Replica], target: str) -> None:
    one, two = both
    two.wire.hold()
    await put(one, f"a/k?acquire={await session(one)}")
    sign = "&" if "?" in target else "?"
    lagging = await two.send(f"GET {target}{sign}stale")
    answer = await asking(two, target)
    two.wire.let_go()
    assert (await answer).lasting() == (await one.send(f"GET {target}")).lasting() != lagging.lasting()


@pytest.mark.parametrize("target", READS)
async def test_it_asks_each_time_unless_it_may_be_stale(both: tuple[Replica, Replica], target: str) -> None:
    one, two = both
    await put(one, f"a/k?acquire={await session(one)}")
    await two.caught_up(one)
    sign = "&" if "?" in target else "?"
    for query, more in (("", 1), (f"{sign}consistent", 1), (f"{sign}stale", 0)):
        for _ in range(3):
            asked = two.wire.asked
            assert (await two.send(f"GET {target}{query}")).status == 200
            assert two.wire.asked == asked + more


async def test_a_lock_is_taken_on_one_replica_alone(both: tuple[Replica, Replica]) -> None:
    one, two = both
    first, second = await session(one), await session(two)
    for number in range(10):
        parties = ((one, first), (two, second))[:: 1 if number % 2 else -1]
        outcomes = [done(await replica.send(f"PUT /v1/kv/k?acquire={party}", body=b"")) for replica, party in parties]
        assert outcomes == [True, False]
        replica, party = parties[0]
        assert done(await replica.send(f"PUT /v1/kv/k?release={party}", body=b""))


async def test_who_waits_at_one_replica_hears_of_a_write_at_another(both: tuple[Replica, Replica]) -> None:
    one, two = both
    one_session = await session(one)
    await put(one, f"k?acquire={one_session}")
    watcher = await two.follow("/v1/kv/k")
    await put(one, f"k?release={one_session}")
    assert "Session" not in (await watcher).json[0]


async def test_a_session_is_renewed_anywhere(both: tuple[Replica, Replica]) -> None:
    one, two = both
    party = await session(one, TTL="10s")
    for _ in range(4):
        await one.server.advance(15)
        assert (await two.send(f"PUT /v1/session/renew/{party}")).status == 200
    await one.server.advance(21)
    for replica in both:
        assert (await replica.send(f"GET /v1/session/info/{party}")).text == "[]"


async def test_without_its_store_a_replica_says_so(both: tuple[Replica, Replica]) -> None:
    one, two = both
    await put(one, "a/k")
    await two.caught_up(one)
    two.wire.cut()
    await two.server.advance(4)
    for target in READS:
        answer = await two.send(f"GET {target}")
        assert (answer.status, answer.text) == (500, "No cluster leader")
        assert ("x-consul-index" in answer.headers) == ("session" in target)
        stale = await two.send(f"GET {target}{'&' if '?' in target else '?'}stale")
        assert (stale.status, stale.headers["x-consul-knownleader"]) == (200, "false")
    refused = await two.send("PUT /v1/kv/a/k", body=b"new")
    assert refused.status == 503
