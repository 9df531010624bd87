"""Finding healthy instances: the local copy, the one query that keeps it, and who is told of changes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import Any

import pytest

from registry import testing
from registry.client import Change, Discovery, Instance, NoInstances, NotReady, Refused, ServerAway, SyncDiscovery
from registry.client.instance import instances_of
from registry.clock import sleep
from registry.testing import FakeClock
from tests.client.moved import tasks, until
from tests.client.odd import BREAK, SILENCE, Said, odd
from tests.contract.rest import RestClient

SERVICE = "/v1/health/service/web"


async def register(rest: RestClient, name: str, status: str = "passing", **more: Any) -> None:
    body = {
        "ID": name, "Name": "web", "Address": "10.0.0.1", "Port": 80, **more,
        "Check": {"TTL": "10m", "Status": status},
    }  # fmt: skip
    answer = await rest.put("/v1/agent/service/register", body)
    assert answer.status == 200, answer.text


async def set_status(rest: RestClient, name: str, verb: str) -> None:
    assert (await rest.put(f"/v1/agent/check/{verb}/service:{name}")).status == 200


def names(instances: tuple[Instance, ...]) -> str:
    return "".join(one.id for one in instances)


def web(rest: RestClient, **more: Any) -> Discovery:
    """A discovery that lives in the server's time."""
    return Discovery(rest.server.url, "web", chance=lambda: 0.0, **in_time_of(rest.server.clock), **more)


def in_time_of(clock: FakeClock) -> dict[str, Any]:
    return {"sleep": lambda seconds: sleep(clock, seconds), "elapsed": clock.elapsed}


@pytest.fixture
async def found(rest: RestClient) -> AsyncIterator[Discovery]:
    """The service web, with the instances a, b and c, and a query that waits."""
    for name in "abc":
        await register(rest, name)
    async with web(rest) as discovery:
        await discovery.wait_ready()
        await rest.server.parked(1)
        yield discovery


class Watcher:
    """A reader of changes that notes what it was told."""

    def __init__(self, discovery: Discovery) -> None:
        self.changes = discovery.watch()

    async def next(self) -> str:
        """`+` those who came, `-` those who went, `*` those who changed."""
        change = await anext(self.changes)
        return f"+{names(change.added)} -{names(change.removed)} *{names(change.changed)}"


# What is found


async def test_an_instance_is_shown_as_it_was_registered(rest: RestClient) -> None:
    meta = {"zone": "eu-1a", "v": "2"}
    await register(rest, "a", Tags=["blue"], Meta=meta, Weights={"Passing": 7, "Warning": 2})
    async with web(rest) as discovery:
        await discovery.wait_ready()
        assert discovery.pick() == Instance(
            service="web", id="a", node="test-node", address="10.0.0.1", port=80, tags=("blue",), meta=meta,
            weight=7, zone="eu-1a", datacenter="dc1",
        )  # fmt: skip
        assert discovery.pick().url() == "http://10.0.0.1:80"


async def test_only_the_healthy_are_picked(rest: RestClient, found: Discovery) -> None:
    watcher = Watcher(found)
    assert await watcher.next() == "+abc - *"
    await set_status(rest, "b", "fail")
    assert await watcher.next() == "+ -b *"
    await set_status(rest, "c", "warn")
    assert await watcher.next() == "+ -c *"
    assert {found.pick().id for _ in range(5)} == {"a"}
    await set_status(rest, "b", "pass")
    assert await watcher.next() == "+b - *"
    assert {found.pick().id for _ in range(5)} == {"a", "b"}


async def test_warnings_can_be_good_enough(rest: RestClient) -> None:
    await register(rest, "a", Weights={"Passing": 9, "Warning": 2})
    await register(rest, "b", "critical")
    async with web(rest, allow_warning=True) as discovery:
        watcher = Watcher(discovery)
        assert await watcher.next() == "+a - *"
        await set_status(rest, "a", "warn")
        assert await watcher.next() == "+ - *a"
        assert (discovery.pick().status, discovery.pick().weight) == ("warning", 2)
        await set_status(rest, "a", "fail")
        assert await watcher.next() == "+ -a *"


async def test_tags_and_filters_narrow_it(rest: RestClient) -> None:
    await register(rest, "a", Tags=["blue", "v 1"], Meta={"team": "x"})
    await register(rest, "b", Tags=["blue"], Meta={"team": "x"})
    await register(rest, "c", Tags=["blue", "v 1"], Meta={"team": "y"})
    async with web(rest, tags=["blue", "v 1"]) as tagged, web(rest, filter='Service.Meta.team == "x"') as filtered:
        await tagged.wait_ready()
        await filtered.wait_ready()
        assert (names(tagged.instances), names(filtered.instances)) == ("ac", "ab")


@pytest.mark.parametrize("name", ["my service", "a/b", "ä?#%"])
async def test_a_service_may_have_any_name(rest: RestClient, name: str) -> None:
    await rest.put("/v1/agent/service/register", {"Name": name, "ID": "odd", "Port": 1})
    async with Discovery(rest.server.url, name) as discovery:
        await discovery.wait_ready()
        assert discovery.pick().service == name


async def test_weights_and_zones_of_the_registry_are_obeyed(rest: RestClient) -> None:
    await register(rest, "a", Weights={"Passing": 3, "Warning": 1}, Meta={"zone": "1a"})
    await register(rest, "b", Meta={"zone": "1a"})
    await register(rest, "c", Meta={"zone": "1b"})
    async with web(rest, strategy="weighted", zone="1a") as discovery:
        await discovery.wait_ready(least=3)
        found = [discovery.pick().id for _ in range(8)]
        assert (found.count("a"), found.count("b")) == (6, 2)
        await rest.put("/v1/agent/service/deregister/a")
        await rest.put("/v1/agent/service/deregister/b")
        async for change in discovery.watch():
            if names(change.instances) == "c":
                break
        assert discovery.pick().id == "c"


async def test_an_agent_of_optiinfra_is_found_until_it_is_silent(rest: RestClient) -> None:
    body = {"name": "cost-1", "type": "web", "host": "10.0.0.5", "port": 8001, "capabilities": ["spot"]}
    agent_id = (await rest.post("/agents/register", body)).value["agent_id"]
    async with web(rest, tags=["spot"]) as discovery:
        watcher = Watcher(discovery)
        assert await watcher.next() == f"+{agent_id} - *"
        assert discovery.pick().host_port == "10.0.0.5:8001"
        await rest.server.parked(1)
        await rest.server.advance(46)
        assert await watcher.next() == f"+ -{agent_id} *"


# The query


async def test_one_waiting_query_serves_any_number_of_picks(rest: RestClient, found: Discovery) -> None:
    before = rest.server.engine.topics.parked
    for _ in range(1000):
        found.pick()
    assert rest.server.engine.topics.parked == before == 1


async def test_a_query_whose_time_is_over_is_asked_again(rest: RestClient, found: Discovery) -> None:
    told: list[Change] = []
    found.on_change(told.append)
    for _ in range(4):
        await rest.server.advance(60)
        await rest.server.parked(1)
    assert (names(found.instances), found.fresh, len(told)) == ("abc", True, 1)
    watcher = Watcher(found)
    await watcher.next()
    await register(rest, "d")
    assert await watcher.next() == "+d - *"


async def test_the_index_of_an_answer_goes_into_the_next_query_and_begins_anew_when_it_goes_back() -> None:
    script = [Said(200, [], index) for index in (7, 7, 9, 3, 3)]
    async with odd(*script, SILENCE) as server, Discovery(server.url, "web", wait_seconds=20) as discovery:
        await server.got(6)
        assert discovery.fresh
    assert server.asked == [
        f"get {SERVICE}?passing=1", f"get {SERVICE}?passing=1&index=7&wait=20000ms",
        f"get {SERVICE}?passing=1&index=7&wait=20000ms", f"get {SERVICE}?passing=1&index=9&wait=20000ms",
        f"get {SERVICE}?passing=1", f"get {SERVICE}?passing=1&index=3&wait=20000ms",
    ]  # fmt: skip


async def test_after_a_failure_it_asks_without_an_index() -> None:
    """A server that has lost its index would keep the old one waiting."""
    clock = FakeClock()
    script = (Said(200, [], 7), Said(500), Said(200, [], 7), SILENCE)
    async with odd(*script) as server, Discovery(server.url, "web", **in_time_of(clock)):
        await server.got(2)
        while len(server.asked) < 4:
            await clock.advance(1)
    assert [target.partition("&index=")[2][:1] for target in server.asked] == ["", "7", "", "7"]


async def test_an_answer_ends_the_back_off() -> None:
    clock, waits = FakeClock(), list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await sleep(clock, seconds)

    good, bad = Said(200, [], 7), Said(500)
    async with (
        odd(bad, bad, bad, good, bad, SILENCE) as server,
        Discovery(server.url, "web", sleep=wait, elapsed=clock.elapsed, chance=lambda: 0.0),
    ):
        while len(server.asked) < 6:
            await clock.advance(0.25)
    assert waits == [0.5, 1, 2, 0.5]


@pytest.mark.parametrize(
    "answer",
    [
        Said(200, []), Said(200, b"[", 5), Said(200, {}, 5), Said(200, [{}], 5), Said(200, [5], 5), Said(503, b"no"),
        Said(302, b""), BREAK,
    ],
)  # fmt: skip
async def test_what_is_no_answer_changes_nothing_and_is_asked_again_ever_later(answer: Said) -> None:
    clock, waits = FakeClock(), list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await sleep(clock, seconds)

    good = Said(200, [entry("a")], 3)
    repeated = 16 if answer is BREAK else 8  # aiohttp asks a second time when a connection breaks
    async with (
        odd(good, *[answer] * repeated, good, SILENCE) as server,
        Discovery(server.url, "web", sleep=wait, elapsed=clock.elapsed, chance=lambda: 0.0) as discovery,
    ):
        await until(lambda: len(waits) == 1)
        assert isinstance(discovery.last_error, ServerAway)
        while not discovery.fresh:
            assert discovery.pick().id == "a"
            await clock.advance(0.25)
        assert discovery.last_error is None
    assert waits == [0.5, 1, 2, 4, 8, 15, 15, 15]


async def test_answers_without_a_rest_are_slowed_down() -> None:
    """One with a service that changes all the time, or behind a proxy that ignores the wait."""
    clock, waits = FakeClock(), list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await sleep(clock, seconds)

    async with odd(Said(200, [], 3)) as server, Discovery(server.url, "web", sleep=wait, elapsed=clock.elapsed):
        await server.got(11)
        while len(server.asked) < 31:
            await clock.advance(0.1)
    assert clock.elapsed() >= 20 / 5.0 - 0.2
    assert set(map(round, [seconds * 10 for seconds in waits])) == {2}


def entry(name: str, **service: Any) -> dict[str, Any]:
    return {
        "Node": {"Node": "n", "Address": "10.0.0.9"}, "Service": {"ID": name, "Service": "web", "Port": 80, **service},
        "Checks": [],
    }  # fmt: skip


# While the server is away


async def test_the_last_known_answer_stays_and_the_next_server_is_believed(rest: RestClient) -> None:
    clock = FakeClock()
    async with testing.server(store="memory:") as first:
        port = first.port
        one = RestClient(first)
        await register(one, "a")
        await register(one, "b")
        discovery = Discovery(first.url, "web", **in_time_of(clock))
        await discovery.start()
        await discovery.wait_ready(least=2)
        await first.parked(1)
        await one.close()
    await until(lambda: not discovery.fresh)
    assert isinstance(discovery.last_error, ServerAway)
    assert {discovery.pick().id for _ in range(4)} == {"a", "b"}
    async with testing.server(store="memory:", http_port=port) as second:
        two = RestClient(second)
        await register(two, "c")
        watcher = Watcher(discovery)
        assert await watcher.next() == "+ab - *"
        await clock.advance(1)
        assert await watcher.next() == "+c -ab *"
        assert discovery.fresh
        await two.close()
        await discovery.close()


# Readiness, and nobody to pick


async def test_who_waits_goes_on_when_there_are_enough(rest: RestClient) -> None:
    async with web(rest) as discovery:
        with pytest.raises(NoInstances, match="nothing is known of web yet"):
            discovery.pick()
        await discovery.wait_ready(least=0)
        with pytest.raises(NoInstances, match="no instance of web is healthy") as none:
            discovery.pick()
        assert none.value.service == "web"
        waiting = asyncio.create_task(discovery.wait_ready(least=2))
        await register(rest, "a")
        await until(lambda: discovery.instances)
        assert not waiting.done()
        await register(rest, "b")
        await waiting
        with pytest.raises(NoInstances, match="2 instances of web are not enough"):
            discovery.pick(exclude=discovery.instances)


async def test_waiting_ends_with_its_time_with_a_refusal_and_with_the_discovery(rest: RestClient) -> None:
    async with web(rest) as discovery:
        await discovery.wait_ready(least=0)
        with pytest.raises(NotReady, match=r"no instance of web is healthy after 0.01 s"):
            await discovery.wait_ready(0.01)
        waiting = asyncio.create_task(discovery.wait_ready(None))
        await asyncio.sleep(0)
    with pytest.raises(NotReady, match="closed"):
        await waiting
    async with web(rest, filter="nonsense") as unanswered:  # Consul answers 500 to it
        with pytest.raises(NotReady, match="Failed to create boolean expression evaluator") as not_ready:
            await unanswered.wait_ready(0.2)
    assert isinstance(not_ready.value.last_error, ServerAway)
    async with odd(Said(400, b"no")) as server, Discovery(server.url, "web") as refused:
        with pytest.raises(Refused, match="400: no"):
            await refused.wait_ready()


async def test_a_discovery_can_be_started_again(rest: RestClient) -> None:
    await register(rest, "a")
    discovery = web(rest)
    for name in "bc":
        async with discovery:
            await discovery.start()  # twice is once
            await discovery.wait_ready()
            await rest.server.parked(1)
            watcher = Watcher(discovery)
            await watcher.next()
            await register(rest, name)
            assert await watcher.next() == f"+{name} - *"
        await discovery.close()
    assert names(discovery.instances) == "abc"


def test_a_url_that_is_none_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="not a url"):
        Discovery("localhost:8500", "web")


# Those who are told


async def test_watchers_sleep_through_other_services(rest: RestClient, found: Discovery) -> None:
    watcher = Watcher(found)
    await watcher.next()
    waiting = asyncio.create_task(watcher.next())
    await rest.put("/v1/agent/service/register", {"Name": "db", "Port": 1})
    await rest.get("/v1/agent/services")
    assert not waiting.done()
    await register(rest, "d")
    assert await waiting == "+d - *"


async def test_a_slow_watcher_gets_several_changes_as_one(rest: RestClient, found: Discovery) -> None:
    watcher = Watcher(found)
    await watcher.next()
    await set_status(rest, "a", "fail")
    await register(rest, "b", Port=81)
    await register(rest, "d")
    await until(lambda: names(found.instances) == "bcd")
    assert await watcher.next() == "+d -a *b"


async def test_watching_ends_with_the_discovery(rest: RestClient) -> None:
    async with web(rest) as discovery:
        watching = asyncio.create_task(collected(discovery))
        await discovery.wait_ready(least=0)
        await register(rest, "a")
        await discovery.wait_ready()
    changes = await watching
    assert names(changes[-1].instances) == "a"


async def collected(discovery: Discovery) -> list[Change]:
    return [change async for change in discovery.watch()]


async def test_callbacks_are_told_until_they_have_enough(
    rest: RestClient, found: Discovery, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def fails(change: Change) -> None:
        raise ZeroDivisionError("a callback of somebody else's")

    end_of_failing = found.on_change(fails)
    end = found.on_change(lambda change: told.append(names(change.instances)))
    await register(rest, "d")
    await until(lambda: len(told) == 2)
    end()
    end_of_failing()
    end_of_failing()  # once more is nothing
    await register(rest, "e")
    await until(lambda: len(found.instances) == 5)
    assert told == ["abc", "abcd"]
    assert caplog.text.count("a callback of web failed") == 2


async def test_nothing_is_left_behind(rest: RestClient) -> None:
    before, threads = tasks(), set(threading.enumerate())
    async with web(rest) as discovery:
        await discovery.wait_ready(least=0)
        await rest.server.parked(1)
    assert tasks() == before
    assert not [one for one in set(threading.enumerate()) - threads if not one.name.startswith("asyncio_")]


# Without a loop


@pytest.fixture
async def on_thread(rest: RestClient) -> AsyncIterator[SyncDiscovery]:
    """The same service, found from threads."""
    for name in "abc":
        await register(rest, name)
    discovery = SyncDiscovery(Discovery(rest.server.url, "web", chance=lambda: 0.0))
    await asyncio.to_thread(discovery.start)
    await asyncio.to_thread(discovery.wait_ready)
    yield discovery
    await asyncio.to_thread(discovery.close)


async def test_many_threads_pick_from_one_discovery(rest: RestClient, on_thread: SyncDiscovery) -> None:
    def pick(times: int) -> list[str]:
        return [on_thread.pick().id for _ in range(times)]

    found = await asyncio.gather(*(asyncio.to_thread(pick, 300) for _ in range(4)))
    assert sorted(chain.from_iterable(found)) == sorted("abc" * 400)
    await rest.server.parked(1)
    assert rest.server.engine.topics.parked == 1
    assert on_thread.fresh


async def test_a_thread_watches_until_the_end(rest: RestClient, on_thread: SyncDiscovery) -> None:
    seen: list[str] = []
    watching = asyncio.create_task(asyncio.to_thread(note_changes, on_thread.watch(), seen))
    await until(lambda: seen)
    await register(rest, "d")
    await until(lambda: len(seen) == 2)
    await asyncio.to_thread(on_thread.close)
    await watching
    assert seen == ["abc", "abcd"]
    assert names(on_thread.instances) == "abcd"
    assert list(on_thread.watch()) == []


def note_changes(changes: Iterator[Change], seen: list[str]) -> None:
    for change in changes:
        seen.append(names(change.instances))


async def test_a_callback_runs_on_the_discoverys_thread_and_may_not_wait_for_it(
    rest: RestClient, on_thread: SyncDiscovery, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, str]] = []

    def note(change: Change) -> None:
        told.append((threading.current_thread().name, names(change.instances)))

    end = await asyncio.to_thread(on_thread.on_change, note)
    stubborn = await asyncio.to_thread(on_thread.on_change, lambda change: on_thread.wait_ready())
    await register(rest, "d")
    await until(lambda: len(told) == 2)
    assert told == [("discovery of web", "abc"), ("discovery of web", "abcd")]
    assert "a callback cannot wait for the thread that calls it" in caplog.text
    await asyncio.to_thread(end)
    await asyncio.to_thread(stubborn)


async def test_a_callback_may_close_it(rest: RestClient) -> None:
    await register(rest, "a")
    discovery = SyncDiscovery(Discovery(rest.server.url, "web"))
    await asyncio.to_thread(discovery.start)
    await asyncio.to_thread(discovery.on_change, lambda change: discovery.close())
    await asyncio.to_thread(discovery.close)
    with pytest.raises(NotReady):
        discovery.wait_ready()


async def test_no_thread_is_left_behind_and_it_can_start_again(rest: RestClient) -> None:
    await register(rest, "a")

    def lives() -> None:
        def threads() -> int:
            return sum(one.name == "discovery of web" for one in threading.enumerate())

        discovery = SyncDiscovery(Discovery(rest.server.url, "web"))
        with pytest.raises(NotReady, match="the discovery of web is not running"):
            discovery.wait_ready()
        for _ in range(3):
            with discovery as started:
                started.start()  # twice is once
                started.wait_ready()
                assert started.pick().id == "a"
                assert threads() == 1
            discovery.close()
            assert threads() == 0

    await asyncio.to_thread(lives)


async def test_whoever_waits_while_it_is_closed_is_told(rest: RestClient) -> None:
    discovery = SyncDiscovery(Discovery(rest.server.url, "web"))
    await asyncio.to_thread(discovery.start)
    waiting = asyncio.create_task(asyncio.to_thread(discovery.wait_ready, None))
    await rest.server.parked(1)
    await asyncio.to_thread(discovery.close)
    with pytest.raises(NotReady):
        await waiting


# How an entry is read


def test_an_address_of_the_node_and_a_place_are_found_wherever_they_stand() -> None:
    entries = [
        entry("a", Locality={"Region": "eu", "Zone": "1a"}, Meta={"zone": "other"}),
        {**entry("b"), "Node": {"Node": "n", "Address": "::1", "Locality": {"Region": "us"}, "Meta": {"zone": "1b"}}},
        {**entry("c", Address="h", Meta=None, Tags=None, Weights=None), "Checks": None},
    ]
    a, b, c = instances_of(entries)
    assert (a.region, a.zone, a.address) == ("eu", "1a", "10.0.0.9")
    assert (b.region, b.zone, b.url("https")) == ("us", "1b", "https://[::1]:80")
    assert (c.host_port, c.tags, c.meta, c.weight) == ("h:80", (), {}, 1)


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ("", "passing"), ("passing passing", "passing"), ("passing warning", "warning"),
        ("warning critical", "critical"), ("passing maintenance", "critical"),
    ],
)  # fmt: skip
def test_the_worst_check_counts(checks: str, status: str) -> None:
    (one,) = instances_of([{**entry("a"), "Checks": [{"Status": word} for word in checks.split()]}])
    assert (one.status, one.weight) == (status, 0 if status == "critical" else 1)
