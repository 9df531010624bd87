"""Bodies of writes through the agent's interface: services, their checks, checks on their own, results.

Owns the fields, their aliases and types. What is valid is `validation.py`, what it becomes `services.py`.
Source: agent.md §6, §7, §8.3; common.md §4 (aliases).
"""

from typing import ClassVar

from registry.api.dialects.consul.go.decode import Body, Duration, Int
from registry.api.dialects.consul.go.free import duration_ns
from registry.api.dialects.consul.registration.bodies_mesh import ProxyBody

_CHECK_ALIASES = {
    "args": "script_args",
    "script_args": "script_args",
    "deregister_critical_service_after": "deregister_critical_service_after",
    "docker_container_id": "docker_container_id",
    "tls_server_name": "tls_server_name",
    "tls_skip_verify": "tls_skip_verify",
    "tcp_use_tls": "tcp_use_tls",
    "grpc_use_tls": "grpc_use_tls",
    "service_id": "service_id",
    "h2ping_use_tls": "h2ping_use_tls",
}


class AddressBody(Body):
    """One of `TaggedAddresses` of a service."""

    GO_NAME: ClassVar = "ServiceAddress"

    address: str = ""
    port: Int = 0


class WeightsBody(Body):
    """`Weights`."""

    GO_NAME: ClassVar = "Weights"

    passing: Int = 0
    warning: Int = 0


class LocalityBody(Body):
    """`Locality`."""

    GO_NAME: ClassVar = "Locality"

    region: str = ""
    zone: str = ""


class CheckFields(Body):
    """What a check does and says, wherever it is registered; durations end up as nanoseconds."""

    name: str = ""
    status: str = ""
    notes: str = ""
    service_id: str = ""
    script_args: list[str] | None = None
    http: str = ""
    header: dict[str, list[str]] | None = None
    method: str = ""
    body: str = ""
    disable_redirects: bool = False
    tcp: str = ""
    tcp_use_tls: bool = False
    udp: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    h2ping: str = ""
    h2ping_use_tls: bool | None = None  # on unless said otherwise
    os_service: str = ""
    alias_node: str = ""
    alias_service: str = ""
    docker_container_id: str = ""
    shell: str = ""
    tls_server_name: str = ""
    tls_skip_verify: bool = False
    interval: Duration = None
    timeout: Duration = None
    ttl: Duration = None
    deregister_critical_service_after: Duration = None
    success_before_passing: Int = 0
    failures_before_warning: Int = 0
    failures_before_critical: Int = 0
    output_max_size: Int = 0

    def __post_init__(self) -> None:
        self.interval = 0 if self.interval is None else duration_ns(self.interval)
        self.timeout = 0 if self.timeout is None else duration_ns(self.timeout)
        self.ttl = 0 if self.ttl is None else duration_ns(self.ttl)
        after = self.deregister_critical_service_after
        self.deregister_critical_service_after = 0 if after is None else duration_ns(after)


class CheckBody(CheckFields):
    """A check inside a service; its `ServiceID` is taken and ignored."""

    GO_NAME: ClassVar = "CheckType"
    GO_TYPES: ClassVar = {"check_id": "types.CheckID"}
    ALIASES: ClassVar = _CHECK_ALIASES

    check_id: str = ""


class CheckRegistration(CheckFields):
    """The body of `check/register`."""

    GO_NAME: ClassVar = "CheckDefinition"
    GO_TYPES: ClassVar = {"id": "types.CheckID"}
    ALIASES: ClassVar = {**_CHECK_ALIASES, "disable_redirects": "disable_redirects"}

    id: str = ""
    token: str = ""


class CheckUpdate(Body):
    """The body of `check/update`."""

    GO_NAME: ClassVar = "checkUpdate"
    GO_PACKAGE: ClassVar = "agent"

    status: str = ""
    output: str = ""


class ConnectBody(Body):
    """`Connect` of a service."""

    GO_NAME: ClassVar = "ServiceConnect"
    ALIASES: ClassVar = {"sidecar_service": "sidecar_service"}
    LENIENT: ClassVar = True

    native: bool = False
    sidecar_service: "ServiceBody | None" = None


class ServiceBody(Body):
    """The body of `service/register`, and a `SidecarService` in it."""

    GO_NAME: ClassVar = "ServiceDefinition"
    GO_TYPES: ClassVar = {"kind": "structs.ServiceKind", "checks": "structs.CheckTypes"}
    ALIASES: ClassVar = {"enable_tag_override": "enable_tag_override", "tagged_addresses": "tagged_addresses"}
    REFUSES_NULL_IN: ClassVar = frozenset({"checks"})

    kind: str = ""
    id: str = ""
    name: str = ""
    tags: list[str] | None = None
    address: str = ""
    tagged_addresses: dict[str, AddressBody] | None = None
    meta: dict[str, str] | None = None
    port: Int = 0
    socket_path: str = ""
    check: CheckBody | None = None
    checks: list[CheckBody] | None = None
    weights: WeightsBody | None = None
    token: str = ""
    enable_tag_override: bool = False
    locality: LocalityBody | None = None
    proxy: ProxyBody | None = None
    connect: ConnectBody | None = None
