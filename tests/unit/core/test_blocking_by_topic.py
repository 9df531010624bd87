"""Blocking reads, one kind of topic after the other: whom each write wakes and whom it lets sleep (common.md §8).

Each kind has writes that wake its reader, done one after the other, and writes that must not, although some of
them move the index that a later request would be compared with.
"""

import asyncio
from typing import Any, NamedTuple

import pytest

from registry.commands import Command, RegisterLocalCheck
from registry.core.engine import Engine
from registry.errors import RequestError
from registry.model import topic as topics
from registry.model.check import CRITICAL, WARNING
from registry.model.topic import Topic
from registry.testing import FakeClock
from tests.conftest import Park
from tests.makers import NAMED, TABLES, about, check, deregister, instance, proxy_of, register, register_row, turns
from tests.unit.core import coordination_kinds


class Kind(NamedTuple):
    """What a reader of one kind is woken by, each by name and in this order, and what he sleeps through."""

    topic: Topic
    before: tuple[Command, ...]
    wakes: dict[str, Command]
    sleeps: dict[str, Command]


def web(**fields: Any) -> Command:
    return register("web", **fields)


def on_check(check_id: str, service: str = "", **fields: Any) -> Command:
    """A change of a check of n1, or of the node that `on` names."""
    on = str(fields.pop("on", "n1"))
    return register(on=on, skip_node_update=True, checks=(check(check_id, service, **fields),))


BOTH = (web(checks=(check("web-check", "web"), check("node-check"))), register("db", on="n2", checks=(check("n2"),)))
GREEN: dict[str, Any] = {"node_meta": {"colour": "green"}}

NEVER: dict[str, Command] = {
    "the same registration": web(checks=(check("web-check", "web"), check("node-check"))),
    "a refused registration": register(checks=(check("c", "unknown"),)),
    "a removal of nothing": deregister("unknown", on="n2"),
}
OTHER_CHECK: dict[str, Command] = {"a check of another node": on_check("n2", on="n2", status=CRITICAL)}
OTHER_SERVICE: dict[str, Command] = {
    "an unrelated service": register("cache", on="n2", skip_node_update=True),
    "a change of it": register("cache", on="n2", skip_node_update=True, port=81),
    "its removal": deregister("cache", on="n2"),
}
OTHER_NODE: dict[str, Command] = {
    "a new node": register(on="n3"),
    "a change of it": register(on="n3", node_address="10.0.0.3"),
    "its removal": deregister(on="n3"),
}
INSTANCE_LIFE: dict[str, Command] = {
    "another instance": web(on="n3"),
    "a change of an instance": web(port=81),
    "a node row under it": web(port=81, node_address="10.0.0.9"),
    "an instance goes": deregister("web", on="n3"),
    "the last instance goes": deregister("web"),
    "an instance comes back": web(),
}
CHECK_LIFE: dict[str, Command] = {
    "a new check": on_check("new", "web"),
    "a check changes": on_check("new", "web", status=CRITICAL),
    "an output changes": on_check("new", "web", status=CRITICAL, output="why"),
    "a check goes": deregister(check_id="new"),
}
NODE_CHECK_LIFE: dict[str, Command] = {
    "a new check of the node": on_check("new-node-check"),
    "it changes": on_check("new-node-check", status=WARNING),
    "it goes": deregister(check_id="new-node-check"),
}
PROXY = register_row(proxy_of("web", node="n4"))
PROXY_LIFE: dict[str, Command] = {
    "a change of the proxy": register_row(proxy_of("web", node="n4", port=81)),
    "the last proxy goes": deregister("web-proxy", on="n4"),
    "one comes back": PROXY,
    "one of another name": register_row(proxy_of("web", "other-proxy", node="n5")),
}
NATIVE: dict[str, Command] = {
    "an instance that is native": register_row(instance("web", "native", node="n5", native=True))
}

KINDS = [
    Kind(
        topics.NODES, BOTH,
        {**OTHER_NODE, "a change": register(on="n1", node_address="10.0.0.9")},
        {"a service": register("cache"), "a check": on_check("new"), "a service goes": deregister("cache"), **NEVER},
    ),
    Kind(
        topics.SERVICES, BOTH,
        {**OTHER_SERVICE, "new tags": web(tags=("a",)), "a node with services goes": deregister(on="n1")},
        {**OTHER_CHECK, **OTHER_NODE, "a node check goes": deregister(on="n2", check_id="n2"), **NEVER},
    ),
    Kind(
        topics.SERVICES_BY_NODE, BOTH,
        {**OTHER_SERVICE, **OTHER_NODE},
        {**OTHER_CHECK, "a node check goes": deregister(on="n2", check_id="n2"), **NEVER},
    ),
    Kind(topics.SERVICES_FILTERED, BOTH, OTHER_SERVICE, {**OTHER_CHECK, **OTHER_NODE, **NEVER}),
    Kind(topics.CHECKS, BOTH, {**CHECK_LIFE, **NODE_CHECK_LIFE}, {**OTHER_SERVICE, **OTHER_NODE, **NEVER}),
    Kind(topics.CHECKS_BY_NODE, BOTH, {**CHECK_LIFE, **NODE_CHECK_LIFE}, {**OTHER_SERVICE, **OTHER_NODE, **NEVER}),
    Kind(topics.CATALOG, BOTH, {**OTHER_NODE, **OTHER_SERVICE, **CHECK_LIFE, **NODE_CHECK_LIFE}, NEVER),
    Kind(topics.GATEWAYS, BOTH, {}, {**OTHER_NODE, **OTHER_SERVICE, **OTHER_CHECK, **NEVER}),
    Kind(topics.PEERS, BOTH, {}, {**OTHER_NODE, **OTHER_SERVICE, **OTHER_CHECK, **NEVER}),
    Kind(
        (topics.SERVICE, "web"), BOTH,
        INSTANCE_LIFE,
        {**CHECK_LIFE, **NODE_CHECK_LIFE, **OTHER_SERVICE, **OTHER_NODE, **OTHER_CHECK, **NEVER},
    ),
    Kind(
        (topics.SERVICE, "unknown"), BOTH,
        {"it comes": register("unknown")},
        {**CHECK_LIFE, **OTHER_SERVICE, **OTHER_NODE, "a service dies out": deregister("db", on="n2"), **NEVER},
    ),
    Kind(
        (topics.HEALTH, "web"), BOTH,
        {**CHECK_LIFE, **NODE_CHECK_LIFE, **INSTANCE_LIFE},
        {**OTHER_SERVICE, **OTHER_NODE, **OTHER_CHECK, **NEVER},
    ),
    Kind(
        (topics.HEALTH, "unknown"), BOTH,
        {"it comes": register("unknown")},
        {**CHECK_LIFE, **OTHER_SERVICE, **OTHER_NODE, "a service dies out": deregister("db", on="n2"), **NEVER},
    ),
    Kind(
        (topics.CONNECT, "web"), (*BOTH[1:], PROXY),
        {**PROXY_LIFE, "one of two goes": deregister("other-proxy", on="n5"), **NATIVE},
        {**OTHER_SERVICE, **OTHER_NODE, "a check of the proxy": on_check("p", "web-proxy", on="n4")},
    ),
    Kind(
        (topics.CONNECT_HEALTH, "web"), (*BOTH, PROXY),
        {"a check of the proxy": on_check("p", "web-proxy", on="n4"), **PROXY_LIFE, **NATIVE},
        {**CHECK_LIFE, **OTHER_SERVICE, **OTHER_NODE, "a change of the service itself": web(port=81)},
    ),
    Kind(
        (topics.NODE, "n1"), BOTH,
        {
            "a change of the node": register(on="n1", node_address="10.0.0.9"),
            "a service": register("cache", skip_node_update=True),
            "it goes": deregister("cache"),
            "the node goes": deregister(on="n1"),
            "it comes back": web(),
        },
        {**CHECK_LIFE, **NODE_CHECK_LIFE, **OTHER_SERVICE, **OTHER_NODE, **NEVER},
    ),
    Kind(
        (topics.MISSING_NODE, "n9"), BOTH,
        {"it comes": register(on="N9")},
        {**OTHER_SERVICE, **OTHER_NODE, **CHECK_LIFE, **NEVER},
    ),
    Kind(
        (topics.MISSING_NODE, "ab12"), BOTH,
        {"a node with such an id": register(on="n1", node_id="ab12cd34-0000-0000-0000-000000000000")},
        {"another id": register(on="n2", node_id="cd12cd34-0000-0000-0000-000000000000"), **OTHER_NODE, **NEVER},
    ),
    Kind(
        (topics.NODE_PAGE, "n1"), BOTH,
        {**CHECK_LIFE, **NODE_CHECK_LIFE, "a service": register("cache"), "the node goes": deregister(on="n1")},
        {**OTHER_SERVICE, **OTHER_NODE, **OTHER_CHECK, **NEVER},
    ),
    Kind(
        (topics.NODE_CHECKS, "n1"), BOTH,
        {**CHECK_LIFE, **NODE_CHECK_LIFE, "a service with checks goes": deregister("web")},
        {**OTHER_SERVICE, **OTHER_NODE, **OTHER_CHECK, "a change": register(on="n1", node_address="10.9.9.9")},
    ),
    Kind(
        (topics.SERVICE_CHECKS, "web"), BOTH,
        {**CHECK_LIFE, "the service goes": deregister("web")},
        {**NODE_CHECK_LIFE, **OTHER_SERVICE, **OTHER_NODE, **OTHER_CHECK, "a change": web(port=81)},
    ),
    Kind(
        (topics.SERVICE_CHECKS_BY_NODE, "web"), BOTH,
        {**CHECK_LIFE, "the node row": register(on="n1", **GREEN)},
        {**OTHER_SERVICE, **OTHER_NODE, **OTHER_CHECK},
    ),
    Kind(
        (topics.STATE, CRITICAL), BOTH,
        {
            "one enters": on_check("web-check", "web", status="Critical"),
            "one changes": on_check("web-check", "web", status="Critical", output="why"),
            "one leaves": on_check("web-check", "web", status=WARNING),
        },
        {"a passing check": on_check("new"), **OTHER_SERVICE, **OTHER_NODE, **NEVER},
    ),
    Kind(
        (topics.STATE_BY_NODE, CRITICAL), BOTH,
        {"one enters": on_check("web-check", "web", status=CRITICAL)},
        {"a passing check": on_check("new"), **OTHER_SERVICE, **OTHER_NODE, **NEVER},
    ),
    *(Kind(*row) for row in coordination_kinds.ROWS),
]  # fmt: skip

WAIT = 60.0
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: " ".join(kind.topic).strip())


async def prepared(engine: Engine, kind: Kind) -> None:
    for command in kind.before:
        await engine.propose(command)


async def attempted(engine: Engine, command: Command) -> None:
    try:
        await engine.propose(command)
    except RequestError:
        assert command is NEVER["a refused registration"]


def test_every_kind_of_topic_with_an_index_is_here() -> None:
    local = {topics.LOCAL_SERVICE, *topics.LOCAL_SERVICES, *topics.LOCAL_CHECKS, *topics.MEMBERS, *topics.EVENTS}
    known = {kind for kind, _ in TABLES} | NAMED.keys()
    assert {kind.topic[0] for kind in KINDS} == known - local


@each_kind
async def test_a_reader_is_woken_by_what_its_answer_shows(engine: Engine, kind: Kind, park: Park) -> None:
    await prepared(engine, kind)
    question = about(kind.topic)
    for what, change in kind.wakes.items():
        index = engine.state.index(kind.topic)
        reader = await park(engine.after(question, index, WAIT))
        await engine.propose(change)
        await turns(2)
        assert reader.done(), what
        answer, waited = await reader
        assert waited
        assert answer.index == engine.state.index(kind.topic) == engine.state.applied > index, what
        assert answer.body == question.encode(question.query(engine.state)), what


@each_kind
async def test_a_reader_sleeps_through_everything_else(engine: Engine, kind: Kind, park: Park) -> None:
    """Only what a topic names wakes it (Consul #1244, #3890)."""
    await prepared(engine, kind)
    reader = await park(engine.after(about(kind.topic), engine.state.index(kind.topic), WAIT))
    for what, change in kind.sleeps.items():
        await attempted(engine, change)
        await turns()
        assert not reader.done(), what


@each_kind
async def test_a_change_before_the_reader_came_back_answers_at_once(engine: Engine, kind: Kind) -> None:
    """Nothing is lost between an answer and the next request: only the index decides."""
    await prepared(engine, kind)
    for what, change in kind.wakes.items():
        index = engine.state.index(kind.topic)
        await engine.propose(change)
        answer, waited = await engine.after(about(kind.topic), index, WAIT)
        assert (answer.index > index, waited) == (True, False), what


@each_kind
@pytest.mark.parametrize("reader_first", [True, False], ids=["reader first", "writer first"])
async def test_a_change_in_the_very_moment_of_parking_is_not_lost(
    engine: Engine, kind: Kind, reader_first: bool
) -> None:
    await prepared(engine, kind)
    question = about(kind.topic)
    for what, change in kind.wakes.items():
        reading = engine.after(question, engine.state.index(kind.topic), WAIT)
        reader, writer = started(reading, engine.propose(change), reader_first)
        await writer
        await turns(2)
        assert reader.done(), what
        answer, _ = await reader
        assert answer.body == question.encode(question.query(engine.state)), what


def started(reading: Any, writing: Any, reader_first: bool) -> tuple["asyncio.Task[Any]", "asyncio.Task[None]"]:
    """Both as tasks that begin in the same turn of the loop, in this order."""
    loop = asyncio.get_running_loop()
    if reader_first:
        return loop.create_task(reading), loop.create_task(writing)
    writer = loop.create_task(writing)
    return loop.create_task(reading), writer


@each_kind
async def test_at_the_deadline_a_reader_gets_the_answer_it_has(
    engine: Engine, kind: Kind, park: Park, clock: FakeClock
) -> None:
    await prepared(engine, kind)
    question = about(kind.topic)
    index = engine.state.index(kind.topic)
    body = question.encode(question.query(engine.state))
    reader = await park(engine.after(question, index, 2.0))
    await clock.advance(1.9)
    assert not reader.done()
    await clock.advance(0.1)
    answer, waited = await reader
    assert (answer.index, answer.body, waited) == (index, body, True)


async def test_local_rows_wake_who_looks_at_them(engine: Engine, park: Park) -> None:
    """The agent's own reads have no index; `park` looks again after each touch of the topic."""

    def has_check(state: object) -> bool:
        return engine.state.local_check("c1") is not None

    reader = await park(engine.park(topics.LOCAL_CHECKS, has_check, WAIT))
    await engine.propose(register_row(proxy_of("x"), check("c1")))
    assert not reader.done()
    await engine.propose(RegisterLocalCheck(check("c1", node="")))
    await turns(2)
    assert reader.done()


async def test_when_the_newer_of_two_proxies_goes_the_index_does_not_tell(engine: Engine, park: Park) -> None:
    """The index is the highest of those in the answer (health.md §2.4), so it falls: Consul's reader sleeps on too."""
    mesh = (topics.CONNECT_HEALTH, "web")
    await engine.propose(register_row(proxy_of("web", "old-proxy", node="n5")))
    await engine.propose(PROXY)
    index = engine.state.index(mesh)
    reader = await park(engine.after(about(mesh), index, WAIT))
    await engine.propose(deregister("web-proxy", on="n4"))
    await turns()
    assert not reader.done()
    assert engine.state.index(mesh) < index
