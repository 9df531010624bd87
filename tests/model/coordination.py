"""Random commands about keys, sessions, transactions, prepared queries, events and coordinates, over few names.

Nodes, checks and services are those of `histories.py`, so that both meet: what ends a session is a write over there.
"""

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from registry.commands import (
    ChangeKey,
    CheckOp,
    CreateSession,
    DeletePrepared,
    EndSession,
    FireEvent,
    KeyOp,
    NodeOp,
    PutCoordinate,
    PutPrepared,
    ServiceOp,
    SetAutopilot,
    Transact,
)
from registry.commands.keys import ReadVerb, WriteVerb
from registry.commands.transaction import Op, RowVerb
from registry.model.autopilot import Autopilot
from registry.model.check import OF_SESSION, Check, CheckDefinition
from registry.model.coordinate import Coordinate
from registry.model.event import UserEvent
from registry.model.node import Node
from registry.model.prepared import NAME_PREFIX_MATCH, PreparedQuery, ServiceQuery, Template
from registry.model.service import Instance
from registry.model.session import DELETE, RELEASE, ServiceCheckRef, Session

COORDINATION = (
    ChangeKey, CreateSession, EndSession, Transact, PutPrepared, DeletePrepared, FireEvent, PutCoordinate, SetAutopilot,
)  # fmt: skip
KEYS = [b"a", b"a/b", b"a/b/c", b"a/c", b"b", b"\xff\xff", b"\xff\xffx"]
PREFIXES = [b"", b"a", b"a/", b"a/b", b"b", b"\xff", b"none"]
SESSION_IDS = [f"{digit * 8}-aaaa-bbbb-cccc-{digit * 12}" for digit in "def0"]
QUERY_IDS = [f"{digit * 8}-1111-2222-3333-{digit * 12}" for digit in "de"]
SPELLINGS = [*SESSION_IDS[:2] * 3, *SESSION_IDS[2:], SESSION_IDS[0].upper(), "none", ""]
INDEXES = [0, 0, 1, 2, 3, 4, 5, 6, 8, 10, 13]

write_verbs = st.sampled_from(WriteVerb.__args__)  # type: ignore[attr-defined]
read_verbs = st.sampled_from(ReadVerb.__args__)  # type: ignore[attr-defined]
row_verbs = st.sampled_from(RowVerb.__args__)  # type: ignore[attr-defined]


def _key_ops(verbs: st.SearchStrategy[Any]) -> st.SearchStrategy[KeyOp]:
    return st.builds(
        KeyOp,
        verb=verbs,
        key=st.sampled_from(KEYS),
        value=st.sampled_from([b"", b"1", b"2"]),
        flags=st.sampled_from([0, 0, 2**64 - 1]),
        index=st.sampled_from(INDEXES),
        session=st.sampled_from(SPELLINGS),
    )


writing = _key_ops(write_verbs)
locking = _key_ops(st.sampled_from(["lock", "lock", "unlock"]))
trees = st.builds(KeyOp, verb=st.just("delete-tree"), key=st.sampled_from(PREFIXES))

sessions = st.builds(
    Session,
    id=st.sampled_from(SESSION_IDS),
    node=st.sampled_from(["n1", "N1", "n2", "here", "none"]),
    name=st.sampled_from(["", "leader"]),
    lock_delay_ns=st.sampled_from([0, 4 * 10**9, 10**11]),
    behavior=st.sampled_from([RELEASE, DELETE]),
    expires_ns=st.sampled_from([0, 2 * 10**10]),
    node_checks=st.sampled_from([None, (), (), ("c1",), ("C1", "c1"), ("serfHealth",), ("follows",), ("none",)]),
    checks=st.sampled_from([(), (), ("c2",)]),
    service_checks=st.sampled_from([None, None, (ServiceCheckRef("c1"),), (ServiceCheckRef(""),)]),
)

FOLLOWER = Check(
    node="n1", id="follows", status="critical", type=OF_SESSION, definition=CheckDefinition(session_name="leader")
)
row_ops: st.SearchStrategy[Op] = st.one_of(
    st.builds(
        NodeOp,
        verb=row_verbs,
        node=st.builds(
            Node,
            name=st.sampled_from(["n1", "n2", "here", ""]),
            id=st.sampled_from(["", "aa00", "aa11"]),
            address=st.sampled_from(["10.0.0.1", "10.0.0.9"]),
        ),
        index=st.sampled_from(INDEXES),
    ),
    st.builds(
        ServiceOp,
        verb=row_verbs,
        service=st.builds(
            Instance,
            node=st.sampled_from(["n1", "N1", "none", "here"]),
            id=st.sampled_from(["web", "db", "new"]),
            name=st.sampled_from(["web", "db"]),
            port=st.sampled_from([1, 2]),
        ),
        index=st.sampled_from(INDEXES),
    ),
    st.builds(
        CheckOp,
        verb=row_verbs,
        check=st.builds(
            lambda row, status, owner: replace(row, status=status, service_id=owner),
            st.sampled_from([FOLLOWER, Check(node="n1", id="c1"), Check(node="n2", id="c2"), Check(node="n1", id="")]),
            st.sampled_from(["passing", "warning", "critical"]),
            st.sampled_from(["", "", "web", "none"]),
        ),
        index=st.sampled_from(INDEXES),
    ),
)
transactions = st.builds(
    Transact,
    st.lists(st.one_of(writing, locking, trees, _key_ops(read_verbs), row_ops), min_size=1, max_size=4).map(tuple),
)
queries = st.builds(
    PreparedQuery,
    id=st.sampled_from(QUERY_IDS),
    name=st.sampled_from(["", "q", "Q", QUERY_IDS[0]]),
    session=st.sampled_from(["", "", *SPELLINGS]),
    template=st.sampled_from([Template(), Template(type=NAME_PREFIX_MATCH)]),
    service=st.builds(ServiceQuery, service=st.sampled_from(["web", "db"])),
)
events = st.builds(
    UserEvent,
    id=st.sampled_from(QUERY_IDS),
    name=st.sampled_from(["deploy", "restart"]),
    payload=st.sampled_from([b"", b"\xff"]),
)
coordinates = st.builds(Coordinate, vec=st.sampled_from([(0.0, 1.0), (2.0, 3.0)]), height=st.sampled_from([0.0, 0.5]))

OFTEN: list[st.SearchStrategy[Any]] = [
    st.builds(ChangeKey, st.one_of(writing, locking)),
    st.builds(CreateSession, sessions),
    transactions,
]
SOMETIMES: list[st.SearchStrategy[Any]] = [
    st.builds(ChangeKey, trees),
    st.builds(EndSession, st.sampled_from(SPELLINGS)),
    st.builds(PutPrepared, queries, new=st.booleans(), problem=st.sampled_from(["", "", "", "wrong"])),
    st.builds(DeletePrepared, st.sampled_from([*QUERY_IDS, QUERY_IDS[0].upper(), "none"])),
    st.builds(FireEvent, events, listed=st.booleans()),
    st.builds(
        PutCoordinate, st.sampled_from(["n1", "N1", "n2", "none"]), coordinates, st.sampled_from(["", "", "far"])
    ),
    st.builds(
        SetAutopilot,
        st.builds(Autopilot, max_trailing_logs=st.sampled_from([1, 2])),
        cas=st.sampled_from([None, None, 0, 1, 2, 3]),
    ),
]
