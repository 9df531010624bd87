"""The agent: what an instance says about itself beyond the fields that Consul has.

Owns the stored part of a record that only the agents' dialects know. The rest of it is the instance itself
(`model/service.py`): its id, its service name (the record's type), address, port and tags (its capabilities).
An instance without this part was registered by a Consul client and never spoken of in another dialect.
Source: dialects.md §2.
"""

from typing import Any

from msgspec import Struct

CONSUL, FR0G = "consul", "fr0g"  # their metadata is Consul's Meta, as it was written
OPTIINFRA, CODEVALD, HIVE = "optiinfra", "codevald", "hive"

CREATED, RUNNING, PAUSED, STOPPED, FAILED = "created", "running", "paused", "stopped", "failed"
LIFECYCLE = frozenset({CREATED, RUNNING, PAUSED, STOPPED, FAILED})

HEALTHY, DEGRADED, UNHEALTHY, UNREACHABLE = "healthy", "degraded", "unhealthy", "unreachable"
STATUSES = frozenset({HEALTHY, DEGRADED, UNHEALTHY, UNREACHABLE})

LIVENESS_PREFIX = "service:"
STATE_PREFIX = "agent-state:"
STATUS_PREFIX = "agent-status:"
DEFAULT_NAMESPACE, DEFAULT_CLUSTER = "default", "local"


class Telemetry(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a Hive agent reports about its work; `last_execution_at` is kept as sent, whatever its unit."""

    success_rate: float = 0.0
    avg_duration_ms: int = 0
    total_executions: int = 0
    failed_executions: int = 0
    last_execution_at: int = 0


class Resources(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a CodeValdCortex agent asks for; kept for clients, not acted on."""

    cpu_millicores: int = 0
    memory_mb: int = 0
    max_tasks: int = 0


class AgentConfig(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """How a CodeValdCortex agent works; durations in nanoseconds, as its clients send them."""

    max_concurrent_tasks: int = 5
    task_queue_size: int = 100
    heartbeat_interval_ns: int = 30_000_000_000
    task_timeout_ns: int = 300_000_000_000
    resources: Resources = Resources()


class Agent(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The part of a record that Consul has no fields for.

    `source` is the dialect that created it, for ever. `metadata` holds native JSON values, and nothing for records
    of Consul and fr0g, whose Meta is all there is. `state` is the lifecycle, empty for those without one. `ttl_ns`,
    `remove_after_ns` and `revivable_seconds` are its timers from birth: how long a sign of life counts, when it is
    removed after that, and how long a beat can bring it back after that.
    """

    source: str = CONSUL
    name: str = ""
    version: str = ""
    metadata: dict[str, Any] = {}
    state: str = ""
    namespace: str = DEFAULT_NAMESPACE
    cluster: str = DEFAULT_CLUSTER
    telemetry: Telemetry | None = None
    config: AgentConfig | None = None
    ttl_ns: int = 0
    remove_after_ns: int = 0
    revivable_seconds: float = 0.0

    @property
    def keeps_metadata(self) -> bool:
        """Whether `metadata` is kept here. For records of Consul and fr0g, the instance's Meta takes its place."""
        return self.source not in (CONSUL, FR0G)

    @property
    def beats_itself(self) -> bool:
        """Whether the server gives the agent's signs of life, because it runs it (dialects.md §4.3)."""
        return self.source == CODEVALD and self.state in (RUNNING, PAUSED)


class Task(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A piece of work that waits for its agent or is under way. A `timeout_ns` of 0 means the agent's own."""

    id: str
    type: str
    payload: Any = None
    priority: int = 0
    timeout_ns: int = 0


class AgentCounters(Struct, frozen=True, gc=False, omit_defaults=True):
    """What has happened to CodeValdCortex agents since the log began."""

    created: int = 0
    stopped: int = 0
    tasks_executed: int = 0
    tasks_failed: int = 0


def liveness_id(service_id: str) -> str:
    """The id of the check that signs of life refresh."""
    return LIVENESS_PREFIX + service_id


def state_check_id(service_id: str) -> str:
    """The id of the check that shows the lifecycle to Consul's clients (dialects.md §8.3)."""
    return STATE_PREFIX + service_id


def status_check_id(service_id: str) -> str:
    """The id of the check that holds a reported status if there is no TTL check for it (dialects.md §8.5)."""
    return STATUS_PREFIX + service_id
