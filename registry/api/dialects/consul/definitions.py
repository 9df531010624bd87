"""From the bodies of services and checks to commands of the agent's interface: defaults, ids, sidecars.

Owns what Consul fills in. What is refused is `validation.py`; the port of a sidecar that names none, and what
follows from it, is given by the state.
Source: agent.md §6 (defaults), §6.1 (sidecars), §7.1, §8.1, §8.3.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from registry.api.dialects.consul.bodies_agent import (
    AddressBody,
    CheckBody,
    CheckFields,
    CheckRegistration,
    LocalityBody,
    ServiceBody,
    WeightsBody,
)
from registry.api.dialects.consul.bodies_mesh import ProxyBody
from registry.api.dialects.consul.definitions_mesh import proxy
from registry.api.dialects.consul.validation import (
    refuse_invalid_check,
    refuse_invalid_service,
    refuse_invalid_sidecar,
    refuse_unrunnable,
    refuse_wrong_addresses,
    sent_checks,
    weights_problem,
)
from registry.api.dialects.consul.validation_mesh import SERVICE
from registry.commands import LocalService, RegisterLocal
from registry.model import duration
from registry.model.addresses import default_addresses
from registry.model.check import CRITICAL, Check, CheckDefinition
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
    sent = sent_checks(body)
    return LocalService(service=service, checks=_checks(sent, service_id, body.name, scripts=scripts))


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


def _checks(sent: Sequence[CheckBody], service_id: str, service_name: str, *, scripts: bool) -> tuple[Check, ...]:
    if not sent:
        return ()
    default_id = f"service:{service_id}"
    default_name = f"Service '{service_name}' check"
    checks = []
    for number, body in enumerate(sent, 1):
        refuse_unrunnable(body, scripts=scripts)
        runs = check_definition(body)
        checks.append(
            Check(
                node="",
                id=body.check_id or (default_id if len(sent) == 1 else f"{default_id}:{number}"),
                name=body.name or default_name,
                status=body.status or CRITICAL,
                notes=body.notes,
                service_id=service_id,
                type=check_type(runs),
                interval=duration.text(body.interval) if body.interval else "",
                timeout=duration.text(body.timeout) if body.timeout else "",
                runs=runs,
            )
        )
    return tuple(checks)


def check_registration(body: CheckRegistration, *, scripts: bool) -> Check:
    """The check that a registration on its own asks for.

    Raises:
        InvalidRequest: a rule of `validation.py` is broken.
    """
    refuse_invalid_check(body)
    refuse_unrunnable(body, scripts=scripts)
    runs = check_definition(body)
    return Check(
        node="",
        id=body.id or body.name,
        name=body.name,
        status=body.status or CRITICAL,
        notes=body.notes,
        service_id=body.service_id,
        type=check_type(runs),
        interval=duration.text(body.interval),
        timeout=duration.text(body.timeout),
        runs=runs,
    )


def check_definition(body: CheckFields) -> CheckDefinition:
    """What the check does."""
    return CheckDefinition(
        interval_ns=body.interval,
        timeout_ns=body.timeout,
        ttl_ns=body.ttl,
        deregister_critical_service_after_ns=body.deregister_critical_service_after,
        output_max_size=body.output_max_size,
        http=body.http,
        header=header(body.header),
        method=body.method,
        body=body.body,
        disable_redirects=body.disable_redirects,
        tls_server_name=body.tls_server_name,
        tls_skip_verify=body.tls_skip_verify,
        tcp=body.tcp,
        tcp_use_tls=body.tcp_use_tls,
        udp=body.udp,
        h2ping=body.h2ping,
        h2ping_use_tls=bool(body.h2ping) and body.h2ping_use_tls is not False,
        os_service=body.os_service,
        script_args=tuple(body.script_args) if body.script_args else None,
        docker_container_id=body.docker_container_id,
        shell=body.shell,
        grpc=body.grpc,
        grpc_use_tls=body.grpc_use_tls,
        alias_node=body.alias_node,
        alias_service=body.alias_service,
        success_before_passing=body.success_before_passing,
        failures_before_warning=body.failures_before_warning,
        failures_before_critical=body.failures_before_critical,
    )


def check_type(definition: CheckDefinition) -> str:
    """The word for what a check does; empty when its definition does nothing."""
    every = definition.interval_ns > 0
    if every and definition.grpc:
        return "grpc"
    if every and definition.http:
        return "http"
    if definition.ttl_ns > 0:
        return "ttl"
    if every and definition.tcp:
        return "tcp"
    if every and definition.udp:
        return "udp"
    if definition.alias_node or definition.alias_service:
        return "alias"
    if every and definition.script_args:
        return "docker" if definition.docker_container_id else "script"
    if every and definition.h2ping:
        return "h2ping"
    return "os_service" if every and definition.os_service else ""


def header(sent: Mapping[str, Sequence[str] | None] | None) -> dict[str, tuple[str, ...]] | None:
    """Header lines of a check."""
    return {name: tuple(values or ()) for name, values in sent.items()} if sent else None


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
