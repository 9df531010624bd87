"""The connections of HTTP checks: made when needed, kept for the next run where the target keeps them.

Owns the way to a target, through a proxy if need be, and the connections that nobody uses just now. All checks of a
process share them.
Source: agent.md §8.3; Go's net/http, Transport.
"""

import asyncio
from typing import NamedTuple, cast

from registry.checks import answers, dial, urls
from registry.checks.means import Means
from registry.checks.streams import over_tls
from registry.checks.wire import Wire
from registry.model.check import CheckDefinition

KEPT_SECONDS = 75.0  # how long an idle connection is kept; most servers drop theirs sooner
NAME_SECONDS = 60.0  # how long one may be used that was made to a name, which leads elsewhere after a failover
_PROTOCOLS = ("http/1.1",)
_OK = 200


class Way(NamedTuple):
    """Where a connection leads and how: what two requests must have in common to go over the same one."""

    address: dial.Address
    tls: bool
    server_name: str
    skip_verify: bool
    proxy: urls.Url | None


class ProxyError(Exception):
    """The proxy makes no connection; the text is Go's."""


class Connections:
    """Those that are open and idle, by the way they go. Belongs to one event loop."""

    def __init__(self) -> None:
        self._idle: dict[Way, dict[Wire, float]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, way: Way) -> Wire | None:
        """The connection that was used last of those that go there."""
        there = self._idle.get(way)
        if not there:
            return None
        wire, _ = there.popitem()
        if not there:
            del self._idle[way]
        wire.spoiled = None
        return wire

    def keep(self, way: Way, wire: Wire) -> None:
        """Keep it for the next request, until the target closes it or says something unasked, or for too long."""
        loop = asyncio.get_running_loop()
        if not dial.is_ip(way.address.host) and loop.time() - wire.made >= NAME_SECONDS:
            wire.close()
            return
        self._idle.setdefault(way, {})[wire] = loop.time()
        wire.spoiled = lambda: self._drop(way, wire)
        if self._sweep is None:
            self._sweep = loop.call_later(KEPT_SECONDS, self._close_old)

    def _drop(self, way: Way, wire: Wire) -> None:
        there = self._idle.get(way, {})
        there.pop(wire, None)
        if not there:
            self._idle.pop(way, None)
        wire.close()

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        old = loop.time() - KEPT_SECONDS
        for way, there in [*self._idle.items()]:
            for wire in [wire for wire, since in there.items() if since <= old]:
                self._drop(way, wire)
        self._sweep = loop.call_later(KEPT_SECONDS, self._close_old) if self._idle else None

    async def close(self) -> None:
        """Close them all."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for way, there in [*self._idle.items()]:
            for wire in [*there]:
                self._drop(way, wire)


def connections(means: Means) -> Connections:
    """Those of this process."""
    found = means.shared.get(__name__)
    if found is None:
        found = means.shared[__name__] = Connections()
    return cast(Connections, found)


async def connect(way: Way, means: Means, definition: CheckDefinition) -> Wire:
    """A new connection.

    Raises:
        DialError: there is none.
        ProxyError: the proxy makes none.
    """
    if way.proxy is None:
        return await _direct(way.address, way.tls, means, definition)
    try:
        wire = await _direct(way.proxy.address, way.proxy.scheme == "https", means, CheckDefinition())
    except dial.DialError as error:
        raise dial.DialError(f"proxyconnect tcp: {error}") from None
    if way.tls:
        try:
            await _through(way, wire, means, definition)
        except BaseException:
            wire.close()
            raise
    return wire


async def _direct(address: dial.Address, tls: bool, means: Means, definition: CheckDefinition) -> Wire:
    loop = asyncio.get_running_loop()
    made = await dial.connect(address, means.resolver)
    path = dial.path_of(made)
    try:
        if tls:
            _, wire = await over_tls(
                address, means, definition, _PROTOCOLS, path,
                lambda context, name: loop.create_connection(Wire, sock=made, ssl=context, server_hostname=name),
            )  # fmt: skip
        else:
            _, wire = await loop.create_connection(Wire, sock=made)
    except BaseException:
        made.close()
        raise
    wire.path = wire.path or path
    return wire


async def _through(way: Way, wire: Wire, means: Means, definition: CheckDefinition) -> None:
    """Have the proxy connect us with the target, and speak TLS with that."""
    assert way.proxy is not None  # looked at by `connect`
    secret = proxy_authorization(way.proxy)
    said = f"Proxy-Authorization: {secret}\r\n" if secret else ""
    wire.send(f"CONNECT {way.address} HTTP/1.1\r\nHost: {way.address}\r\n{said}\r\n".encode())
    try:
        answer = await answers.read_head(wire, "CONNECT")
    except answers.Malformed as error:
        raise ProxyError(str(error)) from None
    if answer.status != _OK:
        raise ProxyError(answer.line.partition(" ")[2] or "unknown status code")
    loop = asyncio.get_running_loop()
    secured = await over_tls(
        way.address, means, definition, _PROTOCOLS, wire.path,
        lambda context, name: loop.start_tls(wire.transport, wire, context, server_hostname=name),
    )  # fmt: skip
    if secured is not None:
        wire.connection_made(secured)


def proxy_authorization(proxy: urls.Url) -> str:
    """What a proxy that wants a name and a password is told; empty when it wants none."""
    return urls.basic(proxy.user) if proxy.user is not None else ""
