"""Listening sockets.

Owns how clients get in, on any event loop. What happens on a connection is `api/server`.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from registry.api.limits import Clients

_BACKLOG = 4096
_CONNECTING_SECONDS = 1.0
_PAUSE_SECONDS = 0.1  # how long nobody is accepted when no file descriptor is left
_LEAVING_SECONDS = 1.0  # how long one that is refused has to read why: closed at once, what it sends resets it
_LEAVING = 256  # such connections at a time


class Port:
    """A listening socket that takes all the clients that wait in one go.

    The event loop's own server takes one client for each turn of the loop, and a busy turn is long: with
    200 clients connecting at once the last would wait for seconds.
    """

    def __init__(
        self,
        connection: Callable[[str], asyncio.BaseProtocol],
        host: str,
        port: int,
        *,
        shared: bool = False,
        clients: Clients | None = None,
    ) -> None:
        """Bind and listen.

        Args:
            connection: makes the protocol of a new client from its address. port: 0 takes any free one. shared:
                other processes of this server listen on the same port, each with a socket of its own (SO_REUSEPORT).
            clients: judges who is taken; the protocol tells it when its client has gone.
        Raises:
            OSError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connection = connection
        self._clients = clients
        self._loop = asyncio.get_running_loop()
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=shared)
        self._socket.setblocking(False)
        self._connecting: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._leaving: deque[socket.socket] = deque()
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
        while self._leaving:
            self._leaving.popleft().close()
        if self._connecting:
            await asyncio.wait(self._connecting, timeout=_CONNECTING_SECONDS)
            await asyncio.sleep(0)  # what they have sent is read before idle connections are ended

    def _accept(self) -> None:
        for _ in range(_BACKLOG):
            try:
                client, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:  # no file descriptor is left: try again when some may have been closed
                self._loop.remove_reader(self._socket)
                if self._pause is not None:
                    self._pause.cancel()
                self._pause = self._loop.call_later(_PAUSE_SECONDS, self._resume)
                return
            client.setblocking(False)
            remote = address[0]
            refusal = self._clients.enter(remote) if self._clients is not None else None
            if refusal is not None:
                self._refuse(client, refusal)
                continue
            task = self._loop.create_task(self._loop.connect_accepted_socket(partial(self._connection, remote), client))
            self._connecting.add(task)
            task.add_done_callback(partial(self._connected, remote))

    def _refuse(self, client: socket.socket, answer: bytes) -> None:
        """Tell a client why it is not taken, and let it go."""
        with contextlib.suppress(OSError):  # it has gone by itself
            client.send(answer)
            client.shutdown(socket.SHUT_WR)
        self._leaving.append(client)
        if len(self._leaving) > _LEAVING:
            self._leaving.popleft().close()
        self._loop.call_later(_LEAVING_SECONDS, self._let_go, client)

    def _let_go(self, client: socket.socket) -> None:
        if client.fileno() >= 0:
            self._leaving.remove(client)
            client.close()

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._accept)

    def _connected(self, remote: str, task: "asyncio.Task[Any]") -> None:
        self._connecting.discard(task)
        gone = task.cancelled() or task.exception() is not None  # nobody has to know
        if gone and self._clients is not None:
            self._clients.leave(remote)
