"""What Consul refuses in the mesh part of a service, for the agent and the catalog alike.

Owns the rules of proxies, gateways, sidecars and localities, in Consul's order and words. What surrounds the
list of problems is the caller's.
Source: agent.md §6 step 6, catalog.md §1.2 step 7; measured on Consul 1.8.7 where those leave a text out.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from registry.api.dialects.consul.go.text import quoted
from registry.api.dialects.consul.registration.bodies import ConnectBody, LocalityBody
from registry.api.dialects.consul.registration.bodies_mesh import ExposeBody, ProxyBody, UpstreamBody
from registry.model.service import CONNECT_PROXY, GATEWAYS

SERVICE, PREPARED_QUERY = "service", "prepared_query"
_ANY = "*"
_PORTLESS_GATEWAYS = frozenset({"ingress-gateway", "api-gateway"})
_PATH_PROTOCOLS = ("http", "http2")
_HIGHEST_PORT = 65535


class MeshFields(Protocol):
    """The fields that the rules look at; both dialects' services have them."""

    kind: str
    port: int
    socket_path: str
    locality: LocalityBody | None
    proxy: ProxyBody | None
    connect: ConnectBody | None


def mesh_problems(service: MeshFields, *, port_follows: bool = False) -> list[str]:
    """Everything that is wrong with the mesh part of a service.

    With `port_follows` a missing port is no problem, since one is assigned later.
    """
    if not service.kind and service.connect is None and service.locality is None:
        return []
    return list(_problems(service, port_follows))


def _problems(service: MeshFields, port_follows: bool) -> Iterator[str]:
    kind, connect, proxy = service.kind, service.connect, service.proxy or ProxyBody()
    native = connect is not None and connect.native
    portless = not service.port and not service.socket_path
    if service.locality is not None and service.locality.zone and not service.locality.region:
        yield "zone cannot be set without region"
    if kind == CONNECT_PROXY:
        if portless and not port_follows:
            yield "Port or SocketPath must be set for a connect-proxy"
        yield from _proxy_problems(proxy, native)
    elif kind in GATEWAYS:
        if not service.port and not port_follows and kind not in _PORTLESS_GATEWAYS:
            yield f"Port must be non-zero for a {kind}"
        if connect is not None and connect.sidecar_service is not None:
            yield f"A {kind} cannot have a sidecar service defined"
        yield from _gateway_problems(kind, proxy)
    sidecar = connect.sidecar_service if connect is not None else None
    if sidecar is not None:
        if sidecar.id:
            yield "A SidecarService cannot specify an ID as this is managed by the agent"
        if sidecar.connect is not None and sidecar.connect.sidecar_service is not None:
            yield "A SidecarService cannot have a nested SidecarService"
    if native and portless and not port_follows:
        yield "Port or SocketPath must be set for a Connect native service."


def _proxy_problems(proxy: ProxyBody, native: bool) -> Iterator[str]:
    if not proxy.destination_service_name.strip():
        yield "Proxy.DestinationServiceName must be non-empty for Connect proxy services"
    if proxy.destination_service_name == _ANY:
        yield "Proxy.DestinationServiceName must not be a wildcard for Connect proxy services"
    if native:
        yield "A Proxy cannot also be Connect Native, only typical services"
    yield from _upstreams_problems(proxy.upstreams or ())
    yield from _expose_problems(proxy.expose)


def _gateway_problems(kind: str, proxy: ProxyBody) -> Iterator[str]:
    given = {
        "DestinationServiceName": proxy.destination_service_name,
        "DestinationServiceID": proxy.destination_service_id,
        "LocalServiceAddress": proxy.local_service_address,
        "LocalServicePort": proxy.local_service_port,
        "LocalServiceSocketPath": proxy.local_service_socket_path,
        "Upstreams": proxy.upstreams,
    }
    for field, value in given.items():
        if value:
            yield f"The Proxy.{field} configuration is invalid for a {kind}"


def _upstreams_problems(upstreams: Sequence[UpstreamBody]) -> Iterator[str]:
    """One problem for each upstream at most; a wrong one does not count as a first of its kind."""
    targets: set[str] = set()
    listeners: set[str] = set()
    for upstream in upstreams:
        problem = _upstream_problem(upstream)
        if problem is not None:
            yield problem
            continue
        target, listener = _target(upstream), _listener(upstream)
        if target in targets:
            yield f"upstreams cannot contain duplicates of {target}"
            continue
        targets.add(target)
        if listener in listeners and not upstream.centrally_configured:
            yield (
                "upstreams cannot contain duplicates by local bind address and port or unix path; "
                f"{quoted(listener)} is specified twice"
            )
        listeners.add(listener)


def _upstream_problem(upstream: UpstreamBody) -> str | None:
    if upstream.destination_type not in ("", SERVICE, PREPARED_QUERY):
        return f"unknown upstream destination type: {quoted(upstream.destination_type)}"
    if not upstream.destination_name:
        return "upstream destination name cannot be empty"
    if upstream.destination_name == _ANY and not upstream.centrally_configured:
        return "upstream destination name cannot be a wildcard"
    if upstream.destination_peer and upstream.datacenter:
        return "upstream cannot specify both destination peer and datacenter"
    return None if upstream.centrally_configured else _listening_problem(upstream)


def _listening_problem(upstream: UpstreamBody) -> str | None:
    port, socket_path = bool(upstream.local_bind_port), bool(upstream.local_bind_socket_path)
    if not port and not socket_path:
        return "upstream local bind port or local socket path must be defined and nonzero"
    if port and socket_path:
        return "only one of upstream local bind port or local socket path can be defined and nonzero"
    return None


def _listener(upstream: UpstreamBody) -> str:
    if not upstream.local_bind_port and upstream.local_bind_socket_path:
        return upstream.local_bind_socket_path
    host = upstream.local_bind_address or "127.0.0.1"
    return f"[{host}]:{upstream.local_bind_port}" if ":" in host else f"{host}:{upstream.local_bind_port}"


def _target(upstream: UpstreamBody) -> str:
    named = {
        "type": upstream.destination_type or SERVICE,
        "name": upstream.destination_name,
        "partition": upstream.destination_partition,
        "namespace": upstream.destination_namespace,
        "peer": upstream.destination_peer,
        "datacenter": upstream.datacenter,
    }
    return "[" + ", ".join(f"{name}={quoted(value)}" for name, value in named.items()) + "]"


def _expose_problems(expose: ExposeBody | None) -> Iterator[str]:
    paths: set[str] = set()
    ports: set[int] = set()
    for path in (expose.paths if expose is not None else None) or ():
        if not path.path:
            yield "expose.paths: empty path exposed"
        if path.path in paths:
            yield "expose.paths: duplicate paths exposed"
        if path.listener_port in ports:
            yield "expose.paths: duplicate listener ports exposed"
        paths.add(path.path)
        ports.add(path.listener_port)
        if not 0 < path.listener_port <= _HIGHEST_PORT:
            yield f"expose.paths: invalid listener port: {path.listener_port}"
        protocol = path.protocol.lower()  # compared and shown so, stored as it was sent
        if protocol and protocol not in _PATH_PROTOCOLS:
            known = " ".join(_PATH_PROTOCOLS)
            yield f"protocol '{protocol}' not supported for path: {path.path}, must be in: [{known}]"
