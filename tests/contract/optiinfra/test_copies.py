"""Readable copies of OptiInfra's agents in the Redis that holds the log (dialects.md §3.6)."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from registry import testing
from registry.api.dialects.optiinfra.copies import LASTING_SECONDS
from registry.testing import FakeClock, TestServer
from tests.contract.rest import RestClient
from tests.replicas.redis_server import RedisServer
from tests.stores import empty_namespace, log_of

AGENT = {"name": "a", "type": "cost", "host": "h", "port": 1, "metadata": {"cpu": 1.5}}


@pytest.fixture
async def eyes(redis_server: RedisServer) -> AsyncIterator[Any]:
    """What an operator sees with the client of Redis."""
    target = redis_server.url("eyes").partition("://")[2].partition("?")[0].partition("/")[0]
    host, _, port = target.rpartition("@")[2].rpartition(":")
    client = redis.asyncio.Redis(host=host, port=int(port), decode_responses=True)
    for key in await client.keys("agent*"):
        await client.delete(key)
    yield client
    await client.aclose()


async def copied(server: TestServer, eyes: Any, expected: set[str]) -> dict[str, Any]:
    """The copies, once they are these."""
    for _ in range(200):
        await server.advance(1)
        found = await eyes.smembers("agents:active")
        if found == expected:
            return {one: json.loads(await eyes.get(f"agent:{one}")) for one in found}
    raise AssertionError(f"{found} instead of {expected}")


@pytest.mark.parametrize("wanted", [True, False])
async def test_agents_can_be_looked_at_in_redis(redis_server: RedisServer, eyes: Any, wanted: bool) -> None:
    url, clock = empty_namespace(redis_server), FakeClock()
    async with (
        log_of(url, clock, writer="self") as timed,
        testing.server(log=timed.log, clock=clock, store=url, optiinfra_redis_copies=wanted) as server,
    ):
        clock.busy = lambda: server.engine.busy or timed.busy()
        rest = RestClient(server)
        await rest.know_agents()
        await rest.put("/v1/agent/service/register", {"Name": "web"})
        first, second = [(await rest.post("/agents/register", AGENT)).value["agent_id"] for _ in range(2)]
        if not wanted:
            await server.advance(5)
            assert await eyes.keys("agent*") == []
            await rest.close()
            return
        copies = await copied(server, eyes, {first, second})
        shown = (await rest.get(f"/agents/{first}")).value
        assert {**copies[first], "last_seen": None} == {**shown, "last_seen": None}
        assert 0 < await eyes.ttl(f"agent:{first}") <= LASTING_SECONDS
        await rest.post(f"/agents/{first}/unregister")
        await copied(server, eyes, {second})
        assert await eyes.exists(f"agent:{first}") == 0
        await rest.post(f"/agents/{second}/unregister")
        await copied(server, eyes, set())
        await rest.close()
