"""What the engine did, counted and told: it stands between the engine and those who watch it from outside.

Owns the words of the log lines about writes, which are those of Consul's agent where it has the same event. That a
check has another status than before is told by `transitions.py`.
"""

import re

from registry import commands
from registry.api.metrics import Metrics
from registry.commands import Command
from registry.core.observer import Observer
from registry.errors import RequestError
from registry.events import Events
from registry.model.service import Instance

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # RFC 1123


class Witness(Observer):
    """The observer of one engine."""

    def __init__(self, metrics: Metrics, events: Events) -> None:
        self._metrics = metrics
        self._events = events

    def appended(self, records: int, seconds: float, outcome: str) -> None:
        """Count the batch."""
        self._metrics.appended(records, seconds, outcome)

    def applied(self, index: int, command: Command, refusal: RequestError | None) -> None:
        """Count the command and say what it did; a refusal is told where its request is answered."""
        self._metrics.applied(command, refusal)
        if refusal is None:
            self._tell(command)

    def skipped(self, command: Command) -> None:
        """Count the command."""
        self._metrics.skipped(command)

    def detected(self, kind: str, seconds: float) -> None:
        """Count how long it took."""
        self._metrics.detection[kind].add(seconds)

    def expired(self) -> None:
        """Count it; it is told as a command."""
        self._metrics.expirations += 1

    def reaped(self) -> None:
        """Count it; it is told as a command."""
        self._metrics.reaps += 1

    def reset(self, index: int) -> None:
        """Say that the state was replaced."""
        self._metrics.resets += 1
        self._events.server.info("State restored from a snapshot", index=index)

    def recovered(self, index: int) -> None:
        """Say that the store was recovered."""
        self._metrics.recoveries += 1
        self._events.server.warning("The log was recovered and goes on at a new index", index=index)

    def rearmed(self, deadlines: int) -> None:
        """Say that nobody expires for a full period."""
        self._metrics.armed_anew()
        self._events.server.info("Every deadline has been given a full period anew", deadlines=deadlines)

    def snapshot(self, index: int, size_bytes: int, seconds: float) -> None:
        """Say that a snapshot is there."""
        self._metrics.snapshots += 1
        self._events.server.info("Snapshot published", index=index, bytes=size_bytes, seconds=round(seconds, 3))

    def trouble(self, reason: str) -> None:
        """Say what an operator should know."""
        self._metrics.troubles += 1
        self._events.server.warning("Trouble with the store", error=reason)

    def _tell(self, command: Command) -> None:
        say = self._events.agent
        match command:
            case commands.ChangeKey():  # first, as the most frequent: keys and locks are their clients' own business
                pass
            case commands.RegisterLocal(service=part, sidecar=sidecar):
                say.info("Synced service", service=part.service.id)
                if sidecar is not None:
                    say.info("Synced service", service=sidecar.service.id)
            case commands.DeregisterLocal(service_id=service):
                say.info("Deregistered service", service=service)
            case commands.RegisterLocalCheck(check=check):
                say.info("Synced check", check=check.id)
            case commands.DeregisterLocalCheck(check_id=check_id):
                say.info("Deregistered check", check=check_id)
            case commands.UpdateCheck(check_id=check_id, status=status):
                say.debug("Check status updated", check=check_id, status=status)
            case commands.ExpireTtl(check_id=check_id):
                say.debug("TTL has run out", check=check_id)
            case commands.Reap(check_id=check_id):
                say.warning("Deregistered service whose check was critical for too long", check=check_id)
            case commands.RegisterAgent(service=service):
                _tell_agent(self._events, service)
            case commands.MoveAgent(service_id=service_id, verb=verb):
                say.info("Agent told to change its state", agent=service_id, verb=verb)
            case commands.UpdateAgent(service_id=service_id, status=status):
                say.debug("Agent updated", agent=service_id, status=status)
            case commands.RemoveAgent(service_id=service_id):
                say.info("Agent removed", agent=service_id)
            case commands.SubmitTask(service_id=service_id, task=task):
                say.debug("Task queued", agent=service_id, task=task.id)
            case commands.FinishTask(service_id=service_id, task_id=task_id, succeeded=succeeded):
                say.debug("Task finished", agent=service_id, task=task_id, succeeded=succeeded)
            case commands.SetMaintenance(enable=enable, service_id=service):
                _tell_maintenance(self._events, enable, service)
            case commands.ReplaceFileRows(services=services, checks=checks):
                say.info("Synced definitions of files", services=len(services), checks=len(checks))
            case commands.Register(node=node, service=registered):
                self._events.server.debug(
                    "Catalog registration", node=node.name, service=registered.id if registered is not None else ""
                )
            case commands.Deregister(node=name, service_id=service, check_id=check_id):
                self._events.server.debug("Catalog deregistration", node=name, service=service, check=check_id)
            case commands.RaiseLevel(level=level):
                self._events.server.info("Command level raised", level=level)
            case commands.StartServer(node=name, id=node_id, address=address):
                self._events.server.info("Server started", node=name, id=node_id, address=address)


def _tell_agent(events: Events, service: Instance) -> None:
    source = service.agent.source if service.agent is not None else ""
    events.agent.info("Agent registered", agent=service.id, type=service.name, source=source)
    unnamable = [name for name in (service.name, *(service.tags or ())) if _LABEL.fullmatch(name) is None]
    if unnamable:
        events.agent.warning("Type or capabilities are no DNS labels", agent=service.id, names=unnamable)


def _tell_maintenance(events: Events, enable: bool, service: str | None) -> None:
    what = "entered maintenance mode" if enable else "left maintenance mode"
    if service is None:
        events.agent.info(f"Node {what}")
    else:
        events.agent.info(f"Service {what}", service=service)
