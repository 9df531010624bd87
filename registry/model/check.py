"""The check: one opinion about the health of a node or of an instance.

Owns the stored row and the definition of what is to be run. Running checks is `registry.checks`.
"""

from msgspec import Struct

from registry.model.service import Local

PASSING = "passing"
WARNING = "warning"
CRITICAL = "critical"
STATUSES = frozenset({PASSING, WARNING, CRITICAL})

ALIAS = "alias"  # the type of a check that follows others
OF_SESSION = "session"  # the type of a check that follows the sessions of a name

NODE_MAINTENANCE = "_node_maintenance"
SERVICE_MAINTENANCE_PREFIX = "_service_maintenance:"
SERF_HEALTH = "serfHealth"


class CheckDefinition(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What a check does, as it was registered.

    Durations are whole nanoseconds (Go's unit), because clients read back exactly what they wrote.
    """

    interval_ns: int = 0
    timeout_ns: int = 0
    ttl_ns: int = 0
    deregister_critical_service_after_ns: int = 0
    output_max_size: int = 0
    http: str = ""
    header: dict[str, tuple[str, ...]] | None = None
    method: str = ""
    body: str = ""
    disable_redirects: bool = False
    tls_server_name: str = ""
    tls_skip_verify: bool = False
    tcp: str = ""
    tcp_use_tls: bool = False
    udp: str = ""
    h2ping: str = ""
    h2ping_use_tls: bool = False
    os_service: str = ""
    script_args: tuple[str, ...] | None = None
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    alias_node: str = ""
    alias_service: str = ""
    session_name: str = ""
    success_before_passing: int = 0
    failures_before_warning: int = 0
    failures_before_critical: int = 0

    @property
    def ttl_seconds(self) -> float:
        """The seconds within which a sign of life must come; 0 unless it is a TTL check."""
        return self.ttl_ns / 1e9

    @property
    def deregister_after_seconds(self) -> float:
        """The seconds for which the check may be critical before its service is removed; 0 for ever."""
        return self.deregister_critical_service_after_ns / 1e9


class Check(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One row of the check table; (`node`, `id`) is its key without regard to case.

    An empty `service_id` makes it a check of the whole node. `definition` is what the catalog shows,
    `runs` what this registry executes for a row written through the agent's interface. `interval` and
    `timeout` are the texts clients read. `critical_at` (log time, Unix seconds) and `critical_index`
    say since when an update has held the check critical, 0 when none has. `expired` says that it is critical
    because no sign of life has come.
    """

    node: str
    id: str
    name: str = ""
    status: str = CRITICAL
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] | None = None
    type: str = ""
    interval: str = ""
    timeout: str = ""
    exposed_port: int = 0
    definition: CheckDefinition | None = None
    runs: CheckDefinition | None = None
    local: Local | None = None
    critical_at: float = 0.0
    critical_index: int = 0
    expired: bool = False
    create_index: int = 0
    modify_index: int = 0
