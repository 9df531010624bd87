"""Writes of sessions. Source: session.md §2 to §5; the rules are in `state/sessions.py`."""

from msgspec import Struct

from registry.model.session import Session


class CreateSession(Struct, frozen=True, gc=False, omit_defaults=True, tag="create-session"):
    """Begin a session, under the id that it brings."""

    session: Session


class EndSession(Struct, frozen=True, gc=False, omit_defaults=True, tag="end-session"):
    """End a session with what it holds; none of this id: nothing happens."""

    session_id: str
