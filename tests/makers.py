"""Makers of rows, commands and questions: what a test does not name is of no account to it.

Catalog rows are on node `n1` unless said otherwise; local rows are on `HERE`, the node of the server itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from registry.commands import (
    Command,
    Deregister,
    LocalService,
    Register,
    RegisterLocal,
    RegisterLocalCheck,
    StartServer,
)
from registry.core.engine import Engine, Question
from registry.core.observer import Observer
from registry.errors import RequestError
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING, Check, CheckDefinition
from registry.model.node import Node
from registry.model.service import CONNECT_PROXY, Instance, Proxy
from registry.model.topic import Topic
from registry.state.changes import Changes
from registry.state.queries import tags_by_service
from registry.state.store import State

HERE = "here"
HERE_ID = "11111111-1111-1111-1111-111111111111"

Answered = TypeVar("Answered")


# Rows


def node(name: str = "n1", **fields: Any) -> Node:
    """A node row as a registration gives it."""
    return Node(name=name, **{"address": "10.0.0.1", "datacenter": "dc1", **fields})


def instance(name: str = "web", service_id: str = "", **fields: Any) -> Instance:
    """An instance whose id is its name unless given."""
    return Instance(name=name, id=service_id or name, **{"node": "n1", "port": 80, **fields})


def proxy_of(destination: str, service_id: str = "", **fields: Any) -> Instance:
    """An instance through which `destination` is reached."""
    name = service_id or f"{destination}-proxy"
    return instance(name, kind=CONNECT_PROXY, proxy=Proxy(destination_service_name=destination), **fields)


def check(check_id: str = "c1", service_id: str = "", **fields: Any) -> Check:
    """A check; without `service_id` one of the whole node."""
    return Check(id=check_id, service_id=service_id, **{"node": "n1", "status": PASSING, "name": check_id, **fields})


def ttl(check_id: str = "ttl", seconds: float = 10.0, service_id: str = "", **fields: Any) -> Check:
    """A local check that lives by signs of life; critical at first, as Consul has it."""
    reap_seconds = fields.pop("reap_seconds", 0.0)
    runs = CheckDefinition(ttl_ns=int(seconds * 1e9), deregister_critical_service_after_ns=int(reap_seconds * 1e9))
    return check(check_id, service_id, **{"node": "", "status": CRITICAL, "type": "ttl", "runs": runs, **fields})


# Commands


def start_server(**fields: Any) -> StartServer:
    """The server's own identity."""
    given = {"node": HERE, "id": HERE_ID, "datacenter": "dc1", "address": "127.0.0.1", "meta": {}}
    return StartServer(**{**given, "tagged_addresses": {"lan": "127.0.0.1"}, **fields})


def register(name: str = "", *, on: str = "n1", checks: tuple[Check, ...] = (), **fields: Any) -> Register:
    """A catalog registration of a node and, given a name, an instance on it; checks are put on the node."""
    owner = {key: fields.pop(f"node_{key}") for key in ("id", "address", "meta") if f"node_{key}" in fields}
    skip = fields.pop("skip_node_update", False)
    return Register(
        node=node(on, **owner),
        service=instance(name, node=on, **fields) if name else None,
        checks=tuple(replace(one, node=on) for one in checks),
        skip_node_update=skip,
    )


def register_row(row: Instance, *checks: Check) -> Register:
    """A catalog registration of exactly this instance."""
    return Register(node=node(row.node), service=row, checks=tuple(replace(one, node=row.node) for one in checks))


def deregister(service_id: str = "", *, on: str = "n1", check_id: str = "") -> Deregister:
    """A removal from the catalog: the instance, else the check, else the node."""
    return Deregister(on, service_id, check_id)


def register_local(name: str = "web", *checks: Check, **fields: Any) -> RegisterLocal:
    """A registration through the agent's interface; the checks belong to the instance."""
    given = {key: fields.pop(key) for key in ("sidecar", "replace_checks", "sidecar_ports") if key in fields}
    row = instance(name, node="", **fields)
    return RegisterLocal(service=LocalService(service=row, checks=_owned(row, checks)), **given)


def sidecar_of(name: str, *checks: Check, port: int = 0, default_checks: bool = False) -> LocalService:
    """The sidecar that an instance of this id and name brings with it."""
    row = proxy_of(name, f"{name}-sidecar-proxy", node="", port=port)
    return LocalService(service=row, checks=_owned(row, checks), default_checks=default_checks)


def _owned(row: Instance, checks: tuple[Check, ...]) -> tuple[Check, ...]:
    return tuple(replace(one, node="", service_id=row.id) for one in checks)


def register_ttl(
    check_id: str = "ttl", seconds: float = 10.0, service_id: str = "", **given: Any
) -> RegisterLocalCheck:
    """A TTL check of the node or of a local instance."""
    return RegisterLocalCheck(ttl(check_id, seconds, service_id, **given))


# Questions: each kind of topic with the rows that answers on it show


HIDDEN = frozenset({  # fields that no reader of the catalog is shown
    "local", "runs", "critical_at", "critical_index", "expired", "agent", "registered_at", "updated_at",
})  # fmt: skip


def as_seen(rows: Any) -> bytes:
    """Everything that the rows say to a reader."""
    return msgspec.json.encode(_without_hidden(msgspec.to_builtins(rows)))


def _without_hidden(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _without_hidden(value) for key, value in part.items() if key not in HIDDEN}
    return [_without_hidden(one) for one in part] if isinstance(part, list | tuple) else part


def asked(topic: Topic, query: Callable[[State], Any], **fields: Any) -> Question:
    """A question whose bytes are all that the rows say."""
    key: Hashable = fields.pop("key", "all")
    encode = fields.pop("encode", as_seen)
    return Question(topic, key, query, encode, **fields)


def _green(state: State) -> dict[str, None]:
    """The nodes that a `node-meta` selector of these questions picks."""
    return {one.name.lower(): None for one in state.nodes() if (one.meta or {}).get("colour") == "green"}


def _green_services(state: State) -> Any:
    green = _green(state)
    return tags_by_service(placed for placed in state.all_placed() if placed.node.name.lower() in green)


def _green_checks(state: State, checks: list[Check]) -> list[Check]:
    green = _green(state)
    return [one for one in checks if one.node.lower() in green]


def _node_and_instances(state: State, name: str) -> Any:
    view = state.node_view(name)
    return None if view is None else (view.node, view.instances)


TABLES: dict[Topic, Callable[[State], Any]] = {
    topics.NODES: State.nodes,
    topics.SERVICES: State.service_tags,
    topics.SERVICES_BY_NODE: _green_services,
    topics.SERVICES_FILTERED: _green_services,
    topics.CHECKS: State.all_checks,
    topics.CHECKS_BY_NODE: lambda state: _green_checks(state, state.all_checks()),
    topics.CATALOG: lambda state: (state.nodes(), state.all_entries(), state.all_checks()),
    topics.GATEWAYS: lambda state: [],
    topics.PEERS: lambda state: [],
    topics.LOCAL_SERVICES: State.local_services,
    topics.LOCAL_CHECKS: State.local_checks,
    topics.USAGE: State.usage,
    topics.SESSIONS: lambda state: list(state.sessions.rows.values()),
    topics.PREPARED: lambda state: list(state.prepared.rows.values()),
    topics.EVENTS: lambda state: state.events,
    topics.COORDINATES: lambda state: list(state.coordinates.values()),
    topics.MEMBERS: lambda state: (state.server, state.members, state.holder),
}

NAMED: dict[str, Callable[[State, str], Any]] = {
    topics.SERVICE: State.placed,
    topics.HEALTH: State.entries,
    topics.CONNECT: State.connect_placed,
    topics.CONNECT_HEALTH: State.connect_entries,
    topics.NODE: _node_and_instances,
    topics.MISSING_NODE: _node_and_instances,
    topics.NODE_PAGE: State.node_view,
    topics.NODE_CHECKS: State.checks_of_node,
    topics.SERVICE_CHECKS: State.checks_of_service,
    topics.SERVICE_CHECKS_BY_NODE: lambda state, name: _green_checks(state, state.checks_of_service(name)),
    topics.STATE: State.checks_in_state,
    topics.STATE_BY_NODE: lambda state, name: _green_checks(state, state.checks_in_state(name)),
    topics.LOCAL_SERVICE: State.local_service,
    topics.SESSION: lambda state, session_id: state.sessions.rows.get(session_id),
    topics.PREPARED_ONE: lambda state, query_id: state.prepared.rows.get(query_id),
    topics.COORDINATE: lambda state, name: state.coordinates.get(name),
    topics.KEY: lambda state, name: state.kv.pairs.get(topics.key_of(name)),
    topics.KEYS_UNDER: lambda state, name: list(state.kv.under(topics.key_of(name))),
}


def about(topic: Topic, **fields: Any) -> Question:
    """The question that is asked on a topic; one about a missing node is never kept, as at the edge."""
    kind, name = topic
    if topic in TABLES:
        return asked(topic, TABLES[topic], **fields)
    query = NAMED[kind]
    return asked(topic, lambda state: query(state, name), **{"keep": kind != topics.MISSING_NODE, **fields})


def health_of(name: str, **fields: Any) -> Question:
    """What `health/service` asks."""
    return about((topics.HEALTH, name.lower()), **fields)


# Engines


class Tally(Observer):
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.outcomes: list[str] = []
        self.commands: list[Command] = []
        self.refusals: list[RequestError] = []
        self.skips: list[Command] = []
        self.resets: list[int] = []
        self.snapshots: list[int] = []
        self.troubles: list[str] = []
        self.rearms = 0

    def appended(self, records: int, seconds: float, outcome: str) -> None:
        self.batches.append(records)
        self.outcomes.append(outcome)

    def applied(self, index: int, command: Command, refusal: RequestError | None) -> None:
        self.commands.append(command)
        if refusal is not None:
            self.refusals.append(refusal)

    def skipped(self, command: Command) -> None:
        self.skips.append(command)

    def reset(self, index: int) -> None:
        self.resets.append(index)

    def snapshot(self, index: int, size_bytes: int, seconds: float) -> None:
        self.snapshots.append(index)

    def rearmed(self, deadlines: int) -> None:
        self.rearms += 1

    def trouble(self, reason: str) -> None:
        self.troubles.append(reason)


async def parked(engine: Engine, reader: Awaitable[Answered]) -> "asyncio.Task[Answered]":
    """The task of a reader once it waits; one that is answered at once is an error of the test."""
    before = engine.topics.parked
    task = asyncio.ensure_future(reader)
    while engine.topics.parked == before:
        if task.done():
            raise AssertionError(f"answered at once instead of waiting: {task.result()!r}")
        await asyncio.sleep(0)
    return task


def port_of(engine: Engine, name: str = "web") -> int:
    """The port of the one instance of a service, by which tests tell its registrations apart."""
    [placed] = engine.state.placed(name)
    return placed.instance.port


async def turns(count: int = 20) -> None:
    """Let the loop turn, for what must not happen however long it is given."""
    for _ in range(count):
        await asyncio.sleep(0)


# States without an engine


class World:
    """A state that commands are applied to one after the other; `index` is that of the newest."""

    def __init__(self, *, started: bool = True) -> None:
        self.state = State()
        self.index = 0
        self.time = 1_700_000_000.0
        if started:
            self.apply(start_server())

    def apply(self, command: Command, *, after_seconds: float = 1.0) -> list[Topic]:
        """Take the command in under the next index and return the topics it touched.

        Raises:
            RequestError: the state refused it.
        """
        self.index += 1
        self.time += after_seconds
        changes = Changes()
        self.state.apply(self.index, self.time, command, changes)
        return list(changes.topics)

    def indexes(self, *asked_for: Topic) -> list[int]:
        """What answers on these topics show."""
        return [self.state.index(topic) for topic in asked_for]
