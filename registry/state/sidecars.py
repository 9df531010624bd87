"""Sidecar proxies that come with the registration of a local instance: their ports and their default checks.

Owns which sidecar belongs to which instance, and what a registration leaves to be chosen. Writing the rows is
`state/local.py`. Source: agent.md §6.1.
"""

from msgspec.structs import replace

from registry.commands import RegisterLocal
from registry.errors import InvalidRequest
from registry.model.addresses import with_default_addresses
from registry.model.check import Check, CheckDefinition
from registry.model.service import Instance
from registry.state.rows import Rows

_CHECK_INTERVAL_NS = 10_000_000_000  # Consul's fixed 10 s for the listening check it adds


def brought_sidecar(rows: Rows, service_id: str) -> Instance | None:
    """The sidecar that the registration of an instance brought with it, if it is still there."""
    sidecar = rows.local_service(f"{service_id}-sidecar-proxy")
    if sidecar is None or sidecar.local is None or sidecar.local.sidecar_of != service_id:
        return None
    return sidecar


def with_sidecar(rows: Rows, command: RegisterLocal, taken: dict[int, None]) -> RegisterLocal:
    """The command with its sidecar complete: a port chosen, and Consul's default checks where they are asked for.

    Args:
        taken: ports chosen before in the same command; the new one is added.
    Raises:
        InvalidRequest: `sidecar-ports`, no automatic port is left; `sidecar-ports-disabled`.
    """
    sidecar = command.sidecar
    if sidecar is None:
        return command
    service = sidecar.service
    if service.port == 0 and not service.socket_path:
        service = with_default_addresses(replace(service, port=_automatic_port(rows, command, taken)))
    checks = sidecar.checks
    if sidecar.default_checks:
        checks = _default_checks(service, command.service.service)
    return replace(command, sidecar=replace(sidecar, service=service, checks=checks))


def _automatic_port(rows: Rows, command: RegisterLocal, taken: dict[int, None]) -> int:
    """The port that the sidecar has, if it is in the automatic range, else the lowest one there that is free."""
    assert command.sidecar is not None
    low, high = command.sidecar_ports
    if not low or high < low:
        raise InvalidRequest("sidecar-ports-disabled")
    old = rows.local_service(command.sidecar.service.id)
    if old is not None and low <= old.port <= high:
        return old.port
    used = {rows.instances[node][key].port: None for node, key in rows.local_ids.values()}
    for port in range(low, high + 1):
        if port not in used and port not in taken:
            taken[port] = None
            return port
    raise InvalidRequest("sidecar-ports", low=low, high=high)


def _default_checks(sidecar: Instance, parent: Instance) -> tuple[Check, Check]:
    """The two checks that Consul gives to a sidecar without any of its own (agent.md §6.1)."""
    proxy = sidecar.proxy
    host = sidecar.address or (proxy.local_service_address if proxy is not None else "")
    address = f"[{host}]:{sidecar.port}" if ":" in host else f"{host}:{sidecar.port}"
    listening = CheckDefinition(tcp=address, interval_ns=_CHECK_INTERVAL_NS)
    alias = CheckDefinition(alias_service=parent.id)
    return (
        Check(
            node="", id=f"service:{sidecar.id}:1", name="Connect Sidecar Listening", service_id=sidecar.id,
            type="tcp", interval="10s", runs=listening,
        ),
        Check(
            node="", id=f"service:{sidecar.id}:2", name=f"Connect Sidecar Aliasing {parent.id}",
            service_id=sidecar.id, type="alias", runs=alias,
        ),
    )  # fmt: skip
