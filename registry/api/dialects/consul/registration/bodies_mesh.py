"""Mesh configuration in requests: `Proxy` and what is in it, for the agent and the catalog alike.

Owns the fields, their aliases and types; what they mean is `mesh.py`.
Source: common.md §4 (aliases), §13 (Proxy); api-docs/agent/service#connect-structure.
"""

from typing import ClassVar

from registry.api.dialects.consul.go.decode import Body, Free, Int
from registry.api.dialects.consul.go.free import free_form


class MeshGatewayBody(Body):
    """`MeshGateway`."""

    GO_NAME: ClassVar = "MeshGatewayConfig"
    GO_TYPES: ClassVar = {"mode": "structs.MeshGatewayMode"}

    mode: str = ""


class TransparentProxyBody(Body):
    """`TransparentProxy`."""

    GO_NAME: ClassVar = "TransparentProxyConfig"

    outbound_listener_port: Int = 0
    dialed_directly: bool = False


class AccessLogsBody(Body):
    """`AccessLogs`."""

    GO_NAME: ClassVar = "AccessLogsConfig"
    GO_TYPES: ClassVar = {"type": "structs.LogSinkType"}

    enabled: bool = False
    disable_listener_logs: bool = False
    type: str = ""
    path: str = ""
    json_format: str = ""
    text_format: str = ""


class EnvoyExtensionBody(Body):
    """One of `EnvoyExtensions`."""

    GO_NAME: ClassVar = "EnvoyExtension"

    name: str = ""
    required: bool = False
    arguments: Free | None = None
    consul_version: str = ""
    envoy_version: str = ""

    def __post_init__(self) -> None:
        if self.arguments:
            self.arguments = free_form(self.arguments)


class ExposePathBody(Body):
    """One of `Expose.Paths`."""

    GO_NAME: ClassVar = "ExposePath"
    ALIASES: ClassVar = {
        "listener_port": "listener_port",
        "local_path_port": "local_path_port",
        "parsed_from_check": "parsed_from_check",
    }

    listener_port: Int = 0
    path: str = ""
    local_path_port: Int = 0
    protocol: str = ""
    parsed_from_check: bool = False


class ExposeBody(Body):
    """`Expose`."""

    GO_NAME: ClassVar = "ExposeConfig"

    checks: bool = False
    paths: list[ExposePathBody] | None = None


class UpstreamBody(Body):
    """One of `Upstreams`."""

    GO_NAME: ClassVar = "Upstream"
    ALIASES: ClassVar = {
        "destination_type": "destination_type",
        "destination_name": "destination_name",
        "destination_namespace": "destination_namespace",
        "destination_partition": "destination_partition",
        "destination_peer": "destination_peer",
        "local_bind_address": "local_bind_address",
        "local_bind_port": "local_bind_port",
        "local_bind_socket_path": "local_bind_socket_path",
        "local_bind_socket_mode": "local_bind_socket_mode",
        "mesh_gateway": "mesh_gateway",
    }

    destination_type: str = ""
    destination_namespace: str = ""
    destination_partition: str = ""
    destination_peer: str = ""
    destination_name: str = ""
    datacenter: str = ""
    local_bind_address: str = ""
    local_bind_port: Int = 0
    local_bind_socket_path: str = ""
    local_bind_socket_mode: str = ""
    config: Free | None = None
    mesh_gateway: MeshGatewayBody | None = None
    centrally_configured: bool = False

    def __post_init__(self) -> None:
        if self.config:
            self.config = free_form(self.config)


class ProxyBody(Body):
    """`Proxy`."""

    GO_NAME: ClassVar = "ConnectProxyConfig"
    GO_TYPES: ClassVar = {"mode": "structs.ProxyMode", "upstreams": "structs.Upstreams"}
    ALIASES: ClassVar = {
        "destination_service_name": "destination_service_name",
        "destination_service_id": "destination_service_id",
        "local_service_address": "local_service_address",
        "local_service_port": "local_service_port",
        "local_service_socket_path": "local_service_socket_path",
        "mesh_gateway": "mesh_gateway",
        "transparent_proxy": "transparent_proxy",
        "access_logs": "access_logs",
    }

    envoy_extensions: list[EnvoyExtensionBody] | None = None
    destination_service_name: str = ""
    destination_service_id: str = ""
    local_service_address: str = ""
    local_service_port: Int = 0
    local_service_socket_path: str = ""
    mode: str = ""
    config: Free | None = None
    upstreams: list[UpstreamBody] | None = None
    mesh_gateway: MeshGatewayBody | None = None
    expose: ExposeBody | None = None
    transparent_proxy: TransparentProxyBody | None = None
    access_logs: AccessLogsBody | None = None

    def __post_init__(self) -> None:
        if self.config:
            self.config = free_form(self.config)
