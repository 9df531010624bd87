"""In what order discovery offers agents: by health, by what others left about them, and by their success rate.

Owns the score and the names under which pheromones are kept in Redis; they are the swarm's, and only read here.
Source: dialects.md §5.4, Ranking.
"""

import math
from collections.abc import Awaitable, Callable, Sequence

from registry.model.agent import DEGRADED, HEALTHY
from registry.model.record import Record

HEALTH_WEIGHT, PHEROMONE_WEIGHT, TELEMETRY_WEIGHT = 0.4, 0.3, 0.3
NEUTRAL = 0.5  # nothing is known
_HEALTH = {HEALTHY: 1.0, DEGRADED: 0.5}
_KINDS = ("success", "warning", "failure")

Floats = Callable[[Sequence[str]], Awaitable[list[float | None]]]


async def no_floats(keys: Sequence[str]) -> list[float | None]:
    """What a store that is no Redis knows of pheromones."""
    return [None] * len(keys)


async def ranked(records: Sequence[Record], floats: Floats) -> list[Record]:
    """The records, best first; of equals the one that came first.

    Args:
        floats: reads numbers by their keys, None for what is not there.
    """
    keys = [f"{_prefix(record)}:{kind}" for record in records for kind in _KINDS]
    values = await floats(keys)
    scores = {
        record.id: score(record, pheromone(*values[3 * place : 3 * place + 3])) for place, record in enumerate(records)
    }
    return sorted(records, key=lambda record: (-scores[record.id], record.instance.registered_at, record.id))


def _prefix(record: Record) -> str:
    return f"pheromone:default:{record.type.lower()}:{record.id}"


def pheromone(success: float | None, warning: float | None, failure: float | None) -> float:
    """What traces of earlier work amount to, from 0 to 1."""
    good, fair, bad = success or 0.0, warning or 0.0, failure or 0.0
    total = good + fair + bad
    return (good + 0.5 * fair) / total if 0 < total < math.inf else NEUTRAL


def score(record: Record, trace: float) -> float:
    """How good an agent is, from 0 to 1, as precise as it means anything."""
    telemetry = record.agent.telemetry
    rate = telemetry.success_rate if telemetry is not None and telemetry.total_executions else NEUTRAL
    health = _HEALTH.get(record.status, 0.0)
    return round(HEALTH_WEIGHT * health + PHEROMONE_WEIGHT * trace + TELEMETRY_WEIGHT * rate, 12)
