"""A client of the Hive's registry over a real channel, without any code of the server's but the messages."""

from typing import Any, NamedTuple

import grpc
import grpc.aio

from registry.api.dialects.hive.generated import service_registry_pb2
from registry.commands import RaiseLevel
from registry.commands.codec import LEVEL
from registry.testing import TestServer
from tests.contract.rest import RestClient

pb: Any = service_registry_pb2
SERVICE = "neural_hive.service_registry.ServiceRegistry"
SECONDS = 5.0  # for an answer, in real time
_ENDS = {
    "Register": "RegisterResponse", "Heartbeat": "HeartbeatResponse", "Deregister": "DeregisterResponse",
    "DiscoverAgents": "DiscoverResponse", "GetAgent": "GetAgentResponse", "ListAgents": "ListAgentsResponse",
    "NotifyAgent": "NotifyAgentResponse",
}  # fmt: skip


class Refusal(NamedTuple):
    """A call that failed."""

    code: Any
    details: str


class Hive:
    """One server and a channel to it."""

    def __init__(self, server: TestServer, channel: Any = None) -> None:
        self.server = server
        self.rest = RestClient(server)
        host, port = server.app.grpc_address or ("", 0)
        self.target = f"{host}:{port}"
        self.channel = channel or grpc.aio.insecure_channel(self.target)
        self.metadata: tuple[tuple[str, str], ...] = ()

    async def know_agents(self) -> None:
        """Over a shared store: its only member has said that it knows of agents, for which time would have to pass."""
        if self.server.engine.shared:
            await self.server.engine.propose(RaiseLevel(LEVEL))

    async def close(self) -> None:
        await self.channel.close()
        await self.rest.close()

    async def call(self, method: str, request: Any) -> Any:
        """The reply.

        Raises:
            grpc.aio.AioRpcError: as the server answers.
        """
        unary = self.channel.unary_unary(
            f"/{SERVICE}/{method}", request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(pb, _ENDS[method]).FromString,
        )  # fmt: skip
        return await unary(request, timeout=SECONDS, metadata=self.metadata)

    async def refused(self, method: str, request: Any) -> Refusal:
        """How a call fails."""
        try:
            reply = await self.call(method, request)
        except grpc.aio.AioRpcError as error:
            return Refusal(error.code(), error.details() or "")
        raise AssertionError(f"{method} answered {reply}")

    # Calls in short

    async def register(self, kind: Any = pb.WORKER, capabilities: Any = ("code",), **fields: Any) -> str:
        """Register an agent a moment after the one before, so that lists are in this order; its id."""
        await self.server.advance(0.2)
        request = pb.RegisterRequest(agent_type=kind, capabilities=capabilities, **fields)
        return str((await self.call("Register", request)).agent_id)

    async def beat(self, agent_id: str, rate: float | None = None, executions: int = 10, **figures: Any) -> Any:
        """A heartbeat's reply; without a rate it brings no telemetry."""
        telemetry = None
        if rate is not None:
            telemetry = pb.AgentTelemetry(success_rate=rate, total_executions=executions, **figures)
        return await self.call("Heartbeat", pb.HeartbeatRequest(agent_id=agent_id, telemetry=telemetry))

    async def get(self, agent_id: str) -> Any:
        """An agent."""
        return (await self.call("GetAgent", pb.GetAgentRequest(agent_id=agent_id))).agent

    async def status(self, agent_id: str) -> str:
        """The name of an agent's status, or the code of the error."""
        try:
            return str(pb.AgentStatus.Name((await self.get(agent_id)).status))
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)

    async def listed(self, number: int = 0, **filters: str) -> list[str]:
        """The ids that ListAgents shows."""
        reply = await self.call("ListAgents", pb.ListAgentsRequest(agent_type=number, filters=filters))
        return [one.agent_id for one in reply.agents]

    async def discovered(self, *capabilities: str, most: int = 100, **filters: str) -> list[str]:
        """The ids that DiscoverAgents shows."""
        request = pb.DiscoverRequest(capabilities=capabilities, filters=filters, max_results=most)
        reply = await self.call("DiscoverAgents", request)
        assert reply.ranked is True
        return [one.agent_id for one in reply.agents]

    async def watch(self, number: int = 0) -> "Watch":
        """A stream that has begun."""
        stream = self.channel.unary_stream(
            f"/{SERVICE}/WatchAgents", request_serializer=pb.WatchAgentsRequest.SerializeToString,
            response_deserializer=pb.AgentChangeEvent.FromString,
        )  # fmt: skip
        call = stream(pb.WatchAgentsRequest(agent_type=number), timeout=2 * SECONDS, metadata=self.metadata)
        await call.initial_metadata()
        return Watch(call)


class Watch:
    """A stream of WatchAgents."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def event(self) -> Any:
        """The next event."""
        event = await self.call.read()
        assert event is not grpc.aio.EOF, await self.call.code()
        return event

    async def told(self, count: int) -> list[tuple[str, str]]:
        """The next events: kinds and ids."""
        events = [await self.event() for _ in range(count)]
        return [(pb.AgentChangeEvent.EventType.Name(one.event_type), one.agent.agent_id) for one in events]
