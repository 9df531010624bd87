"""The body of a session's creation: its fields, and what the session becomes that they describe.

Owns the defaults, the forms of a lock-delay, which lists of checks count, and what is wrong with a TTL. Whether
the node and the checks are there is the state's to say.
Source: session.md §3.
"""

import uuid
from typing import Any, ClassVar

from msgspec import field

from registry.api.call import Call
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.go.decode import Body, Duration, Unsigned
from registry.api.dialects.consul.go.free import duration_ns
from registry.errors import InvalidRequest
from registry.model.duration import HOUR, SECOND, nanoseconds, text
from registry.model.session import DELETE, RELEASE, ServiceCheckRef, Session

SERF_HEALTH = "serfHealth"  # what a session is bound to unless it says otherwise
LOCK_DELAY_NS = 15 * SECOND
TTL_MOST_NS = 24 * HOUR
_FEW = 1000  # a lock-delay below so many nanoseconds is one in seconds, whatever it was meant to be


class ServiceCheckBody(Body):
    """One of `ServiceChecks`."""

    GO_NAME: ClassVar = "ServiceCheck"
    LENIENT: ClassVar = True

    id: str = ""
    namespace: str = ""


class SessionBody(Body):
    """The body as a whole; what it does not hold keeps these values."""

    GO_NAME: ClassVar = "Session"
    LENIENT: ClassVar = True
    PREFILLED: ClassVar = True
    GO_TYPES: ClassVar = {"behavior": "structs.SessionBehavior", "checks": "[]types.CheckID"}

    name: str = ""
    node: str | None = None  # our own
    lock_delay: Duration = None
    behavior: str = RELEASE
    ttl: str = ""
    node_checks: list[str] | None = field(default_factory=lambda: [SERF_HEALTH])
    checks: list[str] | None = field(default_factory=lambda: [SERF_HEALTH])
    service_checks: list[ServiceCheckBody] | None = None
    id: str = ""  # this and the next two are given by us, but have to be of these types
    create_index: Unsigned = 0
    modify_index: Unsigned = 0

    def __post_init__(self) -> None:
        self.lock_delay = _lock_delay_ns(self.lock_delay)


decoded = Decoder(SessionBody)


async def session_body(call: Call) -> SessionBody:
    """The body; one whose length is not told counts as none.

    Raises:
        InvalidRequest: `decode`.
    """
    length = call.headers.get("Content-Length", "")
    return decoded(await call.body()) if length.isdecimal() and int(length) > 0 else SessionBody()


def new_session(body: SessionBody, own_node: str, shortest_ns: int) -> tuple[Session, int]:
    """The session under an id of its own, and the nanoseconds of its TTL (0: it has none).

    Args:
        shortest_ns: the shortest TTL that is taken.

    Raises:
        InvalidRequest: `session-node-name`, `session-behavior`, `session-ttl`, `session-ttl-range`.
    """
    node = own_node if body.node is None else body.node
    if not node:
        raise InvalidRequest("session-node-name")
    behavior = body.behavior or RELEASE
    if behavior not in (RELEASE, DELETE):
        raise InvalidRequest("session-behavior", behavior=behavior)
    ttl_ns = _ttl_ns(body.ttl, shortest_ns)
    node_checks, checks = _bound(body)
    service_checks = body.service_checks
    session = Session(
        id=str(uuid.uuid4()),
        node=node,
        name=body.name,
        lock_delay_ns=body.lock_delay,
        behavior=behavior,
        ttl=body.ttl,
        node_checks=None if node_checks is None else tuple(node_checks),
        checks=tuple(checks),
        service_checks=(
            None if service_checks is None else tuple(ServiceCheckRef(one.id, one.namespace) for one in service_checks)
        ),
    )
    return session, ttl_ns


def _bound(body: SessionBody) -> tuple[list[str] | None, list[str]]:
    """`NodeChecks` and `Checks` as the session has them; the latter is a form of old that clients still send."""
    if not body.checks:
        return [], []
    if body.checks == [SERF_HEALTH] or not body.node_checks:
        return body.node_checks, []
    return body.node_checks, body.checks


def _ttl_ns(ttl: str, shortest_ns: int) -> int:
    if not ttl:
        return 0
    try:
        found = nanoseconds(ttl)
    except InvalidRequest as error:
        raise InvalidRequest("session-ttl", ttl=ttl, problem=error.values["problem"]) from None
    if found and not shortest_ns <= found <= TTL_MOST_NS:
        raise InvalidRequest("session-ttl-range", ns=found, least=text(shortest_ns), most=text(TTL_MOST_NS))
    return found


def _lock_delay_ns(sent: Any) -> int:
    """The lock-delay in nanoseconds; few of them are taken for seconds, within the bounds of int64 as Go computes.

    Raises:
        InvalidRequest: `duration`.
    """
    if sent is None:
        return LOCK_DELAY_NS
    found = duration_ns(sent)
    return found if found >= _FEW else (found * SECOND + (1 << 63)) % (1 << 64) - (1 << 63)
