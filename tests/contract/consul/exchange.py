"""A client of which the test decides every byte, and watchers that are really parked.

Reads are sent twice over one connection: the second answer comes from memory and has to be the first one.
"""

import asyncio
import gzip
import json
from dataclasses import dataclass
from typing import Any

from registry.commands import RaiseLevel
from registry.commands.codec import LEVEL
from registry.testing import TestServer

_VOLATILE = ("date", "x-request-id")  # and nothing else may differ between two equal reads
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """One answer; `headers` by their names in lower case, `lines` as they came."""

    status: int
    headers: dict[str, str]
    body: bytes
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def index(self) -> int:
        return int(self.headers["x-consul-index"])

    def unpacked(self) -> bytes:
        """The body, whatever way it was sent."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    def lasting(self) -> tuple[int, dict[str, str], bytes]:
        """What does not depend on the moment."""
        return self.status, {key: one for key, one in self.headers.items() if key not in _VOLATILE}, self.body


class Client:
    """The test's view of one registry."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def know_commands(self) -> None:
        """Over a shared store: its only member has said what it understands, for which time would have to pass."""
        if self.server.engine.shared:
            await self.server.engine.propose(RaiseLevel(LEVEL))

    async def send(self, line: str, *headers: str, body: bytes | None = None) -> Answer:
        """One request, `METHOD target`, over the connection of all of them."""
        if self._connection is None:
            self._connection = await asyncio.open_connection(self.server.host, self.server.port)
        reader, writer = self._connection
        writer.write(request(line, *headers, body=body))
        answer = await read_answer(reader, has_body=not line.startswith("HEAD "))
        if answer.headers.get("connection") == "close":
            await self.close()
        return answer

    async def get(self, target: str, *headers: str) -> Answer:
        """A read, asked twice."""
        first = await self.send(f"GET {target}", *headers)
        again = await self.send(f"GET {target}", *headers)
        if "x-cache" not in first.headers:
            assert again.lasting() == first.lasting()
        return first

    async def put(self, target: str, body: Any = None) -> Answer:
        """A write; `body` is JSON, or bytes as they are."""
        return await self.send(f"PUT {target}", body=body if isinstance(body, bytes) else json.dumps(body).encode())

    async def register(self, node: str, address: str = "10.0.0.1", **more: Any) -> None:
        """A registration that has to succeed."""
        answer = await self.put("/v1/catalog/register", {"Node": node, "Address": address, **more})
        assert (answer.status, answer.text) == (200, "true")

    async def add(self, node: str, **more: Any) -> None:
        """A registration that leaves the row of the node alone."""
        await self.register(node, SkipNodeUpdate=True, **more)

    async def deregister(self, node: str, **more: Any) -> None:
        """A removal, which succeeds whether there was anything or not."""
        answer = await self.put("/v1/catalog/deregister", {"Node": node, **more})
        assert (answer.status, answer.text) == (200, "true")

    async def index(self, target: str) -> int:
        return (await self.get(target)).index

    async def watch(self, target: str, *headers: str) -> "asyncio.Task[Answer]":
        """A blocking query on a connection of its own, parked when this returns."""
        parked = self.server.engine.topics.parked
        task = asyncio.create_task(self._alone(target, headers))
        await self.server.parked(parked + 1)
        return task

    async def follow(self, target: str, *, wait: str = "10m") -> "asyncio.Task[Answer]":
        """A blocking query on what comes after now."""
        sign = "&" if "?" in target else "?"
        return await self.watch(f"{target}{sign}index={await self.index(target)}&wait={wait}")

    @property
    def parked(self) -> int:
        """How many blocking queries have not been answered."""
        return self.server.engine.topics.parked

    async def _alone(self, target: str, headers: tuple[str, ...]) -> Answer:
        reader, writer = await asyncio.open_connection(self.server.host, self.server.port)
        try:
            writer.write(request(f"GET {target}", *headers))
            return await read_answer(reader)
        finally:
            writer.close()

    async def close(self) -> None:
        if self._connection is not None:
            writer = self._connection[1]
            self._connection = None
            writer.close()
            await writer.wait_closed()


def request(line: str, *headers: str, body: bytes | None = None) -> bytes:
    """The bytes of a request."""
    length = () if body is None else (f"Content-Length: {len(body)}",)
    return "\r\n".join((f"{line} HTTP/1.1", "Host: x", *headers, *length, "", "")).encode() + (body or b"")


async def read_answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    """The next answer of a connection."""
    head = await reader.readuntil(_HEAD_END)
    first, *lines = head.decode().split("\r\n")[:-2]
    headers = {name.lower(): one for name, _, one in (line.partition(": ") for line in lines)}
    if "content-length" not in headers:
        return Answer(int(first.split()[1]), headers, await reader.read() if has_body else b"", tuple(lines))
    length = int(headers["content-length"]) if has_body else 0
    return Answer(int(first.split()[1]), headers, await reader.readexactly(length), tuple(lines))
