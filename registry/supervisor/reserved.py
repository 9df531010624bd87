"""The ports of the server, kept for the workers as long as the parent lives.

Owns the reservation: sockets that are bound but never listen, so no client ever reaches them. Which process a
client reaches is the kernel's choice among the workers' own sockets (SO_REUSEPORT).
"""

import os
import socket
from collections.abc import Sequence


class ReservedPorts:
    """Ports of one address that only processes which share them on purpose can have."""

    def __init__(self, host: str, ports: Sequence[int]) -> None:
        """Args:
        ports: 0 takes any free one, once for all workers.

        Raises:
            OSError: one cannot be had; the message names it.
        """
        self._sockets: list[socket.socket] = []
        for port in ports:
            try:
                self._sockets.append(_reserved(host, port))
            except OSError as error:
                self.close()
                where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                reason = os.strerror(error.errno or 0)
                raise OSError(f"cannot listen on {where} (--bind, --http-port): {reason}") from None
        self.ports = tuple(one.getsockname()[1] for one in self._sockets)

    def close(self) -> None:
        """Let them go; idempotent."""
        for one in self._sockets:
            one.close()


def _reserved(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port:  # sharing alone would let in the workers of another server of the same user
        socket.create_server((host, port), family=family).close()
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections of the last run that linger
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # from now on in the way of who does not share
    except OSError:
        held.close()
        raise
    return held
