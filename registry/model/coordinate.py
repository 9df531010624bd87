"""Network coordinates: where a node is, in round-trip time.

Owns the value and the distance. Source: the Vivaldi paper (Dabek et al., 2004), as Consul's
docs/architecture/coordinates words it.
"""

import math

from msgspec import Struct

DIMENSIONS = 8  # of the space that all coordinates are in


class Coordinate(Struct, frozen=True, gc=False, omit_defaults=True):
    """A point in seconds of round-trip time, with the height of the last hop and an adjustment."""

    vec: tuple[float, ...]
    error: float = 0.0
    adjustment: float = 0.0
    height: float = 0.0


def distance_seconds(one: Coordinate, other: Coordinate) -> float:
    """The estimated round-trip time; the adjustment counts only while the result stays positive."""
    raw = math.dist(one.vec, other.vec) + one.height + other.height
    adjusted = raw + one.adjustment + other.adjustment
    return adjusted if adjusted > 0 else raw


class NodeCoordinate(Struct, frozen=True, gc=False, omit_defaults=True):
    """The coordinates of a node in one segment of the network; `node` as the update spelled it."""

    node: str
    segment: str
    coordinate: Coordinate


ORIGIN = Coordinate((0.0,) * DIMENSIONS, error=1.5, height=0.00001)  # of a node that has measured nothing yet
