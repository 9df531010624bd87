"""Network coordinates of nodes. Source: event_query_coordinate.md §C."""

from registry.commands import PutCoordinate
from registry.model.coordinate import NodeCoordinate
from registry.model.names import fold
from registry.state.rows import Rows


def put_coordinate(rows: Rows, index: int, time: float, command: PutCoordinate) -> None:
    """Store the coordinates of a node. Without effect if there is no such node."""
    if fold(command.node) in rows.node_rows:
        rows.write_coordinate(index, NodeCoordinate(command.node, command.segment, command.coordinate))
