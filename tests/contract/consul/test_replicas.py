"""Several replicas on one log: one agent, whose members and servers they are. Source: `DESIGN.md` §3."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from registry.commands import RaiseLevel, SetMembers
from registry.commands.codec import LEVEL
from registry.model.member import Member
from tests.contract.consul.agent import told
from tests.contract.consul.exchange import Client
from tests.contract.consul.replicas import Replica, pair

FIRST = Member("aaaaaaaa", "", "10.0.0.1", 8500, 2, "1")
SECOND = Member("bbbbbbbb", "w2", "10.0.0.2", 9500, 2, "1")
RAFT = "/v1/operator/raft/configuration"


@pytest.fixture
async def both() -> AsyncIterator[tuple[Replica, Replica]]:
    async with pair() as replicas:
        await known(replicas, FIRST, SECOND)
        yield replicas


async def known(replicas: tuple[Replica, Replica], *members: Member, holder: str = FIRST.id) -> None:
    """All replicas know of these members."""
    await replicas[0].server.engine.propose(RaiseLevel(LEVEL))
    await replicas[0].server.engine.propose(SetMembers(members, holder))
    await replicas[1].caught_up(replicas[0])


async def servers(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(RAFT)).json["Servers"]
    return found


async def test_members_are_the_replicas_under_names_of_their_own(both: tuple[Replica, Replica]) -> None:
    shown = [(await one.get("/v1/agent/members")).json for one in both]
    assert shown[0] == shown[1]
    assert [(one["Name"], one["Addr"], one["Port"], one["Status"]) for one in shown[0]] == [
        ("test-node-aaaaaaaa", "10.0.0.1", 8500, 1),
        ("test-node-w2", "10.0.0.2", 9500, 1),
    ]
    assert all((one["Tags"]["role"], one["Tags"]["expect"]) == ("consul", "2") for one in shown[0])
    [found] = (await both[1].get('/v1/agent/members?filter=Name=="test-node-w2"')).json
    assert found == shown[0][1]


async def test_replicas_find_each_other() -> None:
    async with pair() as (one, two):
        await two.server.advance(1)
        for client in (one, two):
            members = (await client.get("/v1/agent/members")).json
            assert [each["Name"] for each in members] == ["test-node-aaaaaaaa", "test-node-bbbbbbbb"]
            peers = (await client.get("/v1/status/peers")).json
            assert peers == [f"127.0.0.1:{each.server.port}" for each in (one, two)]
            assert (await client.get("/v1/status/leader")).json == peers[0]


async def test_replicas_of_one_name_are_told_apart_all_the_same(both: tuple[Replica, Replica]) -> None:
    """Workers of two machines are numbered alike."""
    await known(both, Member("aaaaaaaa", "w1"), Member("bbbbbbbb", "w1"))
    names = [one["Name"] for one in (await both[0].get("/v1/agent/members")).json]
    assert names == ["test-node-w1-aaaaaaaa", "test-node-w1-bbbbbbbb"]


async def test_who_keeps_house_leads(both: tuple[Replica, Replica]) -> None:
    for one in both:
        assert (await one.get("/v1/status/leader")).text == '"10.0.0.1:8500"'
        assert (await one.get("/v1/status/peers")).text == '["10.0.0.1:8500","10.0.0.2:9500"]'
    await known(both, FIRST, SECOND, holder=SECOND.id)
    for one in both:
        assert (await one.get("/v1/status/leader")).text == '"10.0.0.2:9500"'
        assert [each["Leader"] for each in await servers(one)] == [False, True]


async def test_the_servers_of_the_log(both: tuple[Replica, Replica]) -> None:
    first, second = await servers(both[1])
    members = (await both[0].get("/v1/agent/members")).json
    assert [first["ID"], second["ID"]] == [one["Tags"]["id"] for one in members]
    own = both[0].server.engine.state.server.id
    assert len({first["ID"], second["ID"], own}) == 3
    assert (await servers(both[0])) == [first, second]
    assert second == {
        "ID": second["ID"], "Node": "test-node-w2", "Address": "10.0.0.2:9500", "Leader": False,
        "ProtocolVersion": "3", "Voter": True, "LastIndex": both[0].server.engine.state.applied,
    }  # fmt: skip


async def test_an_id_stays_as_long_as_its_replica_lives(both: tuple[Replica, Replica]) -> None:
    before = {one["Node"]: one["ID"] for one in await servers(both[0])}
    third = Member("cccccccc", "", "10.0.0.3", 8500)
    await known(both, SECOND, third, holder=SECOND.id)
    after = {one["Node"]: one["ID"] for one in await servers(both[0])}
    assert after.keys() == {"test-node-w2", "test-node-cccccccc"}
    assert after["test-node-w2"] == before["test-node-w2"]


async def test_a_replica_that_is_alone_is_the_node(both: tuple[Replica, Replica]) -> None:
    await known(both, SECOND, holder=SECOND.id)
    state = both[0].server.engine.state
    [member] = (await both[0].get("/v1/agent/members")).json
    assert member == (await both[0].send("GET /v1/agent/self")).json["Member"]
    assert (await both[0].get("/v1/status/leader")).text == '"127.0.0.1:8300"'
    assert (await servers(both[0])) == [{
        "ID": state.server.id, "Node": "test-node", "Address": "127.0.0.1:8300", "Leader": True,
        "ProtocolVersion": "3", "Voter": True, "LastIndex": state.applied,
    }]  # fmt: skip


async def test_every_replica_says_it_is_the_same_agent(both: tuple[Replica, Replica]) -> None:
    first, second = [(await one.send("GET /v1/agent/self")).json for one in both]
    assert first["Member"] == second["Member"]
    assert first["Config"] == second["Config"]
    assert first["Member"]["Name"] == "test-node"
    assert first["Stats"]["raft"]["num_peers"] == "1"


async def test_what_one_takes_the_other_knows(both: tuple[Replica, Replica]) -> None:
    """Register on one, beat on another, deregister on the first: any replica takes any request."""
    one, two = both
    body = {"Name": "web", "Check": {"TTL": "10s", "CheckID": "ttl"}}
    assert await told(one, "/v1/agent/service/register", body) == (200, "")
    assert await told(two, "/v1/agent/check/pass/ttl") == (200, "")
    await one.caught_up(two)
    assert (await one.get("/v1/health/service/web?passing")).json[0]["Node"]["Node"] == "test-node"
    assert await told(two, "/v1/agent/service/deregister/web") == (200, "")
    await one.caught_up(two)
    assert (await one.get("/v1/agent/services")).json == {}


@pytest.mark.parametrize("name", ["test-node", "test-node-aaaaaaaa", "test-node-w2"])
async def test_nothing_is_to_do_to_make_a_live_replica_leave(both: tuple[Replica, Replica], name: str) -> None:
    assert await told(both[0], f"/v1/agent/force-leave/{name}") == (200, "")


async def test_a_replica_that_is_gone_is_unknown(both: tuple[Replica, Replica]) -> None:
    await known(both, FIRST, Member("cccccccc"))
    answer = await told(both[1], "/v1/agent/force-leave/test-node-w2")
    assert answer == (500, "agent: No node found with name 'test-node-w2'")


async def test_a_member_that_has_just_come_is_not_called_unknown(both: tuple[Replica, Replica]) -> None:
    one, two = both
    two.wire.hold()
    await one.server.engine.propose(SetMembers((FIRST, SECOND, Member("cccccccc")), FIRST.id))
    asked = asyncio.ensure_future(told(two, "/v1/agent/force-leave/test-node-cccccccc"))
    await two.asked(1)
    two.wire.let_go()
    assert await asked == (200, "")


async def test_joining_any_of_the_replicas_succeeds(both: tuple[Replica, Replica]) -> None:
    assert await told(both[0], "/v1/agent/join/10.0.0.2:9500") == (200, "")
    assert await told(both[0], "/v1/agent/join/127.0.0.1") == (200, "")


async def test_the_raft_configuration_of_another_datacenter(consul: Client) -> None:
    answer = await consul.get(f"{RAFT}?dc=nowhere")
    assert (answer.status, answer.text) == (500, "No path to datacenter")
    answer = await consul.get(f"{RAFT}?stale&consistent")
    assert answer.status == 400
    answer = await consul.get(RAFT)
    assert not [name for name in answer.headers if name.startswith("x-consul-") and "policy" not in name]


async def test_replicas_that_have_applied_the_same_have_the_same_digest(both: tuple[Replica, Replica]) -> None:
    await both[0].register("n1", Service={"Service": "web"})
    await both[1].caught_up(both[0])
    first, second = [(await one.send("GET /health?digest")).json["state"] for one in both]
    assert first == second
    assert first["index"] == both[0].server.engine.state.applied
    await both[0].register("n1", Service={"Service": "web", "Port": 1})
    again = (await both[0].send("GET /health?digest")).json["state"]
    assert again["index"] > first["index"]
    assert again["digest"] != first["digest"]
