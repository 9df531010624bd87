"""User events: what is fired, who sees it, and how one waits for the next. Source: event_query_coordinate.md §A."""

import uuid
from typing import Any

import pytest

from tests.contract.consul.exchange import Answer, Client

pytestmark = pytest.mark.usefixtures("every_command")


async def fire(consul: Client, target: str, payload: bytes = b"") -> Answer:
    answer = await consul.put(f"/v1/event/fire/{target}", payload)
    assert answer.status == 200, answer.text
    return answer


async def names(consul: Client, query: str = "") -> list[str]:
    return [one["Name"] for one in (await consul.get(f"/v1/event/list{query}")).json]


def digest(event: dict[str, Any]) -> int:
    number = uuid.UUID(event["ID"]).int
    return (number >> 64) ^ (number & 2**64 - 1)


async def test_an_event_is_told_as_it_was_fired_and_listed_with_its_place(consul: Client) -> None:
    fired = await fire(consul, "deploy/web", b"hi")
    event = fired.json
    assert fired.text == (
        f'{{"ID":"{event["ID"]}","Name":"deploy/web","Payload":"aGk=","NodeFilter":"","ServiceFilter":"",'
        '"TagFilter":"","Version":1,"LTime":0}'
    )
    assert "x-consul-index" not in fired.headers
    await fire(consul, "empty")
    listed = await consul.get("/v1/event/list")
    first, second = listed.json
    assert first == {**event, "LTime": first["LTime"]}
    assert (second["Payload"], second["LTime"] > first["LTime"] > 0) == (None, True)
    assert {one for one in listed.headers if one.startswith("x-consul")} == {
        "x-consul-default-acl-policy", "x-consul-index",
    }  # fmt: skip


async def test_a_list_is_of_one_exact_name_and_of_the_newest(consul: Client) -> None:
    for number in range(258):
        await fire(consul, f"e{number % 2}", b"%d" % number)
    everything = (await consul.get("/v1/event/list")).json
    assert (len(everything), everything[0]["Payload"]) == (256, "Mg==")
    assert len(await names(consul, "?name=e1")) == 128
    assert await names(consul, "?name=E1&node=x&service=y") == []


async def test_the_index_is_that_of_the_newest_listed(consul: Client) -> None:
    assert await consul.index("/v1/event/list") == 1
    first, second = (await fire(consul, "a")).json, (await fire(consul, "b")).json
    assert await consul.index("/v1/event/list") == digest(second)
    assert await consul.index("/v1/event/list?name=a") == digest(first)
    assert await consul.index("/v1/event/list?name=c") == 1


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("node=her", True),
        ("node=HER", False),
        ("service=^evt-1$", True),
        ("service=^evt$", False),
        ("service=evt&tag=bl.e", True),
        ("service=evt&tag=green", False),
        ("service=elsewhere", False),
        ("node=here&service=evt", True),
    ],
)
async def test_only_those_are_listed_whose_filters_let_them_through(consul: Client, query: str, listed: bool) -> None:
    consul_node = consul.server.engine.state.server.node
    query = query.replace("here", consul_node).replace("her", consul_node[:-1]).replace("HER", consul_node.upper())
    await consul.put("/v1/agent/service/register", {"ID": "evt-1", "Name": "evt", "Tags": ["blue"]})
    await consul.register("other", Service={"ID": "elsewhere", "Service": "evt"})
    await fire(consul, f"e?{query}")
    assert await names(consul) == ["e"] * listed


async def test_an_event_for_remote_execution_is_never_listed(consul: Client) -> None:
    await fire(consul, "_rexec")
    await fire(consul, "_other")
    assert await names(consul) == ["_other"]


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("", 400, "Missing name"),
        ("foo?tag=x", 500, "Cannot provide tag filter without service filter"),
        ("foo?node=(", 500, "Invalid node filter: error parsing regexp: missing closing ): `(`"),
        ("foo?service=[", 500, "Invalid service filter: error parsing regexp: missing closing ]: `[`"),
        (
            "foo?service=a&tag=*", 500,
            "Invalid tag filter: error parsing regexp: missing argument to repetition operator: `*`",
        ),
        ("foo?dc=other", 500, "No path to datacenter"),
    ],
)  # fmt: skip
async def test_what_is_refused(consul: Client, target: str, status: int, text: str) -> None:
    answer = await consul.put(f"/v1/event/fire/{target}", b"")
    assert (answer.status, answer.text) == (status, text)
    assert await names(consul) == []


BEFORE = "error broadcasting event: user event exceeds configured limit of 512 bytes before encoding"
AFTER = "error broadcasting event: encoded user event exceeds configured limit of 512 bytes after encoding"


@pytest.mark.parametrize(
    ("target", "most", "most_before"),
    [
        ("foo", 410, 440),
        ("foo1", 408, 438),
        ("f" * 40, 333, 365),
        ("foo?node=..", 404, 434),
        ("foo?service=.&tag=.", 400, 430),
        ("f" * 31, 352, 384),
        ("f" * 205, 4, 36),
        ("foo?node=" + "." * 32, 373, 403),
        ("foo?node=" + "." * 300, 105, 135),
    ],
)
async def test_an_event_has_to_fit_into_one_message(consul: Client, target: str, most: int, most_before: int) -> None:
    await fire(consul, target, b"x" * most)
    for size, text in ((most + 1, AFTER), (most_before, AFTER), (most_before + 1, BEFORE)):
        answer = await consul.put(f"/v1/event/fire/{target}", b"x" * size)
        assert (answer.status, answer.text) == (500, text), size


async def test_its_place_takes_room_too(consul: Client) -> None:
    for _ in range(127):
        await fire(consul, "foo")
    assert (await consul.put("/v1/event/fire/foo", b"x" * 410)).text == AFTER
    await fire(consul, "foo", b"x" * 409)


async def test_a_wait_ends_with_an_event_that_the_list_shows(consul: Client) -> None:
    event = (await fire(consul, "a")).json
    waiting = await consul.watch(f"/v1/event/list?name=a&index={digest(event)}")
    await fire(consul, "b")
    await consul.server.advance(1)
    assert not waiting.done(), "an event of another name"
    await fire(consul, "a", b"2")
    answer = await waiting
    assert ([one["Payload"] for one in answer.json], answer.index) == ([None, "Mg=="], digest(answer.json[-1]))


async def test_a_wait_for_the_first_event_goes_by_index_1(consul: Client) -> None:
    waiting = await consul.watch("/v1/event/list?index=1")
    await fire(consul, "a")
    assert [one["Name"] for one in (await waiting).json] == ["a"]


async def test_only_the_very_index_is_waited_for(consul: Client) -> None:
    event = (await fire(consul, "a")).json
    for other in (digest(event) - 1, digest(event) + 1, 1, 0):
        assert await names(consul, f"?index={other}&wait=10m") == ["a"]


@pytest.mark.parametrize(("wait", "seconds"), [("", 600), ("&wait=90s", 90), ("&wait=20m", 600), ("&wait=0s", 600)])
async def test_a_wait_lasts_as_long_as_it_says(consul: Client, wait: str, seconds: float) -> None:
    event = (await fire(consul, "a")).json
    waiting = await consul.watch(f"/v1/event/list?index={digest(event)}{wait}")
    await consul.server.advance(seconds - 1)
    assert not waiting.done()
    await consul.server.advance(1)
    answer = await waiting
    assert (answer.json[0]["ID"], answer.index) == (event["ID"], digest(event))


@pytest.mark.parametrize(("query", "text"), [("index=x", "Invalid index"), ("wait=5", "Invalid wait time")])
async def test_a_wait_that_cannot_be_read(consul: Client, query: str, text: str) -> None:
    answer = await consul.get(f"/v1/event/list?{query}")
    assert (answer.status, answer.text) == (400, text)
