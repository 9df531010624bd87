"""Blocking queries: when they are answered, with what, and how long they wait. Source: common.md §8.

Time stands still unless a test moves it, so whatever is answered was answered because of a write.
"""

import asyncio
from typing import Any

import pytest

from tests.contract.consul.exchange import Client

WEB = {"Service": "web", "ID": "w"}
HEALTH = "/v1/health/service/web"
CATALOG = "/v1/catalog/service/web"


async def still_waits(consul: Client, watcher: "asyncio.Task[object]") -> bool:
    await consul.server.advance(0)
    return consul.parked == 1 and not watcher.done()


@pytest.mark.parametrize("target", [HEALTH, CATALOG, "/v1/catalog/nodes", "/v1/health/state/any"])
async def test_an_older_index_is_answered_at_once(consul: Client, target: str) -> None:
    await consul.register("n", Service=WEB, Check={"CheckID": "c"})
    now = await consul.get(target)
    for index in (0, now.index - 1):
        assert (await consul.get(f"{target}?index={index}&wait=10m")).lasting() == now.lasting()


@pytest.mark.parametrize("index", ["1000000", "18446744073709551615", "0001000"])
async def test_an_index_that_is_not_reached_waits_to_the_end(consul: Client, index: str) -> None:
    """There is no reset on the server's side: a client that sees the index go back starts again itself."""
    await consul.register("n", Service=WEB)
    watcher = await consul.watch(f"{HEALTH}?index={index}&wait=30s")
    await consul.register("n", Service=WEB | {"Port": 1})
    assert await still_waits(consul, watcher)
    await consul.server.advance(30)
    assert (await watcher).lasting() == (await consul.get(HEALTH)).lasting()


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("", 300),
        ("&wait=", 300),
        ("&wait=0s", 300),
        ("&wait=-10s", 300),
        ("&wait=10s", 10),
        ("&wait=10000ms", 10),
        ("&wait=1m30s", 90),
        ("&wait=10m", 600),
        ("&wait=11m", 600),
        ("&wait=24h", 600),
        ("&wait=1ns", 0),
    ],
)
async def test_how_long_a_query_waits(consul: Client, query: str, seconds: float) -> None:
    watcher = await consul.watch(f"/v1/catalog/services?index=1{query}")
    if seconds:
        await consul.server.advance(seconds - 0.5)
        assert await still_waits(consul, watcher)
    await consul.server.advance(0.5)
    answer = await watcher
    assert (answer.status, answer.index, answer.text) == (200, 1, '{"consul":[]}')


async def test_the_end_of_the_wait_answers_with_what_was_computed_last(consul: Client) -> None:
    """Its index included: a check moves that of the service without waking those who list the service."""
    await consul.register("n", Service=WEB)
    before = await consul.get(CATALOG)
    watcher = await consul.follow(CATALOG, wait="1m")
    await consul.add("n", Check={"CheckID": "c", "ServiceID": "w"})
    assert await still_waits(consul, watcher)
    await consul.server.advance(60)
    assert (await watcher).lasting() == before.lasting()
    assert (await consul.get(f"{CATALOG}?index={before.index}&wait=1m")).index == before.index + 1


async def test_the_end_of_the_wait_does_not_look_at_what_others_were_answered(consul: Client) -> None:
    """The same query, asked again meanwhile, has an answer of its own."""
    await consul.register("n", Service=WEB)
    before = await consul.get(CATALOG)
    target = f"{CATALOG}?index={before.index}&wait=1m"
    watcher = await consul.watch(target)
    await consul.add("n", Check={"CheckID": "c", "ServiceID": "w"})
    assert (await consul.get(target)).index == before.index + 1
    await consul.server.advance(60)
    assert (await watcher).lasting() == before.lasting()


async def test_a_wake_up_below_the_index_goes_on_waiting_and_is_remembered(consul: Client) -> None:
    await consul.register("n", Service=WEB)
    watcher = await consul.watch(f"{HEALTH}?index=100&wait=1m")
    await consul.register("n", Service=WEB | {"Port": 7})
    assert await still_waits(consul, watcher)
    await consul.server.advance(60)
    answer = await watcher
    assert (answer.json[0]["Service"]["Port"], answer.index) == (7, 3)


@pytest.mark.parametrize(
    "target",
    [HEALTH, CATALOG, "/v1/catalog/node/n", "/v1/catalog/node-services/n", "/v1/health/node/n",
     "/v1/health/checks/web", "/v1/health/connect/web", "/v1/catalog/connect/web", "/v1/health/state/critical"],
)  # fmt: skip
async def test_what_comes_goes_and_comes_again_is_followed(consul: Client, target: str) -> None:
    """Each time with a higher index, and never missed."""
    native = WEB | {"Connect": {"Native": True}, "Port": 80}
    indexes = [await consul.index(target)]
    for step in range(3):
        watcher = await consul.follow(target)
        await consul.register("n", Service=native, Check={"CheckID": "c", "ServiceID": "w", "Output": str(step)})
        there = await watcher
        watcher = await consul.follow(target)
        await consul.deregister("n")
        gone = await watcher
        assert there.text not in ("[]", "null", '{"Node":null,"Services":null}')
        assert gone.text in ("[]", "null", '{"Node":null,"Services":null}')
        indexes += [there.index, gone.index]
    assert indexes == sorted(set(indexes))


async def test_a_name_is_watched_in_any_case(consul: Client) -> None:
    await consul.register("N", Service=WEB)
    for target in ("/v1/health/service/WEB", "/v1/catalog/service/Web", "/v1/catalog/node/n"):
        watcher = await consul.follow(target)
        await consul.add("n", Service={"Service": "wEB", "ID": "W", "Port": await consul.index(HEALTH)})
        await watcher


async def test_an_instance_that_changes_its_name_wakes_both_names(consul: Client) -> None:
    await consul.register("n", Service=WEB)
    left, joined = await consul.follow(HEALTH), await consul.follow("/v1/health/service/db")
    await consul.add("n", Service={"Service": "db", "ID": "w"})
    assert (await left).text == "[]"
    assert [entry["Service"]["ID"] for entry in (await joined).json] == ["w"]


async def test_a_node_that_changes_its_name_wakes_those_who_watch_either(consul: Client) -> None:
    node_id = "11111111-2222-3333-4444-555555555555"
    await consul.register("old", ID=node_id, Service=WEB)
    old, new = await consul.follow("/v1/catalog/node/old"), await consul.follow("/v1/catalog/node/new")
    service, nodes = await consul.follow(HEALTH), await consul.follow("/v1/catalog/nodes")
    await consul.register("new", ID=node_id)
    assert (await old).text == "null"
    assert (await new).json["Node"]["CreateIndex"] == 2
    assert (await service).text == "[]"
    assert "old" not in [node["Node"] for node in (await nodes).json]


@pytest.mark.parametrize("query", ["passing", "filter=Service.Port+==+1", "tag=none", "near=_agent", "node-meta=a:b"])
async def test_a_change_that_is_sorted_out_wakes_all_the_same(consul: Client, query: str) -> None:
    """Only the index counts; results are complete, never differences."""
    await consul.register("n", Service=WEB, Check={"CheckID": "c", "ServiceID": "w", "Status": "critical"})
    before = await consul.get(f"{HEALTH}?{query}")
    watcher = await consul.follow(f"{HEALTH}?{query}")
    await consul.add("n", Check={"CheckID": "c", "ServiceID": "w", "Status": "critical", "Output": "still"})
    answer = await watcher
    assert answer.index == before.index + 1
    assert answer.body == before.body or query == "near=_agent"


async def test_with_merged_configuration_only_another_result_ends_the_wait(consul: Client) -> None:
    target = f"{HEALTH}?merge-central-config&filter=Service.ID+==+w"
    await consul.register("n", Service=WEB)
    watcher = await consul.follow(target)
    await consul.register("m", Service=WEB | {"ID": "other"})
    assert await still_waits(consul, watcher)
    await consul.add("n", Service=WEB | {"Port": 2})
    assert (await watcher).json[0]["Service"]["Port"] == 2


async def test_an_identical_write_and_one_elsewhere_wake_nobody(consul: Client) -> None:
    registration: dict[str, Any] = {"Service": WEB, "Checks": [{"CheckID": "c", "ServiceID": "w", "Status": "passing"}]}
    await consul.register("n", **registration)
    watcher = await consul.follow(HEALTH)
    await consul.register("n", **registration)
    await consul.register("m", Service={"Service": "other"})
    await consul.register("m", Check={"CheckID": "c"})
    await consul.deregister("m")
    assert await still_waits(consul, watcher)
    watcher.cancel()


async def test_a_refused_write_wakes_nobody(consul: Client) -> None:
    await consul.register("n", Service=WEB)
    watcher = await consul.follow(HEALTH)
    bad = {"Node": "n", "Address": "10.0.0.2", "Service": WEB | {"Port": 5}, "Check": {"Name": "c", "ServiceID": "zz"}}
    assert (await consul.put("/v1/catalog/register", bad)).status == 500
    assert await still_waits(consul, watcher)
    watcher.cancel()


async def test_a_client_that_goes_away_waits_no_longer(consul: Client) -> None:
    await consul.register("n", Service=WEB)
    watchers = [await consul.follow(HEALTH) for _ in range(3)]
    for watcher in watchers:
        watcher.cancel()
    await asyncio.wait(watchers)
    while consul.parked:  # noqa: ASYNC110 - the real time in which a closed connection is noticed
        await asyncio.sleep(0)
    await consul.register("n", Service=WEB | {"Port": 1})
    assert (await consul.get(HEALTH)).json[0]["Service"]["Port"] == 1


async def test_watchers_of_one_name_get_one_and_the_same_answer(consul: Client) -> None:
    await consul.register("n", Service=WEB)
    watchers = [await consul.follow(HEALTH) for _ in range(5)]
    await consul.register("n", Service=WEB | {"Port": 1})
    answers = [(await watcher).lasting() for watcher in watchers]
    assert answers == [(await consul.get(HEALTH)).lasting()] * 5


async def test_a_write_is_seen_by_the_read_that_follows_its_answer(consul: Client) -> None:
    for port in range(1, 20):
        await consul.register("n", Service=WEB | {"Port": port})
        assert (await consul.get(HEALTH)).json[0]["Service"]["Port"] == port


async def test_reads_that_do_not_block_take_an_index_all_the_same(consul: Client) -> None:
    for target in ("/v1/catalog/datacenters", "/v1/agent/services", "/v1/agent/checks"):
        assert (await consul.get(f"{target}?index=1000&wait=10m")).status == 200


async def test_what_nobody_can_bring_about_waits_to_the_end(consul: Client) -> None:
    for target in ("/v1/catalog/gateway-services/g", "/v1/health/ingress/web", f"{HEALTH}?peer=p"):
        sign = "&" if "?" in target else "?"
        watcher = await consul.watch(f"{target}{sign}index=1&wait=10s")
        await consul.register("n", Service=WEB | {"Port": len(target)})
        assert await still_waits(consul, watcher)
        await consul.server.advance(10)
        assert ((await watcher).text, (await watcher).index) == ("[]", 1)
