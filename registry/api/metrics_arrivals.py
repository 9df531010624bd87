"""Who came and who was sent away, by the name of the service.

Owns the bound on names, which clients make up: once there are too many, further ones are counted together.
"""

from collections import Counter

from registry.api.metrics_figures import OTHER

REGISTERED, DEREGISTERED = "registered", "deregistered"


class Arrivals:
    """Registrations and removals that this process has answered."""

    def __init__(self) -> None:
        self.limit = 1_000  # names that are told apart
        self.counts: Counter[tuple[str, str]] = Counter()  # by what happened and the name
        self._names: dict[str, None] = {}

    def registered(self, name: str) -> None:
        """An instance of this name was registered, or registered again."""
        self.counts[REGISTERED, self._label(name)] += 1

    def deregistered(self, name: str) -> None:
        """One was removed because somebody asked for it."""
        self.counts[DEREGISTERED, self._label(name)] += 1

    def _label(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= self.limit:
                return OTHER
            self._names[name] = None
        return name
