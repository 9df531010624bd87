"""Firing a user event. Source: event_query_coordinate.md §A."""

from msgspec import Struct

from registry.model.event import UserEvent


class FireEvent(Struct, frozen=True, gc=False, omit_defaults=True, tag="fire-event"):
    """Give an event its place in the order of all events; list it if its own filters match this node."""

    event: UserEvent
    listed: bool = True
