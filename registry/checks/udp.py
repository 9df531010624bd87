"""UDP checks: nobody says that the port is closed.

Owns the datagram that is sent and what comes back. A silent peer is as well as can be known, so it passes
at the end of the timeout, as Consul documents it; Consul itself then waits for ever.
Source: agent.md §8.3; Consul's documentation of UDP checks.
"""

import asyncio
import socket

from registry.checks import dial, gotext
from registry.checks.base import Result, critical, passing, timeout_seconds
from registry.checks.means import Means
from registry.model.check import CheckDefinition


class UdpProbe:
    """Sends an empty datagram and listens for an answer or a refusal."""

    def __init__(self, definition: CheckDefinition, means: Means) -> None:
        self._text = definition.udp
        self._resolver = means.resolver
        self._seconds = timeout_seconds(definition)

    async def run(self) -> Result:
        """Send once."""
        sent = False
        try:
            async with asyncio.timeout(self._seconds):
                with await self._socket() as made:
                    sent = True
                    return await self._answer(made)
        except dial.DialError as error:
            return critical(str(error))
        except TimeoutError:
            if not sent:
                return critical(f"dial udp {self._text}: i/o timeout")
        return passing(f"UDP connect {self._text}: Success")

    async def _socket(self) -> socket.socket:
        address = dial.split(self._text, "udp")
        try:
            found = await self._resolver.addresses(*address, socket.SOCK_DGRAM)
        except dial.LookupFailed as error:
            raise dial.DialError(f"dial udp: {error}") from None
        family, kind, protocol, _, where = found[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            made.connect(where)  # of UDP: it sends nothing and does not wait
        except OSError as error:
            made.close()
            raise dial.DialError(f"dial udp {self._text}: connect: {gotext.errno_text(error)}") from None
        return made

    async def _answer(self, made: socket.socket) -> Result:
        doing = "write"
        try:
            made.send(b"")
            doing = "read"
            await asyncio.get_running_loop().sock_recv(made, 1)
        except OSError as error:
            return critical(f"{doing} udp {dial.path_of(made)}: {doing}: {gotext.errno_text(error)}")
        return passing(f"UDP connect {self._text}: Success")
