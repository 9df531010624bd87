"""The order of rows by `near`: round-trip time from a node, where both have coordinates.

Source: common.md §10.
"""

import math
from collections.abc import Callable
from typing import TypeVar

from registry.api.call import Call
from registry.core.reading import State
from registry.model.coordinate import distance_seconds
from registry.model.names import fold

Row = TypeVar("Row")
OWN_NODE = "_agent"


def nearest_first(call: Call, state: State, rows: list[Row], node_of: Callable[[Row], str]) -> list[Row]:
    """The rows by distance from the node that `near` names; rows at unknown places come last.

    Stable, and the rows as they were when there is no `near` or its node has no coordinate.
    """
    near = call.query.value("near")
    if not near:
        return rows
    here = state.coordinates.get(fold(state.server.node if near == OWN_NODE else near))
    if here is None:
        return rows

    def distance(row: Row) -> float:
        there = state.coordinates.get(fold(node_of(row)))
        return math.inf if there is None or len(there.vec) != len(here.vec) else distance_seconds(here, there)

    return sorted(rows, key=distance)
