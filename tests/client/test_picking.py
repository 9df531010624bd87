"""Which instance comes next: how often each does, and in which order."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from registry.client.instance import Change, Instance
from registry.client.picking import Picker, StrategyName

STRATEGIES: tuple[StrategyName, ...] = ("round_robin", "weighted", "least_recently_used")


def instance(name: str, weight: int = 1, zone: str = "", region: str = "") -> Instance:
    return Instance(
        service="web", id=name, node="n", address="10.0.0.1", port=80, weight=weight, zone=zone, region=region
    )


def some(names: str) -> list[Instance]:
    return [instance(name) for name in names]


def picked(picker: Picker, instances: Sequence[Instance], times: int) -> str:
    """The names of those that were picked, in their order."""
    found = [picker.pick(instances) for _ in range(times)]
    return "".join(one.id for one in found if one is not None)


def picker(strategy: StrategyName, **where: str) -> Picker:
    return Picker(strategy, **where, chance=lambda: 0.0)


def test_one_after_the_other() -> None:
    assert picked(picker("round_robin"), some("abc"), 7) == "abcabca"


def test_the_turn_goes_on_when_instances_come_and_go() -> None:
    robin = picker("round_robin")
    assert picked(robin, some("abcd"), 2) == "ab"
    assert picked(robin, some("acd"), 2) == "cd"
    assert picked(robin, some("abcd"), 2) == "ab"
    assert picked(robin, some("a"), 2) == "aa"
    assert picked(robin, some("ab"), 1) == "b"


def test_weights_say_how_often_and_the_heavy_ones_are_spread() -> None:
    instances = [instance("a", 5), instance("b", 1), instance("c", 1)]
    assert picked(picker("weighted"), instances, 14) == "aabacaa" * 2
    assert picked(picker("weighted"), some("abc"), 6) == "abcabc"


@pytest.mark.parametrize("seed", range(5))
def test_weights_hold_from_any_beginning(seed: int) -> None:
    weights = {"a": 1, "b": 10, "c": 100, "d": 7}
    random_picker = Picker("weighted", chance=random.Random(seed).random)
    counted = Counter(picked(random_picker, [instance(name, weight) for name, weight in weights.items()], 1180))
    assert all(abs(counted[name] - 10 * weight) <= 2 for name, weight in weights.items())


def test_a_weight_that_changes_counts_from_then_on() -> None:
    weighted = picker("weighted")
    picked(weighted, [instance("a", 9), instance("b", 1)], 100)
    assert Counter(picked(weighted, [instance("a", 1), instance("b", 1)], 100))["b"] == pytest.approx(50, abs=5)


def test_who_rested_longest_is_next_and_the_new_one_before_all() -> None:
    rested = picker("least_recently_used")
    assert picked(rested, some("abc"), 4) == "abca"
    assert picked(rested, some("abcd"), 3) == "dbc"
    assert picked(rested, some("ac"), 2) == "ac"
    assert picked(rested, some("abcd"), 4) == "dbac"


def test_least_recently_used_forgets_nobody_who_was_away_for_a_moment() -> None:
    rested = picker("least_recently_used")
    assert picked(rested, some("ab"), 2) == "ab"
    assert picked(rested, some("b"), 1) == "b"
    assert picked(rested, some("ab"), 3) == "aba"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equals_are_picked_equally_often(strategy: StrategyName) -> None:
    counted = Counter(picked(Picker(strategy), some("abcdefg"), 7000))
    assert set(counted.values()) == {1000}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_many_clients_do_not_all_begin_with_the_same(strategy: StrategyName) -> None:
    chance = random.Random(3).random
    counted = Counter(picked(Picker(strategy, chance=chance), some("abcd"), 1) for _ in range(4000))
    assert all(900 < count < 1100 for count in counted.values()), counted


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nobody_is_none(strategy: StrategyName) -> None:
    one = instance("a")
    assert Picker(strategy).pick([]) is None
    assert Picker(strategy).pick([one], exclude=[one]) is None


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_those_that_have_just_failed_are_left_out(strategy: StrategyName) -> None:
    a, b, c = some("abc")
    found = picker(strategy)
    assert {found.pick([a, b, c], exclude=[a, c]) for _ in range(5)} == {b}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weight_0_is_for_when_there_is_nobody_else(strategy: StrategyName) -> None:
    idle, busy = instance("a", 0), instance("b", 3)
    found = picker(strategy)
    assert {found.pick([idle, busy]) for _ in range(5)} == {busy}
    assert found.pick([idle, busy], exclude=[busy]) == idle


def test_the_nearest_are_picked_while_there_are_any() -> None:
    here, next_door = instance("a", zone="1a", region="eu"), instance("b", zone="1b", region="eu")
    far, namesake, nowhere = instance("c", zone="1b", region="us"), instance("d", zone="1a", region="us"), instance("e")
    found = picker("round_robin", zone="1a", region="eu")
    everybody = [here, next_door, far, namesake, nowhere]
    assert picked(found, everybody, 3) == "aaa"
    assert picked(found, everybody[1:], 3) == "bbb"
    assert picked(found, everybody[2:], 6) == "cdecde"
    retried = found.pick(everybody, exclude=[here])
    assert retried == next_door


def test_a_zone_without_a_region_and_a_region_without_a_zone() -> None:
    one, other = instance("a", zone="1a", region="eu"), instance("b", zone="1b", region="us")
    assert picked(picker("round_robin", zone="1b"), [one, other], 2) == "bb"
    assert picked(picker("round_robin", region="eu"), [one, other], 2) == "aa"
    assert picked(picker("round_robin"), [one, other], 2) == "ab"
    assert picked(picker("round_robin", zone="2c"), [one, other], 2) == "ab"


def test_what_is_noted_of_instances_long_gone_is_dropped() -> None:
    """A service whose instances are replaced every few minutes must not fill the memory of its clients."""
    for strategy in ("weighted", "least_recently_used"):
        found = picker(strategy)
        for batch in pairs(1000):
            picked(found, [instance(f"i{number}") for number in batch], 2)
        notes = next(value for value in vars(found._strategy).values() if isinstance(value, dict))
        assert len(notes) < 80


def pairs(count: int) -> list[tuple[int, int]]:
    return list(zip(range(0, count, 2), range(1, count, 2), strict=True))


def test_there_are_no_other_strategies() -> None:
    with pytest.raises(ValueError, match="'random' is none of round_robin, weighted, least_recently_used"):
        Picker("random")  # type: ignore[arg-type]


def test_a_change_says_who_came_went_and_differs() -> None:
    before = some("abc")
    now = (instance("b"), instance("c", 5), instance("d"))
    change = Change.between(before, now)
    assert [one.id for one in change.added] == ["d"]
    assert [one.id for one in change.removed] == ["a"]
    assert [(one.id, one.weight) for one in change.changed] == [("c", 5)]
    assert change.instances == now
