"""The user events that are remembered. Source: event_query_coordinate.md §A.2."""

from msgspec.structs import replace

from registry.commands import FireEvent
from registry.model import topic as topics
from registry.state.rows import Rows

REMEMBERED = 256  # Consul's number


def fire_event(rows: Rows, index: int, time: float, command: FireEvent) -> None:
    """Number an event and, if it is to be listed, add it; beyond the limit the oldest is dropped."""
    rows.event_time += 1
    if command.listed:
        rows.events = (*rows.events[1 - REMEMBERED :], replace(command.event, ltime=rows.event_time))
        rows.touched[topics.EVENTS] = None
