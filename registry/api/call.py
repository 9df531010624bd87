"""What a handler sees of one request, and the table that handlers register in.

A handler parses, asks and answers. It knows no aiohttp: `api/server.py` makes the `Call` and writes
the `Reply`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.api.query import Query
from registry.api.reply import Reply

if TYPE_CHECKING:
    from registry.core.engine import Engine

BodyReader = Callable[[int], Awaitable[bytes]]


class Call:
    """One request on its way through a handler.

    `argument` is what follows a prefix route, percent-decoded; empty for an exact route. `raw_target`
    is the request target as it was sent. `headers` compare names without regard to case.
    """

    __slots__ = ("argument", "engine", "headers", "method", "path", "query", "raw_target", "remote", "request_id",
                 "server", "_body", "_read_body")

    def __init__(
        self, *, method: str, path: str, raw_target: str, argument: str, query: Query, headers: Mapping[str, str],
        remote: str, request_id: str, engine: "Engine", server: Any, read_body: BodyReader,
    ) -> None:
        self.method = method
        self.path = path
        self.raw_target = raw_target
        self.argument = argument
        self.query = query
        self.headers = headers
        self.remote = remote
        self.request_id = request_id
        self.engine = engine
        self.server = server
        self._body: bytes | None = None
        self._read_body = read_body

    async def body(self, limit_bytes: int = 0) -> bytes:
        """The whole request body; read once, then kept.

        Raises:
            TooLarge: it is over `limit_bytes` (0: no limit).
        """
        if self._body is None:
            self._body = await self._read_body(limit_bytes)
        return self._body


Handler = Callable[[Call], Awaitable[Reply]]


class Endpoint(NamedTuple):
    """One row of the table of endpoints. A route that ends in `{name}` is a prefix route."""

    method: str
    route: str
    handler: Handler
    source: str

    @property
    def prefix(self) -> str | None:
        """The path up to the argument of a prefix route, or None for an exact route."""
        head, brace, _ = self.route.partition("{")
        return head if brace else None


class Endpoints(list[Endpoint]):
    """A dialect's table of endpoints; calling it is the decorator that adds a row."""

    def __call__(self, method: str, route: str, *, source: str) -> Callable[[Handler], Handler]:
        """Add the decorated handler under a method and a route."""

        def add(handler: Handler) -> Handler:
            self.append(Endpoint(method, route, handler, source))
            return handler

        return add
