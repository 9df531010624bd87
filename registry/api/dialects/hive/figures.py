"""What the Hive's registry counts, under the names that its dashboards ask for.

Owns the names: the set of the Hive's documentation, which is always there, and that of its code, which a setting adds.
Labels are upper-case names of enumerations, so that nobody can make up any; `OTHER` is every type that has none.
Works without grpcio. Source: dialects.md §5.7.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from registry.api.metrics import LATENCY_BOUNDS, Histogram
from registry.api.metrics_arrivals import Arrivals
from registry.api.metrics_figures import COUNTER, GAUGE, HISTOGRAM, Family, HistogramFigures
from registry.core.engine import Engine
from registry.model.agent import DEGRADED, HEALTHY, UNHEALTHY, UNREACHABLE
from registry.model.server import CONSUL_SERVICE

COUNT_BOUNDS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0, 1000.0)
TYPES = ("WORKER", "SCOUT", "GUARD", "ANALYST")
STATUS_LABELS = {HEALTHY: "HEALTHY", DEGRADED: "DEGRADED", UNHEALTHY: "UNHEALTHY", UNREACHABLE: "UNHEALTHY"}

_CODE_COUNTERS = {
    "agents_registered": ("Agents registered over gRPC.", "agent_type"),
    "agents_deregistered": ("Agents deregistered over gRPC.", "agent_type"),
    "heartbeats_received": ("Heartbeats taken over gRPC.", "agent_type,status"),
    "registry_operations": ("Calls by what came of them.", "operation,status"),
    "discovery_requests": ("Discoveries by the type they asked for.", "agent_type"),
    "health_checks": ("Judgements of an agent's health: its heartbeats, and its silence.", ""),
    "agents_marked_unhealthy": ("Agents that were silent for too long.", "agent_type"),
    "agents_removed": ("Agents removed for their silence.", "agent_type"),
    "grpc_auth_attempts": ("Calls whose token was looked at.", "method,status"),
    "grpc_auth_failures": ("Calls turned away for their token.", "method,reason"),
}
_CODE_HISTOGRAMS = {
    "heartbeat_latency_seconds": ("Time a heartbeat took.", LATENCY_BOUNDS),
    "discovery_duration_seconds": ("Time a discovery took.", LATENCY_BOUNDS),
    "matching_candidates_evaluated": ("Agents that a discovery looked at.", COUNT_BOUNDS),
    "agents_matched": ("Agents that a discovery returned.", COUNT_BOUNDS),
}


class HiveFigures:
    """The figures of one process; `wants_code_set` is asked whenever they are read.

    `arrivals` are counted for all dialects together.
    """

    def __init__(self, wants_code_set: Callable[[], bool], arrivals: Arrivals) -> None:
        self._wants_code_set = wants_code_set
        self._arrivals = arrivals
        self.calls: Counter[str] = Counter()  # that succeeded, by method
        self.latency = Histogram(LATENCY_BOUNDS)
        self.counters: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in _CODE_COUNTERS}
        self.histograms = {name: Histogram(bounds) for name, (_, bounds) in _CODE_HISTOGRAMS.items()}

    def count(self, name: str, *labels: str) -> None:
        """Add one to a counter of the code's set."""
        self.counters[name][labels] += 1

    def registered(self, kind: str) -> None:
        """An agent of this type has come."""
        self._arrivals.registered(kind)
        self.count("agents_registered", type_label(kind))

    def deregistered(self, kind: str) -> None:
        """An agent of this type was removed because somebody asked for it."""
        self._arrivals.deregistered(kind)
        self.count("agents_deregistered", type_label(kind))

    def called(self, method: str, outcome: str, seconds: float) -> None:
        """A call was answered; `outcome` is `success` or `error`."""
        if method != "WatchAgents":  # which lasts as long as its caller likes
            self.latency.add(seconds)
        self.count("registry_operations", method, outcome)
        if outcome != "success":
            return
        self.calls[method] += 1
        if method == "Heartbeat":
            self.histograms["heartbeat_latency_seconds"].add(seconds)
        elif method == "DiscoverAgents":
            self.histograms["discovery_duration_seconds"].add(seconds)

    # Read

    def families(self) -> dict[str, Family]:
        """All that only grows."""
        calls = self.calls
        found = {
            "service_registry_register": _count("Agents registered.", calls["Register"]),
            "service_registry_heartbeat": _count("Heartbeats taken.", calls["Heartbeat"]),
            "service_registry_discover": _count("Discoveries answered.", calls["DiscoverAgents"]),
            "service_registry_latency_seconds": _histogram("Time a call took.", self.latency.frozen()),
        }
        if self._wants_code_set():
            for name, (text, labels) in _CODE_COUNTERS.items():
                found[name] = Family(COUNTER, text, labels, dict(self.counters[name]))
            for name, (text, _) in _CODE_HISTOGRAMS.items():
                found[name] = _histogram(text, self.histograms[name].frozen())
        return found

    def gauges(self, engine: Engine) -> dict[str, Family]:
        """What the state holds at the moment, which every process of a server shows alike."""
        topics, total = engine.topics, sum(map(_agents, engine.state.by_service.values()))
        found = {
            "service_registry_agents_total": _gauge("Agents of every system.", "", {(): total}),
            "service_registry_cache_hits": _count("Reads over HTTP that were answered from memory.", topics.hits),
            "service_registry_cache_misses": _count("Reads over HTTP that were not.", topics.misses),
        }
        if self._wants_code_set():
            active = Counter((type_label(one.type), STATUS_LABELS[one.status]) for one in engine.state.records())
            found["agents_active"] = _gauge("Agents by type and status.", "agent_type,status", dict(active))
        return found


def type_label(kind: str) -> str:
    """The label of a record's type."""
    return kind.upper() if kind.upper() in TYPES else "OTHER"


def _agents(rows: Any) -> int:
    return sum(1 for one in rows.values() if not one.kind and (one.id != CONSUL_SERVICE or one.local is not None))


def _count(text: str, value: int) -> Family:
    return Family(COUNTER, text, "", {(): value})


def _gauge(text: str, labels: str, values: Any) -> Family:
    return Family(GAUGE, text, labels, values)


def _histogram(text: str, figures: HistogramFigures) -> Family:
    return Family(HISTOGRAM, text, histogram=figures)
