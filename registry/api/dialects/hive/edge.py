"""What every call passes through: who may make it, what is counted of it, and what an error becomes.

Owns no call. A network that may not write is told so, as over HTTP.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from registry.api.dialects.hive.address import peer_address
from registry.api.dialects.hive.errors import answer_to
from registry.api.dialects.hive.figures import HiveFigures
from registry.api.dialects.hive.security import Tokens
from registry.clock import Clock
from registry.errors import LogUnavailable, PermissionDenied, RequestError
from registry.events import Events

Handler = Callable[[Any, Any], Awaitable[Any]]  # request and context → reply; a stream writes its own and returns None
Settings = Callable[[], Any]

_WRITES = frozenset({"Register", "Heartbeat", "Deregister"})


class Edge:
    """The edge of one server."""

    def __init__(
        self, clock: Clock, settings: Settings, events: Events, figures: HiveFigures, tokens: Tokens | None
    ) -> None:
        """Args:
        settings: those of the moment. tokens: what callers must show; None lets everybody in.
        """
        self._clock = clock
        self._settings = settings
        self._events = events
        self._figures = figures
        self._tokens = tokens

    def guarded(self, method: str, handler: Handler) -> Handler:
        """The handler as grpcio calls it."""

        async def call(request: Any, context: Any) -> Any:
            begun, answer, reply = self._clock.elapsed(), None, None
            try:
                self._admit(method, context)
                reply = await handler(request, context)
            except (RequestError, LogUnavailable) as error:
                answer = answer_to(error)
            except Exception:
                self._events.agent.exception("A call over gRPC failed", method=method)
                answer = grpc.StatusCode.INTERNAL, "internal error; the server's log has the details"
            outcome = "success" if answer is None else "error"
            self._figures.called(method, outcome, self._clock.elapsed() - begun)
            if answer is not None:
                await context.abort(*answer)
            return reply

        return call

    def _admit(self, method: str, context: Any) -> None:
        """Raises:
        PermissionDenied: `token`, `token-method`, `network`.
        """
        if self._tokens is not None:
            self._look_at_token(self._tokens, method, context)
        writers, remote = self._settings().allow_write_http_from, peer_address(context.peer())
        if method in _WRITES and writers and remote and not _within(remote, writers):
            raise PermissionDenied("network", remote=remote)

    def _look_at_token(self, tokens: Tokens, method: str, context: Any) -> None:
        try:
            tokens.admit(method, dict(context.invocation_metadata() or ()).get("authorization", ""))
        except PermissionDenied as refused:
            reason = "unauthenticated" if refused.reason == "token" else "denied"
            self._figures.count("grpc_auth_attempts", method, "failure")
            self._figures.count("grpc_auth_failures", method, reason)
            self._events.agent.warning("A call over gRPC was turned away", method=method, reason=answer_to(refused)[1])
            raise
        self._figures.count("grpc_auth_attempts", method, "success")


def _within(remote: str, networks: tuple[str, ...]) -> bool:
    address = ipaddress.ip_address(remote)
    return any(address in ipaddress.ip_network(one, strict=False) for one in networks)
