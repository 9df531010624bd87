"""Connections to the targets of checks, and Go's words for those that cannot be made.

Owns addresses, names and sockets. What is said over a connection belongs to each type of check.
Source: agent.md §8.3; Go's net.Dial.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from registry.checks import gotext

_LOOKUP_THREADS = 8  # a name server that does not answer holds one for seconds; nobody else's threads are used
_HIGHEST_PORT = 65535

SocketAddress = tuple[Any, ...]


class DialError(Exception):
    """There is no connection; the text is the one Go has for it. `handshake` holds what TLS said."""

    def __init__(self, text: str, *, handshake: bool = False) -> None:
        super().__init__(text)
        self.handshake = handshake


class Address(NamedTuple):
    """A host, without the brackets of IPv6, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def split(text: str, network: str = "tcp") -> Address:
    """The host and port of an address as people write it.

    Raises:
        DialError: it has no port, or a wrong one.
    """
    host, colon, port = text.rpartition(":")
    if not colon or (text.startswith("[") and text.endswith("]")):
        raise DialError(f"dial {network}: address {text}: missing port in address")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise DialError(f"dial {network}: address {text}: too many colons in address")
    if not (port.isascii() and port.isdigit()):
        try:
            return Address(host, socket.getservbyname(port, network))
        except OSError:
            raise DialError(f"dial {network}: lookup {network}/{port}: unknown port") from None
    if int(port) > _HIGHEST_PORT:
        raise DialError(f"dial {network}: address {port}: invalid port")
    return Address(host, int(port))


def is_ip(host: str) -> bool:
    """Whether the host is an address, not a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class Resolver:
    """Looks names up, one question at a time for each name, on threads of its own."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._asked: dict[tuple[str, int, int], asyncio.Future[list[Any]]] = {}
        self.first: dict[str, str] = {}  # the address that was last found first, for the texts of failures

    async def addresses(self, host: str, port: int, kind: int = socket.SOCK_STREAM) -> list[Any]:
        """What `socket.getaddrinfo` says; an address is taken as it is.

        Raises:
            OSError: there is no such name.
        """
        if host == "" or (is_ip(host) and "%" not in host):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [(family, kind, 0, "", (host or "127.0.0.1", port))]
        question = (host, port, kind)
        if (asked := self._asked.get(question)) is None:
            self._threads = self._threads or ThreadPoolExecutor(_LOOKUP_THREADS, "lookup")
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._threads, socket.getaddrinfo, host, port, 0, kind)
            self._asked[question] = asked
            asked.add_done_callback(lambda _: self._asked.pop(question, None))
        found = await asyncio.shield(asked)
        self.first[host] = str(found[0][4][0])
        return found

    def close(self) -> None:
        """Let the threads end; a question that is under way is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


async def connect(address: Address, resolver: Resolver) -> socket.socket:
    """A TCP connection to the first of the host's addresses that takes one.

    Raises:
        DialError: none does; what the first of them said. Cancelling leaves no socket behind.
    """
    try:
        found = await resolver.addresses(*address)
    except (OSError, UnicodeError):
        raise DialError(f"dial tcp: lookup {address.host}: no such host") from None
    said: str | None = None
    for family, kind, protocol, _, where in found:
        try:
            return await _connected(family, kind, protocol, where)
        except OSError as error:
            shown = Address(str(where[0]) if address.host else "", address.port)
            said = said or f"dial tcp {shown}: connect: {gotext.errno_text(error)}"
    raise DialError(said or f"dial tcp: lookup {address.host}: no such host")


async def _connected(family: int, kind: int, protocol: int, where: SocketAddress) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, where)
    except BaseException:
        made.close()
        raise
    return made
