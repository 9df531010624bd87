"""Prepared queries: which may be stored, and how one is found (event_query_coordinate.md §B)."""

from typing import Any

import pytest

from registry.commands import DeletePrepared, PutPrepared
from registry.model import topic as topics
from registry.model.prepared import NAME_PREFIX_MATCH, PreparedQuery, Template
from tests.unit.state.coordination import S1, Keys

A, B = "aaaaaaaa-1111-2222-3333-000000000001", "bbbbbbbb-1111-2222-3333-000000000002"
TEMPLATE = Template(type=NAME_PREFIX_MATCH)


@pytest.fixture
def world() -> Keys:
    return Keys()


def put(query_id: str = A, name: str = "", *, new: bool = True, problem: str = "", **fields: Any) -> PutPrepared:
    return PutPrepared(PreparedQuery(id=query_id, name=name, **fields), new=new, problem=problem)


def test_a_query_has_indexes_of_its_own_and_readers_of_the_table(world: Keys) -> None:
    world.apply(put(A, "one"))
    made = world.index
    world.apply(put(A, "two", new=False))
    row = world.state.prepared.rows[A]
    assert (row.name, row.create_index, row.modify_index) == ("two", made, world.index)
    assert list(world.topics) == [topics.PREPARED, (topics.PREPARED_ONE, A)]
    assert world.indexes(topics.PREPARED, (topics.PREPARED_ONE, A)) == [world.index] * 2
    world.apply(put(B, "ONE"))


@pytest.mark.parametrize(("wrong", "reason"), [
    (put(B, new=False), "prepared-missing"),
    (put(B, "Taken"), "prepared-name"),
    (put(B, A.upper()), "prepared-name-is-id"),
    (put(B, session="none"), "prepared-session"),
    (put(B, "taken", session="none"), "prepared-name"),
    (put(B, template=TEMPLATE, problem="wrong"), "prepared-template"),
    (DeletePrepared(B), "prepared-missing"),
])  # fmt: skip
def test_what_may_not_be_is_refused(world: Keys, wrong: Any, reason: str) -> None:
    world.apply(put(A, "taken"))
    assert world.refused(wrong).reason == reason
    assert list(world.state.prepared.rows) == [A]


def test_there_is_one_template_for_every_name(world: Keys) -> None:
    world.apply(put(A, template=TEMPLATE))
    assert world.refused(put(B, template=TEMPLATE)).reason == "prepared-catch-all"
    world.apply(put(A, template=TEMPLATE, new=False))
    world.apply(put(B))


def test_the_longest_template_that_begins_a_name_is_it(world: Keys) -> None:
    world.apply(put(A, template=TEMPLATE))
    world.apply(put(B, "geo-", template=TEMPLATE))
    found = [world.state.prepared.template_for(name) for name in ("GEO-db", "geo", "x")]
    assert [one.id for one in found if one is not None] == [B, A, A]
    world.apply(DeletePrepared(A.upper()))
    assert world.state.prepared.template_for("x") is None


def test_a_name_is_free_again_after_its_query(world: Keys) -> None:
    world.apply(put(A, "one"))
    world.apply(DeletePrepared(A))
    assert world.indexes(topics.PREPARED) == [world.index]
    world.apply(put(B, "one"))


def test_a_query_is_bound_to_a_session_in_any_case(world: Keys) -> None:
    world.begin(S1)
    world.apply(put(A, session=S1.upper()))
    world.end(S1)
    assert world.state.prepared.rows == {}
