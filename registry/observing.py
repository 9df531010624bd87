"""What the engine does, as log events and figures.

Owns the words for state changes in the log. Which figures exist is `api/metrics.py`.
"""

from registry.api.metrics import Metrics
from registry.commands import (
    Command,
    Deregister,
    DeregisterLocal,
    DeregisterLocalCheck,
    ExpireTtl,
    Reap,
    Register,
    RegisterLocal,
    RegisterLocalCheck,
    ReplaceFileRows,
    SetMaintenance,
    UpdateCheck,
)
from registry.core.observer import Observer
from registry.errors import RequestError
from registry.events import Events
from registry.events.record import INFO


class EventObserver(Observer):
    """Turns what the engine tells into events and figures."""

    def __init__(self, events: Events, metrics: Metrics) -> None:
        self._events = events
        self._metrics = metrics

    def appended(self, records: int, seconds: float, outcome: str) -> None:
        """Count a batch."""
        self._metrics.appended(records, seconds, outcome)

    def applied(self, index: int, command: Command, refusal: RequestError | None) -> None:
        """Log a change of state, in Consul's words where it has them."""
        self._metrics.applied(type(command).__name__, refused=refusal is not None)
        events = self._events
        if refusal is not None or events.threshold > INFO:
            return
        say = events.agent.info
        match command:
            case RegisterLocal(service=part):
                say("Synced service", service=part.service.id, name=part.service.name, index=index)
            case RegisterLocalCheck(check=check):
                say("Synced check", check=check.id, index=index)
            case UpdateCheck(check_id=check_id, status=status):
                say("Synced check", check=check_id, status=status, index=index)
            case DeregisterLocal(service_id=service_id):
                say("Deregistered service", service=service_id, index=index)
            case DeregisterLocalCheck(check_id=check_id):
                say("Deregistered check", check=check_id, index=index)
            case SetMaintenance(service_id=service_id, enable=enable):
                say("Maintenance mode", service=service_id or "", enabled=enable, index=index)
            case Register(node=node, service=service):
                events.server.info("Registered", node=node.name, service=service.id if service else "", index=index)
            case Deregister(node=node_name, service_id=service_id, check_id=check_id):
                events.server.info(
                    "Deregistered", node=node_name, service=service_id, check=check_id, index=index
                )  # fmt: skip
            case ExpireTtl(check_id=check_id):
                self._metrics.expired += 1
                events.agent.warning("Check missed TTL, is now critical", check=check_id, index=index)
            case Reap(check_id=check_id):
                self._metrics.reaped += 1
                events.agent.warning("Service critical for too long, deregistered", check=check_id, index=index)
            case ReplaceFileRows(services=services, checks=checks):
                say("Definitions from files written", services=len(services), checks=len(checks), index=index)

    def skipped(self, command: Command) -> None:
        """Count a write that changed nothing."""
        self._metrics.skipped += 1

    def reset(self, index: int) -> None:
        """Log that the state was replaced."""
        self._events.server.info("State taken from a snapshot", index=index)

    def snapshot(self, index: int, size_bytes: int, seconds: float) -> None:
        """Log a snapshot."""
        self._metrics.snapshots += 1
        self._events.server.info("Snapshot published", index=index, bytes=size_bytes, seconds=round(seconds, 3))

    def trouble(self, reason: str) -> None:
        """Log what an operator should read."""
        self._events.server.error("Trouble with the store", error=reason)
