"""What a replica shows that lags or has lost its store, by read mode. Source: common.md §6, §9; `DESIGN.md` §3."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.contract.consul.agent import told
from tests.contract.consul.exchange import Answer
from tests.contract.consul.replicas import Replica, pair

HEALTH = "/v1/health/service/web"
NODES = "/v1/catalog/nodes"
WEB = {"Service": {"Service": "web"}, "Check": {"Name": "c"}}


@pytest.fixture
async def both() -> AsyncIterator[tuple[Replica, Replica]]:
    async with pair() as replicas:
        yield replicas


@pytest.fixture
async def behind(both: tuple[Replica, Replica]) -> Replica:
    """A replica that does not know yet of a service that another one has acknowledged."""
    one, two = both
    await two.caught_up(one)
    two.wire.hold()
    await one.register("n1", **WEB)
    return two


@pytest.fixture
async def cut_off(both: tuple[Replica, Replica]) -> Replica:
    """A replica that knows of the service, whose store has not answered for four seconds."""
    one, two = both
    await one.register("n1", **WEB)
    await two.server.advance(1)
    await two.caught_up(one)
    two.wire.cut()
    await two.server.advance(4)
    return two


def contact(answer: Answer) -> tuple[str, str]:
    return answer.headers["x-consul-knownleader"], answer.headers["x-consul-lastcontact"]


async def asking(replica: Replica, target: str) -> "asyncio.Task[Answer]":
    """A read that waits for its replica to catch up."""
    before = replica.wire.asked
    task = asyncio.ensure_future(replica.send(f"GET {target}"))
    await replica.asked(before + 1)
    await replica.server.clock.settle()
    assert not task.done()
    return task


# A replica that lags


@pytest.mark.parametrize("query", ["", "?stale", "?cached", "?leader", "?max_stale=1s"])
async def test_a_read_that_asks_for_no_more_is_answered_from_memory(behind: Replica, query: str) -> None:
    assert (await behind.get(HEALTH + query)).json == []
    assert behind.wire.asked == 0


@pytest.mark.parametrize(
    "path", [HEALTH, "/v1/catalog/service/web", "/v1/catalog/node/n1", "/v1/health/node/n1", "/v1/internal/ui/node/n1"]
)
async def test_a_consistent_read_shows_what_any_replica_has_acknowledged(
    both: tuple[Replica, Replica], behind: Replica, path: str
) -> None:
    answer = await asking(behind, f"{path}?consistent")
    behind.wire.let_go()
    found = await answer
    assert (found.status, contact(found)) == (200, ("true", "0"))
    assert found.json
    assert found.index == await both[0].index(path)


async def test_a_node_that_has_just_come_is_watched_as_what_it_is(
    both: tuple[Replica, Replica], behind: Replica
) -> None:
    """Not as the missing node that it was here when the question came."""
    index = await both[0].index("/v1/catalog/node/n1")
    watcher = await asking(behind, f"/v1/catalog/node/n1?consistent&index={index}")
    behind.wire.let_go()
    await behind.server.parked(1)
    await both[0].register("n1", Service={"Service": "db"})
    assert (await watcher).json["Services"].keys() == {"web", "db"}


async def test_it_asks_each_time(both: tuple[Replica, Replica]) -> None:
    for count in range(1, 4):
        assert (await both[1].send(f"GET {NODES}?consistent")).status == 200
        assert both[1].wire.asked == count


async def test_a_blocking_consistent_read_asks_once_at_its_start(both: tuple[Replica, Replica]) -> None:
    one, two = both
    await two.caught_up(one)
    watcher = await two.follow(f"{NODES}?consistent")
    asked = two.wire.asked
    await one.register("n1")
    assert [node["Node"] for node in (await watcher).json] == ["n1", "test-node"]
    assert two.wire.asked == asked


async def test_an_index_of_another_replica_is_waited_for(both: tuple[Replica, Replica], behind: Replica) -> None:
    """Balanced to a replica that lags, a watcher is not answered with less than it has seen."""
    index = await both[0].index(HEALTH)
    watcher = await asking(behind, f"{HEALTH}?index={index}&wait=1s")
    behind.wire.let_go()
    await behind.server.parked(1)
    await behind.server.advance(1)
    found = await watcher
    assert (found.index, len(found.json)) == (index, 1)


async def test_an_index_that_is_known_here_needs_no_question(both: tuple[Replica, Replica]) -> None:
    one, two = both
    await one.register("n1", **WEB)
    await two.caught_up(one)
    watcher = await two.follow(HEALTH)
    await one.register("n2", **WEB)
    assert len((await watcher).json) == 2
    assert two.wire.asked == 0


async def test_the_setting_makes_every_default_read_consistent() -> None:
    async with pair(consistent_reads=True) as (one, two):
        await one.register("n1", **WEB)
        assert await told(one, "/v1/agent/service/register", {"Name": "own"}) == (200, "")
        for path in (HEALTH, "/v1/agent/services", "/v1/agent/service/own", "/v1/agent/health/service/id/own"):
            two.wire.hold()
            assert await told(one, "/v1/agent/service/register", {"Name": "own", "Port": len(path)}) == (200, "")
            answer = await asking(two, path)
            two.wire.let_go()
            assert (await answer).status == 200
            asked = two.wire.asked
            await two.get(path)
            assert two.wire.asked == asked + 2
        two.wire.hold()
        asked = two.wire.asked
        for query in ("?stale", "?cached"):
            assert (await two.get(HEALTH + query)).status == 200
        assert two.wire.asked == asked


@pytest.mark.parametrize(
    ("service", "answer"), [("new", (500, "not implemented")), ("ghost", (404, 'ServiceID "ghost" does not exist'))]
)
async def test_a_service_that_has_just_come_is_not_called_unknown(
    both: tuple[Replica, Replica], behind: Replica, service: str, answer: tuple[int, str]
) -> None:
    assert await told(both[0], "/v1/agent/service/register", {"Name": "new"}) == (200, "")
    check = {"Name": "c", "ServiceID": service, "OSService": "x", "Interval": "10s"}
    asked = asyncio.ensure_future(told(behind, "/v1/agent/check/register", check))
    await behind.asked(1)
    behind.wire.let_go()
    assert await asked == answer


# A replica whose store is away


@pytest.mark.parametrize("path", [HEALTH, NODES, "/v1/internal/ui/services"])
@pytest.mark.parametrize("query", ["", "?stale"])
async def test_discovery_goes_on_and_says_how_old_it_may_be(cut_off: Replica, path: str, query: str) -> None:
    answer = await cut_off.get(path + query)
    assert (answer.status, contact(answer)) == (200, ("false", "4000"))
    assert answer.json
    await cut_off.server.advance(1.5)
    assert contact(await cut_off.get(path + query)) == ("false", "5500")


async def test_an_answer_in_memory_says_it_too_and_no_longer_than_it_lasts(both: tuple[Replica, Replica]) -> None:
    """The same bytes were answered from memory before, with a head that says all is well."""
    one, two = both
    await one.register("n1", **WEB)
    await two.caught_up(one)
    for _ in range(3):
        assert contact(await two.get(HEALTH)) == ("true", "0")
    ready = two.server.engine.topics.hits
    two.wire.cut()
    assert contact(await two.get(HEALTH)) == ("false", "0")
    two.wire.mend()
    for _ in range(3):
        assert contact(await two.get(HEALTH)) == ("true", "0")
    assert two.server.engine.topics.hits > ready


async def test_an_answer_that_was_first_given_meanwhile_does_not_outlast_it(cut_off: Replica) -> None:
    assert contact(await cut_off.get(NODES)) == ("false", "4000")
    cut_off.wire.mend()
    assert contact(await cut_off.get(NODES)) == ("true", "0")


async def test_a_watcher_that_is_released_meanwhile_says_it_too(cut_off: Replica) -> None:
    watcher = await cut_off.follow(HEALTH, wait="10s")
    await cut_off.server.advance(10)
    assert contact(await watcher) == ("false", "14000")


@pytest.mark.parametrize("path", [NODES, "/v1/health/node/n1", "/v1/catalog/node/n1", "/v1/catalog/service/web"])
async def test_a_consistent_read_fails_as_without_a_leader(cut_off: Replica, path: str) -> None:
    answer = await cut_off.get(f"{path}?consistent")
    assert (answer.status, answer.text) == (500, "No cluster leader")
    assert (answer.index, *contact(answer)) == (1, "false", "0")


async def test_some_reads_fail_without_an_index(cut_off: Replica) -> None:
    answer = await cut_off.get(f"{HEALTH}?consistent")
    assert (answer.status, answer.text) == (500, "No cluster leader")
    assert "x-consul-index" not in answer.headers


async def test_an_index_that_cannot_be_reached_fails_too(cut_off: Replica) -> None:
    answer = await cut_off.get(f"{HEALTH}?index=1000000&wait=1s")
    assert (answer.status, answer.text) == (500, "No cluster leader")


async def test_nobody_leads_but_the_peers_are_known(cut_off: Replica) -> None:
    assert (await cut_off.get("/v1/status/leader")).text == '""'
    peers = (await cut_off.get("/v1/status/peers")).json
    assert peers
    answer = await cut_off.get("/v1/operator/raft/configuration")
    assert (answer.status, answer.text) == (500, "No cluster leader")
    servers = (await cut_off.get("/v1/operator/raft/configuration?stale")).json["Servers"]
    assert [(one["Address"], one["Leader"]) for one in servers] == [(address, False) for address in peers]
    cut_off.wire.mend()
    assert (await cut_off.get("/v1/status/leader")).json in peers


@pytest.mark.parametrize("path", ["/v1/agent/services", "/v1/agent/members", "/v1/agent/self", "/v1/agent/checks"])
async def test_the_agent_goes_on_answering_from_memory(cut_off: Replica, path: str) -> None:
    assert (await cut_off.send(f"GET {path}")).status == 200


async def test_a_write_is_refused_with_the_reason_in_one_sentence(cut_off: Replica) -> None:
    status, text = await told(cut_off, "/v1/agent/service/register", {"Name": "x"})
    assert status == 503
    assert text == "The registry's store cannot take writes: the cable was cut. Nothing was changed; try again."


async def test_what_cannot_be_confirmed_is_not_called_unknown(cut_off: Replica) -> None:
    check = {"Name": "c", "ServiceID": "new", "OSService": "x", "Interval": "10s"}
    for path, body in (("force-leave/ghost", None), ("check/register", check), ("service/deregister/ghost", None)):
        status, text = await told(cut_off, f"/v1/agent/{path}", body)
        assert (status, "the cable was cut" in text) == (503, True)
