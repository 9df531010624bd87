"""Where nodes are. Source: event_query_coordinate.md §C."""

from registry.commands import PutCoordinate
from registry.model.coordinate import NodeCoordinate
from registry.model.names import fold
from registry.state.rows import Rows


def put_coordinate(rows: Rows, index: int, time: float, command: PutCoordinate) -> None:
    """Take in where a node is; one that is not there is passed over."""
    if fold(command.node) in rows.node_rows:
        rows.write_coordinate(index, NodeCoordinate(command.node, command.segment, command.coordinate))
