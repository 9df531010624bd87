"""Beats are no news to Consul: a thousand agents beat for five minutes, and no index moves (dialects.md §2.2, M-15)."""

import asyncio
import json

import pytest

from registry.testing import TestServer
from tests.contract.rest import RestClient
from tests.fuzz.wire import Connection

AGENTS = 1_000
EVERY_SECONDS, MINUTES = 30, 5
CONNECTIONS = 8
READS = ("/v1/health/service/cost", "/v1/health/state/any", "/v1/catalog/services", "/v1/catalog/nodes")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


class Crowd:
    """A thousand agents, spread over a few connections that are kept."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections
        self.ids: list[str] = []

    @classmethod
    async def gathered(cls, server: TestServer) -> "Crowd":
        return cls([await Connection.opened(server.host, server.port) for _ in range(CONNECTIONS)])

    async def sent(self, requests: list[tuple[str, str, bytes]]) -> list[tuple[int, bytes]]:
        """Send them, each connection its share in its order; status and body of each answer."""
        answers: list[tuple[int, bytes]] = [(0, b"")] * len(requests)

        async def share(place: int) -> None:
            for number in range(place, len(requests), CONNECTIONS):
                answer = await self._connections[place].ask(*requests[number])
                answers[number] = (answer.status, answer.body)

        await asyncio.gather(*(share(place) for place in range(CONNECTIONS)))
        return answers

    async def register(self) -> None:
        """All of them, each with its own name."""
        bodies = (
            json.dumps(
                {"name": f"a{number}", "type": "cost", "host": "h", "port": 1 + number, "metadata": {"n": number}}
            )
            for number in range(AGENTS)
        )
        answers = await self.sent([("POST", "/agents/register", body.encode()) for body in bodies])
        assert {status for status, _ in answers} == {201}
        self.ids = [json.loads(body)["agent_id"] for _, body in answers]

    async def beat(self, place: int) -> int:
        """A beat of each, now by one route and now by another; how many were taken."""
        routes = (
            lambda number, one: (
                "POST", f"/agents/{one}/heartbeat",
                json.dumps({"status": "healthy", "metadata": {"n": number}}).encode(),
            ),
            lambda number, one: ("POST", f"/api/v1/agents/{one}/heartbeat", b'{"status":"active"}'),
            lambda number, one: ("PUT", f"/v1/agent/check/pass/service:{one}", b""),
        )  # fmt: skip
        requests = [routes[(place + number) % len(routes)](number, one) for number, one in enumerate(self.ids)]
        return sum(status == 200 for status, _ in await self.sent(requests))

    async def leave(self) -> None:
        for connection in self._connections:
            connection.writer.close()
            await connection.writer.wait_closed()


async def test_a_thousand_agents_that_beat_are_no_news(rest: RestClient) -> None:
    server = rest.server
    crowd = await Crowd.gathered(server)
    try:
        for _ in range(300):  # over a shared store it is written down who is there
            if server.engine.state.members or not server.engine.shared:
                break
            await server.advance(1)
        await crowd.register()
        await server.advance(1)
        applied = server.engine.state.applied
        indexes = {path: (await rest.get(path)).headers["X-Consul-Index"] for path in READS}
        readers = [asyncio.ensure_future(rest.get(f"{path}?index={index}&wait=10m")) for path, index in indexes.items()]
        await server.parked(len(READS))

        rounds = MINUTES * 60 // EVERY_SECONDS
        taken = 0
        for place in range(rounds):
            await server.advance(EVERY_SECONDS)
            taken += await crowd.beat(place)

        assert taken == rounds * AGENTS
        assert server.engine.state.applied == applied, "a beat has become an entry of the log"
        assert {path: (await rest.get(path)).headers["X-Consul-Index"] for path in READS} == indexes
        assert [reader.done() for reader in readers] == [False] * len(READS), "a beat has woken a reader"
        assert server.engine.topics.parked == len(READS)
        healthy = (await rest.get("/agents?status=healthy")).value["count"]
        assert healthy == AGENTS

        assert await crowd.beat(0) == AGENTS
        answer = await rest.post(f"/agents/{crowd.ids[0]}/heartbeat", {"status": "degraded"})
        assert answer.status == 200
        assert (await readers[0]).status == 200, "what is news still wakes"
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    finally:
        await crowd.leave()
