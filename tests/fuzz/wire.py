"""HTTP/1.1 as a strict client reads it: what is not exactly well-formed is `Malformed`.

Owns a connection whose every byte the caller decides, and the parts of an answer. What an answer ought to
say is `oracle.py`.
"""

import asyncio
import re
from typing import NamedTuple

_STATUS_LINE = re.compile(r"HTTP/1\.1 (\d{3}) [ -~]*")
_HEADER_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t -~\x80-\xff]*)")
_ONCE = frozenset({"content-length", "content-type", "transfer-encoding", "date", "location", "x-request-id"})
_CONTINUE, _OK = 100, 200
_BODILESS = frozenset({204, 304})
HEAD_BYTES = 2 << 20  # of an answer: a redirect repeats its target


class Malformed(AssertionError):
    """The server sent something that is not HTTP, or not what its head promised."""


class Answer(NamedTuple):
    """One answer. Header names are in lower case; `closes` tells that the server ends the connection."""

    status: int
    headers: dict[str, str]
    body: bytes
    closes: bool

    @property
    def endless(self) -> bool:
        """Whether the answer ends with the connection, in chunks or not; its `body` was not waited for."""
        return self.status == _OK and "content-length" not in self.headers


class Connection:
    """One client's connection to a server on this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def opened(cls, host: str, port: int) -> "Connection":
        """A new connection."""
        return cls(*await asyncio.open_connection(host, port, limit=HEAD_BYTES))

    @property
    def gone(self) -> bool:
        """Whether the other side has ended the connection, as far as it is known here."""
        return self.reader.at_eof() or self.reader.exception() is not None or self.writer.transport.is_closing()

    def send(self, data: bytes) -> None:
        """Hand bytes to the kernel; they arrive in this order and in any pieces."""
        self.writer.write(data)

    async def ask(self, method: str, target: str, body: bytes = b"") -> Answer:
        """One request in one piece, and its answer."""
        head = f"{method} {target} HTTP/1.1\r\nHost: registry\r\nContent-Length: {len(body)}\r\n\r\n"
        self.send(head.encode() + body)
        return await self.answer(method)

    async def answer(self, method: str) -> Answer:
        """The next answer; `method` is that of its request, since one to HEAD has no body.

        An endless answer is read up to its head; the connection is of no use after it.

        Raises:
            Malformed: it is no HTTP. asyncio.IncompleteReadError: the server closed the connection;
            `partial` holds what came before the end.
        """
        status = _CONTINUE
        while status == _CONTINUE:
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                raise Malformed(f"a head of more than {HEAD_BYTES} bytes") from None
            status, headers = parsed_head(head)
        closes = headers.get("connection", "").lower() == "close"
        if (method == "HEAD" and not (closes and "content-length" not in headers)) or status in _BODILESS:
            body = b""
        elif "content-length" in headers:
            body = await self.reader.readexactly(_length(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked" or (status == _OK and closes):  # endless
            body, closes = b"", True
        elif closes:
            body = await self.reader.read()
        else:
            raise Malformed(f"no length and no end: {head!r}")
        return Answer(status, headers, body, closes)

    async def close(self) -> None:
        """End the connection, whatever is under way on it."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass  # the other side was faster


def parsed_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer's head.

    Raises:
        Malformed: it is none.
    """
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise Malformed(f"this is no status line: {first!r}")
    headers: dict[str, str] = {}
    for line in lines:
        parts = _HEADER_LINE.fullmatch(line)
        if parts is None:
            raise Malformed(f"this is no header: {line!r}")
        name = parts[1].lower()
        if name in headers and name in _ONCE:
            raise Malformed(f"{name} stands twice: {head!r}")
        headers[name] = parts[2]
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Malformed(f"two ways to say how long it is: {head!r}")
    return int(match[1]), headers


def _length(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise Malformed(f"this is no length: {text!r}")
    return int(text)
