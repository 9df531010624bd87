"""From the body of a service registration to a command of the agent's interface: defaults and sidecars.

Owns what Consul fills in. What is refused is `validation.py`, checks are `checks.py`; the port of a
sidecar that names none, and what follows from it, is given by the state.
Source: agent.md §6 (defaults), §6.1 (sidecars).
"""

from collections.abc import Mapping

from msgspec.structs import replace

from registry.api.dialects.consul.registration.bodies import AddressBody, LocalityBody, ServiceBody, WeightsBody
from registry.api.dialects.consul.registration.bodies_mesh import ProxyBody
from registry.api.dialects.consul.registration.checks import service_checks
from registry.api.dialects.consul.registration.mesh import proxy
from registry.api.dialects.consul.registration.validation import (
    refuse_invalid_service,
    refuse_invalid_sidecar,
    refuse_wrong_addresses,
    sent_checks,
    weights_problem,
)
from registry.api.dialects.consul.registration.validation_mesh import SERVICE
from registry.commands import LocalService, RegisterLocal
from registry.model.addresses import default_addresses
from registry.model.node import Locality
from registry.model.service import CONNECT_PROXY, Instance, ServiceAddress, Weights

EVEN_WEIGHTS = Weights()
_LOCAL_HOST = "127.0.0.1"  # where a sidecar finds its service


def registration(
    body: ServiceBody, *, scripts: bool, replace_checks: bool = False, sidecar_ports: tuple[int, int] = (0, 0)
) -> RegisterLocal:
    """The command that a service registration asks for.

    Args:
        scripts: whether script checks are allowed. replace_checks, sidecar_ports: as in the command.
    Raises:
        InvalidRequest: a rule of `validation.py` is broken.
    """
    refuse_invalid_service(body)
    asked = body.connect.sidecar_service if body.connect is not None else None
    sidecar = None
    if asked is not None:
        sidecar = _completed_sidecar(asked, body)
        refuse_invalid_sidecar(sidecar)
    service = _local_service(body, scripts=scripts)
    if sidecar is None:
        return RegisterLocal(service=service, replace_checks=replace_checks, sidecar_ports=sidecar_ports)
    return RegisterLocal(
        service=service,
        sidecar=_local_sidecar(sidecar, scripts=scripts),
        replace_checks=replace_checks,
        sidecar_ports=sidecar_ports,
    )


def _local_service(body: ServiceBody, *, scripts: bool) -> LocalService:
    refuse_wrong_addresses(body.tagged_addresses)
    service_id = body.id or body.name
    tags = body.tags
    service = Instance(
        node="",
        id=service_id,
        name=body.name,
        kind=body.kind,
        tags=tuple(tags) if tags is not None else None,
        address=body.address,
        tagged_addresses=default_addresses(body.address, body.port, tagged_addresses(body.tagged_addresses)),
        meta=body.meta,
        port=body.port,
        socket_path=body.socket_path,
        weights=stored_weights(body.weights),
        enable_tag_override=body.enable_tag_override,
        locality=locality(body.locality),
        proxy=proxy(body.proxy, upstream_type=SERVICE),
        native=body.connect is not None and body.connect.native,
    )
    checks = service_checks(sent_checks(body), service_id, body.name, scripts=scripts)
    return LocalService(service=service, checks=checks)


def _local_sidecar(sidecar: ServiceBody, *, scripts: bool) -> LocalService:
    made = _local_service(sidecar, scripts=scripts)
    if sidecar.port == 0 and not sidecar.socket_path:  # its addresses carry the port that the state will give it
        made = replace(made, service=replace(made.service, tagged_addresses=tagged_addresses(sidecar.tagged_addresses)))
    return replace(made, default_checks=not made.checks)


def _completed_sidecar(sidecar: ServiceBody, parent: ServiceBody) -> ServiceBody:
    """The sidecar with what it takes over from the service it stands for."""
    service_id = parent.id or parent.name
    return replace(
        sidecar,
        id=f"{service_id}-sidecar-proxy",
        name=sidecar.name or f"{parent.name}-sidecar-proxy",
        kind=sidecar.kind or CONNECT_PROXY,
        address=sidecar.address or parent.address,
        port=max(sidecar.port, 0),
        meta=sidecar.meta or parent.meta,
        tags=sidecar.tags or parent.tags,
        locality=sidecar.locality or parent.locality,
        proxy=_completed_proxy(sidecar.proxy or ProxyBody(), parent, service_id),
    )


def _completed_proxy(sent: ProxyBody, parent: ServiceBody, service_id: str) -> ProxyBody:
    completed = replace(
        sent,
        destination_service_name=sent.destination_service_name or parent.name,
        destination_service_id=sent.destination_service_id or service_id,
    )
    if sent.local_service_socket_path or (sent.local_service_address and sent.local_service_port > 0):
        return completed
    if parent.socket_path:
        return replace(completed, local_service_socket_path=parent.socket_path)
    return replace(
        completed,
        local_service_address=sent.local_service_address or _LOCAL_HOST,
        local_service_port=sent.local_service_port if sent.local_service_port > 0 else parent.port,
    )


def tagged_addresses(sent: Mapping[str, AddressBody] | None) -> dict[str, ServiceAddress] | None:
    """The tagged addresses as they were given."""
    return {tag: ServiceAddress(one.address, one.port) for tag, one in sent.items()} if sent else None


def stored_weights(sent: WeightsBody | None) -> Weights:
    """The weights, or even ones where the given ones cannot be used."""
    if sent is None or weights_problem(sent):
        return EVEN_WEIGHTS
    return Weights(sent.passing, sent.warning)


def locality(sent: LocalityBody | None) -> Locality | None:
    """Where the instance says it runs."""
    return Locality(sent.region, sent.zone) if sent is not None else None
