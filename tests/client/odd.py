"""A server that answers what no registry of ours does: other statuses, nothing, nonsense, a connection that breaks.

Owns the script: the answers in their order, the last for ever. Whatever the real server can do is tested with that.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from tests.client.moved import until


class Said(NamedTuple):
    """One answer; `status` 0 breaks the connection, -1 never answers."""

    status: int
    value: Any = None  # bytes go as they are
    index: int = 0

    def bytes(self) -> bytes:
        body = self.value if isinstance(self.value, bytes) else json.dumps(self.value).encode()
        index = f"X-Consul-Index: {self.index}\r\n" if self.index else ""
        head = f"HTTP/1.1 {self.status} Words\r\n{index}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return head.encode() + body


SILENCE, BREAK = Said(-1), Said(0)
REGISTERED = Said(201, {"agent_id": "a-1", "heartbeat_interval_seconds": 30})


class Odd:
    """The server: its url, and the request lines it has got."""

    def __init__(self, script: tuple[Said, ...]) -> None:
        self.url = ""
        self.asked: list[str] = []  # method and target
        self.held = 0  # the number of the request whose answer stays in the server until `released`
        self.released = asyncio.Event()
        self._script = list(script)

    async def got(self, requests: int) -> None:
        """Return once so many have come."""
        await until(lambda: len(self.asked) >= requests)

    def next(self) -> Said:
        return self._script.pop(0) if len(self._script) > 1 else self._script[0]


@asynccontextmanager
async def odd(*script: Said) -> AsyncIterator[Odd]:
    """Such a server on a free port."""
    made, busy = Odd(script), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next((line for line in head.split("\r\n") if line.startswith("content-length: ")), "0: 0")
            await reader.readexactly(int(length.partition(": ")[2]))
            made.asked.append(head.partition(" http/")[0])
            said = made.next()
            if len(made.asked) == made.held:
                await made.released.wait()
            if said is SILENCE:
                await asyncio.Event().wait()
            elif said is not BREAK:
                writer.write(said.bytes())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client did not stay for it
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        busy.add(task)
        task.add_done_callback(busy.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listener.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
