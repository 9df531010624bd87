"""Transactions: all operations or none, each seeing those before it, with Consul's indexes (txn.md §3 to §5)."""

from typing import Any

import pytest

from registry.commands import CheckOp, KeyOp, NodeOp, ServiceOp, Transact
from registry.errors import Conflict
from registry.model import topic as topics
from registry.model.pair import Pair
from registry.state.transactions import look_up_all
from tests.makers import check, instance, node, register
from tests.model.histories import content
from tests.unit.state.coordination import S1, S2, Keys


@pytest.fixture
def world() -> Keys:
    found = Keys()
    found.apply(register("web", on="n1", node_id="aa00", checks=(check("c1", "web"),)))
    found.begin(S1, lock_delay_ns=15 * 10**9)
    found.begin(S2)
    return found


def op(verb: Any, key: str, value: str = "", **more: Any) -> KeyOp:
    return KeyOp(verb, key.encode(), value.encode(), **more)


def failed(world: Keys, *ops: Any) -> list[tuple[int, str]]:
    """Positions and reasons of a transaction that is refused and changes nothing."""
    before = content(world.state)
    with pytest.raises(Conflict) as caught:
        world.apply(Transact(ops))
    assert not world.changes
    assert content(world.state) == before
    errors: Any = caught.value.values["errors"]
    return [(position, error.reason) for position, error in errors]


def test_all_take_place_at_one_index(world: Keys) -> None:
    found = world.transact(op("set", "b", "1"), op("set", "a", "2", flags=7))
    assert [(pair.key, pair.value, pair.flags, pair.modify_index) for pair in found] == [
        (b"b", b"", 0, world.index),
        (b"a", b"", 7, world.index),
    ]
    assert world.seen("b") == ("1", 0, "", 0)
    assert sorted(world.touched) == ["a", "b"]


def test_each_sees_what_those_before_it_did(world: Keys) -> None:
    gets = world.transact(
        op("set", "a", "1"), op("get", "a"), op("set", "a", "2"), op("get", "a"), op("delete", "a"),
        op("check-not-exists", "a"), op("get-tree", ""),
    )  # fmt: skip
    assert [pair.value for pair in gets] == [b"", b"1", b"", b"2"]
    assert world.listed() == []


def test_one_that_fails_takes_all_back(world: Keys) -> None:
    world.put("a", "old")
    world.lock("held", S1, "v")
    assert failed(
        world, op("set", "a", "new"), op("set", "c"), op("delete-tree", ""), op("cas", "a", "3", index=99),
        op("unlock", "held", session=S1), op("get", "none"),
    ) == [(3, "key-stale"), (4, "key-not-held"), (5, "key-missing")]  # fmt: skip
    assert world.seen("a") == ("old", 0, "", 0)
    assert world.seen("held") == ("v", 0, S1, 1)
    assert world.state.kv.held == {S1: {b"held": None}}


CHECKS = [
    (op("check-index", "a", index=99), "key-index"),
    (op("check-session", "a", session=S1), "key-session"),
    (op("check-not-exists", "a"), "key-exists"),
    (op("check-index", "none"), "key-missing"),
    (op("check-session", "none"), "key-missing"),
    (op("get", "none"), "key-missing"),
    (op("delete-cas", "a", index=99), "key-stale"),
    (op("lock", "b", session=S1), "key-held"),
    (op("lock", "a", session="none"), "session-invalid"),
    (op("lock", "a"), "session-missing"),
    (op("unlock", "a", session=S1), "key-not-held"),
]


@pytest.mark.parametrize(("wrong", "reason"), CHECKS, ids=lambda one: getattr(one, "verb", one))
def test_a_condition_that_does_not_hold_stops_all(world: Keys, wrong: KeyOp, reason: str) -> None:
    world.put("a")
    world.lock("b", S2)
    assert failed(world, op("set", "first"), wrong) == [(1, reason)]


def test_conditions_that_hold_give_the_pair_without_its_value(world: Keys) -> None:
    made = world.put("a", "v")
    found = world.transact(op("check-index", "a", index=made), op("check-session", "a"), op("get", "a"))
    assert [pair.value for pair in found] == [b"", b"", b"v"]
    assert not world.changes


def test_get_or_empty_gives_what_it_was_asked_with(world: Keys) -> None:
    [found] = world.transact(op("get-or-empty", "none", flags=3, session="s", index=9))
    assert found == Pair(b"none", b"", 3, "s", 0, 0, 9)


def test_a_lock_delay_is_found_before_anything_is_tried(world: Keys) -> None:
    world.lock("a", S1)
    world.end(S1)
    assert failed(world, op("get", "none"), op("lock", "a", session=S2)) == [(1, "key-lock-delay")]


def test_reading_ones_find_the_same_without_an_entry(world: Keys) -> None:
    world.put("a", "v")
    assert look_up_all(world.state, [op("get", "a"), op("get-tree", "")])[0].value == b"v"
    with pytest.raises(Conflict) as caught:
        look_up_all(world.state, [op("get", "none"), op("get", "a"), op("check-not-exists", "a")])
    errors: Any = caught.value.values["errors"]
    assert [position for position, _ in errors] == [0, 2]


# Rows of the catalog


def test_a_session_ends_within_the_transaction_that_ends_it(world: Keys) -> None:
    """What comes after the critical check sees the key released, at the same index."""
    third = "33333333-aaaa-bbbb-cccc-000000000003"
    world.begin(third, node="n1", node_checks=("c1",), lock_delay_ns=0)
    world.lock("a", third)
    critical = CheckOp("set", check("c1", "web", status="critical"))
    world.transact(critical, op("lock", "a", session=S2))
    assert world.sessions == [S1, S2]
    assert world.seen("a") == ("", 0, S2, 2)
    assert {(topics.SESSION, third), topics.SESSIONS} <= world.topics.keys()
    assert world.touched == ["a"]


def test_a_failed_one_ends_no_session_and_wakes_nobody(world: Keys) -> None:
    third = "33333333-aaaa-bbbb-cccc-000000000003"
    world.begin(third, node="n1", node_checks=("c1",))
    world.lock("a", third)
    gone = NodeOp("delete", node("n1"))
    assert failed(world, gone, op("get", "none")) == [(1, "key-missing")]
    assert third in world.sessions
    world.put("b")
    assert third in world.sessions, "nor with the next entry"
    assert world.seen("a") == ("", 0, third, 1)


def test_rows_come_back_as_they_are_stored(world: Keys) -> None:
    found = world.transact(
        NodeOp("set", node("n2", address="10.0.0.2")),
        ServiceOp("set", instance("db", node="n2")),
        CheckOp("set", check("alive", node="n2")),
        op("set", "n2"),
    )
    assert [one.modify_index for one in found] == [world.index] * 4
    assert world.indexes(topics.NODES, topics.SERVICES, topics.CHECKS) == [world.index] * 3


def test_a_stale_row_stops_all(world: Keys) -> None:
    stale = NodeOp("cas", node("n1"), index=99)
    assert failed(world, op("set", "a"), stale, ServiceOp("delete-cas", instance("web", node="n1"), index=1)) == [
        (1, "txn-row-stale"),
        (2, "txn-row-stale"),
    ]
