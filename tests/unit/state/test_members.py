"""The replicas as the state knows them: who they are, who does what, and which commands all of them can read."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from registry.commands import RaiseLevel, RegisterLocalCheck, SetMembers, UpdateCheck
from registry.commands.codec import LEVEL
from registry.errors import LogCorrupt
from registry.model import topic as topics
from registry.model.check import Check, CheckDefinition
from registry.model.member import Member
from registry.state.changes import Changes
from registry.state.snapshot import Frozen, digest, restored
from registry.state.store import State
from tests.makers import World, start_server

A, B, C = Member("0a0a0a0a"), Member("1b1b1b1b", "two", "10.0.0.2", 8500, 2, "1.0"), Member("2c2c2c2c")
ITEMS = [f"item-{number}" for number in range(3000)]


def together(*members: Member) -> State:
    world = World()
    world.apply(SetMembers(members, members[0].id if members else ""))
    return world.state


def owners(*members: Member) -> dict[str, str]:
    state = together(*members)
    return {item: state.owner(item) for item in ITEMS}


def test_nobody_owns_anything_where_there_are_no_members() -> None:
    assert State().owner("item") == ""
    assert set(owners().values()) == {""}


def test_each_member_owns_about_its_share() -> None:
    counts = Counter(owners(A, B, C).values())
    assert counts.keys() == {A.id, B.id, C.id}
    assert all(800 < count < 1200 for count in counts.values())


def test_only_what_the_gone_one_had_moves() -> None:
    before, after = owners(A, B, C), owners(A, C)
    assert {item for item in ITEMS if before[item] != after[item]} == {i for i in ITEMS if before[i] == B.id}


def test_ownership_does_not_depend_on_the_process_or_on_what_else_a_member_says_of_itself() -> None:
    state = together(A, B, C)
    other = together(A, Member(B.id), C)
    for item, owner in (("one", B), ("two", C), ("é", A)):
        assert state.owner(item) == other.owner(item) == owner.id


def test_a_new_list_wakes_readers_of_members_and_nobody_else() -> None:
    world = World()
    assert world.apply(SetMembers((A, B), A.id)) == [topics.MEMBERS]
    assert world.apply(SetMembers((A, B), A.id)) == []
    assert world.apply(SetMembers((A, B), B.id)) == [topics.MEMBERS]
    assert world.state.changes_nothing(SetMembers((A, B), B.id))
    assert (world.state.members, world.state.holder) == ((A, B), B.id)


def test_a_changed_identity_wakes_readers_of_members() -> None:
    world = World()
    assert topics.MEMBERS in world.apply(start_server(address="10.0.0.9"))
    assert topics.MEMBERS not in world.apply(start_server(address="10.0.0.9"))


# Results of active checks


def checked() -> World:
    world = World()
    world.apply(RegisterLocalCheck(Check(node="", id="Web", runs=CheckDefinition(http="http://x", interval_ns=1))))
    world.apply(SetMembers((A, B, C), A.id))
    return world


def status(world: World) -> str:
    check = world.state.local_check("Web")
    assert check is not None
    return check.status


def test_only_the_owners_result_counts() -> None:
    world = checked()
    owner = world.state.check_owner("web")
    for one in (A, B, C):
        if one.id != owner:
            assert world.apply(UpdateCheck("Web", "passing", runner=one.id)) == []
    assert status(world) == "critical"
    world.apply(UpdateCheck("Web", "passing", runner=owner))
    assert status(world) == "passing"


def test_a_result_of_one_that_has_left_is_void() -> None:
    world = checked()
    owner = world.state.check_owner("Web")
    world.apply(SetMembers(tuple(one for one in (A, B, C) if one.id != owner), A.id))
    world.apply(UpdateCheck("Web", "passing", runner=owner))
    assert status(world) == "critical"


@pytest.mark.parametrize("runner", ["", A.id])
def test_without_members_every_result_counts(runner: str) -> None:
    world = checked()
    world.apply(SetMembers(()))
    world.apply(UpdateCheck("Web", "passing", runner=runner))
    assert status(world) == "passing"


def test_what_no_check_of_ours_found_is_nobodys_to_own() -> None:
    world = checked()
    world.apply(UpdateCheck("Web", "passing"))
    assert status(world) == "passing"


# Levels


def test_a_level_that_this_program_does_not_know_is_no_refusal() -> None:
    """Going on would mean to misread what follows: the process has to stop, and to say what helps."""
    with pytest.raises(LogCorrupt, match=f"level {LEVEL + 1}.*newer program"):
        World().apply(RaiseLevel(LEVEL + 1))


def chunks(state: State, **fields: Any) -> list[bytes]:
    frozen = Frozen(state)
    frozen.header = replace(frozen.header, **fields)
    return [chunk for chunk in frozen.chunks() if chunk]


def test_a_snapshot_of_such_a_level_is_not_read_either() -> None:
    with pytest.raises(LogCorrupt, match=f"level {LEVEL + 1}.*newer program"):
        restored(chunks(together(A), level=LEVEL + 1))


# Snapshots


def test_members_are_part_of_the_state() -> None:
    state = together(A, B)
    again = restored(chunks(state))
    assert (again.members, again.holder) == ((A, B), A.id)
    assert digest(again) == digest(state) != digest(together(A))


def test_a_snapshot_from_before_there_were_members_is_read() -> None:
    first, *rest = chunks(World().state)
    [[kind, header]] = msgspec.msgpack.decode(first)
    del header["members"], header["holder"]
    old = restored([msgspec.msgpack.encode([[kind, header]]), *rest])
    assert (old.members, old.holder, old.server.node) == ((), "", World().state.server.node)


# A gap in the log


def test_after_a_gap_everybody_looks_and_no_answer_shows_a_lower_index() -> None:
    world, changes = World(), Changes()
    world.state.advance(1_000_000, world.time + 5.0, changes)
    assert changes.everything
    assert (world.state.applied, world.state.time) == (1_000_000, world.time + 5.0)
    assert {world.state.index(topic) for topic in (topics.NODES, topics.SERVICES, ("health", "none"))} == {1_000_000}
    assert restored(chunks(world.state)).index(topics.NODES) == 1_000_000


# What a replica says of itself


def test_a_member_is_read_back_and_later_fields_are_passed_over() -> None:
    assert Member.decoded(B.encoded()) == B
    later = {**msgspec.msgpack.decode(B.encoded()), "zone": "eu"}
    assert Member.decoded(msgspec.msgpack.encode(later)) == B
    with pytest.raises(ValueError, match="."):
        Member.decoded(b"\xc1")
