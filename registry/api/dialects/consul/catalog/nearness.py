"""The order of rows by `near`: round-trip time from a node, where both have coordinates.

Source: common.md §10.
"""

import math
from collections.abc import Callable
from typing import TypeVar

from registry.api.call import Call
from registry.core.reading import State
from registry.model.coordinate import NodeCoordinate, distance_seconds
from registry.model.names import fold

Row = TypeVar("Row")
OWN_NODE = "_agent"


def nearest_first(call: Call, state: State, rows: list[Row], node_of: Callable[[Row], str]) -> list[Row]:
    """The rows by distance from the node that `near` names; rows at unknown places come last.

    Stable, and the rows as they were when there is no `near` or its node has no coordinate.
    """
    near = call.query.value("near")
    return nearest_to(near, state, rows, node_of) if near else rows


def nearest_to(near: str, state: State, rows: list[Row], node_of: Callable[[Row], str]) -> list[Row]:
    """The same from a node given by name, or our own as `_agent`."""
    here = state.coordinates_of(fold(near_node(near, state)))
    if not here:
        return rows

    def distance(row: Row) -> float:
        there = state.coordinates_of(fold(node_of(row)))
        return min((_seconds(here[segment], there[segment]) for segment in here if segment in there), default=math.inf)

    return sorted(rows, key=distance)


def near_node(near: str, state: State) -> str:
    """The name of the node that is meant."""
    return state.server.node if near == OWN_NODE else near


def _seconds(one: NodeCoordinate, other: NodeCoordinate) -> float:
    """The distance in whole nanoseconds; endless between coordinates of different spaces."""
    if len(one.coordinate.vec) != len(other.coordinate.vec):
        return math.inf
    return int(distance_seconds(one.coordinate, other.coordinate) * 1e9) / 1e9
