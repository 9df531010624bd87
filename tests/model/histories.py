"""Random histories: commands about few enough names that they meet each other, and what becomes of them."""

import os
from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from registry.commands import (
    Command,
    Deregister,
    DeregisterLocal,
    DeregisterLocalCheck,
    ExpireTtl,
    LocalService,
    RaiseLevel,
    Reap,
    Register,
    RegisterLocal,
    RegisterLocalCheck,
    ReplaceFileRows,
    SetMaintenance,
    UpdateCheck,
)
from registry.errors import RequestError
from registry.model.check import Check, CheckDefinition
from registry.model.node import Node
from registry.model.service import Instance, Proxy
from registry.state.changes import Changes
from registry.state.snapshot import Frozen
from registry.state.store import State
from tests.makers import HERE, HERE_ID, start_server

History = list[Command]

# Histories of up to 25 commands each; more of them by hand, with a longer --timeout.
examples = settings(max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "50")))

NODES = ["n1", "N1", "n2", HERE]
NODE_IDS = ["", "aa00", "AA00", "aa11", HERE_ID]
SERVICES = ["web", "Web", "db", "consul"]
SERVICE_IDS = ["web", "WEB", "db", "web-sidecar-proxy", "consul"]
CHECKS = ["c1", "C1", "c2", "serfHealth", "_node_maintenance"]
STATUSES = ["passing", "warning", "critical", "Passing", "odd"]

node_names = st.sampled_from(NODES)
service_ids = st.sampled_from(SERVICE_IDS)
check_ids = st.sampled_from(CHECKS)
statuses = st.sampled_from(STATUSES)
outputs = st.sampled_from(["", "o", "other"])

nodes = st.builds(
    Node,
    name=node_names,
    id=st.sampled_from(NODE_IDS),
    address=st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    meta=st.sampled_from([None, {}, {"colour": "green"}]),
)
definitions = st.sampled_from(
    [None, CheckDefinition(ttl_ns=10**10), CheckDefinition(ttl_ns=10**10, deregister_critical_service_after_ns=1)]
)
proxies = st.sampled_from([None, Proxy(destination_service_name="web"), Proxy(destination_service_name="DB")])


def instances(node: st.SearchStrategy[str]) -> st.SearchStrategy[Instance]:
    return st.builds(
        Instance,
        node=node,
        id=service_ids,
        name=st.sampled_from(SERVICES),
        kind=st.sampled_from(["", "connect-proxy"]),
        tags=st.sampled_from([None, (), ("a",), ("b", "a")]),
        meta=st.sampled_from([None, {}, {"k": "v"}, {"bad key": "1"}]),
        port=st.sampled_from([0, 80, 21000]),
        socket_path=st.sampled_from(["", "/s"]),
        proxy=proxies,
        native=st.booleans(),
    )


def checks(node: st.SearchStrategy[str], owners: list[str]) -> st.SearchStrategy[Check]:
    return st.builds(
        Check,
        node=node,
        id=st.sampled_from([*CHECKS, ""]) if "" in owners else check_ids,
        name=st.sampled_from(["", "name"]),
        status=statuses,
        output=outputs,
        service_id=st.sampled_from(owners),
        type=st.sampled_from(["", "ttl"]),
    )


@st.composite
def registrations(draw: st.DrawFn) -> Register:
    """Mostly on the node they name; now and then with a check of another one."""
    node = draw(nodes)
    here = st.just(node.name)
    some_checks = draw(st.lists(checks(here, ["", "", *SERVICE_IDS]), max_size=3))
    if draw(st.integers(0, 19)) == 0:
        some_checks.append(draw(checks(node_names, [""])))
    return Register(
        node=node,
        service=draw(st.none() | instances(here)),
        checks=tuple(some_checks),
        skip_node_update=draw(st.booleans()),
    )


local_checks = checks(st.just(""), [""]).flatmap(
    lambda check: definitions.map(lambda runs: replace(check, id=check.id or "c2", runs=runs))
)


@st.composite
def local_parts(draw: st.DrawFn) -> LocalService:
    """An instance of our own node and checks of it."""
    row = draw(instances(st.just("")))
    return LocalService(
        service=row,
        checks=tuple(replace(one, service_id=row.id) for one in draw(st.lists(local_checks, max_size=2))),
    )


@st.composite
def local_registrations(draw: st.DrawFn) -> RegisterLocal:
    """With a sidecar, of a given port or an automatic one, in one of three."""
    part = draw(local_parts())
    sidecar = None
    if draw(st.integers(0, 2)) == 0:
        beside = draw(local_parts())
        sidecar_id = f"{part.service.id}-sidecar-proxy"
        sidecar = LocalService(
            service=replace(beside.service, id=sidecar_id, meta=None, kind="connect-proxy"),
            checks=tuple(replace(one, service_id=sidecar_id) for one in beside.checks),
            default_checks=draw(st.booleans()),
        )
    return RegisterLocal(
        service=replace(part, service=replace(part.service, meta=None)),
        sidecar=sidecar,
        replace_checks=draw(st.booleans()),
        sidecar_ports=draw(st.sampled_from([(0, 0), (21000, 21001)])),
    )


owned_local_checks = st.builds(
    lambda check, owner: replace(check, service_id=owner), local_checks, st.sampled_from(["", *SERVICE_IDS])
)

commands: st.SearchStrategy[Command] = st.one_of(
    registrations(),
    registrations(),
    st.builds(
        Deregister,
        node_names,
        st.one_of(st.just(""), service_ids),
        st.one_of(st.just(""), check_ids),
    ),
    local_registrations(),
    local_registrations(),
    st.builds(DeregisterLocal, service_ids),
    st.builds(SetMaintenance, st.booleans(), st.none() | service_ids, st.sampled_from(["", "why"])),
    st.builds(
        ReplaceFileRows,
        services=st.lists(local_registrations(), max_size=2).map(tuple),
        checks=st.lists(owned_local_checks, max_size=2).map(tuple),
    ),
    st.builds(RegisterLocalCheck, owned_local_checks),
    st.builds(DeregisterLocalCheck, check_ids),
    st.builds(UpdateCheck, check_ids, statuses, outputs, st.sampled_from([0, 0, 0, 3]), st.booleans()),
    st.builds(UpdateCheck, check_ids, statuses, outputs),
    st.builds(ExpireTtl, check_ids, st.sampled_from([0, 0, 1]), outputs),
    st.builds(Reap, check_ids, st.sampled_from([0, 0, 1])),
    st.builds(lambda address: start_server(address=address), st.sampled_from(["127.0.0.1", "127.0.0.2"])),
    st.just(start_server(node="other")),
    st.builds(RaiseLevel, st.integers(1, 3)),
)


def histories(max_size: int = 25) -> st.SearchStrategy[History]:
    """The first start of a server, then anything."""
    return st.lists(commands, max_size=max_size).map(lambda found: [start_server(), *found])


def aimed(state: State, command: Command) -> Command:
    """An expiry or a removal as the engine would propose it now, at the check as it is; one with an index is void."""
    check = state.local_check(command.check_id) if isinstance(command, ExpireTtl | Reap) else None
    if check is not None and isinstance(command, ExpireTtl) and not command.create_index:
        return replace(command, create_index=check.create_index)
    if check is not None and isinstance(command, Reap) and not command.critical_index:
        return replace(command, critical_index=check.critical_index)
    return command


def applied(state: State, command: Command, index: int, changes: Changes | None = None) -> str:
    """Apply one command under an index; the refusal in words, or nothing. Three seconds pass an index."""
    try:
        state.apply(index, 1_700_000_000.0 + 3 * index, command, Changes() if changes is None else changes)
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
