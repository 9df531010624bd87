"""What the log says of the store and of the other replicas, and what the health pages do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.consul.agent import told
from tests.contract.consul.replicas import Replica, pair


@pytest.fixture
async def both() -> AsyncIterator[tuple[Replica, Replica]]:
    async with pair() as replicas:
        yield replicas


async def health(replica: Replica, path: str = "/health") -> dict[str, Any]:
    found: dict[str, Any] = (await replica.send(f"GET {path}")).json
    return found


async def metric(replica: Replica, name: str) -> float:
    lines = (await replica.send("GET /metrics")).text.splitlines()
    [value] = [line.rpartition(" ")[2] for line in lines if line.startswith(f"registry_{name} ")]
    return float(value)


async def lines_of(replica: Replica, seconds: float, *, level: str = "info") -> list[str]:
    """What the log says while this time passes."""
    listener = replica.server.app.events.listen(level)
    await replica.server.advance(seconds)
    listener.close()
    return [line for chunk in [each async for each in listener.chunks()] for line in chunk.decode().splitlines()]


async def test_a_store_that_is_away_is_told_by_every_page(both: tuple[Replica, Replica]) -> None:
    two = both[1]
    two.wire.cut()
    await two.server.advance(4)
    found = await health(two)
    assert (found["status"], found["reason"], found["silent_seconds"]) == ("degraded", "the cable was cut", 4.0)
    assert (await two.send("GET /health/ready")).status == 503
    assert (await both[0].send("GET /health/ready")).status == 200
    assert [await metric(two, name) for name in ("store_up", "store_silent_seconds")] == [0.0, 4.0]
    assert await metric(two, "store_outages_total") == 1.0


async def test_a_store_that_is_back_takes_clients_at_once(both: tuple[Replica, Replica]) -> None:
    two = both[1]
    two.wire.cut()
    await two.server.advance(1)
    assert (await told(two, "/v1/agent/service/register", {"Name": "x"}))[0] == 503
    two.wire.mend()
    await two.server.advance(0.25)
    found = await health(two)
    assert (found["status"], "reason" in found, "silent_seconds" in found) == ("healthy", False, False)
    assert (await two.send("GET /health/ready")).status == 200


async def test_the_log_tells_when_the_store_goes_and_comes(both: tuple[Replica, Replica]) -> None:
    two = both[1]
    await two.server.advance(1)
    two.wire.cut()
    [gone] = [line for line in await lines_of(two, 5) if "The store is away" in line]
    assert "the cable was cut" in gone
    two.wire.mend()
    [back] = [line for line in await lines_of(two, 5) if "The store answers again" in line]
    assert "5.25" in back


async def test_one_of_them_keeps_house(both: tuple[Replica, Replica]) -> None:
    assert [await metric(one, "log_housekeeper") for one in both] == [1.0, 0.0]
