"""The user event: a message for whoever listens. Source: event_query_coordinate.md §A."""

from msgspec import Struct


class UserEvent(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One event as it was fired; `ltime` is its place in the order of all events."""

    id: str
    name: str
    payload: bytes = b""
    node_filter: str = ""
    service_filter: str = ""
    tag_filter: str = ""
    ltime: int = 0
