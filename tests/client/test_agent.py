"""An agent's registration from its beginning to its end, on a thread and on the loop (dialects.md §3.4)."""

import asyncio
import inspect
import logging
import threading
from datetime import datetime
from typing import Any

import pytest

from registry import testing
from registry.client import AgentRegistration, AsyncAgentRegistration, Refused
from tests.client import original
from tests.client.moved import KINDS, Driven, Kind, tasks, until
from tests.client.odd import BREAK, REGISTERED, SILENCE, Said, odd
from tests.contract.rest import RestClient
from tests.replicas.redis_server import free_port


async def agents(rest: RestClient) -> dict[str, dict[str, Any]]:
    """The agents there are, by id."""
    return {one["id"]: one for one in (await rest.get("/agents")).value["agents"]}


async def last_seen(rest: RestClient, agent_id: str | None) -> int:
    """Seconds from the registration to the last sign of life."""
    agent = (await agents(rest))[str(agent_id)]
    first, last = (datetime.fromisoformat(agent[key]) for key in ("registered_at", "last_seen"))
    return round((last - first).total_seconds())


def test_the_public_names_are_those_of_the_original_helper() -> None:
    def shown(kind: type) -> list[tuple[str, Any]]:
        parameters = inspect.signature(kind).parameters.values()
        return [(one.name, one.default) for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]

    assert shown(AgentRegistration) == shown(AsyncAgentRegistration) == shown(original.AgentRegistration)
    theirs = vars(original.AgentRegistration("n", "t", "h", 1, ["c"]))
    ours = vars(AgentRegistration("n", "t", "h", 1, ["c"]))
    events = theirs.pop("stop_heartbeat"), ours.pop("stop_heartbeat")
    assert {type(event) for event in events} == {threading.Event}
    assert {name: ours[name] for name in theirs if not name.startswith("_")} == {
        name: value for name, value in theirs.items() if not name.startswith("_")
    }
    methods = ("register", "start_heartbeat", "stop_heartbeat_loop", "unregister")
    for name in methods:
        assert inspect.signature(getattr(AgentRegistration, name)) == inspect.signature(
            getattr(original.AgentRegistration, name)
        )
        assert inspect.iscoroutinefunction(getattr(AsyncAgentRegistration, name))


async def test_registering_says_all_and_takes_the_id(driven: Driven, rest: RestClient) -> None:
    driven.agent.metadata["zone"] = {"name": "eu-1a"}
    assert await driven.register() is True
    (agent,) = (await agents(rest)).values()
    assert agent.pop("registered_at") == agent.pop("last_seen")
    assert agent == {
        "id": driven.agent.agent_id, "name": "cost-1", "type": "cost", "host": "10.0.0.5", "port": 8001,
        "capabilities": ["spot"], "status": "healthy", "version": "1.0.0", "metadata": {"zone": {"name": "eu-1a"}},
    }  # fmt: skip
    assert not driven.beats


@pytest.mark.parametrize("capabilities", [None, (), ("a", "b"), "spot", {"a": 1}, 5])
async def test_odd_capabilities_mean_what_they_mean_to_the_original(
    driven: Driven, rest: RestClient, capabilities: Any
) -> None:
    """None are none; a string is refused, not registered as its letters."""
    theirs = original.AgentRegistration("cost-1", "cost", "10.0.0.5", 8001, capabilities, rest.server.url)
    driven.agent.capabilities = capabilities
    taken = capabilities in (None, (), ("a", "b"))
    assert await asyncio.to_thread(theirs.register) is await driven.register() is taken
    shown = [one["capabilities"] for one in (await agents(rest)).values()]
    assert shown == ([list(capabilities or ())] * 2 if taken else [])


async def test_metadata_that_was_taken_away_is_none(driven: Driven, rest: RestClient) -> None:
    driven.agent.metadata = None
    assert await driven.register() is True
    await driven.start_heartbeat()
    await rest.server.advance(20)
    await driven.live(rest.server, 30)
    assert await last_seen(rest, driven.agent.agent_id) == 50


async def test_it_beats_at_once_and_then_whenever_the_server_wants_it(driven: Driven, rest: RestClient) -> None:
    await driven.register()
    await rest.server.advance(7)
    await driven.start_heartbeat()
    assert await last_seen(rest, driven.agent.agent_id) == 7
    await driven.live(rest.server, 29)
    assert await last_seen(rest, driven.agent.agent_id) == 7
    await driven.live(rest.server, 1)
    assert await last_seen(rest, driven.agent.agent_id) == 37
    await driven.live(rest.server, 35)
    assert await last_seen(rest, driven.agent.agent_id) == 67
    assert set(driven.waits.asked) == {30}


async def test_an_agent_that_beats_is_listed_until_it_unregisters(driven: Driven, rest: RestClient) -> None:
    """The helper's own script, in which 35 seconds pass."""
    assert await driven.register()
    await driven.start_heartbeat()
    await driven.live(rest.server, 300)
    agent_id = driven.agent.agent_id
    assert (await agents(rest))[agent_id]["status"] == "healthy"
    await driven.unregister()
    assert await agents(rest) == {}
    assert (driven.agent.agent_id, driven.beats) == (agent_id, False)
    await rest.server.advance(60)
    assert await agents(rest) == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_interval_is_the_servers_until_somebody_sets_another(kind: Kind) -> None:
    async with testing.server(optiinfra_heartbeat_seconds=10.0) as server:
        rest = RestClient(server)
        await rest.know_agents()
        driven = Driven(kind, server.url)
        await driven.register()
        assert driven.agent.heartbeat_interval == 10
        await driven.start_heartbeat()
        driven.agent.heartbeat_interval = 4
        await driven.live(server, 10)
        await driven.live(server, 4)
        assert driven.waits.asked == [10, 4, 4]
        await driven.stop()
        await rest.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_beats_answer_may_set_another_interval_within_reason(kind: Kind) -> None:
    beats = [Said(200, {"received": True, "next_interval_seconds": n}) for n in (12, 0, "7", True, 1e9, None, 9)]
    async with odd(REGISTERED, *beats) as server, testing.server() as time:
        driven = Driven(kind, server.url)
        await driven.register()
        await driven.start_heartbeat()
        await driven.live(time, 5 * 12 + 12)
        assert driven.waits.asked == [12, 12, 12, 12, 12, 12, 9]
        await driven.stop()


async def test_beats_need_a_registration(driven: Driven, caplog: pytest.LogCaptureFixture) -> None:
    await driven.call(driven.agent.start_heartbeat)
    assert not driven.beats
    assert "cost-1 cannot beat: it is not registered" in caplog.text
    await driven.unregister()  # nor is there anything to take back


async def test_setting_the_event_ends_the_beats_and_starting_begins_again(driven: Driven, rest: RestClient) -> None:
    await driven.register()
    await driven.start_heartbeat()
    driven.agent.stop_heartbeat.set()
    await driven.stop()
    assert not driven.beats
    await rest.server.advance(20)
    await driven.start_heartbeat()
    assert await last_seen(rest, driven.agent.agent_id) == 20
    await driven.call(driven.agent.start_heartbeat)  # twice is once
    await driven.live(rest.server, 30)
    assert driven.waits.asked == [30, 30, 30]


async def test_what_the_agent_says_of_itself_goes_with_the_next_beat(driven: Driven, rest: RestClient) -> None:
    driven.agent.metadata = {"load": 1, "zone": "a"}
    await driven.register()
    driven.agent.metadata, driven.agent.status = {"load": 2}, "degraded"
    await driven.start_heartbeat()
    agent = (await agents(rest))[driven.agent.agent_id]
    assert (agent["status"], agent["metadata"]) == ("degraded", {"load": 2, "zone": "a"})


async def test_a_long_pause_is_forgiven_with_the_same_id(driven: Driven, rest: RestClient) -> None:
    await driven.register()
    await driven.start_heartbeat()
    before = driven.agent.agent_id
    await rest.server.advance(120)  # the process stood still: removed after 105 s
    assert await agents(rest) == {}
    driven.waits.left = 0
    await driven.waits.begun()
    assert driven.agent.agent_id == before
    assert (await agents(rest))[before]["status"] == "healthy"


async def test_an_agent_that_was_forgotten_registers_anew(driven: Driven, rest: RestClient) -> None:
    await driven.register()
    await driven.start_heartbeat()
    before = driven.agent.agent_id
    await rest.post(f"/agents/{before}/unregister")  # by somebody else, and for good
    driven.agent.metadata["since"] = "later"
    await driven.live(rest.server, 30)
    after = driven.agent.agent_id
    assert after != before
    assert (await agents(rest))[after]["metadata"] == {"since": "later"}
    await driven.live(rest.server, 90)
    assert await last_seen(rest, after) == 90  # it beats with its new id
    await driven.unregister()
    assert await agents(rest) == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_forgets_at_once_is_not_flooded(kind: Kind) -> None:
    script = [Said(201, {"agent_id": "a"}), Said(404)] * 3 + [Said(201, {"agent_id": "a"}), Said(200, {})]
    async with odd(*script) as server, testing.server() as time:
        driven = Driven(kind, server.url)
        await driven.register()
        await driven.start_heartbeat()
        await driven.live(time, 0.5 + 1 + 2)
        assert driven.waits.asked == [0.5, 1, 2, 30]
        await driven.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_beats_that_fail_are_repeated_sooner_and_then_ever_later(
    kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    trouble = [BREAK, Said(503, {"error": "no\nstore"}), Said(429), Said(500, b"<html>"), BREAK, BREAK, BREAK]
    async with odd(REGISTERED, *trouble, Said(200, {}), BREAK) as server, testing.server() as time:
        driven = Driven(kind, server.url)
        await driven.register()
        await driven.start_heartbeat()
        await driven.live(time, sum((0.5, 1, 2, 4, 8, 15, 15, 30)))
        assert driven.waits.asked == [0.5, 1, 2, 4, 8, 15, 15, 30, 0.5]  # chance 0: half of each
        assert "heartbeat of cost-1: 503: no store" in caplog.text
        await driven.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_no_wait_is_longer_than_the_interval(kind: Kind) -> None:
    async with odd(REGISTERED, BREAK) as server, testing.server() as time:
        driven = Driven(kind, server.url)
        await driven.register()
        driven.agent.heartbeat_interval = 3
        await driven.start_heartbeat()
        await driven.live(time, 0.5 + 1 + 1.5 + 1.5)
        assert driven.waits.asked == [0.5, 1, 1.5, 1.5, 1.5]
        await driven.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_beat_that_is_refused_is_not_hurried(kind: Kind) -> None:
    async with odd(REGISTERED, Said(403, {"error": "denied"}), Said(200, {})) as server, testing.server() as time:
        driven = Driven(kind, server.url)
        await driven.register()
        await driven.start_heartbeat()
        await driven.live(time, 30)
        assert driven.waits.asked == [30, 30]
        await driven.stop()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answer",
    [Said(200, REGISTERED.value), Said(400), Said(500), Said(301), BREAK, Said(201, b"ok"), Said(201, {"agent_id": 5})],
)
async def test_only_a_201_with_an_id_is_a_registration(kind: Kind, answer: Said) -> None:
    async with odd(answer) as server:
        driven = Driven(kind, server.url)
        assert await driven.register() is False
        assert driven.agent.agent_id is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"agent_name": ""}, "register of : 400: name is required"),
        ({"metadata": {"when": object()}}, "not JSON serializable"),
        ({"orchestrator_url": "localhost:8080"}, "'localhost:8080' is not a url of the form http://host:port"),
        ({"orchestrator_url": "http://h:port"}, "Port could not be cast"),
        ({"agent_type": "consul"}, "400: type: consul is the registry's own service"),
    ],
)
async def test_what_cannot_be_registered_is_told_and_never_raised(
    rest: RestClient, caplog: pytest.LogCaptureFixture, kind: Kind, changed: dict[str, Any], said: str
) -> None:
    driven = Driven(kind, rest.server.url, **changed)
    assert await driven.register() is False
    assert said in caplog.text
    assert await agents(rest) == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_is_not_there_is_told_and_never_raised(
    kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    driven = Driven(kind, f"http://127.0.0.1:{free_port()}")
    assert await driven.register() is False
    driven.agent.agent_id = "from-before"
    await driven.unregister()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "unregister of cost-1: " in caplog.text


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_hangs_costs_one_beat(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "registry.client.agent" if kind == "thread" else "registry.client.agent_async"
    monkeypatch.setattr(f"{module}.BEAT_SECONDS", 0.05)
    async with odd(REGISTERED, SILENCE, Said(200, {})) as server, testing.server() as time:
        driven = Driven(kind, server.url)
        await driven.register()
        await driven.start_heartbeat()
        await driven.live(time, 0.5)
        assert driven.waits.asked == [0.5, 30]
        await driven.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_stopping_waits_for_the_beat_that_is_under_way(kind: Kind) -> None:
    async with odd(REGISTERED, Said(200, {})) as server:
        driven = Driven(kind, server.url)
        await driven.register()
        server.held = 2
        await driven.call(driven.agent.start_heartbeat)
        await server.got(2)
        end = asyncio.create_task(driven.stop())
        await until(driven.agent.stop_heartbeat.is_set)
        await asyncio.sleep(0.05)
        assert not end.done()
        server.released.set()
        await end
        assert not driven.beats


@pytest.mark.parametrize("kind", KINDS)
async def test_a_beat_that_hangs_does_not_go_on_beside_the_next_start(kind: Kind) -> None:
    async with odd(REGISTERED, Said(200, {})) as server:
        driven = Driven(kind, server.url)
        await driven.register()
        server.held = 2
        await driven.call(driven.agent.start_heartbeat)
        await server.got(2)
        hanging = driven.agent.heartbeat_thread if kind == "thread" else driven.agent.heartbeat_task
        driven.agent.stop_heartbeat.set()
        await driven.start_heartbeat()
        server.released.set()
        await until(lambda: not hanging.is_alive() if kind == "thread" else hanging.done())
        assert driven.beats
        assert len(driven.waits.asked) == 1
        await driven.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_somebody_elses_registration_is_taken_over(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """The program registers again by itself while a beat learns that the server has forgotten it."""
    second = Said(201, {"agent_id": "a-2"})
    async with odd(REGISTERED, Said(200, {}), second, Said(404), Said(200, {})) as server:
        driven = Driven(kind, server.url)
        await driven.register()
        await driven.start_heartbeat()
        server.held = 3
        registering = asyncio.create_task(driven.register())
        await server.got(3)
        driven.waits.left = 0
        await until(lambda: "has forgotten cost-1 (a-1)" in caplog.text)
        await asyncio.sleep(0.01)
        server.released.set()
        assert await registering is True
        await driven.waits.begun()
        assert server.asked[2:] == ["post /agents/register", "post /agents/a-1/heartbeat", "post /agents/a-2/heartbeat"]
        await driven.stop()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("patience", [5.0, 0.01])
async def test_an_end_amid_a_new_registration_takes_that_back_too(
    kind: Kind, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the server would have an agent that nobody knows of."""
    module = "registry.client.agent" if kind == "thread" else "registry.client.agent_async"
    monkeypatch.setattr(f"{module}.JOIN_SECONDS", patience)
    second = Said(201, {"agent_id": "a-2"})
    async with odd(REGISTERED, Said(200, {}), Said(404), second, Said(200, {})) as server:
        driven = Driven(kind, server.url)
        await driven.register()
        await driven.start_heartbeat()
        server.held = 4
        driven.waits.left = 0
        await server.got(4)
        end = asyncio.create_task(driven.unregister())
        await until(driven.agent.stop_heartbeat.is_set)
        await asyncio.sleep(0.05)
        server.released.set()
        await end
        assert server.asked[3:] == ["post /agents/register", "post /agents/a-2/unregister"]
        assert not driven.beats


# As a context manager


async def test_a_block_is_a_life(rest: RestClient) -> None:
    threads, before = set(threading.enumerate()), tasks()
    driven = Driven("loop", rest.server.url)

    async def life() -> None:
        async with driven.agent as agent:
            assert list(await agents(rest)) == [agent.agent_id]
            assert driven.beats
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await life()
    assert await agents(rest) == {}
    assert tasks() == before

    driven = Driven("thread", rest.server.url)
    agent = await asyncio.to_thread(driven.agent.__enter__)
    assert list(await agents(rest)) == [agent.agent_id]
    assert driven.beats
    await asyncio.to_thread(driven.agent.__exit__, None, None, None)
    assert await agents(rest) == {}
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert all(name.startswith("asyncio_") for name in left)  # this test's own


@pytest.mark.parametrize("kind", KINDS)
async def test_a_block_is_not_entered_with_what_the_server_will_never_take(rest: RestClient, kind: Kind) -> None:
    refused, unsendable = Driven(kind, rest.server.url, host=""), Driven(kind, "nowhere")
    with pytest.raises(Refused, match="400: host is required"):
        await refused.call(refused.agent.start)
    with pytest.raises(ValueError, match="not a url"):
        await unsendable.call(unsendable.agent.start)
    assert (refused.beats, unsendable.beats) == (False, False)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_block_begins_without_the_server_and_registers_later(kind: Kind) -> None:
    async with odd(BREAK, BREAK, Said(503), REGISTERED, Said(200, {})) as server, testing.server() as time:
        driven = Driven(kind, server.url)
        await driven.call(driven.agent.start)
        await driven.waits.begun()
        assert driven.agent.agent_id is None
        await driven.live(time, sum(driven.waits.asked) + 2)
        assert driven.agent.agent_id == "a-1"
        assert server.asked == ["post /agents/register"] * 4 + ["post /agents/a-1/heartbeat"]
        await driven.call(driven.agent.start)  # is a registration already
        assert len(server.asked) == 5
        await driven.unregister()


async def test_who_was_unregistered_can_begin_anew(driven: Driven, rest: RestClient) -> None:
    await driven.call(driven.agent.start)
    before = driven.agent.agent_id
    await driven.unregister()
    await driven.call(driven.agent.start)
    await driven.waits.begun()
    assert list(await agents(rest)) == [driven.agent.agent_id] != [before]
