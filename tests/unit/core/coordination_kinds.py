"""Whom the writes of keys, sessions, prepared queries and coordinates wake, as kinds for `test_blocking_by_topic.py`.

Owns the writes. Source: kv.md §3, session.md §2, event_query_coordinate.md §B and §C.
"""

from typing import Any

from registry.commands import (
    ChangeKey,
    Command,
    CreateSession,
    DeletePrepared,
    EndSession,
    KeyOp,
    PutCoordinate,
    PutPrepared,
    RaiseLevel,
    Transact,
)
from registry.commands.codec import LEVEL
from registry.model import topic as topics
from registry.model.coordinate import Coordinate
from registry.model.prepared import PreparedQuery, ServiceQuery
from registry.model.session import Session
from registry.model.topic import Topic
from tests.makers import deregister, register

ONE, OTHER = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"


def key(verb: Any, name: bytes, **fields: Any) -> Command:
    """An operation on a key."""
    return ChangeKey(KeyOp(verb, name, **fields))


def session(session_id: str, **fields: Any) -> Command:
    """A session on n1 without checks."""
    return CreateSession(Session(id=session_id, node="n1", **fields))


def query(query_id: str, name: str, **fields: Any) -> Command:
    """A prepared query."""
    return PutPrepared(PreparedQuery(id=query_id, name=name, service=ServiceQuery(service="web")), **fields)


def at(node: str, height: float) -> Command:
    """Where a node is."""
    return PutCoordinate(node, Coordinate((0.0,) * 8, height=height))


BEFORE: tuple[Command, ...] = (
    RaiseLevel(LEVEL), register(on="n1"), register(on="n2"), key("set", b"a/b", value=b"0"), session(OTHER),
    query(OTHER, "other", new=True), at("n2", 0.5),
)  # fmt: skip
LOCK: dict[str, Command] = {
    "a lock": key("lock", b"a/b", session=OTHER),
    "its session's end": EndSession(OTHER),
}
KEY_LIFE: dict[str, Command] = {
    "another value": key("set", b"a/b", value=b"1"),
    "another flag": key("set", b"a/b", value=b"1", flags=7),
    "a transaction": Transact((KeyOp("get", b"a/b"), KeyOp("set", b"a/b", b"2"))),
    **LOCK,
    "a deletion": key("delete", b"a/b"),
    "its return": key("set", b"a/b"),
    "a prefix of it is deleted": key("delete-tree", b"a"),
    "it returns again": key("set", b"a/b"),
    "all is deleted": key("delete-tree", b""),
}
OTHER_KEYS: dict[str, Command] = {
    "another key": key("set", b"b", value=b"1"),
    "its deletion": key("delete", b"b"),
    "a tree beside it": key("delete-tree", b"b"),
}
NO_NEWS: dict[str, Command] = {
    "the same value": key("set", b"a/b", value=b"0"),
    "a lost check-and-set": key("cas", b"a/b", value=b"9", index=1),
}
SESSION_LIFE: dict[str, Command] = {"it begins": session(ONE), "it ends": EndSession(ONE)}
QUERY_LIFE: dict[str, Command] = {
    "it comes": query(ONE, "one", new=True),
    "it changes": query(ONE, "uno"),
    "it goes": DeletePrepared(ONE),
}
SERVICES: dict[str, Command] = {"a service": register("cache"), "it goes": deregister("cache")}

# topic, what comes before, what wakes, what does not
ROWS: list[tuple[Topic, tuple[Command, ...], dict[str, Command], dict[str, Command]]] = [
    (topics.of_key(b"a/b"), BEFORE, KEY_LIFE, {**OTHER_KEYS, **NO_NEWS, **SERVICES, **SESSION_LIFE}),
    (
        topics.of_key(b"gone"), BEFORE, {"it comes": key("set", b"gone")},
        {**OTHER_KEYS, "one below it": key("set", b"gone/x"), **SERVICES},
    ),
    (
        topics.of_prefix(b"a/"), BEFORE, {**KEY_LIFE, "another key below it": key("set", b"a/c")},
        {**OTHER_KEYS, **NO_NEWS, "one that is shorter": key("set", b"a"), **SERVICES},
    ),
    (topics.of_prefix(b""), BEFORE, {**KEY_LIFE, "another key": key("set", b"z")}, {**NO_NEWS, **SERVICES}),
    (topics.SESSIONS, BEFORE, {**SESSION_LIFE, "another ends": EndSession(OTHER)}, {**OTHER_KEYS, **SERVICES}),
    (
        (topics.SESSION, OTHER), BEFORE, {"its node goes": deregister(on="n1")},
        {**SESSION_LIFE, "a lock": key("lock", b"l", session=OTHER), **OTHER_KEYS},
    ),
    (topics.PREPARED, BEFORE, QUERY_LIFE, {**OTHER_KEYS, **SERVICES}),
    ((topics.PREPARED_ONE, OTHER), BEFORE, {"it goes": DeletePrepared(OTHER)}, {**QUERY_LIFE, **SERVICES}),
    (topics.COORDINATES, BEFORE, {"a node": at("n1", 1.0), "its removal": deregister(on="n1")}, {**OTHER_KEYS}),
    ((topics.COORDINATE, "n2"), BEFORE, {"it moves": at("N2", 1.0)}, {"another": at("n1", 1.0), **OTHER_KEYS}),
    (topics.USAGE, BEFORE, SERVICES, {**OTHER_KEYS, "a node without services": register(on="n9")}),
]  # fmt: skip
