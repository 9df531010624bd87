"""From the mesh configuration in a request to the model.

Nothing is judged here; the rules are `validation_mesh.py`. What equals its defaults becomes None, so that rows
that look the same are the same.
"""

from registry.api.dialects.consul.registration.bodies_mesh import ExposeBody, ProxyBody, UpstreamBody
from registry.model.service import (
    AccessLogs,
    EnvoyExtension,
    Expose,
    ExposePath,
    MeshGateway,
    Proxy,
    TransparentProxy,
    Upstream,
)

_NO_PROXY = Proxy()


def proxy(body: ProxyBody | None, *, upstream_type: str = "") -> Proxy | None:
    """The mesh configuration; `upstream_type` is the type of an upstream that names none."""
    if body is None:
        return None
    upstreams, extensions = body.upstreams, body.envoy_extensions
    made = Proxy(
        destination_service_name=body.destination_service_name,
        destination_service_id=body.destination_service_id,
        local_service_address=body.local_service_address,
        local_service_port=body.local_service_port,
        local_service_socket_path=body.local_service_socket_path,
        mode=body.mode,
        transparent_proxy=_transparent_proxy(body),
        config=body.config or None,
        upstreams=tuple(_upstream(one, upstream_type) for one in upstreams) if upstreams else None,
        mesh_gateway=MeshGateway(body.mesh_gateway.mode) if body.mesh_gateway is not None else MeshGateway(),
        expose=_expose(body.expose),
        access_logs=_access_logs(body),
        envoy_extensions=tuple(
            EnvoyExtension(one.name, one.required, one.arguments, one.consul_version, one.envoy_version)
            for one in extensions
        )
        if extensions
        else None,
    )
    return made if made != _NO_PROXY else None


def _upstream(body: UpstreamBody, default_type: str) -> Upstream:
    return Upstream(
        destination_type=body.destination_type or default_type,
        destination_namespace=body.destination_namespace,
        destination_partition=body.destination_partition,
        destination_peer=body.destination_peer,
        destination_name=body.destination_name,
        datacenter=body.datacenter,
        local_bind_address=body.local_bind_address,
        local_bind_port=body.local_bind_port,
        local_bind_socket_path=body.local_bind_socket_path,
        local_bind_socket_mode=body.local_bind_socket_mode,
        config=body.config or None,
        mesh_gateway=MeshGateway(body.mesh_gateway.mode) if body.mesh_gateway is not None else MeshGateway(),
        centrally_configured=body.centrally_configured,
    )


def _expose(body: ExposeBody | None) -> Expose:
    if body is None:
        return Expose()
    paths = tuple(
        ExposePath(one.listener_port, one.path, one.local_path_port, one.protocol, one.parsed_from_check)
        for one in body.paths or ()
    )
    return Expose(body.checks, paths or None)


def _transparent_proxy(body: ProxyBody) -> TransparentProxy | None:
    sent = body.transparent_proxy
    if sent is None:
        return None
    made = TransparentProxy(sent.outbound_listener_port, sent.dialed_directly)
    return made if made != TransparentProxy() else None


def _access_logs(body: ProxyBody) -> AccessLogs | None:
    sent = body.access_logs
    if sent is None:
        return None
    made = AccessLogs(
        sent.enabled, sent.disable_listener_logs, sent.type, sent.path, sent.json_format, sent.text_format
    )
    return made if made != AccessLogs() else None
