"""Connections to the targets of checks, and Go's words for those that cannot be made.

Owns addresses, names and sockets. What is said over a connection belongs to each type of check.
Source: agent.md §8.3; Go's net.Dial.
"""

import asyncio
import ipaddress
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from registry.checks import gotext

_LOOKUP_THREADS = 8  # a name server that does not answer holds one for seconds; nobody else's threads are used
_HIGHEST_PORT = 65535
_PORT_DIGITS = 5
_LONGEST_NAME = 254
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NEXT_SECONDS = 0.3  # Go's, between the two kinds of addresses
_NAME_SERVERS = "/etc/resolv.conf"

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
    host, port = _parts(text, network)
    number = port.lstrip("+") or "0" if port.count("+") <= 1 else port
    if number.startswith("-") and number[1:].isascii() and number[1:].isdigit():
        raise DialError(f"dial {network}: address {port}: invalid port")
    if not (number.isascii() and number.isdigit()):
        try:
            return Address(host, socket.getservbyname(port, network))
        except (OSError, ValueError):  # ValueError: not a text that the system could look for
            raise DialError(f"dial {network}: lookup {network}/{port}: unknown port") from None
    number = number.lstrip("0") or "0"
    if len(number) > _PORT_DIGITS or int(number) > _HIGHEST_PORT:
        raise DialError(f"dial {network}: address {port}: invalid port")
    return Address(host, int(number))


def _parts(text: str, network: str) -> tuple[str, str]:
    def wrong(why: str) -> DialError:
        return DialError(f"dial {network}: address {text}: {why} in address")

    host, colon, port = text.rpartition(":")
    if not colon:
        raise wrong("missing port")
    rest = text
    if text.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise wrong("missing ']'")
        if rest != f":{port}":
            raise wrong("too many colons" if rest.startswith(":") else "missing port")
        host = inside
        rest = inside.replace("]", "") + rest
    elif ":" in host:
        raise wrong("too many colons")
    for bracket in "[]":
        if bracket in rest:
            raise wrong(f"unexpected '{bracket}'")
    return host, port


def is_ip(host: str) -> bool:
    """Whether the host is an address, not a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_name(host: str) -> bool:
    """Whether the host can be the name of a machine. Numbers alone, such as 127.1, are none, as Go has it."""
    labels = host.removesuffix(".").split(".")
    return (
        len(host) <= _LONGEST_NAME
        and all(_LABEL.fullmatch(label) for label in labels)
        and not all(label.isdigit() for label in labels)
    )


class LookupFailed(OSError):
    """There is no such name, or nobody said so; the text begins with `lookup`."""


def _looked_up(host: str, port: int, kind: int) -> list[Any]:
    """What the system knows of a name; runs on a thread."""
    if not is_name(host) and "%" not in host:
        raise LookupFailed(f"lookup {host}: no such host")
    try:
        socket.inet_aton(host)  # 0x7f.1: a way to write addresses that Go does not know
    except OSError:
        try:
            return socket.getaddrinfo(host, port, 0, kind)
        except (OSError, UnicodeError) as error:
            away = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise LookupFailed(_unanswered(host, "server misbehaving" if away else "no such host")) from None
    raise LookupFailed(_unanswered(host, "no such host"))


def _unanswered(host: str, why: str) -> str:
    try:
        with open(_NAME_SERVERS, encoding="utf-8", errors="replace") as lines:
            server = next((line.split()[1] for line in lines if line.startswith("nameserver ")), "")
    except (OSError, IndexError):
        server = ""
    return f"lookup {host} on {Address(server, 53)}: {why}" if server else f"lookup {host}: {why}"


class Resolver:
    """Looks names up, one question at a time for each name, on threads of its own."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._asked: dict[tuple[str, int, int], asyncio.Future[list[Any]]] = {}

    async def addresses(self, host: str, port: int, kind: int = socket.SOCK_STREAM) -> list[Any]:
        """What `socket.getaddrinfo` says; an address is taken as it is.

        Raises:
            LookupFailed: there is no such name.
        """
        if host == "" or (is_ip(host) and "%" not in host):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [(family, kind, 0, "", (host or "127.0.0.1", port))]
        question = (host, port, kind)
        if (asked := self._asked.get(question)) is None:
            self._threads = self._threads or ThreadPoolExecutor(_LOOKUP_THREADS, "lookup")
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._threads, _looked_up, host, port, kind)
            self._asked[question] = asked
            asked.add_done_callback(lambda _: self._asked.pop(question, None))
        return await asyncio.shield(asked)

    def close(self) -> None:
        """Let the threads end; a question that is under way is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


async def connect(address: Address, resolver: Resolver) -> socket.socket:
    """A TCP connection to one of the host's addresses.

    They are tried in their order. One that fails, or has not answered in a moment, is followed by the next, so that a
    name is reached whose IPv6 leads nowhere, or one of whose machines is gone.

    Raises:
        DialError: none takes one; what the first of them said. Cancelling leaves no socket behind.
    Source: Go's net.Dialer, which gives the next address of the same kind its turn later; RFC 8305.
    """
    try:
        found = await resolver.addresses(*address)
    except LookupFailed as error:
        raise DialError(f"dial tcp: {error}") from None
    if not found:
        raise DialError(f"dial tcp: lookup {address.host}: no such host")
    if len(found) == 1:
        return await _attempt(address, found[0])
    attempts: list[asyncio.Future[socket.socket]] = []
    winner = None
    try:
        for one in found:
            attempts.append(asyncio.ensure_future(_attempt(address, one)))
            last = len(attempts) == len(found)
            winner = await _first_made(attempts, None if last else _NEXT_SECONDS)
            if winner is not None:
                return winner.result()
        return attempts[0].result()  # which raises
    finally:
        for each in attempts:
            if each is not winner:
                _let_go(each)


async def _first_made(
    attempts: "list[asyncio.Future[socket.socket]]", most_seconds: float | None
) -> "asyncio.Future[socket.socket] | None":
    """The first attempt that succeeds; None when the time is up, or all have failed."""
    loop = asyncio.get_running_loop()
    until = None if most_seconds is None else loop.time() + most_seconds
    while True:
        if (made := next(filter(_succeeded, attempts), None)) is not None:
            return made
        running = [each for each in attempts if not each.done()]
        left = None if until is None else until - loop.time()
        if not running or (left is not None and left <= 0):
            return None
        await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)


def _succeeded(attempt: "asyncio.Future[socket.socket]") -> bool:
    return attempt.done() and not attempt.cancelled() and attempt.exception() is None


def _let_go(attempt: "asyncio.Future[socket.socket]") -> None:
    if _succeeded(attempt):
        attempt.result().close()
    attempt.cancel()


async def _attempt(address: Address, one: Any) -> socket.socket:
    family, kind, protocol, _, where = one
    try:
        return await _connected(family, kind, protocol, where)
    except OSError as error:
        shown = Address(str(where[0]) if address.host else "", address.port)
        raise DialError(f"dial tcp {shown}: connect: {gotext.errno_text(error)}") from None


def path_of(made: Any) -> str:
    """The two ends of a connected socket, as Go's errors show them."""
    try:
        return path_between(made.getsockname(), made.getpeername())
    except OSError:
        return ""


def path_between(ours: SocketAddress | None, theirs: SocketAddress | None) -> str:
    """Two ends of a connection, as Go's errors show them; empty when one is not known."""
    return f"{Address(*ours[:2])}->{Address(*theirs[:2])}" if ours and theirs else ""


async def _connected(family: int, kind: int, protocol: int, where: SocketAddress) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, where)
    except BaseException:
        made.close()
        raise
    return made
