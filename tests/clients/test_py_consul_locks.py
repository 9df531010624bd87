"""py-consul's users who lock and elect: sessions, `acquire`, `cas`, and waiting for the holder to go.

What counts is counted: nobody may ever be in the guarded part while somebody else is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any

import consul
import pytest
from consul.aio import Consul

# The client calls aiohttp with arguments that aiohttp asks not to use any more.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Background = Callable[..., Future[Any]]
CONTENDERS = 50
PLACES = 3


class Guarded:
    """What only so many may be in at once."""

    def __init__(self, places: int = 1) -> None:
        self.places = places
        self.inside = 0
        self.most = 0
        self.visits: list[str] = []

    async def visit(self, who: str) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.visits.append(who)
        await asyncio.sleep(0)
        assert self.inside <= self.places
        self.inside -= 1


@pytest.fixture
async def party(address: tuple[str, int]) -> AsyncIterator[Consul]:
    host, port = address
    client = Consul(host=host, port=port)
    yield client
    await client.close()


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[consul.Consul]:
    host, port = address
    with consul.Consul(host=host, port=port) as client:
        yield client


def test_a_leader_is_elected_and_followed(client: consul.Consul, name: str, background: Background) -> None:
    key = f"{name}/leader"
    first, second = client.session.create("one", ttl=10), client.session.create("two", ttl=10, lock_delay=0)
    assert client.kv.put(key, "one", acquire=first, flags=7) is True
    assert client.kv.put(key, "two", acquire=second) is False
    index, pair = client.kv.get(key)
    assert (pair["Session"], pair["Value"], pair["Flags"], pair["LockIndex"]) == (first, b"one", 7, 1)
    waiting = background(client.kv.get, key, index=index, wait="8s")
    assert client.session.renew(first)["ID"] == first
    assert client.kv.put(key, "", release=first) is True
    later, pair = waiting.result(5)
    assert int(later) > int(index)
    assert "Session" not in pair
    assert client.kv.put(key, "two", acquire=second) is True
    assert client.session.destroy(second) is True
    assert "Session" not in client.kv.get(key)[1]
    with pytest.raises(consul.NotFound):
        client.session.renew(second)
    client.session.destroy(first)


def test_a_key_lives_as_long_as_its_session(client: consul.Consul, name: str) -> None:
    owner = client.session.create(behavior="delete", lock_delay=0, ttl=10)
    assert client.kv.put(f"{name}/here", "up", acquire=owner) is True
    assert client.session.info(owner)[1]["Behavior"] == "delete"
    assert owner in [one["ID"] for one in client.session.list()[1]]
    assert client.session.destroy(owner) is True
    assert client.kv.get(f"{name}/here")[1] is None
    assert client.session.info(owner)[1] is None


def test_keys_are_read_listed_and_deleted(client: consul.Consul, name: str) -> None:
    for number in range(5):
        assert client.kv.put(f"{name}/{number}", bytes([0, 255, number]), flags=number) is True
    _, pairs = client.kv.get(name, recurse=True)
    assert [(one["Value"], one["Flags"]) for one in pairs] == [(bytes([0, 255, number]), number) for number in range(5)]
    assert client.kv.get(f"{name}/", keys=True)[1] == [f"{name}/{number}" for number in range(5)]
    index, pair = client.kv.get(f"{name}/3")
    assert client.kv.put(f"{name}/3", "new", cas=pair["ModifyIndex"] - 1) is False
    assert client.kv.put(f"{name}/3", "new", cas=index) is True
    assert client.kv.delete(f"{name}/3", cas=index) is False
    assert client.kv.delete(name, recurse=True) is True
    assert client.kv.get(name, recurse=True)[1] is None


async def test_of_fifty_contenders_never_two_hold_the_lock(party: Consul, name: str) -> None:
    """Each holds it once; every fifth dies with it instead of giving it back."""
    guarded, began = Guarded(), time.monotonic()

    async def contend(number: int) -> None:
        session = await party.session.create(lock_delay=0)
        while not await party.kv.put(name, str(number), acquire=session):
            index, pair = await party.kv.get(name)
            if pair is not None and "Session" in pair:
                await party.kv.get(name, index=index, wait="8s")
        await guarded.visit(session)
        if number % 5:
            assert await party.kv.put(name, "", release=session) is True
        await party.session.destroy(session)

    await asyncio.gather(*(contend(number) for number in range(CONTENDERS)))
    assert (guarded.most, len(set(guarded.visits)), guarded.inside) == (1, CONTENDERS, 0)
    _, pair = await party.kv.get(name)
    assert ("Session" in pair, pair["LockIndex"]) == (False, CONTENDERS)
    assert time.monotonic() - began < 8


async def test_of_fifty_contenders_never_more_than_its_places_are_in_a_semaphore(party: Consul, name: str) -> None:
    guarded = Guarded(PLACES)
    slots = f"{name}/slots"

    async def change(session: str, *, enter: bool) -> bool:
        """Put a session among the holders, or take it out; False where there is no place."""
        while True:
            _, slot = await party.kv.get(slots)
            holders = (slot["Value"] or b"").decode().split() if slot else []
            if enter and len(holders) >= PLACES:
                return False
            left = [*holders, session] if enter else [one for one in holders if one != session]
            if await party.kv.put(slots, " ".join(left), cas=slot["ModifyIndex"] if slot else 0):
                return True

    async def contend() -> None:
        session = await party.session.create(behavior="delete", lock_delay=0)
        assert await party.kv.put(f"{name}/{session}", "", acquire=session) is True
        while not await change(session, enter=True):
            index, slot = await party.kv.get(slots)
            if len((slot["Value"] or b"").split()) >= PLACES:
                await party.kv.get(slots, index=index, wait="8s")
        await guarded.visit(session)
        await change(session, enter=False)
        await party.session.destroy(session)

    await asyncio.gather(*(contend() for _ in range(CONTENDERS)))
    assert (len(set(guarded.visits)), guarded.inside) == (CONTENDERS, 0)
    assert 1 <= guarded.most <= PLACES
    assert (await party.kv.get(slots))[1]["Value"] is None
    assert (await party.kv.get(f"{name}/", keys=True))[1] == [slots]


async def test_a_counter_that_fifty_raise_by_cas_loses_no_step(party: Consul, name: str) -> None:
    async def raise_it() -> int:
        tries = 0
        while True:
            tries += 1
            _, pair = await party.kv.get(name)
            value, index = (int(pair["Value"]), pair["ModifyIndex"]) if pair else (0, 0)
            if await party.kv.put(name, str(value + 1), cas=index):
                return tries

    tries = await asyncio.gather(*(raise_it() for _ in range(CONTENDERS)))
    assert int((await party.kv.get(name))[1]["Value"]) == CONTENDERS
    assert sum(tries) > CONTENDERS  # they did meet
