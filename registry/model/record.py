"""The record: one instance as all agents' dialects see it, computed from its row and its checks.

Owns what the fields of a Consul-born instance are to the other dialects, and which word its checks amount to. How a
dialect writes it down is the dialect's. Source: dialects.md §2 and §8.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from registry.model.agent import (
    CODEVALD,
    DEFAULT_CLUSTER,
    DEFAULT_NAMESPACE,
    DEGRADED,
    HEALTHY,
    UNHEALTHY,
    UNREACHABLE,
    Agent,
    liveness_id,
)
from registry.model.check import CRITICAL, SERVICE_MAINTENANCE_PREFIX, WARNING, Check
from registry.model.names import fold
from registry.model.service import Instance

_UNTOLD = Agent()


class Record(Struct, frozen=True, gc=False, kw_only=True):
    """One instance with everything that a dialect may show of it.

    `id` is the service's, behind `<node>~` for one of another node (`local` false). `host` is never empty when the
    node has an address. `checks` are the node's and its own. `metadata` holds native JSON values; for records of
    Consul and fr0g it is their Meta. When a sign of life came is not part of it (`core/agents.py`).
    """

    id: str
    instance: Instance
    agent: Agent
    checks: tuple[Check, ...]
    host: str
    local: bool

    @property
    def type(self) -> str:
        """The record's type: the service's name."""
        return self.instance.name

    @property
    def port(self) -> int:
        """The port, 0 if it has none."""
        return self.instance.port

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The tags, in their order."""
        return self.instance.tags or ()

    @property
    def source(self) -> str:
        """The dialect through which it was registered."""
        return self.agent.source

    @property
    def state(self) -> str:
        """Its state in the lifecycle, "" if it has no lifecycle."""
        return self.agent.state

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What it says about itself; for Consul's and fr0g's records, the instance's Meta."""
        return self.agent.metadata if self.agent.keeps_metadata else self.instance.meta or {}

    @property
    def name(self) -> str:
        """The name for people; its id if it has none."""
        return self._said("name", self.agent.name) or self.id

    @property
    def version(self) -> str:
        """The version it reports, "" if none."""
        return self._said("version", self.agent.version)

    @property
    def namespace(self) -> str:
        """Hive's namespace."""
        return self._said("namespace", self.agent.namespace) or DEFAULT_NAMESPACE

    @property
    def cluster(self) -> str:
        """Hive's cluster."""
        return self._said("cluster", self.agent.cluster) or DEFAULT_CLUSTER

    def _said(self, key: str, own: str) -> str:
        return own if self.agent.keeps_metadata else (self.instance.meta or {}).get(key, "")

    @property
    def status(self) -> str:
        """healthy, degraded, unhealthy or unreachable, as its checks add up to."""
        return status_of(self.checks)

    @property
    def is_alive(self) -> bool:
        """Whether CodeValdCortex calls it healthy: its own agents by signs of life alone, others unless critical."""
        if self.source != CODEVALD:
            return self.status not in (UNHEALTHY, UNREACHABLE)
        liveness = fold(liveness_id(self.instance.id))
        return not any(check.expired for check in self.checks if fold(check.id) == liveness)

    @property
    def in_maintenance(self) -> bool:
        """Whether a Consul client has taken it, or its node, out of service."""
        return any(
            check.id == "_node_maintenance" or check.id.startswith(SERVICE_MAINTENANCE_PREFIX) for check in self.checks
        )


def status_of(checks: Iterable[Check]) -> str:
    """The status of a set of checks: the worst one counts, and silence is worse than a bad report."""
    found = HEALTHY
    for check in checks:
        if check.status == CRITICAL:
            if check.expired:
                return UNREACHABLE
            found = UNHEALTHY
        elif check.status == WARNING and found == HEALTHY:
            found = DEGRADED
    return found


def record_id(instance: Instance) -> str:
    """The id in the flat space of the agents' dialects (dialects.md M-1)."""
    return instance.id if instance.local is not None else f"{instance.node}~{instance.id}"


def record_of(instance: Instance, host: str, checks: tuple[Check, ...]) -> Record:
    """The record of an instance; `host` is the node's address, for one that has none of its own."""
    return Record(
        id=record_id(instance), instance=instance, agent=instance.agent or _UNTOLD, checks=checks,
        host=instance.address or host, local=instance.local is not None,
    )  # fmt: skip
