"""Sessions: what they need to begin, what ends them and what ends with them (session.md §3, §5 to §7)."""

from typing import Any

import pytest

from registry.commands import ChangeKey, CreateSession, Deregister, KeyOp, PutPrepared, Register
from registry.errors import InvalidRequest
from registry.model import topic as topics
from registry.model.check import Check, CheckDefinition
from registry.model.prepared import PreparedQuery
from registry.model.session import ServiceCheckRef, Session
from registry.state.snapshot import Frozen, digest, restored
from tests.makers import check, node, register
from tests.unit.state.coordination import S1, S2, Keys

SECOND = 10**9


@pytest.fixture
def world() -> Keys:
    """A node n1 with a service `web` and checks `c1` of it and `c2` of the node."""
    found = Keys()
    found.apply(register("web", on="n1", node_id="aa00", checks=(check("c1", "web"), check("c2"))))
    return found


def bound(*check_ids: str, **fields: Any) -> dict[str, Any]:
    return {"node": "n1", "node_checks": check_ids, **fields}


def write(check_id: str, status: str, service_id: str = "") -> Register:
    """A check written by a catalog registration."""
    return Register(node=node("n1"), checks=(check(check_id, service_id, status=status),), skip_node_update=True)


# Beginning


def test_a_session_touches_its_own_topic_and_the_table(world: Keys) -> None:
    made = world.begin(S1)
    assert list(world.topics) == [topics.SESSIONS, (topics.SESSION, S1)]
    assert world.indexes(topics.SESSIONS, (topics.SESSION, S1), (topics.SESSION, S2)) == [made] * 3
    assert world.state.sessions.rows[S1].create_index == made
    world.put("a")
    assert world.indexes(topics.SESSIONS) == [made]


@pytest.mark.parametrize(("fields", "reason"), [
    ({"node": "none"}, "session-node"),
    ({"node": "none", "node_checks": ("none",)}, "session-node"),
    (bound("none"), "session-check-missing"),
    (bound("c1", "none", checks=("c2",)), "session-check-missing"),
    (bound(""), "session-check-empty"),
    (bound(service_checks=(ServiceCheckRef(""),)), "session-check-empty"),
    (bound("bad"), "session-check-critical"),
])  # fmt: skip
def test_what_it_is_bound_to_must_hold(world: Keys, fields: dict[str, Any], reason: str) -> None:
    world.apply(write("bad", "critical"))
    error = world.refused(CreateSession(Session(id=S1, **fields)))
    assert isinstance(error, InvalidRequest)
    assert error.reason == reason
    assert world.sessions == []


def test_checks_are_looked_up_in_their_order(world: Keys) -> None:
    """Checks, then NodeChecks, then ServiceChecks (session.md §3)."""
    wrong = Session(id=S1, node="n1", checks=("x",), node_checks=("y",), service_checks=(ServiceCheckRef("z"),))
    assert world.refused(CreateSession(wrong)).values["check"] == "x"


def test_names_are_compared_in_any_case(world: Keys) -> None:
    world.begin(S1, **bound("C1", "c1", node="N1"))
    world.apply(write("c1", "critical", "web"))
    assert world.sessions == []


# Ends


ENDS = [
    pytest.param(write("c1", "critical", "web"), id="check-critical"),
    pytest.param(Deregister("n1", "", "c1"), id="check-removed"),
    pytest.param(Deregister("N1", "web", ""), id="service-removed"),
    pytest.param(Deregister("n1", "", ""), id="node-removed"),
    pytest.param(Register(node=node("renamed", id="aa00")), id="node-renamed"),
]


@pytest.mark.parametrize("cause", ENDS)
def test_a_bound_session_ends_with_what_it_is_bound_to(world: Keys, cause: Any) -> None:
    """With all that it holds, at the index of the cause (session.md §5)."""
    world.begin(S1, **bound("c1"))
    world.begin(S2)
    world.lock("a", S1, "v")
    world.lock("b", S2)
    world.apply(cause)
    assert world.sessions == [S2]
    assert world.seen("a") == ("v", 0, "", 1)
    assert world.touched == ["a"]
    assert (topics.SESSION, S1) in world.topics
    assert (topics.SESSION, S2) not in world.topics
    assert world.indexes(topics.SESSIONS) == [world.index]
    assert world.of("a") == world.index


@pytest.mark.parametrize("cause", ENDS[3:])
def test_a_session_without_checks_ends_with_its_node(world: Keys, cause: Any) -> None:
    world.begin(S1, node="n1")
    world.apply(cause)
    assert world.sessions == []


@pytest.mark.parametrize("cause", [
    pytest.param(write("c1", "warning", "web"), id="check-warning"),
    pytest.param(write("c2", "critical"), id="another-check"),
    pytest.param(Deregister("n1", "", "c2"), id="another-removed"),
    pytest.param(register("db", on="n1", node_address="10.0.0.9"), id="node-registered-again"),
    pytest.param(Deregister("here", "", ""), id="another-node"),
])  # fmt: skip
def test_a_session_survives_what_is_not_its_own(world: Keys, cause: Any) -> None:
    world.begin(S1, **bound("c1"))
    world.apply(cause)
    assert world.sessions == [S1]
    assert topics.SESSIONS not in world.topics


def test_a_check_that_is_critical_already_ends_a_session_only_when_written(world: Keys) -> None:
    """Such a one can be bound to only if it follows sessions."""
    world.apply(write("c2", "critical"))
    world.begin(S1, **bound("c1"))
    world.apply(write("c2", "critical"))
    assert world.sessions == [S1]


def test_ending_none_changes_nothing(world: Keys) -> None:
    made = world.begin(S1)
    world.end("none")
    world.end(S2)
    assert not world.changes
    assert world.indexes(topics.SESSIONS) == [made]


def test_an_id_is_known_in_any_case(world: Keys) -> None:
    world.begin(S1)
    world.end(S1.upper())
    assert world.sessions == []


def test_prepared_queries_go_with_their_session(world: Keys) -> None:
    world.begin(S1)
    world.apply(PutPrepared(PreparedQuery(id="q1", name="one", session=S1.upper()), new=True))
    world.apply(PutPrepared(PreparedQuery(id="q2", name="two"), new=True))
    ended = world.end(S1)
    assert list(world.state.prepared.rows) == ["q2"]
    assert world.indexes(topics.PREPARED) == [ended]
    assert (topics.PREPARED_ONE, "q1") in world.topics


# Lock-delay


@pytest.mark.parametrize("behavior", ["release", "delete"])
def test_a_key_of_an_ended_session_waits_for_everybody(world: Keys, behavior: str) -> None:
    """By the log's time, and however often it is written or deleted meanwhile (session.md §6)."""
    world.begin(S1, lock_delay_ns=15 * SECOND, behavior=behavior)
    world.begin(S2)
    world.lock("a", S1)
    world.end(S1)
    free_at = world.time + 15
    assert not world.lock("a", S2)
    assert not world.changes
    assert not world.lock("a", "none"), "the delay is looked at before the session"
    assert world.key("set", "a", "1")
    assert world.key("delete", "a")
    assert not world.unlock("a", S2)
    assert not world.lock("a", S2, after_seconds=free_at - world.time - 0.5)
    index = world.of("a")
    assert world.lock("a", S2, after_seconds=0.5)
    assert index < world.index


@pytest.mark.parametrize(("given_ns", "seconds"), [(0, 0.0), (-SECOND, 0.0), (999 * SECOND, 60.0), (SECOND, 1.0)])
def test_a_lock_delay_is_at_most_a_minute(world: Keys, given_ns: int, seconds: float) -> None:
    world.begin(S1, lock_delay_ns=given_ns)
    world.begin(S2)
    world.lock("a", S1)
    world.end(S1)
    assert world.state.sessions.rows.get(S1) is None
    if seconds:
        assert not world.lock("a", S2, after_seconds=seconds - 0.5)
    assert world.lock("a", S2, after_seconds=0.5)


@pytest.mark.parametrize("letting_go", ["unlock", "delete", "nothing-held"])
def test_no_delay_where_nothing_is_held_at_the_end(world: Keys, letting_go: str) -> None:
    world.begin(S1, lock_delay_ns=15 * SECOND)
    world.begin(S2)
    if letting_go != "nothing-held":
        world.lock("a", S1)
        _ = world.unlock("a", S1) if letting_go == "unlock" else world.key("delete", "a")
    world.end(S1)
    assert world.lock("a", S2, after_seconds=0.0)


@pytest.mark.parametrize("cause", ENDS)
def test_every_end_delays(world: Keys, cause: Any) -> None:
    world.begin(S1, **bound("c1", lock_delay_ns=5 * SECOND))
    world.begin(S2)
    world.lock("a", S1)
    world.apply(cause)
    assert not world.lock("a", S2)


def test_a_snapshot_holds_the_delays(world: Keys) -> None:
    """A replica that starts from one refuses what the others refuse (`DESIGN.md` §2)."""
    world.begin(S1, lock_delay_ns=15 * SECOND)
    world.begin(S2)
    world.lock("a", S1)
    world.end(S1)
    again = Keys()
    again.state = restored(chunk for chunk in Frozen(world.state).chunks() if chunk)
    again.index, again.time = world.index, world.time
    assert digest(again.state) == digest(world.state)
    assert again.lock("a", S2) is world.lock("a", S2) is False
    assert again.lock("a", S2, after_seconds=15) is world.lock("a", S2, after_seconds=15) is True
    assert digest(again.state) == digest(world.state)


# Checks that follow sessions


def follower(check_id: str = "follows", status: str = "critical", name: str = "leader") -> Register:
    row = Check(node="n1", id=check_id, status=status, type="session", definition=CheckDefinition(session_name=name))
    return Register(node=node("n1"), checks=(row,), skip_node_update=True)


def of(world: Keys, check_id: str = "follows") -> tuple[str, str, int]:
    row = world.state.checks["n1"][check_id]
    return row.status, row.output, row.modify_index


def test_a_check_follows_the_sessions_of_its_name(world: Keys) -> None:
    """Under its own ModifyIndex, but seen by whoever watches checks (session.md §7)."""
    world.apply(follower())
    written = world.index
    made = world.begin(S1, node="n1", name="leader")
    assert of(world) == ("passing", f"Session '{S1}' in force", written)
    assert (topics.NODE_CHECKS, "n1") in world.topics
    assert world.indexes(topics.CHECKS) == [made]
    ended = world.end(S1)
    assert of(world) == ("critical", f"Session '{S1}' is invalid", written)
    assert world.indexes(topics.CHECKS) == [ended]


def test_a_check_follows_only_its_own_name_and_node(world: Keys) -> None:
    world.apply(follower())
    before = of(world)
    world.begin(S1, node="n1", name="other")
    world.begin(S2, node="here", name="leader")
    assert of(world) == before


def test_of_two_sessions_of_a_name_the_first_to_end_ends_the_other(world: Keys) -> None:
    """If that one is bound to the check; at the same index (session.md §7)."""
    world.apply(follower())
    world.begin(S1, node="n1", name="leader")
    world.begin(S2, **bound("follows", name="leader"))
    world.lock("a", S2)
    ended = world.end(S1)
    assert world.sessions == []
    assert world.of("a") == ended


def test_a_critical_check_that_follows_sessions_may_be_bound_to(world: Keys) -> None:
    world.apply(follower())
    world.begin(S1, **bound("follows", name="leader"))
    assert world.sessions == [S1]


def test_locks_of_a_refused_session_are_refused(world: Keys) -> None:
    world.refused(CreateSession(Session(id=S1, node="none")))
    assert world.refused(ChangeKey(KeyOp("lock", b"a", session=S1))).reason == "session-invalid"
