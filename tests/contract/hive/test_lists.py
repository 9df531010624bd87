"""ListAgents and DiscoverAgents: filters, and what is found first (dialects.md §5.4)."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import redis.asyncio

from registry import testing
from registry.testing import FakeClock
from tests.contract.hive.hive import Hive, pb
from tests.replicas.redis_server import RedisServer
from tests.stores import empty_namespace, log_of

Code = grpc.StatusCode


# ListAgents


async def test_agents_are_listed_by_type_in_the_order_of_their_registration(hive: Hive) -> None:
    kinds = [pb.WORKER, pb.SCOUT, pb.GUARD, pb.ANALYST]
    ids = [await hive.register(kind) for kind in kinds]
    await hive.rest.put("/v1/agent/service/register", {"Name": "web"})
    await hive.rest.put("/v1/agent/service/register", {"Name": "edge", "Kind": "mesh-gateway", "Port": 1})
    assert await hive.listed() == [*ids, "web"]
    for kind, agent_id in zip(kinds, ids, strict=True):
        assert await hive.listed(kind) == [agent_id]


@pytest.mark.parametrize("number", [-1, 5])
async def test_there_is_no_other_type(hive: Hive, number: int) -> None:
    refusal = await hive.refused("ListAgents", pb.ListAgentsRequest(agent_type=number))
    assert refusal.code is Code.INVALID_ARGUMENT


async def test_its_own_agents_alone_where_the_setting_says_so(hive: Hive) -> None:
    own = await hive.register()
    await hive.rest.put("/v1/agent/service/register", {"Name": "web", "Tags": ["code"]})
    hive.server.app.settings = _with(hive.server.app.settings, dialect_scope="own")
    assert await hive.listed() == [own] == await hive.discovered("code")
    assert await hive.status("web") == "HEALTHY"


def _with(settings: Any, **changed: Any) -> Any:
    return dataclasses.replace(settings, **changed)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"namespace": "prod"}, "b"), ({"cluster": "c"}, "c"), ({"version": "2.0"}, "d"),
        ({"version": "1.0.0"}, "abce"),
        ({"namespace": "PROD"}, ""), ({"security_level": "INTERNAL"}, "abcd"), ({"security_level": "SECRET"}, "e"),
        ({"status": "HEALTHY"}, "abcde"), ({"status": "healthy"}, "abcde"), ({"status": "Degraded"}, "b"),
        ({"status": "UNHEALTHY"}, ""), ({"status": "odd"}, ""), ({"whatever": "x"}, "abcde"),
        ({"namespace": "prod", "status": "degraded"}, "b"), ({"namespace": "prod", "cluster": "c"}, ""),
        ({"agent_type": "scout"}, "abcde"),
    ],
)  # fmt: skip
async def test_filters_of_lists(hive: Hive, filters: dict[str, str], expected: str) -> None:
    ids = {
        "a": await hive.register(),
        "b": await hive.register(namespace="prod"),
        "c": await hive.register(cluster="c"),
        "d": await hive.register(version="2.0"),
        "e": await hive.register(metadata={"security_level": "SECRET"}),
    }
    await hive.beat(ids["b"], 0.4)
    assert await hive.listed(**filters) == [ids[name] for name in expected]
    if "agent_type" not in filters:
        assert sorted(await hive.discovered(**filters)) == sorted(ids[name] for name in expected)


async def test_the_unhealthy_are_listed_but_not_discovered(hive: Hive) -> None:
    ill, well = await hive.register(), await hive.register()
    await hive.beat(ill, 0.1)
    assert await hive.listed() == [ill, well]
    assert await hive.listed(status="unhealthy") == [ill]
    assert await hive.discovered() == [well]


# DiscoverAgents


async def test_an_agent_must_have_every_capability(hive: Hive) -> None:
    both = await hive.register(capabilities=["code", "test", "code"])
    one = await hive.register(capabilities=["code"])
    assert await hive.discovered("code") == [both, one]
    assert await hive.discovered("test", "code", "test") == [both]
    assert await hive.discovered("Code") == []
    assert await hive.discovered() == [both, one]


@pytest.mark.parametrize(("most", "expected"), [(0, 5), (-1, 5), (2, 2), (100, 7)])
async def test_five_are_enough_unless_more_are_asked_for(hive: Hive, most: int, expected: int) -> None:
    ids = [await hive.register() for _ in range(7)]
    assert await hive.discovered(most=most) == ids[:expected]


async def test_a_type_can_be_named_in_any_case_or_be_free(hive: Hive) -> None:
    worker, scout = await hive.register(), await hive.register(pb.SCOUT)
    await hive.server.advance(0.01)
    await hive.rest.put("/v1/agent/service/register", {"Name": "Specialist"})
    for name, expected in (
        ("worker", [worker]), ("WORKER", [worker]), ("Scout", [scout]), ("guard", []), ("specialist", ["Specialist"]),
        ("unheard-of", [worker, scout, "Specialist"]), ("", [worker, scout, "Specialist"]),
    ):  # fmt: skip
        assert await hive.discovered(agent_type=name) == expected, name


async def test_the_best_come_first(hive: Hive) -> None:
    rates = [(0.4, 10), (0.6, 10), None, (1.0, 10), (0.9, 0), (0.5, 1)]
    ids = []
    for rate in rates:
        ids.append(await hive.register())
        if rate is not None:
            await hive.beat(ids[-1], *rate)
    # 0.47 degraded; 0.73, 0.70 (nothing known), 0.85, 0.70 (no executions), 0.70
    assert await hive.discovered() == [ids[3], ids[1], ids[2], ids[4], ids[5], ids[0]]


# Pheromones


@pytest.fixture
async def swarm(redis_server: RedisServer) -> AsyncIterator[tuple[Hive, Any]]:
    """A registry over Redis, and the client by which the swarm leaves traces there."""
    url, clock = empty_namespace(redis_server), FakeClock()
    host, _, port = url.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2].rpartition(":")
    traces = redis.asyncio.Redis(host=host, port=int(port), decode_responses=True)
    async with (
        log_of(url, clock, writer="self") as timed,
        testing.server(
            log=timed.log, clock=clock, store=url, grpc_port=0, optiinfra_redis_copies=False, shutdown_grace_seconds=0.1
        ) as server,
    ):
        clock.busy = lambda: server.engine.busy or timed.busy()
        client = Hive(server)
        await client.know_agents()
        yield client, traces
        await client.close()
    await traces.aclose()


async def test_traces_in_redis_count(swarm: tuple[Hive, Any]) -> None:
    hive, traces = swarm
    names = ("failing", "unknown", "warned", "praised")
    ids = {name: await hive.register(pb.SCOUT) for name in names}
    for name, kind, value in (
        ("failing", "failure", "2.5"), ("failing", "success", "0.5"), ("warned", "warning", "1"),
        ("warned", "success", "1"), ("praised", "success", "1e3"), ("unknown", "success", "words"),
    ):  # fmt: skip
        await traces.set(f"pheromone:default:scout:{ids[name]}:{kind}", value, ex=60)
    await traces.set(f"pheromone:default:worker:{ids['failing']}:success", "1000", ex=60)  # of another type
    assert await hive.discovered() == [ids[name] for name in ("praised", "warned", "unknown", "failing")]


async def test_events_are_published_for_those_who_listen_in_redis(swarm: tuple[Hive, Any]) -> None:
    hive, traces = swarm
    async with traces.pubsub() as ear:
        await ear.psubscribe("neural-hive:agents:*")
        agent_id = await hive.register()
        await hive.beat(agent_id)
        request = pb.NotifyAgentRequest(agent_id=agent_id, message="m", metadata={"k": "v"})
        assert await _heard(ear, 2) == [
            ("neural-hive:agents:events", f'{{"event":"{event}","agent_id":"{agent_id}"}}')
            for event in ("registered", "updated")
        ]
        await hive.call("NotifyAgent", request)
        assert await _heard(ear, 1) == [
            (
                "neural-hive:agents:notifications",
                f'{{"agent_id":"{agent_id}","notification_type":"INFO","message":"m","metadata":{{"k":"v"}}}}',
            )
        ]
        await hive.call("Deregister", pb.DeregisterRequest(agent_id=agent_id))
        assert await _heard(ear, 1) == [
            ("neural-hive:agents:events", f'{{"event":"deregistered","agent_id":"{agent_id}"}}')
        ]


async def _heard(ear: Any, count: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    while len(found) < count:
        message = await ear.get_message(ignore_subscribe_messages=True, timeout=5)
        if message is not None:
            found.append((message["channel"], message["data"]))
    return found
