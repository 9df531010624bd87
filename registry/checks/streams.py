"""Byte streams to targets, over TCP and over TLS.

Owns the making of a stream and its end, and the words for one that TLS refuses. What is said over it belongs
to each type of check.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from registry.checks import dial, gotext, x509
from registry.checks.means import Means
from registry.model.check import CheckDefinition

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

Made = TypeVar("Made")

_UNVERIFIED = CheckDefinition(tls_skip_verify=True)
_SECOND_LOOK_SECONDS = 2.0  # it answered a moment ago


@contextlib.asynccontextmanager
async def stream(
    address: dial.Address, means: Means, definition: CheckDefinition, *, tls: bool, protocols: Sequence[str] = ()
) -> AsyncIterator[Stream]:
    """A connection to the target, closed without ceremony at the end.

    Raises:
        DialError: there is none; `handshake` says whether it was TLS that failed.
    """
    made = await dial.connect(address, means.resolver)
    try:
        reader, writer = await _streams(made, address, means, definition, protocols if tls else None)
    except BaseException:
        made.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _streams(
    made: socket.socket,
    address: dial.Address,
    means: Means,
    definition: CheckDefinition,
    protocols: Sequence[str] | None,
) -> Stream:
    if protocols is None:
        return await asyncio.open_connection(sock=made)
    return await over_tls(
        address, means, definition, protocols, dial.path_of(made),
        lambda context, name: asyncio.open_connection(sock=made, ssl=context, server_hostname=name),
    )  # fmt: skip


async def over_tls(
    address: dial.Address,
    means: Means,
    definition: CheckDefinition,
    protocols: Sequence[str],
    path: str,
    shake: Callable[[ssl.SSLContext, str], Awaitable[Made]],
) -> Made:
    """What `shake` makes of a connection by a handshake with the target, given how to and the name to ask for.

    Args:
        path: the two ends of the connection, for the text of a failure.
    Raises:
        DialError: the target's certificate is refused, or it speaks no TLS.
    """
    context, name = await means.tls(definition, protocols), definition.tls_server_name or address.host
    if not sendable(name):
        if not definition.tls_skip_verify:
            raise dial.DialError(await refusal(address, means, name), handshake=True)
        name = ""
    try:
        return await shake(context, name or "localhost")
    except ssl.SSLCertVerificationError as error:
        raise dial.DialError(await refusal(address, means, name, error.verify_code), handshake=True) from None
    except (ssl.SSLError, OSError) as error:
        raise dial.DialError(gotext.tls_text(error, path), handshake=True) from None


def sendable(name: str) -> bool:
    """Whether a server can be told that it is meant by this name, which is free text in a definition."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return "\0" not in name and not name.startswith(".")


async def refusal(address: dial.Address, means: Means, name: str, verify_code: int = 0) -> str:
    """Why the certificate of a server that was to have this name is refused; it is asked for once more."""
    try:
        async with asyncio.timeout(_SECOND_LOOK_SECONDS):
            certificate = await _certificate(address, means, name)
    except (dial.DialError, TimeoutError, OSError, ValueError):
        return gotext.refused_text(gotext.UNKNOWN_AUTHORITY)
    now = datetime.fromtimestamp(means.clock.now(), UTC)
    return gotext.refused_text(x509.problem(certificate, name, now, verify_code))


async def _certificate(address: dial.Address, means: Means, name: str) -> x509.Certificate:
    context = await means.tls(_UNVERIFIED)
    made = await dial.connect(address, means.resolver)
    told = name if name and sendable(name) else "localhost"
    try:
        _, writer = await asyncio.open_connection(sock=made, ssl=context, server_hostname=told)
    except BaseException:
        made.close()
        raise
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        return await asyncio.to_thread(x509.read, der)
    finally:
        writer.transport.abort()
