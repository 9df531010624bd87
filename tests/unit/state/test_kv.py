"""Operations on keys: what each means, and when it does not take place (kv.md §2, §4, §5)."""

import pytest

from registry.commands import ChangeKey, KeyOp
from registry.errors import InvalidRequest
from tests.unit.state.coordination import S1, S2, Keys

FLAG = 2**64 - 1


@pytest.fixture
def world() -> Keys:
    found = Keys()
    found.begin(S1)
    found.begin(S2)
    return found


def test_a_put_replaces_value_and_flags_and_keeps_the_index_of_creation(world: Keys) -> None:
    made = world.put("a", "1", flags=FLAG)
    assert world.seen("a") == ("1", FLAG, "", 0)
    changed = world.put("a", "2")
    assert world.seen("a") == ("2", 0, "", 0)
    assert world.made_and_changed("a") == (made, changed)
    assert world.touched == ["a"]


def test_the_same_again_changes_nothing(world: Keys) -> None:
    made = world.put("a", "1", flags=7)
    world.put("a", "1", flags=7)
    assert not world.changes
    assert [world.of("a"), world.under("")] == [made, made]


def test_a_key_deleted_and_put_again_is_a_new_one(world: Keys) -> None:
    world.lock("a")
    world.key("delete", "a")
    made = world.put("a")
    assert world.seen("a") == ("", 0, "", 0)
    assert world.made_and_changed("a") == (made, made)


@pytest.mark.parametrize(("there", "asked", "done"), [
    (False, 0, True), (False, 5, False), (True, 0, False), (True, -1, False), (True, 1, True),
])  # fmt: skip
def test_cas(world: Keys, there: bool, asked: int, done: bool) -> None:
    """`asked`: 1 is the index that the key has, -1 another."""
    index = asked
    if there:
        made = world.put("a", "old")
        index = {0: 0, 1: made, -1: made - 1}[asked]
    assert world.key("cas", "a", "new", index=index) is done
    assert bool(world.changes) is done
    assert (world.seen("a") or ("none",))[0] == ("new" if done else "old" if there else "none")


@pytest.mark.parametrize(("there", "asked", "done"), [
    (False, 0, True), (False, 5, True), (True, 0, False), (True, -1, False), (True, 1, True),
])  # fmt: skip
def test_delete_cas(world: Keys, there: bool, asked: int, done: bool) -> None:
    index = asked
    if there:
        made = world.put("a", "old")
        index = {0: 0, 1: made, -1: made - 1}[asked]
    assert world.key("delete-cas", "a", index=index) is done
    assert world.listed() == (["a"] if there and not done else [])


# Locks


def test_locking_makes_a_key_and_counts(world: Keys) -> None:
    assert world.lock("a", S1, "v")
    assert world.seen("a") == ("v", 0, S1, 1)
    assert world.unlock("a", S1, "w", flags=3)
    assert world.seen("a") == ("w", 3, "", 1)
    assert world.lock("a", S2)
    assert world.seen("a") == ("", 0, S2, 2)


def test_the_holder_may_lock_again_without_counting(world: Keys) -> None:
    world.lock("a", S1, "v")
    assert world.lock("a", S1, "w")
    assert world.seen("a") == ("w", 0, S1, 1)
    assert world.lock("a", S1, "w")
    assert not world.changes


def test_nobody_else_gets_a_held_key_or_releases_it(world: Keys) -> None:
    world.lock("a", S1, "v")
    for done in (world.lock("a", S2, "w"), world.unlock("a", S2), world.unlock("a", "garbage"), world.unlock("b")):
        assert not done
        assert not world.changes
    assert world.seen("a") == ("v", 0, S1, 1)


def test_a_plain_write_keeps_the_holder_and_sets_the_count_back(world: Keys) -> None:
    world.lock("a", S1, "v")
    world.put("a", "w")
    assert world.seen("a") == ("w", 0, S1, 0)
    world.lock("a", S1, "x")
    assert world.seen("a") == ("x", 0, S1, 0)
    assert world.key("cas", "a", "y", index=world.index)
    world.unlock("a", S1)
    world.lock("a", S2)
    assert world.seen("a") == ("", 0, S2, 1)


def test_deleting_drops_a_lock_at_once(world: Keys) -> None:
    world.end(S1)
    world.begin(S1, lock_delay_ns=15 * 10**9)
    world.lock("a", S1)
    assert world.key("delete", "a")
    assert world.lock("a", S2)
    assert world.seen("a") == ("", 0, S2, 1)


def test_the_holder_is_compared_as_typed_and_freed_however_it_was(world: Keys) -> None:
    """The session is looked up in any case; only its own spelling releases the key (kv.md §5)."""
    world.end(S1)
    session = "abcdefab-aaaa-bbbb-cccc-000000000001"
    world.begin(session)
    assert world.lock("a", session.upper())
    assert world.seen("a") == ("", 0, session.upper(), 1)
    assert not world.lock("a", session)
    assert not world.unlock("a", session)
    world.end(session)
    assert world.seen("a") == ("", 0, "", 1)


@pytest.mark.parametrize(("verb", "session", "reason"), [
    ("lock", "", "session-missing"), ("lock", "none", "session-invalid"), ("unlock", "", "session-missing"),
])  # fmt: skip
def test_a_session_that_is_none_is_refused(world: Keys, verb: str, session: str, reason: str) -> None:
    error = world.refused(ChangeKey(KeyOp(verb, b"a", session=session)))  # type: ignore[arg-type]
    assert isinstance(error, InvalidRequest)
    assert error.reason == reason


@pytest.mark.parametrize(("behavior", "after"), [("release", ("v", 3, "", 1)), ("delete", None)])
def test_what_a_session_held_goes_as_it_said(world: Keys, behavior: str, after: object) -> None:
    world.end(S1)
    world.begin(S1, behavior=behavior)
    for key in ("b", "a"):
        world.lock(key, S1, "v", flags=3)
    kept = world.put("c")
    ended = world.end(S1)
    assert [world.seen("a"), world.seen("b")] == [after, after]
    assert world.touched == ["a", "b"]
    assert [world.of("a"), world.of("b"), world.under(""), world.of("c")] == [ended, ended, ended, kept]
