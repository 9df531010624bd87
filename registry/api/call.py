"""What a handler sees of one request, and the table that handlers register in.

A handler parses, asks and answers. It knows no aiohttp: `api/edge.py` makes the `Call`, `api/server` sends the `Reply`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from registry.api.query import Query
from registry.api.reply import Reply

if TYPE_CHECKING:
    from registry.api.edge import Edge
    from registry.core.engine import Engine


class BodyReader(Protocol):
    """A body on its way: read as a whole, or piece by piece."""

    def __call__(self, limit_bytes: int) -> Awaitable[bytes]:
        """All of it. Raises TooLarge: it is over `limit_bytes` (0: the limit of the settings)."""

    def pieces(self) -> AsyncGenerator[bytes]:
        """Its pieces as they arrive, of which there may be any number."""


class Call:
    """One request on its way through a handler.

    `argument` is what follows a prefix route, percent-decoded; empty for an exact route. `raw_path` is the path
    before it was decoded. `route` is the endpoint's as it was declared. `headers` compare names without regard to
    case. `server` is the edge:
    settings, metrics, and what concerns the process as a whole.
    """

    __slots__ = (
        "_body",
        "_read_body",
        "argument",
        "engine",
        "headers",
        "method",
        "path",
        "query",
        "raw_path",
        "remote",
        "request_id",
        "route",
        "server",
    )

    def __init__(
        self,
        *,
        method: str,
        route: str,
        path: str,
        argument: str,
        query: Query,
        headers: Mapping[str, str],
        remote: str,
        request_id: str,
        server: "Edge",
        read_body: BodyReader,
        raw_path: str = "",
    ) -> None:
        self.method = method
        self.route = route
        self.path = path
        self.raw_path = raw_path
        self.argument = argument
        self.query = query
        self.headers = headers
        self.remote = remote
        self.request_id = request_id
        self.server = server
        self.engine: Engine = server.engine
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

    def body_pieces(self) -> AsyncGenerator[bytes]:
        """The request body as it arrives, for one that may have any size; to be read once, and closed."""
        return self._read_body.pieces()


Handler = Callable[[Call], Awaitable[Reply]]


class Endpoint(NamedTuple):
    """One row of the table of endpoints. A route that ends in `{name}` is a prefix route."""

    method: str
    route: str
    handler: Handler
    source: str

    @property
    def path(self) -> str:
        """The path of an exact route; of a prefix route what comes before the argument."""
        return self.route.partition("{")[0]


class Endpoints(list[Endpoint]):
    """A dialect's table of endpoints; calling it is the decorator that adds a row."""

    def __call__(self, method: str, route: str, *, source: str) -> Callable[[Handler], Handler]:
        """Add the decorated handler under a method and a route."""

        def add(handler: Handler) -> Handler:
            self.append(Endpoint(method, route, handler, source))
            return handler

        return add
