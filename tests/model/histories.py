"""Random histories: commands about few enough names that they meet each other, and what becomes of them."""

import os
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from registry.commands import (
    Command,
    Deregister,
    DeregisterLocal,
    DeregisterLocalCheck,
    ExpireTtl,
    FinishTask,
    LocalService,
    MoveAgent,
    RaiseLevel,
    Reap,
    Register,
    RegisterAgent,
    RegisterLocal,
    RegisterLocalCheck,
    RemoveAgent,
    ReplaceFileRows,
    SetMaintenance,
    SetMembers,
    SubmitTask,
    UpdateAgent,
    UpdateCheck,
)
from registry.commands.codec import LEVEL
from registry.errors import RequestError
from registry.model.agent import CODEVALD, CREATED, FR0G, HIVE, OPTIINFRA, Agent, AgentConfig, Task, Telemetry
from registry.model.check import Check, CheckDefinition
from registry.model.member import Member
from registry.model.node import Node
from registry.model.service import Instance, Proxy
from registry.state.changes import Changes
from registry.state.snapshot import Frozen
from registry.state.store import State
from tests.makers import (
    HERE,
    HERE_ID,
    check,
    proxy_of,
    register,
    register_local,
    register_row,
    start_server,
    ttl,
)
from tests.model import coordination

History = list[Command]
Row = TypeVar("Row")

# Histories of some 30 commands each; more of them by hand, with a longer --timeout.
examples = settings(max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "50")))

NODES = ["n1", "n1", "N1", "n2", HERE]
NODE_IDS = ["", "", "aa00", "AA00", "aa11", HERE_ID]
SERVICES = ["web", "Web", "db", "consul"]
SERVICE_IDS = ["web", "web", "WEB", "db", "web-sidecar-proxy", "consul"]
CHECKS = ["c1", "c1", "C1", "c2", "serfHealth", "_node_maintenance", "service:web"]
STATUSES = ["passing", "passing", "warning", "critical", "critical", "Passing", "odd"]
TTL = CheckDefinition(ttl_ns=10**10)
TTL_WITH_LIMIT = CheckDefinition(ttl_ns=10**10, deregister_critical_service_after_ns=1)

node_names = st.sampled_from(NODES)
service_ids = st.sampled_from(SERVICE_IDS)
check_ids = st.sampled_from(CHECKS)
outputs = st.sampled_from(["", "o", "other"])


def pool(make: Callable[..., Row], size: int = 300, **fields: list[Any]) -> st.SearchStrategy[Row]:
    """Rows that differ in all these fields, made beforehand: each is one choice, so that histories can be long."""
    chance = Random(0)
    return st.sampled_from([make(**{name: chance.choice(some) for name, some in fields.items()}) for _ in range(size)])


nodes = pool(
    Node,
    name=NODES,
    id=NODE_IDS,
    address=["10.0.0.1", "10.0.0.2"],
    meta=[None, {}, {"colour": "green"}],
)
instances = pool(
    Instance,
    node=[""],
    id=SERVICE_IDS,
    name=SERVICES,
    kind=["", "", "connect-proxy"],
    tags=[None, (), ("a",), ("b", "a")],
    meta=[None, None, None, {}, {"k": "v"}],
    port=[0, 80, 80, 21000],
    socket_path=["", "", "/s"],
    proxy=[None, Proxy(destination_service_name="web"), Proxy(destination_service_name="DB")],
    native=[False, False, True],
)
checks = pool(
    Check,
    node=[""],
    id=CHECKS,
    name=["", "name"],
    status=STATUSES,
    output=["", "o"],
    type=["", "ttl"],
    runs=[None, TTL, TTL_WITH_LIMIT],
)
BAD_META = {"bad key": "1"}


def now_and_then(draw: st.DrawFn) -> bool:
    """Once in ten times."""
    return draw(st.integers(0, 9)) == 9


@st.composite
def registrations(draw: st.DrawFn) -> Register:
    """Of a node, mostly with an instance and checks of it; now and then one that must be refused."""
    node = draw(nodes)
    service = replace(draw(instances), node=node.name) if draw(st.booleans()) else None
    owner = service.id if service is not None else draw(st.sampled_from(["", "", "web"]))
    some = [
        replace(one, node=node.name, runs=None, service_id=draw(st.sampled_from([owner, owner, ""])))
        for one in draw(st.lists(checks, max_size=2))
    ]
    if now_and_then(draw):
        some.append(Check(node=draw(node_names), id=draw(st.sampled_from(["c1", ""]))))
    if service is not None and now_and_then(draw):
        service = replace(service, meta=BAD_META)
    return Register(node=node, service=service, checks=tuple(some), skip_node_update=draw(st.booleans()))


@st.composite
def local_parts(draw: st.DrawFn, service_id: str = "") -> LocalService:
    """An instance of our own node and checks of it."""
    row = draw(instances)
    row = replace(row, id=service_id or row.id)
    some = draw(st.lists(checks, max_size=2))
    return LocalService(service=row, checks=tuple(replace(one, service_id=row.id) for one in some))


@st.composite
def local_registrations(draw: st.DrawFn) -> RegisterLocal:
    """With a sidecar, of a given port or an automatic one, in one of three."""
    part, sidecar = draw(local_parts()), None
    if draw(st.integers(0, 2)) == 0:
        sidecar = draw(local_parts(f"{part.service.id}-sidecar-proxy"))
        sidecar = replace(sidecar, default_checks=draw(st.booleans()))
    ports = (0, 0) if now_and_then(draw) else (21000, 21001)
    return RegisterLocal(service=part, sidecar=sidecar, replace_checks=now_and_then(draw), sidecar_ports=ports)


local_checks = st.builds(
    lambda check, owner: replace(check, service_id=owner), checks, st.sampled_from(["", "", "web", "db"])
)
updates = st.builds(
    UpdateCheck, check_ids, st.sampled_from(STATUSES), outputs, st.sampled_from([0, 0, 0, 3]), st.booleans()
)
REPLICAS = [Member("0a0a0a0a", level=2), Member("1b1b1b1b", "two", "10.0.0.2", 8500, 2, "1.0"), Member("2c2c2c2c")]
results = st.builds(  # of active checks, by whoever ran them
    UpdateCheck, check_ids, st.sampled_from(STATUSES), outputs, runner=st.sampled_from([one.id for one in REPLICAS])
)
memberships = st.builds(
    lambda some, holder: SetMembers(tuple(one for one in REPLICAS if one in some), holder),
    st.lists(st.sampled_from(REPLICAS), max_size=3),
    st.sampled_from(["", *(one.id for one in REPLICAS)]),
)
metadata = st.dictionaries(
    st.sampled_from(["k", "name", "version", "bad key", "bad_key", "consul-x", ""]),
    st.sampled_from(["v", 1, 2.5, True, None, ["a"], {"b": None}, "x" * 513]),
    max_size=4,
)
native_parts = st.builds(
    Agent,
    source=st.sampled_from([OPTIINFRA, CODEVALD, CODEVALD, HIVE, FR0G]),
    name=st.sampled_from(["", "label"]),
    version=st.sampled_from(["", "1.0"]),
    metadata=metadata,
    state=st.sampled_from(["", CREATED, CREATED]),
    namespace=st.sampled_from(["default", "other"]),
    config=st.sampled_from([None, AgentConfig(max_concurrent_tasks=1, task_queue_size=1)]),
    ttl_ns=st.sampled_from([0, 45_000_000_000]),
    remove_after_ns=st.sampled_from([0, 60_000_000_000]),
    revivable_seconds=st.sampled_from([0.0, 10.0]),
)
agents = st.builds(lambda row, agent: replace(row, agent=agent, proxy=None, native=False), instances, native_parts)
reports = st.sampled_from(["", "", *STATUSES])
agent_commands: list[st.SearchStrategy[Any]] = [
    st.builds(RegisterAgent, service=agents, status=reports, most=st.sampled_from([0, 2]), replace_dead=st.booleans()),
    st.builds(
        UpdateAgent,
        service_id=service_ids,
        status=reports,
        metadata=st.none() | metadata,
        telemetry=st.sampled_from([None, None, Telemetry(0.5, 1, 2)]),
    ),
    st.builds(MoveAgent, service_ids, st.sampled_from(["start", "stop", "pause", "resume", "restart"])),
    st.builds(SubmitTask, service_ids, st.builds(lambda id: Task(id=id, type="t"), st.sampled_from(["t1", "t2"]))),
    st.builds(FinishTask, service_ids, st.sampled_from(["t1", "t2"]), st.booleans()),
    st.builds(RemoveAgent, service_ids),
]
OFTEN: list[st.SearchStrategy[Any]] = [
    registrations(),
    local_registrations(),
    st.builds(RegisterLocalCheck, local_checks),
    updates,
]
SOMETIMES: list[st.SearchStrategy[Any]] = [
    st.builds(Deregister, node_names, st.just(""), st.just("")),
    st.builds(Deregister, node_names, service_ids, st.just("")),
    st.builds(Deregister, node_names, st.just(""), check_ids),
    st.builds(DeregisterLocal, service_ids),
    st.builds(SetMaintenance, st.booleans(), st.none() | service_ids, st.sampled_from(["", "why"])),
    st.builds(
        ReplaceFileRows,
        services=st.lists(local_registrations(), max_size=2).map(tuple),
        checks=st.lists(local_checks, max_size=1).map(tuple),
    ),
    st.builds(DeregisterLocalCheck, check_ids),
    st.builds(ExpireTtl, check_ids, st.sampled_from([0, 0, 0, 1]), outputs),
    st.builds(Reap, check_ids, st.sampled_from([0, 0, 0, 1])),
    results,
    memberships,
    *agent_commands,
]
RARELY: list[st.SearchStrategy[Any]] = [
    st.builds(lambda address: start_server(address=address), st.sampled_from(["127.0.0.1", "127.0.0.2"])),
    st.just(start_server(node="other")),
    st.builds(RaiseLevel, st.integers(1, LEVEL)),
]
KINDS = OFTEN * 6 + SOMETIMES * 2 + RARELY + coordination.OFTEN * 6 + coordination.SOMETIMES * 2


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Any command, the usual ones more often."""
    found: Command = draw(draw(st.sampled_from(KINDS)))
    return found


FRESH: History = [start_server()]
POPULATED: History = [
    start_server(),
    register("web", on="n1", node_id="aa00", checks=(check("c1", "web"), check("serfHealth"))),
    register("db", on="n2", node_id="aa11", checks=(check("c1", "db"),)),
    register_row(proxy_of("web", "web-sidecar-proxy", node="n2")),
    register_local("web", ttl("c1", reap_seconds=1.0), ttl("c2", status="passing")),
    register_local("db", native=True),
]


def histories(longest: int = 30, some: st.SearchStrategy[Command] | None = None) -> st.SearchStrategy[History]:
    """A server with or without something on it, then anything (or `some`); most of them long."""
    one = commands() if some is None else some
    what_follows = st.one_of(*[st.lists(one, min_size=least, max_size=longest) for least in (0, longest // 2)])
    return st.builds(lambda before, after: [*before, *after], st.sampled_from([FRESH, POPULATED]), what_follows)


def aimed(state: State, command: Command) -> Command:
    """An expiry or a removal as the engine would propose it now, at the check as it is; one with an index is void."""
    check = state.local_check(command.check_id) if isinstance(command, ExpireTtl | Reap) else None
    if check is not None and isinstance(command, ExpireTtl) and not command.create_index:
        return replace(command, create_index=check.create_index)
    if check is not None and isinstance(command, Reap) and not command.critical_index:
        return replace(command, critical_index=check.critical_index)
    return command


def moment_of(moment: int) -> float:
    """The log time of the so-manieth entry: three seconds pass between two."""
    return 1_700_000_000.0 + 3 * moment


def applied(
    state: State, command: Command, index: int, changes: Changes | None = None, *, moment: int | None = None
) -> str:
    """Apply one command under an index; the refusal in words, or nothing.

    Args:
        moment: counts the time where the index does not.
    """
    try:
        time = moment_of(index if moment is None else moment)
        state.apply(index, time, command, Changes() if changes is None else changes)
    except RequestError as refusal:
        return f"{type(refusal).__name__}: {refusal}"
    return ""


def lived(history: Iterable[Command]) -> tuple[State, History, list[str]]:
    """The state after a history, the history as it was aimed, and the refusals."""
    state, aimed_at, refusals = State(), [], []
    for index, command in enumerate(history, 1):
        aimed_at.append(aimed(state, command))
        refusals.append(applied(state, aimed_at[-1], index))
    return state, aimed_at, refusals


def content(state: State) -> str:
    """The digest of a state but for how far it has come."""
    frozen = Frozen(state)
    frozen.header = replace(frozen.header, applied=0, time=0.0)
    return b"".join(frozen.chunks()).hex()
