"""Servers that are killed and started again while agents beat and programs look for them: real processes, real time."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from registry.client import AsyncAgentRegistration, Discovery, SyncDiscovery
from tests.client.moved import KINDS, Driven
from tests.processes import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(30)]  # a start of the server takes a second or two

BEAT_SECONDS = 0.1
SOON_SECONDS = 8.0

Born = Callable[[ServerProcess], Driven]
Beat = Callable[[ServerProcess], Awaitable[Driven]]


def url(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.port}"


async def agents(server: ServerProcess) -> dict[str, Any]:
    connection = await server.connected()
    answer = await connection.ask("GET", "/agents")
    await connection.close()
    return {one["id"]: one for one in json.loads(answer.body)["agents"]}


async def soon(reached: Callable[[], Awaitable[bool]]) -> None:
    """Return once it is so; it must be soon."""
    until = time.monotonic() + SOON_SECONDS
    while not await reached():
        assert time.monotonic() < until, "it never came to that"
        await asyncio.sleep(0.02)


@pytest.fixture(params=KINDS)
async def born(request: pytest.FixtureRequest) -> AsyncIterator[Born]:
    """Makes an agent of each kind in turn that lives in real time."""
    made: list[Driven] = []

    def bear(server: ServerProcess) -> Driven:
        made.append(Driven(request.param, url(server), really=True))
        return made[-1]

    yield bear
    for driven in made:
        await driven.unregister()


@pytest.fixture
def beating(born: Born) -> Beat:
    """Makes one that beats ten times a second."""

    async def beat(server: ServerProcess) -> Driven:
        driven = born(server)
        assert await driven.register()
        driven.agent.heartbeat_interval = BEAT_SECONDS
        await driven.call(driven.agent.start_heartbeat)
        return driven

    return beat


async def test_beats_go_on_after_the_server_was_killed(server: ServerProcess, beating: Beat) -> None:
    driven = await beating(server)
    agent_id = driven.agent.agent_id
    await server.kill()
    await server.start()
    first = (await agents(server))[agent_id]["last_seen"]

    async def heard() -> bool:
        return bool((await agents(server))[agent_id]["last_seen"] > first)

    await soon(heard)
    assert list(await agents(server)) == [agent_id] == [driven.agent.agent_id]
    await driven.unregister()
    assert await agents(server) == {}


async def test_beats_go_on_after_the_server_stood_still(server: ServerProcess, beating: Beat) -> None:
    driven = await beating(server)
    server.pause()
    await asyncio.sleep(5 * BEAT_SECONDS)
    server.resume()
    first = (await agents(server))[driven.agent.agent_id]["last_seen"]

    async def heard() -> bool:
        return bool((await agents(server))[driven.agent.agent_id]["last_seen"] > first)

    await soon(heard)


async def test_an_empty_server_is_told_again_and_gives_a_new_id(forgetful: ServerProcess, beating: Beat) -> None:
    driven = await beating(forgetful)
    before = driven.agent.agent_id
    await forgetful.kill()
    await forgetful.start()

    async def registered() -> bool:
        return bool(await agents(forgetful))

    await soon(registered)
    (after,) = await agents(forgetful)
    assert after == driven.agent.agent_id != before
    first = (await agents(forgetful))[after]["last_seen"]

    async def heard() -> bool:
        return bool((await agents(forgetful))[after]["last_seen"] > first)

    await soon(heard)
    await driven.unregister()
    assert await agents(forgetful) == {}


async def test_an_agent_may_be_there_before_the_server(forgetful: ServerProcess, born: Born) -> None:
    await forgetful.kill()
    driven = born(forgetful)
    driven.agent.heartbeat_interval = BEAT_SECONDS
    await driven.call(driven.agent.start)
    await forgetful.start()

    async def registered() -> bool:
        return driven.agent.agent_id in await agents(forgetful)

    await soon(registered)


async def test_the_last_known_answer_stays_while_the_server_is_away(server: ServerProcess, beating: Beat) -> None:
    driven = await beating(server)
    async with Discovery(url(server), "cost") as cost:
        await cost.wait_ready()
        picked = cost.pick()
        await server.kill()

        async def is_known() -> bool:
            return not cost.fresh

        await soon(is_known)
        assert cost.pick() == picked
        assert picked.id == driven.agent.agent_id
        await server.start()

        async def is_back() -> bool:
            return cost.fresh

        await soon(is_back)
        assert cost.pick() == picked
        await driven.unregister()

        async def is_gone() -> bool:
            return cost.instances == ()

        await soon(is_gone)


async def test_an_empty_server_is_believed(forgetful: ServerProcess) -> None:
    """Its indexes begin again; one that asked with the old one would wait for long."""
    agent = AsyncAgentRegistration("cost-1", "cost", "h", 1, [], url(forgetful))
    assert await agent.register()
    discovery = SyncDiscovery(Discovery(url(forgetful), "cost"))
    await asyncio.to_thread(discovery.start)
    await asyncio.to_thread(discovery.wait_ready)
    await forgetful.kill()
    await forgetful.start()

    async def is_gone() -> bool:
        return discovery.instances == ()

    await soon(is_gone)
    assert discovery.fresh
    assert await agent.register()
    await asyncio.to_thread(discovery.wait_ready)
    assert discovery.pick().id == agent.agent_id
    await asyncio.to_thread(discovery.close)
