"""Mesh configuration of an instance on the wire: `Proxy` and what is in it, in its two forms.

Catalog and health answers write it in the form of Consul's store, the agent's endpoints in that of its API
package; order of fields and what is left out differ. Source: common.md §13 (Proxy), agent.md §4.1.
"""

from typing import Any

from msgspec import UNSET, Raw, UnsetType

from registry.api.dialects.consul.go.encode import free_form
from registry.api.dialects.consul.wire.fields import Shape
from registry.model.service import (
    CONNECT_PROXY,
    GATEWAYS,
    AccessLogs,
    EnvoyExtension,
    Expose,
    ExposePath,
    Instance,
    MeshGateway,
    Proxy,
    TransparentProxy,
    Upstream,
)

Config = dict[str, Any] | UnsetType

NO_PROXY = Raw(b'{"Mode":"","MeshGateway":{},"Expose":{}}')
NOT_NATIVE = Raw(b"{}")
NATIVE = Raw(b'{"Native":true}')


class MeshGatewayShape(Shape):
    """`MeshGateway`, in both forms."""

    mode: str | UnsetType


class TransparentProxyShape(Shape):
    """`TransparentProxy`, in both forms."""

    outbound_listener_port: int | UnsetType
    dialed_directly: bool | UnsetType


class AccessLogsShape(Shape):
    """`AccessLogs`, in both forms."""

    enabled: bool | UnsetType
    disable_listener_logs: bool | UnsetType
    type: str | UnsetType
    path: str | UnsetType
    json_format: str | UnsetType
    text_format: str | UnsetType


class EnvoyExtensionShape(Shape):
    """One element of `EnvoyExtensions`."""

    name: str
    required: bool
    arguments: dict[str, Any] | None
    consul_version: str
    envoy_version: str


class ExposePathShape(Shape):
    """One element of `Expose.Paths`; the agent's form always has the last field."""

    listener_port: int | UnsetType
    path: str | UnsetType
    local_path_port: int | UnsetType
    protocol: str | UnsetType
    parsed_from_check: bool | UnsetType


class ExposeShape(Shape):
    """`Expose`, in both forms."""

    checks: bool | UnsetType
    paths: list[ExposePathShape] | UnsetType


class UpstreamShape(Shape):
    """One element of `Upstreams` in the catalog's form."""

    destination_type: str
    destination_namespace: str | UnsetType
    destination_partition: str | UnsetType
    destination_peer: str | UnsetType
    destination_name: str
    datacenter: str
    local_bind_address: str | UnsetType
    local_bind_port: int | UnsetType
    local_bind_socket_path: str | UnsetType
    local_bind_socket_mode: str | UnsetType
    config: Config
    mesh_gateway: MeshGatewayShape
    centrally_configured: bool | UnsetType


class AgentUpstreamShape(Shape):
    """One element of `Upstreams` in the agent's form."""

    destination_type: str | UnsetType
    destination_partition: str | UnsetType
    destination_namespace: str | UnsetType
    destination_peer: str | UnsetType
    destination_name: str
    datacenter: str | UnsetType
    local_bind_address: str | UnsetType
    local_bind_port: int | UnsetType
    local_bind_socket_path: str | UnsetType
    local_bind_socket_mode: str | UnsetType
    config: Config
    mesh_gateway: MeshGatewayShape
    centrally_configured: bool | UnsetType


class ProxyShape(Shape):
    """`Proxy` in the catalog's form."""

    transparent_proxy: TransparentProxyShape | UnsetType
    access_logs: AccessLogsShape | UnsetType
    envoy_extensions: list[EnvoyExtensionShape] | UnsetType
    destination_service_name: str | UnsetType
    destination_service_id: str | UnsetType
    local_service_address: str | UnsetType
    local_service_port: int | UnsetType
    local_service_socket_path: str | UnsetType
    mode: str
    config: Config
    upstreams: list[UpstreamShape] | UnsetType
    mesh_gateway: MeshGatewayShape
    expose: ExposeShape


class AgentProxyShape(Shape):
    """`Proxy` in the agent's form, which has no extensions."""

    destination_service_name: str | UnsetType
    destination_service_id: str | UnsetType
    local_service_address: str | UnsetType
    local_service_port: int | UnsetType
    local_service_socket_path: str | UnsetType
    mode: str | UnsetType
    transparent_proxy: TransparentProxyShape | UnsetType
    config: Config
    upstreams: list[AgentUpstreamShape] | UnsetType
    mesh_gateway: MeshGatewayShape
    expose: ExposeShape
    access_logs: AccessLogsShape | UnsetType


def proxy(row: Proxy | None) -> ProxyShape | Raw:
    """The mesh configuration of any instance, in the catalog's form."""
    if row is None:
        return NO_PROXY
    return ProxyShape(
        _transparent(row.transparent_proxy), _access_logs(row.access_logs),
        [_extension(one) for one in row.envoy_extensions or ()] or UNSET,
        row.destination_service_name or UNSET, row.destination_service_id or UNSET,
        row.local_service_address or UNSET, row.local_service_port or UNSET, row.local_service_socket_path or UNSET,
        row.mode, _config(row.config), [_upstream(one) for one in row.upstreams or ()] or UNSET,
        _mesh_gateway(row.mesh_gateway), _expose(row.expose, always_parsed=False),
    )  # fmt: skip


def agent_proxy(instance: Instance) -> AgentProxyShape | UnsetType:
    """The mesh configuration of a proxy or gateway, in the agent's form; other kinds show none."""
    if instance.kind != CONNECT_PROXY and instance.kind not in GATEWAYS:
        return UNSET
    row = instance.proxy or Proxy()
    return AgentProxyShape(
        row.destination_service_name or UNSET, row.destination_service_id or UNSET,
        row.local_service_address or UNSET, row.local_service_port or UNSET, row.local_service_socket_path or UNSET,
        row.mode or UNSET, _transparent(row.transparent_proxy), _config(row.config),
        [_agent_upstream(one) for one in row.upstreams or ()] or UNSET,
        _mesh_gateway(row.mesh_gateway), _expose(row.expose, always_parsed=True), _access_logs(row.access_logs),
    )  # fmt: skip


def connect(instance: Instance) -> Raw:
    """`Connect` in the catalog's form."""
    return NATIVE if instance.native else NOT_NATIVE


def _mesh_gateway(row: MeshGateway) -> MeshGatewayShape:
    return MeshGatewayShape(row.mode or UNSET)


def _transparent(row: TransparentProxy | None) -> TransparentProxyShape | UnsetType:
    if row is None or row == TransparentProxy():
        return UNSET
    return TransparentProxyShape(row.outbound_listener_port or UNSET, row.dialed_directly or UNSET)


def _access_logs(row: AccessLogs | None) -> AccessLogsShape | UnsetType:
    if row is None or row == AccessLogs():
        return UNSET
    return AccessLogsShape(
        row.enabled or UNSET, row.disable_listener_logs or UNSET, row.type or UNSET, row.path or UNSET,
        row.json_format or UNSET, row.text_format or UNSET,
    )  # fmt: skip


def _extension(row: EnvoyExtension) -> EnvoyExtensionShape:
    arguments = None if row.arguments is None else free_form(row.arguments)
    return EnvoyExtensionShape(row.name, row.required, arguments, row.consul_version, row.envoy_version)


def _expose(row: Expose, *, always_parsed: bool) -> ExposeShape:
    return ExposeShape(row.checks or UNSET, [_path(one, always_parsed) for one in row.paths or ()] or UNSET)


def _path(row: ExposePath, always_parsed: bool) -> ExposePathShape:
    parsed = row.parsed_from_check if always_parsed else row.parsed_from_check or UNSET
    return ExposePathShape(
        row.listener_port or UNSET, row.path or UNSET, row.local_path_port or UNSET, row.protocol or UNSET, parsed
    )


def _config(config: dict[str, Any] | None) -> Config:
    return free_form(config) if config else UNSET


def _upstream(row: Upstream) -> UpstreamShape:
    return UpstreamShape(
        row.destination_type, row.destination_namespace or UNSET, row.destination_partition or UNSET,
        row.destination_peer or UNSET, row.destination_name, row.datacenter,
        row.local_bind_address or UNSET, row.local_bind_port or UNSET,
        row.local_bind_socket_path or UNSET, row.local_bind_socket_mode or UNSET,
        _config(row.config), _mesh_gateway(row.mesh_gateway), row.centrally_configured or UNSET,
    )  # fmt: skip


def _agent_upstream(row: Upstream) -> AgentUpstreamShape:
    return AgentUpstreamShape(
        row.destination_type or UNSET, row.destination_partition or UNSET, row.destination_namespace or UNSET,
        row.destination_peer or UNSET, row.destination_name, row.datacenter or UNSET,
        row.local_bind_address or UNSET, row.local_bind_port or UNSET,
        row.local_bind_socket_path or UNSET, row.local_bind_socket_mode or UNSET,
        _config(row.config), _mesh_gateway(row.mesh_gateway), row.centrally_configured or UNSET,
    )  # fmt: skip
