"""Coordinates: said, read, waited for, and what is near by them. Source: event_query_coordinate.md §C."""

from typing import Any

import pytest

from tests.contract.consul.exchange import Answer, Client

pytestmark = pytest.mark.usefixtures("every_command")

COORD = {"Vec": [0.5, 0, 0, 0, 0, 0, 0, 1e-7], "Error": 1.5, "Adjustment": 0.25, "Height": -0.001}


async def say(consul: Client, node: str, *, at: float = 0.0, **more: Any) -> Answer:
    coord = {"Vec": [at, 0, 0, 0, 0, 0, 0, 0], "Error": 1.5, "Adjustment": 0, "Height": 0.00001}
    return await consul.put("/v1/coordinate/update", {"Node": node, "Coord": coord, **more})


def own(consul: Client) -> str:
    return consul.server.engine.state.server.node


async def test_a_server_that_is_new_is_where_all_begin(consul: Client) -> None:
    node = own(consul)
    begins = (
        f'[{{"Node":"{node}","Segment":"","Coord":{{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,'
        '"Height":0.00001}}]'
    )
    for target in (f"node/{node}", "nodes", "nodes?segment="):
        answer = await consul.get(f"/v1/coordinate/{target}")
        assert (answer.text, answer.index) == (begins, 1)
    await say(consul, node, at=1.0)
    assert (await consul.get(f"/v1/coordinate/node/{node}")).json[0]["Coord"]["Vec"][0] == 1


async def test_a_coordinate_is_given_back_as_it_was_sent(consul: Client) -> None:
    await consul.register("n1")
    answer = await say(consul, "N1", Coord=COORD)
    assert (answer.status, answer.text) == (200, "")
    found = await consul.get("/v1/coordinate/node/n1")
    assert found.text == (
        '[{"Node":"n1","Segment":"","Coord":{"Vec":[0.5,0,0,0,0,0,0,1e-7],"Error":1.5,"Adjustment":0.25,'
        '"Height":-0.001}}]'
    )
    every = await consul.get("/v1/coordinate/nodes")
    assert [one["Node"] for one in every.json if one["Node"] != own(consul)] == ["N1"], "as it was spelled"
    assert every.index == found.index
    assert "x-consul-effective-consistency" not in found.headers


async def test_segments_are_rows_of_their_own(consul: Client) -> None:
    await consul.register("n1")
    await say(consul, "n1")
    await say(consul, "n1", Segment="far")
    for query, segments in (("", ["", "far"]), ("?segment=", [""]), ("?segment=far", ["far"])):
        for target in ("node/n1", "nodes"):
            found = (await consul.get(f"/v1/coordinate/{target}{query}")).json
            assert [one["Segment"] for one in found if one["Node"] == "n1"] == segments
    assert (await consul.get("/v1/coordinate/node/n1?segment=none")).status == 404
    assert (await consul.get("/v1/coordinate/nodes?segment=none")).json == []


async def test_a_node_without_one_is_not_found_without_a_word(consul: Client) -> None:
    assert (await say(consul, "none")).status == 200
    for node in ("none", ""):
        answer = await consul.get(f"/v1/coordinate/node/{node}")
        assert (answer.status, answer.body) == (404, b"")
        assert not {"content-type", "x-consul-index", "x-consul-knownleader"} & answer.headers.keys()


async def test_coordinates_vanish_with_their_node(consul: Client) -> None:
    await consul.register("n1")
    await say(consul, "n1")
    waiting = await consul.follow("/v1/coordinate/nodes")
    await consul.deregister("n1")
    assert [one["Node"] for one in (await waiting).json] == [own(consul)]
    await consul.register("n1")
    assert (await consul.get("/v1/coordinate/node/n1")).status == 404


async def test_who_waits_for_one_node_sleeps_through_others(consul: Client) -> None:
    await consul.register("n1")
    await consul.register("n2")
    await say(consul, "n1")
    waiting = await consul.follow("/v1/coordinate/node/n1")
    await say(consul, "n2")
    assert not waiting.done()
    await say(consul, "n1", at=1.0)
    assert (await waiting).json[0]["Coord"]["Vec"][0] == 1


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "Request decode failed: EOF"),
        (b'{"Foo":1}', 400, 'Request decode failed: json: unknown field "Foo"'),
        (b'{"Node":"n1","Coord":{"Vec":[1]}}', 500, "incompatible coordinate"),
        (b'{"Node":"n1","Coord":{}}', 500, "incompatible coordinate"),
        (b'{"Node":"n1","Datacenter":"x","Coord":{}}', 500, "No path to datacenter"),
        (b'{"Node":"n1","Partition":"p"}', 400, 'Request decode failed: json: unknown field "Partition"'),
        (b"null", 400, None),
        (b"{}", 400, None),
    ],
)
async def test_updates_that_are_refused(consul: Client, body: bytes, status: int, text: str | None) -> None:
    answer = await consul.put("/v1/coordinate/update", body)
    assert answer.status == status
    assert text is None or answer.text == text


async def test_parameters(consul: Client) -> None:
    for target in ("nodes", "node/x"):
        partition = await consul.get(f"/v1/coordinate/{target}?partition=p")
        assert (partition.status, "x-consul-index" in partition.headers) == (400, False)
        elsewhere = await consul.get(f"/v1/coordinate/{target}?dc=other")
        assert (elsewhere.text, elsewhere.headers["x-consul-index"]) == ("No path to datacenter", "1")
        assert (await consul.get(f"/v1/coordinate/{target}?ns=n")).status in (200, 404)
    assert (await consul.get("/v1/coordinate/datacenters?dc=other")).text == "[]"
    partition = await consul.put("/v1/coordinate/update?partition=p", b"")
    assert (partition.status, partition.text[:38]) == (400, 'Invalid query parameter: "partition" -')


async def test_the_datacenter_of_the_query_counts_before_the_bodys(consul: Client) -> None:
    body = {"Node": "n1", "Datacenter": "x", "Coord": COORD}
    assert (await consul.put("/v1/coordinate/update?dc=dc1", body)).status == 200
    answer = await consul.put("/v1/coordinate/update?dc=x", {**body, "Datacenter": "dc1"})
    assert (answer.status, answer.text) == (500, "No path to datacenter")


# Nearness


async def near(consul: Client, target: str) -> list[str]:
    """The nodes of a list's rows, in their order."""
    found = (one["Node"] for one in (await consul.get(target)).json)
    names = (one["Node"] if isinstance(one, dict) else one for one in found)
    return [name for name in names if name != own(consul)]


async def test_lists_are_ordered_by_distance_and_the_unknown_come_last(consul: Client) -> None:
    for name in ("n1", "n2", "n3", "n4"):
        await consul.register(name, Service={"Service": "web"})
    for name, at in (("n1", 1.0), ("n2", 0.2), ("n3", 0.0)):
        await say(consul, name, at=at)
    assert await near(consul, "/v1/catalog/service/web?near=N3") == ["n3", "n2", "n1", "n4"]
    assert (await near(consul, "/v1/catalog/nodes?near=n1"))[:3] == ["n1", "n2", "n3"]
    for unknown in ("none", "n4"):
        assert await near(consul, f"/v1/catalog/service/web?near={unknown}") == ["n1", "n2", "n3", "n4"]


@pytest.mark.parametrize("target", ["catalog/nodes", "catalog/service/web", "health/service/web", "health/checks/web"])
async def test_a_list_that_was_asked_for_before_has_the_order_of_today(consul: Client, target: str) -> None:
    async def order() -> list[str]:
        rows = (await consul.get(f"/v1/{target}?near=n1")).json
        names = [one["Node"] if isinstance(one["Node"], str) else one["Node"]["Node"] for one in rows]
        return [name for name in names if name.startswith("n")]

    for name in ("n1", "n2", "n3"):
        await consul.register(name, Service={"Service": "web"}, Check={"Name": "c", "ServiceID": "web"})
    assert await order() == await order() == ["n1", "n2", "n3"]
    for name, at in (("n1", 0.0), ("n2", 0.2), ("n3", 0.1)):
        await say(consul, name, at=at)
    assert await order() == ["n1", "n3", "n2"]
    await say(consul, "n3", at=0.3)
    assert await order() == ["n1", "n2", "n3"]


async def test_an_adjustment_counts_while_the_distance_stays_positive(consul: Client) -> None:
    """Distances from n1: n2 0.2 - 0.1, n3 0.15 as it is, since 0.15 - 0.3 is less than nothing."""
    for name, at, adjustment in (("n1", 0.0, 0.0), ("n2", 0.2, -0.1), ("n3", 0.15, -0.3)):
        await consul.register(name, Service={"Service": "web"})
        await say(consul, name, Coord={"Vec": [at, 0, 0, 0, 0, 0, 0, 0], "Adjustment": adjustment})
    assert await near(consul, "/v1/catalog/service/web?near=n1") == ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    "target",
    [
        "/v1/catalog/nodes?", "/v1/catalog/service/web?", "/v1/catalog/connect/web?", "/v1/health/service/web?",
        "/v1/health/service/web?passing&", "/v1/health/connect/web?", "/v1/health/checks/web?", "/v1/health/state/any?",
    ],
)  # fmt: skip
async def test_a_node_that_moves_changes_the_order_at_once(consul: Client, target: str) -> None:
    for name in ("n1", "n2", "n3"):
        check = {"CheckID": "c", "Status": "passing", "ServiceID": "web"}
        await consul.register(name, Service={"Service": "web", "Port": 1, "Connect": {"Native": True}}, Check=check)
    for _ in range(2):
        assert await near(consul, f"{target}near=n1") == ["n1", "n2", "n3"]  # nobody is anywhere
    for name, at in (("n1", 0.0), ("n2", 0.2), ("n3", 0.1)):
        await say(consul, name, at=at)
    for _ in range(2):
        assert await near(consul, f"{target}near=n1") == ["n1", "n3", "n2"]
    await say(consul, "n2", at=0.05)
    assert await near(consul, f"{target}near=n1") == ["n1", "n2", "n3"]


async def test_a_node_too_far_for_any_number_comes_last(consul: Client) -> None:
    for name in ("n1", "n2", "n3"):
        await consul.register(name)
    await say(consul, "n1", Coord={"Vec": [1.7e308, -1.7e308, 0, 0, 0, 0, 0, 0]})
    for name in ("n2", "n3"):
        await say(consul, name)
    assert await near(consul, "/v1/catalog/nodes?near=n2") == ["n2", "n3", "n1"]
    assert await near(consul, "/v1/catalog/nodes?near=n1") == ["n1", "n2", "n3"]


async def test_nodes_meet_in_the_segment_of_the_one_that_has_no_other(consul: Client) -> None:
    """A node in several segments is a server to Consul, which meets others like it in the unnamed one."""
    for name in ("n1", "n2", "n3"):
        await consul.register(name)
    for name, segment, at in (("n1", "", 0.0), ("n1", "s", 0.0), ("n2", "s", 0.5), ("n3", "", 0.9), ("n3", "s", 0.1)):
        await say(consul, name, Segment=segment, at=at)
    assert await near(consul, "/v1/catalog/nodes?near=n1") == ["n1", "n2", "n3"]
    assert await near(consul, "/v1/catalog/nodes?near=n2") == ["n2", "n3", "n1"]
