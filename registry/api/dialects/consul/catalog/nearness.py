"""The order of rows by `near`: round-trip time from a node, where both have coordinates.

Source: common.md §10; event_query_coordinate.md §C.4; for several segments Consul's lib/rtt.go.
"""

import math
from collections.abc import Callable, Mapping
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

    return sorted(rows, key=lambda row: _seconds(here, state.coordinates_of(fold(node_of(row)))))


def near_node(near: str, state: State) -> str:
    """The name of the node that is meant."""
    return state.server.node if near == OWN_NODE else near


def _seconds(here: Mapping[str, NodeCoordinate], there: Mapping[str, NodeCoordinate]) -> float:
    """The distance in whole nanoseconds; endless where there is no common segment, or no finite distance.

    The segment is the unnamed one, unless one of the nodes is in a single segment: a client, to Consul.
    """
    segment = next((next(iter(one)) for one in (there, here) if len(one) == 1), "")
    if segment not in here or segment not in there:
        return math.inf
    one, other = here[segment].coordinate, there[segment].coordinate
    if len(one.vec) != len(other.vec):
        return math.inf
    nanoseconds = distance_seconds(one, other) * 1e9
    return int(nanoseconds) / 1e9 if math.isfinite(nanoseconds) else math.inf
