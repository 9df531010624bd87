"""How this replica stands with the store and with the others: looked at four times a second, told when it changes.

Owns the log's lines about the store's coming and going, the members and who keeps house. It changes nothing.
"""

from collections.abc import Mapping

from registry.api.metrics import Metrics
from registry.clock import Clock, TimerHandle
from registry.core.engine import Engine
from registry.events import Events
from registry.model.member import Member

LOOK_SECONDS = 0.25


class Standing:
    """Looks at one engine; only a log that processes share has anything to show."""

    def __init__(self, engine: Engine, metrics: Metrics, events: Events, clock: Clock) -> None:
        self._engine = engine
        self._metrics = metrics
        self._say = events.server
        self._clock = clock
        self._timer: TimerHandle | None = None
        self._away = False
        self._away_since = 0.0
        self._keeps_house = False
        self._members: Mapping[str, Member] = {}

    def start(self) -> None:
        """Begin, on the event loop, once the engine has started."""
        if self._engine.shared:
            self._look()

    def stop(self) -> None:
        """The end of `start`; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = self._clock.call_later(LOOK_SECONDS, self._look)
        self._look_at_store()
        self._look_at_role()
        self._look_at_members()

    def _look_at_store(self) -> None:
        contact = self._engine.contact()
        if contact.away == self._away:
            return
        self._away = contact.away
        if contact.away:
            self._away_since = self._clock.elapsed() - contact.silent_seconds
            self._metrics.openings += 1
            self._say.warning("The store is away: writes are refused, reads go on from memory", reason=contact.reason)
        else:
            self._metrics.store_came_back()
            seconds = round(self._clock.elapsed() - self._away_since, 3)
            self._say.info("The store answers again: writes are taken", silent_seconds=seconds)

    def _look_at_role(self) -> None:
        keeps_house = self._engine.keeps_house
        if keeps_house != self._keeps_house:
            self._keeps_house = keeps_house
            self._say.info("Became the housekeeper" if keeps_house else "No longer the housekeeper")

    def _look_at_members(self) -> None:
        state = self._engine.state
        now = {member.id: member for member in state.members}
        if now.keys() == self._members.keys():
            return
        for member in now.values():
            if member.id not in self._members:
                address = f"{member.address}:{member.port}"
                self._say.info("Replica joined", replica=member.id, name=member.name, address=address)
        for member in self._members.values():
            if member.id not in now:
                self._say.warning("Replica left", replica=member.id, name=member.name)
        self._members = now
