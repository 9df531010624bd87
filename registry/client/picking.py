"""Which of the healthy instances comes next.

Owns the strategies and the zones. A picker may be asked from any thread. At the start, and among equals, chance
decides: a thousand clients that start together do not all begin with the first instance.
"""

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol, TypeVar

from registry.client.backoff import Chance
from registry.client.instance import Instance

Key = tuple[str, str]
Number = TypeVar("Number", int, float)
StrategyName = Literal["round_robin", "weighted", "least_recently_used"]


class Strategy(Protocol):
    """Picks one of the candidates, of which there is at least one; they come in the order of their keys."""

    def pick(self, candidates: Sequence[Instance]) -> Instance:
        """The one whose turn it is."""


class RoundRobin:
    """One after the other, in the order of their keys."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._last: Key | None = None

    def pick(self, candidates: Sequence[Instance]) -> Instance:
        """The one after the last."""
        if self._last is None:
            chosen = candidates[int(self._chance() * len(candidates))]
        else:
            last = self._last
            chosen = next((one for one in candidates if one.key > last), candidates[0])
        self._last = chosen.key
        return chosen


class Weighted:
    """As often as their weights say, the heavy ones spread among the light ones.

    Every turn adds to each candidate its weight; the one that has most is picked and pays the sum of all.
    """

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._credit: dict[Key, float] = {}

    def pick(self, candidates: Sequence[Instance]) -> Instance:
        """The one that is most behind its weight."""
        credit = self._credit = _pruned(self._credit, candidates)
        weights = {one.key: max(one.weight, 1) for one in candidates}
        for key, weight in weights.items():
            credit[key] = credit.get(key, self._chance() * weight) + weight
        chosen = max(candidates, key=lambda one: credit[one.key])
        credit[chosen.key] -= sum(weights.values())
        return chosen


class LeastRecentlyUsed:
    """The one that was picked longest ago; those that never were come first."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._turns: dict[Key, int] = {}  # when each was picked last
        self._turn = 0

    def pick(self, candidates: Sequence[Instance]) -> Instance:
        """The one that has rested longest."""
        self._turns = _pruned(self._turns, candidates)
        oldest = min(self._turns.get(one.key, 0) for one in candidates)
        rested = [one for one in candidates if self._turns.get(one.key, 0) == oldest]
        chosen = rested[int(self._chance() * len(rested))]
        self._turn += 1
        self._turns[chosen.key] = self._turn
        return chosen


def _pruned(notes: dict[Key, Number], candidates: Sequence[Instance]) -> dict[Key, Number]:
    """The notes, without those of instances long gone. One that is no candidate now may be again in a moment."""
    if len(notes) <= 64 + 4 * len(candidates):
        return notes
    return {one.key: notes[one.key] for one in candidates if one.key in notes}


_STRATEGIES: dict[str, Callable[[Chance], Strategy]] = {
    "round_robin": RoundRobin,
    "weighted": Weighted,
    "least_recently_used": LeastRecentlyUsed,
}


class Picker:
    """A strategy, applied to the nearest instances.

    Args:
        zone, region: where we are; an instance of our zone is preferred to one of our region, that to any other.

    Raises:
        ValueError: there is no such strategy.
    """

    def __init__(
        self, strategy: StrategyName, *, zone: str = "", region: str = "", chance: Chance = random.random
    ) -> None:
        if strategy not in _STRATEGIES:
            raise ValueError(f"{strategy!r} is none of {', '.join(_STRATEGIES)}")
        self._strategy = _STRATEGIES[strategy](chance)
        self._zone, self._region = zone, region
        self._lock = threading.Lock()

    def pick(self, instances: Iterable[Instance], exclude: Iterable[Instance] = ()) -> Instance | None:
        """The next one, or None where there is none; instances of weight 0 only where all others are excluded."""
        excluded = {one.key for one in exclude}
        usable = [one for one in instances if one.key not in excluded]
        if not usable:
            return None
        candidates = self._nearest([one for one in usable if one.weight > 0] or usable)
        with self._lock:
            return self._strategy.pick(candidates)

    def _nearest(self, instances: list[Instance]) -> list[Instance]:
        distances = [self._distance(one) for one in instances]
        nearest = min(distances)
        return [one for one, distance in zip(instances, distances, strict=True) if distance == nearest]

    def _distance(self, one: Instance) -> int:
        """0 in our zone, 1 in our region, 2 elsewhere; zones of other regions may have the same name."""
        elsewhere = bool(self._region and one.region and one.region != self._region)
        if self._zone and one.zone == self._zone and not elsewhere:
            return 0
        return 1 if self._region and one.region == self._region else 2
