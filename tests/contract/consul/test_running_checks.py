"""Checks that the server runs, from the registration to what a client of the catalog sees; against real targets.

The clock of the server stands still until it is moved; the targets answer in real time. What each type of check
does with its target is tested in `tests/unit/checks`.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from registry import testing
from tests.contract.consul.agent import register
from tests.contract.consul.exchange import Client


class Target:
    """A web server that says what the test wants."""

    def __init__(self) -> None:
        self.status, self.body = 200, "fine"
        self.seen = 0
        self._answered = asyncio.Event()
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.seen += 1
        self._answered.set()
        return web.Response(status=self.status, text=self.body)


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    made = Target()
    app = web.Application()
    app.router.add_route("*", "/health", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    made.port = site._server.sockets[0].getsockname()[1]
    yield made
    await runner.cleanup()


def http(target: Target, **fields: object) -> dict[str, object]:
    return {"HTTP": f"http://127.0.0.1:{target.port}/health", "Interval": "10s", **fields}


async def seen(client: Client, check_id: str = "service:web") -> tuple[str, str]:
    """Status and output as the agent shows them; asked once, since a check under way may end between two reads."""
    row = (await client.send("GET /v1/agent/checks")).json[check_id]
    return row["Status"], row["Output"]


async def becomes(client: Client, status: str, check_id: str = "service:web") -> str:
    """Wait, in real time, until a check under way has ended with this status; its output."""
    async with asyncio.timeout(5):
        while (found := await seen(client, check_id))[0] != status:  # noqa: ASYNC110 - a target answers when it answers
            await asyncio.sleep(0.005)
    return found[1]


async def test_a_check_runs_within_a_second_and_then_at_its_interval(consul: Client, target: Target) -> None:
    await register(consul, Name="web", Check=http(target))
    assert (await seen(consul))[0] == "critical", "not before the registration was answered"
    await consul.server.advance(1)
    output = await becomes(consul, "passing")
    assert output == f"HTTP GET http://127.0.0.1:{target.port}/health: 200 OK Output: fine"

    target.status = 500
    await consul.server.advance(5)
    assert (await seen(consul))[0] == "passing"
    await consul.server.advance(6)
    assert "500 Internal Server Error" in await becomes(consul, "critical")
    target.status = 429
    await consul.server.advance(11)
    await becomes(consul, "warning")


async def test_who_watches_a_service_hears_of_its_failure(consul: Client, target: Target) -> None:
    await register(consul, Name="web", Check=http(target))
    await consul.server.advance(1)
    await becomes(consul, "passing")
    index = (await consul.get("/v1/health/service/web?passing")).index
    watching = Client(consul.server)
    watcher = asyncio.ensure_future(watching.send(f"GET /v1/health/service/web?passing&index={index}&wait=60s"))
    await consul.server.parked(1)
    target.status = 503
    await consul.server.advance(11)
    assert (await watcher).json == []
    await watching.close()


async def test_a_new_text_with_the_same_status_wakes_nobody(consul: Client, target: Target) -> None:
    await register(consul, Name="web", Check=http(target))
    await consul.server.advance(1)
    await becomes(consul, "passing")
    before = (await consul.get("/v1/health/service/web")).index
    for text in ("load 0.1", "load 0.2"):
        target.body = text
        await consul.server.advance(11)
        async with asyncio.timeout(5):
            while text not in (await seen(consul))[1]:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert (await consul.get("/v1/health/service/web")).index == before


async def test_registered_again_it_keeps_its_status_and_its_time(consul: Client, target: Target) -> None:
    for _ in range(3):
        await register(consul, Name="web", Check=http(target))
        await consul.server.advance(1)
        await becomes(consul, "passing")
    assert target.seen == 1


async def test_another_target_is_looked_at_soon(consul: Client, target: Target) -> None:
    await register(consul, Name="web", Check=http(target))
    await consul.server.advance(1)
    await becomes(consul, "passing")
    await register(consul, Name="web", Check=http(target, HTTP=f"http://127.0.0.1:{target.port}/nowhere"))
    await consul.server.advance(1)
    assert "404 Not Found" in await becomes(consul, "critical")


async def test_a_check_that_is_gone_is_not_run(consul: Client, target: Target) -> None:
    await register(consul, Name="web", Check=http(target))
    await consul.server.advance(1)
    await becomes(consul, "passing")
    assert (await consul.put("/v1/agent/service/deregister/web")).status == 200
    await consul.server.advance(60)
    assert target.seen == 1


async def test_failures_below_the_threshold_change_nothing(consul: Client, target: Target) -> None:
    await register(consul, Name="web", Check=http(target, FailuresBeforeCritical=2))
    await consul.server.advance(1)
    await becomes(consul, "passing")
    target.status = 500
    runs = target.seen
    await consul.server.advance(11)
    async with asyncio.timeout(5):
        while target.seen == runs:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert (await seen(consul))[0] == "passing"


async def test_what_is_run_is_in_the_metrics(consul: Client, target: Target) -> None:
    await register(consul, Name="web", Check=http(target))
    await consul.server.advance(1)
    await becomes(consul, "passing")
    page = (await consul.send("GET /metrics")).text
    assert 'registry_check_results_total{status="passing",type="http"} 1.0' in page
    assert "registry_checks_run_here 1.0" in page


async def test_a_restart_goes_on_checking(tmp_path: Path, target: Target) -> None:
    store = f"sqlite:///{tmp_path}/registry.db"
    async with testing.server(store=store) as server:
        consul = Client(server)
        await register(consul, Name="web", Check=http(target))
        await server.advance(1)
        await becomes(consul, "passing")
        await consul.close()
    async with testing.server(store=store) as server:
        consul = Client(server)
        assert (await seen(consul))[0] == "passing", "no flap"
        target.status = 500
        await server.advance(1)
        await becomes(consul, "critical")
        await consul.close()
