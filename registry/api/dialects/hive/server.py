"""The gRPC listener: its life, its limits, the calls it takes, health and reflection.

Owns what a client of gRPC sees of the server as such. Source: dialects.md §5.5 and §7.1.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from registry.api.dialects.hive.announcements import Announcements
from registry.api.dialects.hive.edge import Edge, Handler, Settings
from registry.api.dialects.hive.figures import HiveFigures
from registry.api.dialects.hive.ranking import no_floats
from registry.api.dialects.hive.schema import METHODS, SERVICE_NAME, request_type
from registry.api.dialects.hive.security import credentials_of, tokens_of
from registry.api.dialects.hive.service import Service
from registry.api.dialects.hive.watch import Watching
from registry.api.metrics import Metrics
from registry.clock import sleep
from registry.core.engine import Engine
from registry.errors import InvalidRequest
from registry.events import Events

MESSAGE_BYTES = 50 << 20
LOOK_SECONDS = 0.25  # between two looks at the store

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),  # its clients ping as often as they like
)


class Neighbours(Protocol):
    """Keys and channels in the Redis that holds the log; what cannot be reached is absent."""

    async def floats(self, keys: Sequence[str]) -> list[float | None]:
        """Numbers by their keys."""

    async def publish(self, channel: str, text: str) -> None:
        """Tell whoever listens."""


class HiveServer:
    """A gRPC server over one engine. Started once, stopped once."""

    def __init__(
        self, engine: Engine, settings: Settings, *, metrics: Metrics, events: Events, figures: HiveFigures,
        neighbours: Neighbours | None = None,
    ) -> None:  # fmt: skip
        """Args:
        settings: those of the moment. neighbours: what is beside the log, where the store is a Redis.
        """
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._events = events
        self._figures = figures
        floats = neighbours.floats if neighbours is not None else no_floats
        publish = neighbours.publish if neighbours is not None else None
        self._announcements = Announcements(engine, settings, events, figures, publish)
        self._service = Service(engine, settings, figures, floats, self._announcements)
        self._health = health.aio.HealthServicer()
        self._server: Any = None
        self._looking: asyncio.Task[None] | None = None
        self.address: tuple[str, int] = ("", 0)

    async def start(self, host: str, port: int, *, shared: bool = False) -> None:
        """Listen.

        Args:
            port: 0 takes any free one. shared: other processes of the server listen on it too.
        Raises:
            SettingsError: certificates or keys cannot be used. OSError: the port is taken.
        """
        loop, settings = asyncio.get_running_loop(), self._settings()
        credentials = await loop.run_in_executor(None, credentials_of, settings)
        tokens = await loop.run_in_executor(None, tokens_of, settings, self._engine.clock.now)
        edge = Edge(self._engine.clock, self._settings, self._events, self._figures, tokens)
        server = grpc.aio.server(options=(*_OPTIONS, ("grpc.so_reuseport", int(shared))))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, self._handlers(edge)),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {where} (--grpc-bind, --grpc-port): {error}") from None
        await self._tell_health(_SERVING)
        await server.start()
        self._server, self.address = server, (host, bound)
        self._announcements.start()
        self._looking = loop.create_task(self._look())

    def _handlers(self, edge: Edge) -> dict[str, Any]:
        """Every method of the interface as grpcio wants it."""
        service = self._service
        calls: dict[str, Handler] = {
            "Register": service.register,
            "Heartbeat": service.heartbeat,
            "Deregister": service.deregister,
            "DiscoverAgents": service.discover_agents,
            "GetAgent": service.get_agent,
            "ListAgents": service.list_agents,
            "WatchAgents": Watching(self._engine, self._settings).watch_agents,
            "NotifyAgent": service.notify_agent,
        }
        return {
            name: _handler(method, edge.guarded(name, _reading(method, calls[name])))
            for name, method in METHODS.items()
        }

    async def _look(self) -> None:
        """Say whether the store takes writes, as soon as it changes."""
        said = _SERVING
        while True:
            await sleep(self._engine.clock, LOOK_SECONDS)
            now = _NOT_SERVING if self._metrics.store_away else _SERVING
            if now != said:
                said = now
                await self._tell_health(now)

    async def _tell_health(self, status: Any) -> None:
        for name in ("", SERVICE_NAME):
            await self._health.set(name, status)

    async def stop(self, grace_seconds: float) -> None:
        """Say that we do not serve, let watchers go, and end what is under way within the grace. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self._announcements.stop()
        await self._health.enter_graceful_shutdown()
        self._engine.agents.feed.end()
        await server.stop(grace_seconds)


def _reading(method: Any, call: Handler) -> Handler:
    """The call of a message as it came; grpcio would answer one that is none with UNKNOWN, and log a trace."""
    parse = request_type(method).FromString

    async def read(data: bytes, context: Any) -> Any:
        try:
            request = parse(data)
        except DecodeError:
            raise InvalidRequest("message", wanted=method.input_type.name) from None
        return await call(request, context)

    return read


def _handler(method: Any, call: Handler) -> Any:
    make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
    return make(call, response_serializer=lambda reply: reply.SerializeToString())
