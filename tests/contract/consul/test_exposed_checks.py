"""`Proxy.Expose.Checks`: the checks of a service are asked at its proxy; against a real proxy and a real service.

Where the proxy listens is Consul's choice (the ports from 21500 on), so it has an address of this machine that no
other test uses.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.contract.consul.agent import register
from tests.contract.consul.exchange import Client
from tests.contract.consul.test_running_checks import Target, becomes, target

__all__ = ["target"]

PROXY = f"127.99.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"


@asynccontextmanager
async def listener(port: int) -> AsyncIterator[list[str]]:
    """The proxy's listener for one check; the paths it was asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(text="through the proxy")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, PROXY, port).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


async def expose(consul: Client, checks: bool, address: str = PROXY) -> None:
    proxy = {"DestinationServiceName": "web", "DestinationServiceID": "web", "Expose": {"Checks": checks}}
    await register(consul, Name="web-proxy", Kind="connect-proxy", Port=1, Address=address, Proxy=proxy)


async def test_a_check_is_asked_at_the_proxy_and_again_at_its_target(consul: Client, target: Target) -> None:
    url = f"http://127.0.0.1:{target.port}/health?full=1"
    await register(consul, Name="web", Check={"HTTP": url, "Interval": "10s"})
    await consul.server.advance(1)
    await becomes(consul, "passing")
    target.status = 500  # nobody asks it while the proxy answers
    async with listener(21500) as asked:
        await expose(consul, True)
        shown = (await consul.get("/v1/health/checks/web")).json[0]
        assert (shown["ExposedPort"], shown["Status"], shown["Definition"]) == (21500, "passing", {})
        seen = target.seen
        await consul.server.advance(1)
        while not asked:
            await consul.server.advance(0.01)
        await expose(consul, True)
        assert (asked, target.seen) == (["/health?full=1"], seen)
    await consul.server.advance(10)
    output = await becomes(consul, "critical")
    assert output == (f'Get "http://{PROXY}:21500/health?full=1": dial tcp {PROXY}:21500: connect: connection refused')
    target.status = 200
    await expose(consul, False)
    await consul.server.advance(1)
    assert await becomes(consul, "passing") == f"HTTP GET {url}: 200 OK Output: fine"
    assert (await consul.get("/v1/agent/checks")).json["service:web"]["ExposedPort"] == 0


async def test_a_proxy_that_is_gone_is_not_asked(consul: Client, target: Target) -> None:
    await expose(consul, True)
    url = f"http://127.0.0.1:{target.port}/health"
    await register(consul, Name="web", Check={"HTTP": url, "Interval": "10s"})
    await consul.server.advance(1)
    assert (await consul.get("/v1/agent/checks")).json["service:web"]["ExposedPort"] == 21500
    await consul.put("/v1/agent/service/deregister/web-proxy")
    await consul.server.advance(1)
    await becomes(consul, "passing")
    assert target.seen == 1


async def test_a_proxy_that_comes_does_not_pass_thresholds_by(consul: Client, target: Target) -> None:
    """The status was earned at the target itself; one failure on the new way is one failure."""
    url = f"http://127.0.0.1:{target.port}/health"
    check = {"HTTP": url, "Interval": "10s", "FailuresBeforeWarning": 1, "FailuresBeforeCritical": 2}
    await register(consul, Name="web", Check=check)
    await consul.server.advance(1)
    await becomes(consul, "passing")
    await expose(consul, True)  # where nobody listens yet
    await consul.server.advance(1)
    await becomes(consul, "warning")
    await consul.server.advance(10)
    await becomes(consul, "critical")
