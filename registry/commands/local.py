"""Writes through the agent's interface about instances: rows of our own node.

Source: Consul's api-docs/agent/service; the rules are in `state/local.py`, `state/sidecars.py`,
`state/maintenance.py` and `state/file_rows.py`. The state fills in the node of every row, since all replicas
are one agent.
"""

from msgspec import Struct

from registry.model.check import Check
from registry.model.service import Instance


class LocalService(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One instance with the checks that were sent with it.

    `check_ids` of unnamed checks are already given. A sidecar whose `service.port` is 0 takes the
    lowest free port of `RegisterLocal.sidecar_ports`; its checks follow the port (`default_checks`
    asks for the two that Consul gives a sidecar without checks of its own).
    """

    service: Instance
    checks: tuple[Check, ...] = ()
    default_checks: bool = False


class RegisterLocal(Struct, frozen=True, gc=False, omit_defaults=True, tag="register-local", kw_only=True):
    """Write an instance, and its sidecar with it. Checks that exist keep their status and output.

    `replace_checks` removes the checks of the instance that are not among the new ones.
    `sidecar_ports` is the inclusive range of automatic ports, (0, 0) when there is none.
    """

    service: LocalService
    sidecar: LocalService | None = None
    replace_checks: bool = False
    sidecar_ports: tuple[int, int] = (0, 0)


class DeregisterLocal(Struct, frozen=True, gc=False, omit_defaults=True, tag="deregister-local"):
    """Remove a local instance by its exact id, with its checks and its sidecar."""

    service_id: str


class SetMaintenance(Struct, frozen=True, gc=False, omit_defaults=True, tag="set-maintenance"):
    """Put the node (no `service_id`) or a local instance into maintenance mode, or end that mode."""

    enable: bool
    service_id: str | None = None
    reason: str = ""


class ReplaceFileRows(Struct, frozen=True, gc=False, omit_defaults=True, tag="replace-file-rows", kw_only=True):
    """Make the rows that configuration files define exactly these; others are not touched."""

    services: tuple[RegisterLocal, ...] = ()
    checks: tuple[Check, ...] = ()
