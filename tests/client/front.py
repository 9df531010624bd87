"""What stands between a client and the registry: a front that ends TLS, and notes what was asked.

Owns the connections; a request's head is kept as it came. Answers go back byte for byte.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.replicas.certificates import Certificates


class Front:
    """A port that leads to the registry."""

    def __init__(self) -> None:
        self.url = ""
        self.heads: list[str] = []  # of the requests, the first of each connection

    def headers(self, name: str) -> list[str]:
        """The values of this header in the order of the requests; "" where it was absent."""
        found = []
        for head in self.heads:
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
            found.append({key.lower(): value for key, value in fields.items()}.get(name.lower(), ""))
        return found


@asynccontextmanager
async def front(
    host: str, port: int, certificates: Certificates | None = None, *, asks_clients: bool = False
) -> AsyncIterator[Front]:
    """A front of the registry at `host:port`.

    Args:
        certificates: it speaks TLS with these.
        asks_clients: it takes only clients with a certificate of the same authority.
    """
    made, busy = Front(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        made.heads.append(head.decode().removesuffix("\r\n\r\n"))
        behind, onward = await asyncio.open_connection(host, port)
        onward.write(head)
        await asyncio.gather(carry(reader, onward), carry(behind, writer))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        busy.add(task)
        task.add_done_callback(busy.discard)

    tls = None
    if certificates is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificates.certificate, certificates.key)
        if asks_clients:
            tls.load_verify_locations(certificates.authority)
            tls.verify_mode = ssl.CERT_REQUIRED
    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    made.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listener.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes from one side to the other until there are no more."""
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass  # one side has gone
    finally:
        writer.close()
