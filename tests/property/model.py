"""What the record says, for the machine that tries random operations: one small agent, and what time does to it.

Owns the rules of dialects.md §2 that the views must agree on, written anew and as plainly as can be.
"""

from dataclasses import dataclass, field
from typing import Any

PERIODS = {"optiinfra": 45.0, "codevald": 60.0, "hive": 60.0, "fr0g": 120.0}  # how long a sign of life counts
KEPT = {"optiinfra": 60.0, "hive": 240.0}  # how long a silent one is kept after that
REVIVABLE_SECONDS = 600.0
LEVELS = {"healthy": "passing", "degraded": "warning", "unhealthy": "critical"}
WORDS = {level: word for word, level in LEVELS.items()}
STATES = {"": "passing", "running": "passing", "created": "warning", "paused": "warning", "stopped": "critical"}
ORDER = ("passing", "warning", "critical")
MOVES = {  # verb → where it may be used, and where it leads
    "start": (("", "created", "paused", "stopped"), "running"),
    "stop": (("", "created", "running", "paused", "stopped"), "stopped"),
    "pause": (("", "running"), "paused"),
    "resume": (("paused",), "running"),
}


@dataclass(slots=True)
class One:
    """One record."""

    id: str
    source: str
    type: str
    name: str
    host: str = ""
    port: int = 0
    capabilities: list[str] = field(default_factory=list)
    version: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    level: str = "passing"  # what it reported last
    state: str = ""
    heard: float = 0.0  # its last sign of life
    failed: float | None = None  # when a Consul client said that it is critical, and nobody else spoke since
    namespace: str = "default"
    rate: float | None = None  # the success rate that it told last

    def silent(self, now: float) -> bool:
        """Whether its time has run out."""
        beats_itself = self.source == "codevald" and self.state in ("running", "paused")
        period = PERIODS.get(self.source)
        return period is not None and not beats_itself and now > self.heard + period

    def gone(self, now: float) -> float | None:
        """When it was removed for its silence, or by the rule of Consul for what is critical."""
        if self.source not in KEPT:
            return None
        since = self.heard + PERIODS[self.source] if self.failed is None else self.failed
        removed = since + KEPT[self.source]
        return removed if now > removed else None

    def status(self, now: float) -> str:
        """The word that all its checks amount to."""
        if self.silent(now):
            return "unreachable"
        return WORDS[max(self.level, STATES[self.state], key=ORDER.index)]

    def speak(self, now: float, word: str) -> None:
        """Take a sign of life."""
        if self.silent(now):
            self.level = "passing"
        self.level = LEVELS.get(word, self.level)
        self.heard, self.failed = now, None

    def tell(self, now: float, rate: float | None) -> None:
        """Take a heartbeat of the Hive; one without a rate, after silence, leaves what the last rate says."""
        said = self.rate if rate is None and self.silent(now) else rate
        self.speak(now, "" if said is None else "unhealthy" if said < 0.3 else "degraded" if said < 0.5 else "healthy")
        self.rate = self.rate if rate is None else rate

    def score(self, now: float) -> float:
        """Its place in a discovery where nobody has left a trace."""
        health = {"healthy": 1.0, "degraded": 0.5}.get(self.status(now), 0.0)
        return 0.4 * health + 0.3 * 0.5 + 0.3 * (0.5 if self.rate is None else self.rate)


class Records:
    """All of them, and those that a beat could bring back."""

    def __init__(self) -> None:
        self.all: dict[str, One] = {}
        self.buried: dict[str, tuple[One, float]] = {}

    def pass_time(self, now: float) -> None:
        """Remove what is due."""
        for one in list(self.all.values()):
            removed = one.gone(now)
            if removed is not None:
                del self.all[one.id]
                self.buried[one.id] = (one, removed)
        for one_id, (_, removed) in list(self.buried.items()):
            if now > removed + REVIVABLE_SECONDS:
                del self.buried[one_id]

    def revived(self, one_id: str, now: float) -> One | None:
        """The record that a beat is for, brought back where it has to be."""
        if one_id not in self.all and one_id in self.buried:
            one, _ = self.buried.pop(one_id)
            one.level, one.heard, one.failed = "passing", now, None
            self.all[one_id] = one
        return self.all.get(one_id)
