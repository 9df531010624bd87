"""Bodies of the catalog's writes: a node with a service and checks, and their removal.

Owns the fields and types. What is valid, and what it becomes, is `catalog.py`.
Source: catalog.md §1.1, §2; common.md §4, §13.
"""

from typing import ClassVar

from registry.api.dialects.consul.go.decode import Body, Duration, Int, Unsigned
from registry.api.dialects.consul.go.free import duration_ns
from registry.api.dialects.consul.registration.bodies import AddressBody, ConnectBody, LocalityBody, WeightsBody
from registry.api.dialects.consul.registration.bodies_mesh import ProxyBody


class NodeServiceBody(Body):
    """`Service` of a registration."""

    GO_NAME: ClassVar = "NodeService"
    GO_TYPES: ClassVar = {"kind": "structs.ServiceKind"}

    kind: str = ""
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    address: str = ""
    tagged_addresses: dict[str, AddressBody] | None = None
    meta: dict[str, str] | None = None
    port: Int = 0
    socket_path: str = ""
    weights: WeightsBody | None = None
    enable_tag_override: bool = False
    locality: LocalityBody | None = None
    proxy: ProxyBody | None = None
    connect: ConnectBody | None = None
    peer_name: str = ""
    create_index: Unsigned = 0
    modify_index: Unsigned = 0


class DefinitionBody(Body):
    """`Definition` of a check; durations end up as nanoseconds."""

    GO_NAME: ClassVar = "HealthCheckDefinition"
    GO_TYPES: ClassVar = {"output_max_size": "uint"}
    LENIENT: ClassVar = True

    interval: Duration = None
    output_max_size: Unsigned = 0
    timeout: Duration = None
    deregister_critical_service_after: Duration = None
    http: str = ""
    tls_server_name: str = ""
    tls_skip_verify: bool = False
    header: dict[str, list[str]] | None = None
    method: str = ""
    body: str = ""
    disable_redirects: bool = False
    tcp: str = ""
    tcp_use_tls: bool = False
    udp: str = ""
    h2ping: str = ""
    os_service: str = ""
    h2ping_use_tls: bool = False
    script_args: list[str] | None = None
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    alias_node: str = ""
    alias_service: str = ""
    session_name: str = ""
    ttl: Duration = None

    def __post_init__(self) -> None:
        self.interval = 0 if self.interval is None else duration_ns(self.interval)
        self.timeout = 0 if self.timeout is None else duration_ns(self.timeout)
        after = self.deregister_critical_service_after
        self.deregister_critical_service_after = 0 if after is None else duration_ns(after)
        self.ttl = 0 if self.ttl is None else duration_ns(self.ttl)


class HealthCheckBody(Body):
    """`Check`, or one of `Checks`."""

    GO_NAME: ClassVar = "HealthCheck"
    GO_TYPES: ClassVar = {"check_id": "types.CheckID"}

    node: str = ""
    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    type: str = ""
    interval: str = ""
    timeout: str = ""
    exposed_port: Int = 0
    peer_name: str = ""
    definition: DefinitionBody | None = None
    create_index: Unsigned = 0
    modify_index: Unsigned = 0


class RegisterBody(Body):
    """The body of `catalog/register`."""

    GO_NAME: ClassVar = "RegisterRequest"
    GO_TYPES: ClassVar = {"id": "types.NodeID", "checks": "structs.HealthChecks"}
    REFUSES_NULL_IN: ClassVar = frozenset({"checks"})

    datacenter: str = ""
    id: str = ""
    node: str = ""
    address: str = ""
    tagged_addresses: dict[str, str] | None = None
    node_meta: dict[str, str] | None = None
    service: NodeServiceBody | None = None
    check: HealthCheckBody | None = None
    checks: list[HealthCheckBody] | None = None
    locality: LocalityBody | None = None
    skip_node_update: bool = False
    peer_name: str = ""
    token: str = ""
    create_index: Unsigned = 0
    modify_index: Unsigned = 0


class DeregisterBody(Body):
    """The body of `catalog/deregister`."""

    GO_NAME: ClassVar = "DeregisterRequest"
    GO_TYPES: ClassVar = {"check_id": "types.CheckID"}

    datacenter: str = ""
    node: str = ""
    service_id: str = ""
    check_id: str = ""
    address: str = ""
    peer_name: str = ""
    token: str = ""
