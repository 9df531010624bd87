"""What makes a connection for each client of one port."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from registry.api.edge import Edge
from registry.api.limits import Clients
from registry.api.server.connection import Connection
from registry.api.server.heads import KnownHeads


async def _refuse(request: web.BaseRequest) -> web.StreamResponse:
    """aiohttp asks for a handler; `Connection.start` never calls it."""
    raise web.HTTPNotFound


class Listener(web.Server):
    """Makes a `Connection` for each client of one port."""

    def __init__(
        self, edge: Edge, *, max_header_bytes: int, keepalive_seconds: float, clients: Clients | None = None
    ) -> None:
        """Args:
        clients: those of another listener, with whom they are counted together.
        """
        super().__init__(_refuse, handler_cancellation=True)
        self.edge = edge
        self.clients = clients or Clients(lambda: edge.settings, edge.events)
        self.heads = KnownHeads[RawRequestMessage]()
        self._options: dict[str, Any] = {
            "keepalive_timeout": keepalive_seconds,
            "access_log": None,
            "auto_decompress": False,
            "max_line_size": max_header_bytes,
            "max_field_size": max_header_bytes,
            "max_headers": 10_000,
        }

    def __call__(self, remote: str = "") -> RequestHandler:
        """A connection with a client at this address, for the transport that asyncio is about to make."""
        loop = asyncio.get_running_loop()
        return Connection(self, self.edge, self.clients, self.heads, remote, loop=loop, **self._options)
