"""Writes of sessions. Source: session.md §2 to §5; the rules are in `state/sessions.py`."""

from msgspec import Struct

from registry.model.session import Session


class CreateSession(Struct, frozen=True, gc=False, omit_defaults=True, tag="create-session"):
    """Create a session under the id that it brings."""

    session: Session


class EndSession(Struct, frozen=True, gc=False, omit_defaults=True, tag="end-session"):
    """End a session with everything it holds. Without effect if there is none with this id."""

    session_id: str
