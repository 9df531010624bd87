"""All figures of one server at one moment: plain values, safe to be read on another thread.

Owns their shapes and how the sizes of state and memory are read off the engine.
"""

from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

from registry.api.metrics_states import ByStatus
from registry.model.agent import DEGRADED, HEALTHY
from registry.model.server import CONSUL_SERVICE

if TYPE_CHECKING:
    from registry.core.engine import Engine

_HEALTH = {HEALTHY: 1.0, DEGRADED: 0.5}
_LOOKED_AT = 10  # instances for each agent that is shown: with more of them not all are looked at
OTHER = "other"  # the label for whatever a client could make up
STATUSES = ("passing", "warning", "critical")


class HistogramFigures(Struct, frozen=True):
    """A histogram as it was; `counts` has one more than `bounds`, for what is over the last."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class EndpointCounts(Struct, frozen=True):
    """An endpoint's requests as they were."""

    route: str
    method: str
    ready: int
    statuses: dict[int, int]
    latency: HistogramFigures

    @property
    def path_label(self) -> str:
        """The endpoint as Consul's metrics name it."""
        return path_label(self.route)


def path_label(route: str) -> str:
    """`/v1/catalog/service/{service}` is `v1_catalog_service_`."""
    return route.partition("{")[0].removeprefix("/").replace("/", "_")


COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"


class Family(Struct, frozen=True):
    """Figures under a name that is not ours: a dialect's. `labels` are names separated by commas.

    `values` are by the values of the labels; a histogram has no labels.
    """

    kind: str
    help: str
    labels: str = ""
    values: dict[tuple[str, ...], float] = {}
    histogram: HistogramFigures = HistogramFigures((), (0,), 0.0)


class CacheFigures(Struct, frozen=True):
    """Ready answers: look-ups, bytes kept, and readers that wait."""

    hits: int = 0
    misses: int = 0
    size_bytes: int = 0
    parked: int = 0


class StoreFigures(Struct, frozen=True):
    """How the store is, and what this process is among those that share it.

    `deadlines_age_seconds` is the time since it gave all deadlines a full period, None when it never did;
    `backlog_bytes` are the entries since the newest snapshot, `backlog_due_bytes` what makes a new one due.
    """

    up: bool = True
    silent_seconds: float = 0.0
    housekeeper: bool = False
    deadlines_age_seconds: float | None = None
    backlog_bytes: int = 0
    backlog_due_bytes: int = 0

    def beside(self, other: "StoreFigures") -> "StoreFigures":
        """What two processes of one server come to: the worse contact, either's housekeeping."""
        ages = [one.deadlines_age_seconds for one in (self, other) if one.deadlines_age_seconds is not None]
        return StoreFigures(
            self.up and other.up,
            max(self.silent_seconds, other.silent_seconds),
            self.housekeeper or other.housekeeper,
            min(ages, default=None),
            max(self.backlog_bytes, other.backlog_bytes),
            max(self.backlog_due_bytes, other.backlog_due_bytes),
        )


class LoadFigures(Struct, frozen=True):
    """What is limited, and how much of it there is: connections, writes that wait for the store, parked readers."""

    connections: int = 0
    refused: int = 0
    pending: int = 0
    pending_limit: int = 0
    parked_limit: int = 0


class CheckFigures(Struct, frozen=True):
    """Checks that this process runs: how many, what they found, how long they took, how late they began.

    `results` are by type and status, before thresholds; `errors` are faults of ours in a probe.
    """

    given: int = 0
    running: int = 0
    queued: int = 0
    results: dict[tuple[str, str], int] = {}
    seconds: dict[str, HistogramFigures] = {}
    lag: HistogramFigures = HistogramFigures((), (0,), 0.0)
    cancelled: int = 0
    errors: int = 0


class StateSizes(Struct, frozen=True):
    """Rows of the state; `checks` by status. `members` are the replicas, 0 where nobody tells them apart.

    An instance is as its worst check, a service as its best instance (`metrics_states.py`). `families` are the
    dialects', which every process of a server has alike.
    """

    index: int = 0
    nodes: int = 0
    services: int = 0
    instances: int = 0
    checks: dict[str, int] = {}
    members: int = 0
    instances_by_status: dict[str, int] = {}
    records_by_status: dict[str, int] = {}
    services_by_status: dict[str, int] = {}
    families: dict[str, Family] = {}
    agents: dict[str, int] = {}  # records by type
    agent_health: dict[tuple[str, str], float] = {}  # of some agents, by id and type: 1 is healthy


class Figures(Struct, frozen=True, kw_only=True):
    """All figures at one moment."""

    endpoints: tuple[EndpointCounts, ...]
    in_flight: int
    commands: dict[tuple[str, str], int]
    appends: dict[str, int]
    append_seconds: HistogramFigures
    append_records: HistogramFigures
    snapshots: int
    resets: int
    rearms: int
    recoveries: int
    openings: int
    collections: int
    collection_seconds: float
    cache: CacheFigures
    sizes: StateSizes
    store: StoreFigures = StoreFigures()
    checks: CheckFigures = CheckFigures()
    load: LoadFigures = LoadFigures()
    detection: dict[str, HistogramFigures] = {}
    expirations: int = 0
    reaps: int = 0
    troubles: int = 0
    slow: int = 0
    arrivals: dict[tuple[str, str], int] = {}  # `metrics_arrivals.py`
    families: dict[str, Family] = {}  # of dialects, that each process counts for itself


def cache_figures(engine: "Engine") -> CacheFigures:
    """The figures of the ready answers."""
    topics = engine.topics
    return CacheFigures(topics.hits, topics.misses, topics.bytes, topics.parked)


def state_sizes(
    engine: "Engine", by_status: ByStatus, families: dict[str, Family] | None = None, limit: int = 0
) -> StateSizes:
    """The sizes of the tables, without looking at a row; `by_status` are those that take one.

    Args:
        limit: how many types and how many agents are told apart.
    """
    state = engine.state
    checks = dict.fromkeys((*STATUSES, OTHER), 0)
    for status, rows in state.checks_by_status.items():
        checks[status if status in checks else OTHER] += len(rows)
    return StateSizes(
        index=state.applied,
        nodes=len(state.node_rows),
        services=len(state.by_service),
        instances=sum(map(len, state.by_service.values())),
        checks=checks,
        members=len(state.members),
        instances_by_status=by_status.instances,
        records_by_status=by_status.records,
        services_by_status=by_status.services,
        families=families or {},
        agents=_agents(engine, limit),
        agent_health=_agent_health(engine, limit),
    )


def _agents(engine: "Engine", limit: int) -> dict[str, int]:
    """How many instances of each type there are; of types beyond the limit, together."""
    found: dict[str, int] = {}
    for name, rows in engine.state.by_service.items():
        label = name if len(found) < limit else OTHER
        if name != CONSUL_SERVICE and rows:
            found[label] = found.get(label, 0) + len(rows)
    return found


def _agent_health(engine: "Engine", limit: int) -> dict[tuple[str, str], float]:
    """How some agents are: those of other dialects than Consul's, as many as the limit allows."""
    state = engine.state
    rows = (row for found in state.by_service.values() for row in found.items())
    spoken = (key for key, one in islice(rows, _LOOKED_AT * limit) if one.agent is not None)
    records = (state.record_at(key) for key in islice(spoken, limit))
    return {(one.id, one.type): _HEALTH.get(one.status, 0.0) for one in records if one is not None}
