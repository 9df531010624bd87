"""Listening sockets.

Owns how clients get in, on any event loop. What happens on a connection is `api/server.py`.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

_BACKLOG = 4096
_CONNECTING_SECONDS = 1.0
_PAUSE_SECONDS = 0.1  # how long nobody is accepted when no file descriptor is left


class Port:
    """A listening socket that takes all the clients that wait in one go.

    The event loop's own server takes one client for each turn of the loop, and a busy turn is long: with
    200 clients connecting at once the last would wait for seconds.
    """

    def __init__(
        self, connection: Callable[[], asyncio.BaseProtocol], host: str, port: int, *, shared: bool = False
    ) -> None:
        """Bind and listen.

        Args:
            connection: makes the protocol of a new client. port: 0 takes any free one. shared: other processes
                of this server listen on the same port, each with a socket of its own (SO_REUSEPORT).
        Raises:
            OSError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=shared)
        self._socket.setblocking(False)
        self._connecting: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._loop.add_reader(self._socket, self._accept)

    async def close(self) -> None:
        """Take no more clients; those that are connected stay. Idempotent.

        Who has connected by now is taken first: with the socket the kernel would throw them away.
        """
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        self._accept()
        if self._pause is not None:
            self._pause.cancel()
        self._socket.close()
        if self._connecting:
            await asyncio.wait(self._connecting, timeout=_CONNECTING_SECONDS)
            await asyncio.sleep(0)  # what they have sent is read before idle connections are ended

    def _accept(self) -> None:
        for _ in range(_BACKLOG):
            try:
                client, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:  # no file descriptor is left: try again when some may have been closed
                self._loop.remove_reader(self._socket)
                if self._pause is not None:
                    self._pause.cancel()
                self._pause = self._loop.call_later(_PAUSE_SECONDS, self._resume)
                return
            client.setblocking(False)
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._connection, client))
            self._connecting.add(task)
            task.add_done_callback(self._connected)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._accept)

    def _connected(self, task: "asyncio.Task[Any]") -> None:
        self._connecting.discard(task)
        if not task.cancelled():
            task.exception()  # the client is gone again: nobody has to know
