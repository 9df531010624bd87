"""Writes of network coordinates. Source: event_query_coordinate.md §C.1."""

from msgspec import Struct

from registry.model.coordinate import Coordinate


class PutCoordinate(Struct, frozen=True, gc=False, omit_defaults=True, tag="put-coordinate"):
    """Set the coordinates of a node in a segment. Without effect if there is no such node.

    `node` is shown as it is spelled here.
    """

    node: str
    coordinate: Coordinate
    segment: str = ""
