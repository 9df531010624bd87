"""Sessions as the bytes of `/v1/session`. Source: session.md §1."""

from collections.abc import Iterable

from msgspec import UNSET, UnsetType

from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.wire.fields import Shape
from registry.model.session import Session


class ServiceCheckShape(Shape):
    """One of `ServiceChecks`."""

    id: str
    namespace: str


class SessionShape(Shape):
    """One session."""

    id: str
    name: str
    node: str
    lock_delay: int  # nanoseconds
    behavior: str
    ttl: str
    node_checks: tuple[str, ...] | None
    service_checks: list[ServiceCheckShape] | None
    checks: tuple[str, ...] | UnsetType
    create_index: int
    modify_index: int


def sessions(rows: Iterable[Session]) -> bytes:
    """The sessions as a JSON array."""
    return encoded([_session(one) for one in rows])


def _session(session: Session) -> SessionShape:
    refs = session.service_checks
    return SessionShape(
        session.id,
        session.name,
        session.node,
        session.lock_delay_ns,
        session.behavior,
        session.ttl,
        session.node_checks,
        None if refs is None else [ServiceCheckShape(one.id, one.namespace) for one in refs],
        session.checks or UNSET,
        session.create_index,
        session.create_index,
    )
