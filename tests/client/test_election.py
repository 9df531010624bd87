"""`Election`: one leader among many, terms that end, and those who look on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from registry.client import Election, Held, LockLost
from tests.client.locking import in_time_of, passing, way_to
from tests.client.moved import tasks, until
from tests.contract.rest import RestClient

KEY = "service/reports/leader"
Make = Callable[..., Election]


@pytest.fixture
async def make(rest: RestClient) -> AsyncIterator[Make]:
    """Makes elections that live in the server's time; nothing is left of them in the end."""
    before = tasks()
    yield lambda name, url=rest.server.url, **more: Election(
        url, KEY, name, timing=in_time_of(rest.server.clock), **more
    )
    assert (await rest.get("/v1/session/list")).value == []
    assert tasks() - {asyncio.current_task()} <= before


class Term:
    """What a leader does: it goes on until it is told to end."""

    def __init__(self) -> None:
        self.fences: list[int] = []
        self.end = asyncio.Event()
        self.session = ""

    async def lead(self, held: Held) -> str:
        self.fences.append(held.fence)
        self.session = held.session
        await self.end.wait()
        return "done"


async def lose(rest: RestClient, session: str) -> None:
    await rest.put(f"/v1/session/destroy/{session}")


async def test_one_leads_and_the_next_one_follows_when_it_resigns(rest: RestClient, make: Make) -> None:
    terms = [Term() for _ in range(5)]
    campaigns = [asyncio.create_task(make(f"worker-{n}").campaign(term.lead)) for n, term in enumerate(terms)]
    led = list[int]()
    for _ in terms:
        await passing(rest.server.clock, lambda: sum(len(term.fences) for term in terms) > len(led), at_most=10)
        (leading,) = (n for n, term in enumerate(terms) if term.fences and n not in led)
        assert await make("looks on").leader() == f"worker-{leading}"
        led.append(leading)
        terms[leading].end.set()
        assert await campaigns[leading] == "done"
    assert sorted(led) == [0, 1, 2, 3, 4]
    fences = [terms[n].fences[0] for n in led]
    assert fences == sorted(fences)
    assert await make("looks on").leader() is None


async def test_who_loses_the_leadership_is_cancelled_and_stands_again(rest: RestClient, make: Make) -> None:
    term = Term()
    campaign = asyncio.create_task(make("worker", lock_delay_seconds=2).campaign(term.lead))
    await until(lambda: term.fences)
    await lose(rest, term.session)
    went = await passing(rest.server.clock, lambda: len(term.fences) == 2, at_most=10)
    assert went >= 2
    assert term.fences[0] < term.fences[1]
    term.end.set()
    assert await campaign == "done"


async def test_what_a_leader_raises_ends_its_campaign(make: Make) -> None:
    async def lead(held: Held) -> None:
        raise LockLost("another lock")

    with pytest.raises(LockLost, match="another lock"):
        await make("worker").campaign(lead)


async def test_a_campaign_that_is_cancelled_resigns(rest: RestClient, make: Make) -> None:
    term, other = Term(), Term()
    campaign = asyncio.create_task(make("first").campaign(term.lead))
    await until(lambda: term.fences)
    second = asyncio.create_task(make("second").campaign(other.lead))
    await rest.server.parked(2)
    campaign.cancel()
    await until(lambda: other.fences)  # at once: the clock stands still
    other.end.set()
    await second


async def test_those_who_look_on_are_told_of_each_leader(rest: RestClient, make: Make) -> None:
    term, looks_on = Term(), make("looks on")

    async def next_of(leaders: Any) -> Any:
        told: Awaitable[Any] = anext(leaders)
        return await asyncio.wait_for(told, 5)

    async with aclosing(looks_on.leaders()) as leaders:
        assert await next_of(leaders) is None
        campaign = asyncio.create_task(make("worker").campaign(term.lead))
        assert await next_of(leaders) == "worker"
        term.end.set()
        await campaign
        assert await next_of(leaders) is None


async def test_who_looks_on_does_so_through_an_absence_of_the_server(rest: RestClient, make: Make) -> None:
    term, told = Term(), list[str | None]()
    async with way_to(rest.server.url) as way:
        way.open = False

        async def look_on() -> None:
            async for leader in make("looks on", way.url).leaders():
                told.append(leader)

        looking = asyncio.create_task(look_on())
        campaign = asyncio.create_task(make("worker").campaign(term.lead))
        await until(lambda: term.fences and way.asked)
        assert told == []
        way.open = True
        await passing(rest.server.clock, lambda: told, at_most=40)
        assert told == ["worker"]
        looking.cancel()
        await asyncio.wait({looking})
        term.end.set()
        await campaign
