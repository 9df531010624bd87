"""The sockets of one server, from the first connection to the last answer: HTTP for each shape, and gRPC.

Owns what is open and where. What is spoken on a socket is the edge's business; when to open and close is `app.py`'s.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from registry.api.edge import Edge
from registry.api.ports import Port
from registry.api.server import Listener
from registry.events import Events
from registry.settings import Settings

if TYPE_CHECKING:
    from registry.api.dialects.hive.server import HiveServer

Address = tuple[str, int]


class Listening:
    """What this process listens on. Opened once, closed once."""

    def __init__(self, settings: Settings, events: Events, *, shared: bool) -> None:
        """Args:
        shared: other processes of this server listen on the same ports.
        """
        self._settings = settings
        self._events = events
        self._shared = shared
        self._ports: list[Port] = []
        self._grpc: HiveServer | None = None
        self.listeners: list[Listener] = []  # one for each shape
        self.addresses: list[Address] = []  # of HTTP, the main one first
        self.grpc_address: Address | None = None

    def open_http(self, edges: Sequence[Edge], ports: Sequence[int]) -> None:
        """Listen on these ports; where there is an edge of a second shape, the last port is its own.

        Raises:
            OSError: an address cannot be had.
        """
        for edge in edges:
            # connections are counted and limited for all shapes together
            clients = self.listeners[0].clients if self.listeners else None
            self.listeners.append(Listener(
                edge, max_header_bytes=self._settings.max_header_bytes,
                keepalive_seconds=self._settings.keepalive_seconds, clients=clients,
            ))  # fmt: skip
        main, last = self.listeners[0], self.listeners[-1]
        for port in ports[:-1]:
            self._open(main, port)
        self._open(last, ports[-1])
        for edge in edges:
            edge.addresses = tuple(self.addresses)

    def _open(self, listener: Listener, number: int) -> None:
        port = Port(listener, self._settings.bind, number, shared=self._shared, clients=listener.clients)
        self._ports.append(port)
        self.addresses.append(port.address)
        self._events.agent.info("Listening", address=port.address[0], port=port.address[1])

    async def open_grpc(self, server: "HiveServer", port: int) -> None:
        """Start the gRPC server.

        Args:
            port: 0 takes any free one.
        Raises:
            OSError: the address cannot be had. SettingsError: a file of keys cannot be used.
        """
        self._grpc = server
        await server.start(self._settings.grpc_bind or self._settings.bind, port, shared=self._shared)
        self.grpc_address = server.address
        self._events.agent.info("Listening", protocol="grpc", address=server.address[0], port=server.address[1])

    def connections(self) -> tuple[int, int]:
        """How many HTTP connections are open, and how many have been refused so far."""
        return sum(len(one.connections) for one in self.listeners), self.listeners[0].clients.refused

    async def refuse_more(self, grace_seconds: float) -> None:
        """Accept no more connections. Calls over gRPC get this long to end; HTTP requests go on."""
        for port in self._ports:
            await port.close()
        if self._grpc is not None:
            await self._grpc.stop(grace_seconds)

    async def close(self, grace_seconds: float) -> None:
        """End the HTTP connections; requests under way get this long to be answered."""
        for listener in self.listeners:
            listener.pre_shutdown()
        await asyncio.gather(*(listener.shutdown(grace_seconds) for listener in self.listeners))
