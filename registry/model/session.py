"""A session: a lease that a client holds on locks, bound to a node and to checks on it.

Source: session.md §1 and §3; api-docs/session.
"""

from msgspec import Struct

RELEASE = "release"  # the keys that it holds are unlocked when it ends
DELETE = "delete"  # those keys are deleted
LOCK_DELAY_MAX_NS = 60 * 10**9  # a longer delay counts as this (session.md §3)


class ServiceCheckRef(Struct, frozen=True, gc=False, omit_defaults=True):
    """A check of a service that a session depends on."""

    id: str
    namespace: str = ""


class Session(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One row of the session table; `id` is a lower-case UUID.

    `ttl` is the text its creator gave, `expires_ns` the silence after which it ends (nanoseconds, 0 for never): a
    multiple of that TTL. `node_checks`, `checks` and `service_checks` are the bound checks as they were asked for.
    """

    id: str
    node: str
    name: str = ""
    lock_delay_ns: int = 15 * 10**9
    behavior: str = RELEASE
    ttl: str = ""
    expires_ns: int = 0
    node_checks: tuple[str, ...] | None = None
    checks: tuple[str, ...] = ()
    service_checks: tuple[ServiceCheckRef, ...] | None = None
    create_index: int = 0

    @property
    def bound_checks(self) -> tuple[str, ...]:
        """The ids of all checks whose failure ends the session, in the order in which they are looked up."""
        return (*self.checks, *(self.node_checks or ()), *(one.id for one in self.service_checks or ()))

    @property
    def lock_delay_seconds(self) -> float:
        """The seconds for which a key that it held cannot be locked after its end."""
        return max(0, min(self.lock_delay_ns, LOCK_DELAY_MAX_NS)) / 1e9
