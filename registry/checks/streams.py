"""Byte streams to targets, over TCP and over TLS.

Owns the making of a stream and its end. What is said over it belongs to each type of check.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence

from registry.checks import dial, gotext
from registry.checks.means import Means
from registry.model.check import CheckDefinition

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
    context, name = await means.tls(definition, protocols), definition.tls_server_name or address.host
    try:
        return await asyncio.open_connection(sock=made, ssl=context, server_hostname=name or "localhost")
    except (ssl.SSLError, OSError) as error:
        raise dial.DialError(gotext.tls_text(error, name), handshake=True) from None
