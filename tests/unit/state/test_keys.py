"""Keys and their indexes: what each answer about a key or a prefix shows after writes and deletions (kv.md §3)."""

import pytest

from registry.model import topic as topics
from registry.state.keys import GRAVE_SECONDS, REMEMBERED_KEYS
from registry.state.snapshot import Frozen, restored
from tests.unit.state.coordination import Keys


@pytest.fixture
def world() -> Keys:
    return Keys()


def test_a_virgin_store_shows_index_1(world: Keys) -> None:
    assert [world.of("a"), world.under("a"), world.under("")] == [1, 1, 1]


def test_a_key_shows_its_own_index_and_a_missing_one_that_of_the_table(world: Keys) -> None:
    first, last = world.put("a"), world.put("b")
    assert [world.of("a"), world.of("b"), world.of("none")] == [first, last, last]


def test_a_prefix_shows_the_newest_of_its_keys_and_an_empty_or_fruitless_one_the_table(world: Keys) -> None:
    world.put("foo/1")
    newest = world.put("foobar")
    last = world.put("zip")
    assert [world.under("foo"), world.under("foo/"), world.under("none"), world.under("")] == [
        newest,
        newest - 1,
        last,
        last,
    ]


def test_a_deletion_raises_the_prefixes_above_and_stays_while_others_change(world: Keys) -> None:
    world.put("q/a")
    world.put("q/b")
    assert world.key("delete", "q/a")
    gone = world.index
    last = world.put("other")
    assert [world.under("q/"), world.under("q"), world.of("q/a")] == [gone, gone, last]


def test_a_tree_leaves_one_trace_under_its_prefix(world: Keys) -> None:
    """A list of `q/` shows the deletion, one of `q/c/d` that of the table (kv.md §3)."""
    world.put("q/a")
    world.put("q/c/d/e")
    assert world.key("delete-tree", "q/")
    gone = world.index
    assert world.touched == ["q/a", "q/c/d/e"]
    last = world.put("other")
    assert [world.under("q/"), world.under("q/c/d")] == [gone, last]


def test_deleting_everything_is_told_to_a_prefix_that_remembers_an_older_deletion(world: Keys) -> None:
    """Consul's index of it goes back to that older one, so that its readers sleep on (kv.md §3)."""
    world.put("bl/a")
    world.key("delete", "bl/a")
    world.put("bl/b")
    world.key("delete-tree", "")
    assert [world.under(""), world.under("bl/"), world.listed()] == [world.index, world.index, []]


def test_deleting_one_key_is_no_news_to_the_prefixes_below_it(world: Keys) -> None:
    world.put("bl/a")
    world.key("delete", "bl/a")
    trace = world.index
    world.put("b")
    world.key("delete", "b")
    assert world.under("bl/") == trace


def test_of_many_deletions_of_one_key_the_last_counts_for_its_time(world: Keys) -> None:
    for _ in range(3000):
        world.put("q/a", after_seconds=0.1)
        world.key("delete", "q/a", after_seconds=0.1)
    gone = world.index
    world.put("other", after_seconds=GRAVE_SECONDS - 1)
    assert world.under("q/") == gone
    last = world.put("other", "2", after_seconds=2.0)
    assert world.under("q/") == last


def test_a_prefix_of_many_keys_shows_every_change_however_often_it_is_asked(world: Keys) -> None:
    """Its index is remembered, as finding it takes a look at every key."""
    for number in range(REMEMBERED_KEYS):
        last = world.put(f"big/{number:03}")
    assert [world.under("big/"), world.under("big/"), world.under("bi")] == [last] * 3
    for change in [
        lambda: world.put("big/000", "other"),
        lambda: world.put("big/new"),
        lambda: world.key("delete", "big/new"),
        lambda: world.key("delete-tree", "big/00"),
        lambda: [world.put(f"big/00{number}") for number in range(10)],
    ]:
        change()
        assert [world.under("big/"), world.under("bi"), world.under("b")] == [world.index] * 3
        newest = world.index
        world.put("other")
        world.key("delete", "other")
        assert [world.under("big/"), world.under("bi")] == [newest] * 2
    world.key("delete-tree", "b")
    assert [world.under("big/"), world.under("b")] == [world.index] * 2


@pytest.mark.parametrize(("verb", "key"), [("delete", "none"), ("delete-tree", "none"), ("delete-cas", "none")])
def test_deleting_what_is_not_there_is_done_and_changes_nothing(world: Keys, verb: str, key: str) -> None:
    last = world.put("a")
    assert world.key(verb, key, index=7)
    assert not world.changes
    assert [world.of(key), world.under(key), world.under("")] == [last] * 3


def test_traces_of_deletions_go_after_their_time_by_the_log(world: Keys) -> None:
    world.put("q/a")
    world.key("delete", "q/a")
    gone = world.index
    last = world.put("other", after_seconds=GRAVE_SECONDS - 0.5)
    assert world.under("q/") == gone
    last = world.put("other", "2", after_seconds=0.5)
    assert [world.under("q/"), world.state.kv.index] == [last, last]
    assert world.state.kv.burials() == []


def test_a_key_that_is_deleted_again_counts_from_the_later_time(world: Keys) -> None:
    for after_seconds in (0.0, GRAVE_SECONDS - 10):
        world.put("q/a", after_seconds=after_seconds)
        world.key("delete", "q/a")
    gone = world.index
    world.put("other", after_seconds=60)
    assert world.under("q/") == gone
    world.put("other", "2", after_seconds=GRAVE_SECONDS)
    assert world.under("q/") == world.index


def test_keys_are_bytes_in_bytewise_order(world: Keys) -> None:
    for key in (b"b", b"\xff\xff", b"a/", b"a", b"A", b"\xff"):
        assert world.key("set", key)
    found = [pair.key for pair in world.state.kv.under(b"")]
    assert found == [b"A", b"a", b"a/", b"b", b"\xff", b"\xff\xff"]
    assert [pair.key for pair in world.state.kv.under(b"\xff")] == [b"\xff", b"\xff\xff"]
    assert world.state.index(topics.of_prefix(b"\xff\xff")) == 3


def test_deletions_are_in_a_snapshot_with_their_time(world: Keys) -> None:
    for name in "ab":
        world.put(f"q/{name}")
        world.key("delete", f"q/{name}")
    again = restored(chunk for chunk in Frozen(world.state).chunks() if chunk)
    assert again.kv.burials() == world.state.kv.burials()
    assert again.index(topics.of_prefix(b"q/")) == world.under("q/")
