"""How many instances and services are in which state, counted from the checks that do not pass.

Owns what one state is made of many checks: an instance is as its worst check, those of its node included, as
Consul's aggregated status is; a service is as the best of its instances, so a critical one has none left to use.
What passes is no more than counted, and nothing is counted twice for the same state.
"""

import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from registry.model.check import CRITICAL, NODE_MAINTENANCE, PASSING, SERVICE_MAINTENANCE_PREFIX, WARNING, Check
from registry.model.names import fold

if TYPE_CHECKING:
    from registry.core.engine import Engine

STATES = (PASSING, WARNING, CRITICAL, "maintenance")  # from the best to the worst
_WARNING, _CRITICAL, _MAINTENANCE = 1, 2, 3

Key = tuple[str, str]  # folded node and folded id


class ByStatus(Struct, frozen=True):
    """Instances and services by state; `records` are the instances that the agents' dialects show."""

    instances: dict[str, int] = {}
    records: dict[str, int] = {}
    services: dict[str, int] = {}


class States:
    """Counts once for each index of the state."""

    def __init__(self) -> None:
        self._state: weakref.ref[Any] | None = None
        self._index = -1
        self.counted = ByStatus()

    def count(self, engine: "Engine") -> None:
        """Bring `counted` up to date. With many failures it takes a while: for a thread, beside the event loop.

        What changes meanwhile is counted as before or as after.
        """
        state = engine.state
        index = state.applied
        if self._state is None or self._state() is not state or self._index != index:
            self.counted = _counted(state)
            self._state, self._index = weakref.ref(state), index


def _counted(state: Any) -> ByStatus:
    services: dict[str, list[int]] = {}
    levels, records = Counter[int](), Counter[int]()
    for (node, key), level in _worst(state).items():
        instance = state.instances.get(node, {}).get(key)
        if instance is not None:
            levels[level] += 1
            records[level] += state.is_record(instance)
            services.setdefault(fold(instance.name), []).append(level)
    dead = Counter(min(found) for name, found in services.items() if len(found) >= len(state.by_service.get(name, ())))
    instances = [one for rows in list(state.by_service.values()) for one in list(rows.values())]
    return ByStatus(
        _named(levels, len(instances)), _named(records, sum(map(state.is_record, instances))),
        _named(dead, len(state.by_service)),
    )  # fmt: skip


def _named(levels: Counter[int], total: int) -> dict[str, int]:
    found = {name: levels[level] for level, name in enumerate(STATES)}
    found[PASSING] = max(total - levels.total(), 0)
    return found


def _worst(state: Any) -> dict[Key, int]:
    """The level of each instance that does not pass."""
    nodes: dict[str, int] = {}
    instances: dict[Key, int] = {}
    for status, rows in list(state.checks_by_status.items()):
        if status == PASSING:
            continue
        for (node, _), check in list(rows.items()):  # a copy at once: the loop goes on writing
            level = _level(status, check)
            if check.service_id:
                place = (node, fold(check.service_id))
                instances[place] = max(level, instances.get(place, 0))
            else:
                nodes[node] = max(level, nodes.get(node, 0))
    for node, level in nodes.items():
        for key in list(state.instances.get(node, ())):
            instances[node, key] = max(level, instances.get((node, key), 0))
    return instances


def _level(status: str, check: Check) -> int:
    if check.id == NODE_MAINTENANCE or check.id.startswith(SERVICE_MAINTENANCE_PREFIX):
        return _MAINTENANCE
    return _WARNING if status == WARNING else _CRITICAL
