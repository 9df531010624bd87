"""The instance: one service as it runs on one node, with its mesh configuration.

Owns the stored row and the rules that decide whether two rows say the same. Consul's "service" on the
wire is this row; the checks of an instance are rows of their own (`model/check.py`).
"""

from typing import Any

from msgspec import Struct

from registry.model.agent import Agent
from registry.model.node import Locality

CONNECT_PROXY = "connect-proxy"
GATEWAYS = frozenset({"mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"})


class ServiceAddress(Struct, frozen=True, gc=False, omit_defaults=True):
    """A tagged address of an instance."""

    address: str = ""
    port: int = 0


class Weights(Struct, frozen=True, gc=False, omit_defaults=True):
    """The share of traffic that an instance wants, by its state; DNS shows it in SRV records."""

    passing: int = 1
    warning: int = 1


class MeshGateway(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a proxy reaches other datacenters; kept for clients, not acted on."""

    mode: str = ""


class Upstream(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What a proxy dials for its service."""

    destination_type: str = ""
    destination_namespace: str = ""
    destination_partition: str = ""
    destination_peer: str = ""
    destination_name: str = ""
    datacenter: str = ""
    local_bind_address: str = ""
    local_bind_port: int = 0
    local_bind_socket_path: str = ""
    local_bind_socket_mode: str = ""
    config: dict[str, Any] | None = None
    mesh_gateway: MeshGateway = MeshGateway()
    centrally_configured: bool = False


class ExposePath(Struct, frozen=True, gc=False, omit_defaults=True):
    """A path that a proxy serves without mesh identity, for health checks from outside."""

    listener_port: int = 0
    path: str = ""
    local_path_port: int = 0
    protocol: str = ""
    parsed_from_check: bool = False


class Expose(Struct, frozen=True, gc=False, omit_defaults=True):
    """Everything that a proxy exposes."""

    checks: bool = False
    paths: tuple[ExposePath, ...] | None = None


class TransparentProxy(Struct, frozen=True, gc=False, omit_defaults=True):
    """Settings of a proxy that takes all traffic of its host."""

    outbound_listener_port: int = 0
    dialed_directly: bool = False


class AccessLogs(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a proxy logs; kept for clients, not acted on."""

    enabled: bool = False
    disable_listener_logs: bool = False
    type: str = ""
    path: str = ""
    json_format: str = ""
    text_format: str = ""


class EnvoyExtension(Struct, frozen=True, gc=False, omit_defaults=True):
    """One extension of a proxy; kept for clients, not acted on."""

    name: str = ""
    required: bool = False
    arguments: dict[str, Any] | None = None
    consul_version: str = ""
    envoy_version: str = ""


class Proxy(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Mesh configuration of an instance that stands for another one."""

    destination_service_name: str = ""
    destination_service_id: str = ""
    local_service_address: str = ""
    local_service_port: int = 0
    local_service_socket_path: str = ""
    mode: str = ""
    transparent_proxy: TransparentProxy | None = None
    config: dict[str, Any] | None = None
    upstreams: tuple[Upstream, ...] | None = None
    mesh_gateway: MeshGateway = MeshGateway()
    expose: Expose = Expose()
    access_logs: AccessLogs | None = None
    envoy_extensions: tuple[EnvoyExtension, ...] | None = None


class Local(Struct, frozen=True, gc=False, omit_defaults=True):
    """Marks a row that was written through the agent's interface, and says how.

    `origin` is `api` or `file` (a definition of a configuration file, which a reload replaces);
    `sidecar_of` is the id of the instance whose registration made this one.
    """

    origin: str = "api"
    sidecar_of: str = ""


class Instance(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One row of the instance table; (`node`, `id`) is its key without regard to case.

    `tags`, `meta` and `tagged_addresses` are None when never given, which Consul tells apart from
    empty. `virtual_address` is the mesh address the state assigned, empty for what takes no part in
    the mesh. `local` is None for a row that only the catalog knows. `agent` is what only the agents'
    dialects know of it; where that keeps metadata of its own, `meta` is a view of it (`agent_meta.py`).
    `registered_at` and `updated_at` are log times (Unix seconds), 0 where an older log does not tell them.
    """

    node: str
    id: str
    name: str
    kind: str = ""
    tags: tuple[str, ...] | None = None
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    socket_path: str = ""
    weights: Weights = Weights()
    enable_tag_override: bool = False
    locality: Locality | None = None
    proxy: Proxy | None = None
    native: bool = False
    virtual_address: str = ""
    local: Local | None = None
    agent: Agent | None = None
    registered_at: float = 0.0
    updated_at: float = 0.0
    create_index: int = 0
    modify_index: int = 0

    @property
    def connect_name(self) -> str:
        """The name under which the mesh reaches this instance, or empty."""
        if self.native:
            return self.name
        if self.kind == CONNECT_PROXY and self.proxy is not None:
            return self.proxy.destination_service_name
        return ""

    @property
    def exposes_checks_of(self) -> str:
        """The id of the local service whose checks this proxy answers for, or empty."""
        proxy = self.proxy
        return proxy.destination_service_id if self.local is not None and proxy and proxy.expose.checks else ""
