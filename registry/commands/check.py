"""Writes about checks of our own node: registration, results, expiry and what follows from it.

Source: Consul's api-docs/agent/check; the rules are in `state/local_checks.py`.
"""

from msgspec import Struct

from registry.model.check import Check


class RegisterLocalCheck(Struct, frozen=True, gc=False, omit_defaults=True, tag="register-local-check"):
    """Write a check of the node or, with a `service_id`, of a local instance.

    A check that exists keeps its status and output.
    """

    check: Check


class DeregisterLocalCheck(Struct, frozen=True, gc=False, omit_defaults=True, tag="deregister-local-check"):
    """Remove a local check by its exact id."""

    check_id: str


class UpdateCheck(Struct, frozen=True, gc=False, omit_defaults=True, tag="update-check"):
    """Give a local check a status and an output.

    `create_index`, when not 0, makes it void unless the check is still the one that was created then:
    a result of a run that a re-registration has overtaken. `ttl` says that it is a sign of life, which
    only a TTL check takes. `runner` is the id of the replica that ran the check: while there are members
    the result of any but its owner is void (level 2). `modify_index`, when not 0, makes it void unless the
    check is as it was at that index: what a replica knew that may be behind (level 2).
    """

    check_id: str
    status: str
    output: str = ""
    create_index: int = 0
    ttl: bool = False
    runner: str = ""
    modify_index: int = 0


class ExpireTtl(Struct, frozen=True, gc=False, omit_defaults=True, tag="expire-ttl"):
    """A TTL check has expired. Without effect if the check is gone or was registered anew.

    `last_output` is the newest text of the check, which the log may not have yet.
    """

    check_id: str
    create_index: int
    last_output: str = ""


class Reap(Struct, frozen=True, gc=False, omit_defaults=True, tag="reap"):
    """Remove the instance of a check that has been critical for too long.

    Without effect unless the check has been critical without a break since `critical_index`.
    """

    check_id: str
    critical_index: int
