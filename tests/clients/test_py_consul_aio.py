"""py-consul's asyncio client against a running server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from consul import Check, ConsulException
from consul.aio import Consul

# The client calls aiohttp with arguments that aiohttp asks not to use any more.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
async def client(address: tuple[str, int]) -> AsyncIterator[Consul]:
    host, port = address
    client = Consul(host=host, port=port)
    yield client
    await client.close()


async def test_register_find_and_deregister(client: Consul, name: str) -> None:
    assert await client.agent.service.register(name, port=8080, tags=["blue"], check=Check.ttl("1m"))
    assert (await client.health.service(name, passing=True))[1] == []
    assert await client.agent.check.ttl_pass(f"service:{name}", notes="up")

    _, (entry,) = await client.health.service(name, passing=True, tag="blue")
    assert (entry["Service"]["Port"], entry["Checks"][-1]["Output"]) == (8080, "up")
    assert (await client.agent.services())[name]["Port"] == 8080

    assert await client.agent.service.deregister(name)
    assert (await client.health.service(name))[1] == []


async def test_many_readers_of_one_service_all_wake(client: Consul, name: str) -> None:
    """Several times: at first the readers still have to connect, and may come after the change."""
    await client.agent.service.register(name, port=1)
    index, _ = await client.health.service(name)
    for port in range(2, 7):
        reads = [asyncio.ensure_future(client.health.service(name, index=index, wait="8s")) for _ in range(50)]
        await client.agent.service.register(name, port=port)
        answers = await asyncio.wait_for(asyncio.gather(*reads), 5)
        assert {entries[0]["Service"]["Port"] for _, entries in answers} == {port}
        assert len({index for index, _ in answers}) == 1
        index = answers[0][0]


async def test_reader_sleeps_through_changes_to_another_service(client: Consul, name: str) -> None:
    await client.agent.service.register(name)
    index, before = await client.health.service(name)

    reader = asyncio.ensure_future(client.health.service(name, index=index, wait="500ms"))
    for port in range(1, 20):
        await client.agent.service.register(f"{name}-other", port=port)
    assert not reader.done()
    assert await reader == (index, before)


async def test_following_the_index_misses_nothing(client: Consul, name: str) -> None:
    index, _ = await client.health.service(name)
    seen: list[int] = []

    async def follow(index: str) -> None:
        while not seen or seen[-1] != 30:
            index, entries = await client.health.service(name, index=index, wait="8s")
            seen.extend(entry["Service"]["Port"] for entry in entries)

    follower = asyncio.ensure_future(follow(index))
    for port in range(1, 31):
        await client.agent.service.register(name, port=port)
    await asyncio.wait_for(follower, 5)
    assert seen == sorted(seen)


async def test_catalog_and_its_filters(client: Consul, name: str) -> None:
    for number in (1, 2):
        service = {"Service": name, "ID": f"{name}-{number}", "Port": number, "Meta": {"n": str(number)}}
        assert await client.catalog.register(f"{name}-node", "10.0.0.9", service=service)

    _, rows = await client.catalog.service(name, filter_expr='ServiceMeta.n == "2"')
    assert [row["ServiceID"] for row in rows] == [f"{name}-2"]
    _, node = await client.catalog.node(f"{name}-node")
    assert sorted(node["Services"]) == [f"{name}-1", f"{name}-2"]

    await client.catalog.deregister(f"{name}-node")
    assert (await client.catalog.service(name))[1] == []


async def test_maintenance(client: Consul, name: str) -> None:
    await client.agent.service.register(name)
    await client.agent.service.maintenance(name, True, "upgrade")
    assert (await client.health.service(name, passing=True))[1] == []
    await client.agent.service.maintenance(name, False)
    assert len((await client.health.service(name, passing=True))[1]) == 1


async def test_bad_wait_is_an_error(client: Consul, name: str) -> None:
    with pytest.raises(ConsulException, match="Invalid wait time"):
        await client.health.service(name, index="1", wait="soon")
