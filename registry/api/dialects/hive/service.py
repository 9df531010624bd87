"""The calls of the Hive's registry. Source: dialects.md §5.4; each says which part of it."""

import uuid
from typing import Any

import msgspec

from registry.api.agents import LEVELS, new_id, newborn, scoped
from registry.api.dialects.hive import wire
from registry.api.dialects.hive.address import address_of
from registry.api.dialects.hive.announcements import Announcements
from registry.api.dialects.hive.edge import Settings
from registry.api.dialects.hive.figures import STATUS_LABELS, HiveFigures, type_label
from registry.api.dialects.hive.filters import filtered, of_named_type, of_type, usable
from registry.api.dialects.hive.ranking import Floats, ranked
from registry.api.dialects.hive.schema import TYPE_NAMES, UNTYPED, pb
from registry.commands import RegisterAgent
from registry.core.engine import Engine
from registry.errors import InvalidRequest, LogUnavailable, NotFound, TooLarge
from registry.model.agent import DEFAULT_CLUSTER, DEFAULT_NAMESPACE, HIVE, UNREACHABLE, Telemetry
from registry.model.record import Record
from registry.model.service import Instance

DEFAULT_RESULTS = 5


class Service:
    """The unary calls over one engine."""

    def __init__(
        self, engine: Engine, settings: Settings, figures: HiveFigures, floats: Floats, announcements: Announcements
    ) -> None:
        """Args:
        settings: those of the moment. floats: reads pheromones.
        """
        self._engine = engine
        self._settings = settings
        self._figures = figures
        self._floats = floats
        self._announcements = announcements

    # Writes

    async def register(self, request: Any, context: Any) -> Any:
        """Register: a new agent with an id of ours, healthy at once. Registering again makes another one."""
        kind = TYPE_NAMES.get(request.agent_type)
        if kind is None:
            raise InvalidRequest("agent-type", number=request.agent_type, least=1)
        if not request.capabilities:
            raise InvalidRequest("capabilities")
        instance = self._instance(request, kind.lower(), context.peer())
        record = await self._engine.agents.register(RegisterAgent(service=instance))
        self._figures.registered(record.type)
        return pb.RegisterResponse(
            agent_id=record.id, registration_token=f"token-{record.id}",
            registered_at=int(record.instance.registered_at),
        )  # fmt: skip

    def _instance(self, request: Any, kind: str, peer: str) -> Instance:
        """Raises:
        InvalidRequest: `telemetry`. TooLarge: `metadata-limit`.
        """
        settings, metadata = self._settings(), dict(request.metadata)
        if (size := len(msgspec.json.encode(metadata))) > settings.max_metadata_bytes:
            raise TooLarge("metadata-limit", size=size, limit=settings.max_metadata_bytes)
        agent = newborn(
            settings, HIVE, name=metadata.get("name", ""), version=request.version, metadata=metadata,
            namespace=request.namespace or DEFAULT_NAMESPACE, cluster=request.cluster or DEFAULT_CLUSTER,
            telemetry=wire.telemetry_of(request),
        )  # fmt: skip
        host, port = address_of(metadata, peer)
        tags = tuple(request.capabilities)
        return Instance(node="", id=new_id(), name=kind, tags=tags, address=host, port=port, agent=agent)

    async def heartbeat(self, request: Any, context: Any) -> Any:
        """Heartbeat: a sign of life; with telemetry, its success rate is the status."""
        telemetry = wire.telemetry_of(request)
        record = await self._beaten(request.agent_id, telemetry)
        self._figures.count("heartbeats_received", type_label(record.type), STATUS_LABELS[record.status])
        self._figures.count("health_checks")
        return pb.HeartbeatResponse(
            status=wire.STATUS_NUMBERS[record.status], last_seen=int(self._engine.clock.now())
        )  # fmt: skip

    async def _beaten(self, agent_id: str, telemetry: Telemetry | None) -> Record:
        """Take a sign of life; while nothing can be stored the sign is taken without what came with it (M-14)."""
        agents, status = self._engine.agents, ""
        known = self._engine.state.record(agent_id)
        if telemetry is not None:
            status = LEVELS[wire.reported_status(telemetry)]
        elif known is not None and known.agent.telemetry is not None and known.status == UNREACHABLE:
            status = LEVELS[wire.reported_status(known.agent.telemetry)]  # silence is over; what it said last stands
        try:
            await agents.beat(agent_id, status, telemetry=telemetry)
        except LogUnavailable:
            if telemetry is None:
                raise
            await agents.beat(agent_id)
        return agents.known(agent_id)

    async def deregister(self, request: Any, context: Any) -> Any:
        """Deregister: true when something was removed, whatever the id looks like."""
        known = self._engine.state.record(request.agent_id)
        removed = await self._engine.agents.remove(request.agent_id)
        if removed and known is not None:
            self._figures.deregistered(known.type)
        return pb.DeregisterResponse(success=removed)

    # Reads

    async def get_agent(self, request: Any, context: Any) -> Any:
        """GetAgent: one agent of any system."""
        await self._newest_wanted()
        try:
            record = await self._engine.agents.find(request.agent_id)
        except NotFound:
            if not _is_uuid(request.agent_id):
                raise InvalidRequest("agent-id", id=request.agent_id) from None
            raise
        return pb.GetAgentResponse(agent=(await self._shown([record]))[0])

    async def list_agents(self, request: Any, context: Any) -> Any:
        """ListAgents: every agent, the unhealthy too, in the order in which they came."""
        await self._newest_wanted()
        records = of_type(self._records(), known_type(request.agent_type))
        return pb.ListAgentsResponse(agents=await self._shown(filtered(records, request.filters)))

    async def discover_agents(self, request: Any, context: Any) -> Any:
        """DiscoverAgents: the best of those that can do all that is asked for."""
        await self._newest_wanted()
        records, wanted = self._records(), frozenset(request.capabilities)
        named = request.filters.get("agent_type", "")
        if named:
            records = of_named_type(records, named)
        matching = [
            record for record in filtered(records, request.filters)
            if usable(record) and wanted <= frozenset(record.capabilities)
        ]  # fmt: skip
        most = request.max_results if request.max_results > 0 else DEFAULT_RESULTS
        best = (await ranked(matching, self._floats))[:most]
        self._figures.count("discovery_requests", type_label(named) if named else "all")
        self._figures.histograms["matching_candidates_evaluated"].add(len(records))
        self._figures.histograms["agents_matched"].add(len(best))
        return pb.DiscoverResponse(agents=await self._shown(best), ranked=True)

    async def _newest_wanted(self) -> None:
        """As `newest_wanted` of the agents' dialects over HTTP."""
        if self._engine.shared and self._settings().consistent_reads:
            await self._engine.confirm()

    def _records(self) -> list[Record]:
        return scoped(self._settings(), self._engine.state.records(), HIVE)

    async def _shown(self, records: list[Record]) -> list[Any]:
        seen = await self._engine.agents.last_seen(records)
        return [wire.agent_info(record, at) for record, at in zip(records, seen, strict=True)]

    # News for an agent

    async def notify_agent(self, request: Any, context: Any) -> Any:
        """NotifyAgent: tell whoever listens for this agent; nobody learns here whether it exists."""
        record = self._engine.state.record(request.agent_id)
        if record is not None:
            kind = request.notification_type or "INFO"
            await self._announcements.notify(record.id, kind, request.message, dict(request.metadata))
        return pb.NotifyAgentResponse(success=True)


def known_type(number: int) -> int:
    """The number of a type, 0 for all.

    Raises:
        InvalidRequest: `agent-type`, there is no such type.
    """
    if number != UNTYPED and number not in TYPE_NAMES:
        raise InvalidRequest("agent-type", number=number, least=0)
    return number


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
