"""The answers of HTTP/1.1 as Go reads them: lenient where it is, and in its words where it is not.

Owns heads and bodies. A strict reader would find services dead that Consul finds well: those that send a body with
the answer to HEAD, or more of it than they announced.
Source: Go's net/http, ReadResponse and transfer.go, and net/textproto.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from registry.checks.gotext import quoted
from registry.checks.wire import Wire

MOST_HEAD_BYTES = 1 << 20  # Go takes ten times as much; a thousand targets at once shall not fill our memory
_LONGEST_CHUNK_LINE_BYTES = 4096  # Go's
_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])\Z")
_CODE = re.compile(r"[0-9]{3}\Z")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~ -]+\Z")  # with spaces: Go looks at nothing that has some
_NO_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(r"[0-9]+\Z")
_LONGEST = (1 << 63) - 1
_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}\Z")
_SWITCHED = 101
_NO_BODY = frozenset({204, 304})


class Malformed(Exception):
    """What the target says is no answer; the text is Go's."""


class Answer(NamedTuple):
    """The head of an answer. `line` is its status with the reason as it was sent, `length` None for any."""

    status: int
    line: str
    headers: dict[str, list[str]]  # by name in lower case
    length: int | None
    chunked: bool
    stays: bool  # whether the target keeps the connection

    def header(self, name: str) -> str:
        """The first value of a header, by its name in lower case; empty when there is none."""
        return self.headers.get(name, [""])[0]


async def read_head(wire: Wire, method: str) -> Answer:
    """The head of the answer to a request, after any that only announce it.

    Raises:
        Malformed: it is none.
        EOFError: the target hung up before it said anything.
        OSError: the connection broke.
    """
    left = MOST_HEAD_BYTES
    try:
        while True:
            line = await wire.line(left)
            version, status, shown = _status_line(line.decode("utf-8", "replace"))
            lines = []
            left -= len(line)
            while text := await _header_line(wire, left):
                lines.append(text)
                left -= len(text)
            headers = _headers(lines)
            if status == _SWITCHED or not 100 <= status <= 199:
                return _answer(method, version, status, shown, headers)
    except OverflowError:
        raise Malformed(f"net/http: server response headers exceeded {MOST_HEAD_BYTES} bytes; aborted") from None


def _status_line(line: str) -> tuple[tuple[int, int], int, str]:
    proto, space, shown = line.partition(" ")
    if not space:
        raise Malformed(f"malformed HTTP response {quoted(line)}")
    shown = shown.lstrip(" ")
    code = shown.partition(" ")[0]
    if not _CODE.match(code):
        raise Malformed(f"malformed HTTP status code {quoted(code)}")
    if (found := _VERSION.match(proto)) is None:
        raise Malformed(f"malformed HTTP version {quoted(proto)}")
    return (int(found[1]), int(found[2])), int(code), shown


async def _header_line(wire: Wire, most_bytes: int) -> str:
    try:
        return (await wire.line(most_bytes)).decode("utf-8", "replace")
    except EOFError:
        raise Malformed("unexpected EOF") from None


def _headers(lines: list[str]) -> dict[str, list[str]]:
    if lines and lines[0][0] in " \t":
        raise Malformed(f"malformed MIME header initial line: {lines[0]}")
    whole: list[str] = []
    for line in lines:
        if line[0] in " \t":  # it goes on with the one before
            whole[-1] = f"{whole[-1]} {line.strip()}"
        else:
            whole.append(line.rstrip(" \t"))
    headers: dict[str, list[str]] = {}
    for line in whole:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed(f"malformed MIME header: missing colon: {quoted(line)}")
        if not _NAME.match(name) or _NO_VALUE.search(value):
            raise Malformed(f"malformed MIME header line: {line}")
        headers.setdefault(name.lower(), []).append(value.strip(" \t"))
    return headers


def _answer(method: str, version: tuple[int, int], status: int, shown: str, headers: dict[str, list[str]]) -> Answer:
    chunked = _chunked(version, headers.get("transfer-encoding", []))
    length = None if chunked else _length(headers.get("content-length", []))
    if method == "HEAD" or status in _NO_BODY or status == _SWITCHED:
        chunked, length = False, 0
    words = {word.strip().lower() for value in headers.get("connection", []) for word in value.split(",")}
    stays = "close" not in words if version >= (1, 1) else "keep-alive" in words
    return Answer(status, shown, headers, length, chunked, stays and (chunked or length is not None))


def _chunked(version: tuple[int, int], given: list[str]) -> bool:
    if not given or version < (1, 1):
        return False
    if len(given) > 1:
        raise Malformed(f"too many transfer encodings: {_list(given)}")
    if given[0].lower() != "chunked":
        raise Malformed(f"unsupported transfer encoding: {quoted(given[0])}")
    return True


def _length(given: list[str]) -> int | None:
    if not given:
        return None
    if any(each != given[0] for each in given):
        raise Malformed(f"http: message cannot contain multiple Content-Length headers; got {_list(given)}")
    if not given[0]:
        raise Malformed("invalid empty Content-Length")
    if not _LENGTH.match(given[0]) or int(given[0]) > _LONGEST:
        raise Malformed(f"bad Content-Length {quoted(given[0])}")
    return int(given[0])


def _list(texts: list[str]) -> str:
    return f"[{' '.join(map(quoted, texts))}]"


async def read_body(wire: Wire, answer: Answer) -> AsyncIterator[bytes]:
    """The body, in the pieces in which it comes.

    Raises:
        Malformed: it is not what the head has announced.
        EOFError, OSError: the connection ended or broke within it.
    """
    if answer.chunked:
        async for data in _chunks(wire):
            yield data
    elif answer.length is not None:
        async for data in _exactly(wire, answer.length):
            yield data
    else:
        while wire.waiting or await wire.more():
            yield wire.take(len(wire.waiting))


async def _exactly(wire: Wire, count: int) -> AsyncIterator[bytes]:
    while count:
        if not wire.waiting and not await wire.more():
            raise EOFError
        data = wire.take(min(count, len(wire.waiting)))
        count -= len(data)
        yield data


async def _chunks(wire: Wire) -> AsyncIterator[bytes]:
    try:
        while True:
            size = (await wire.line(_LONGEST_CHUNK_LINE_BYTES)).partition(b";")[0].strip()
            if not _SIZE.match(size):
                raise Malformed("invalid byte in chunk length")
            if not int(size, 16):
                break
            async for data in _exactly(wire, int(size, 16)):
                yield data
            if await wire.line(_LONGEST_CHUNK_LINE_BYTES):
                raise Malformed("malformed chunked encoding")
        while await wire.line(MOST_HEAD_BYTES):
            pass  # what follows the body says nothing about it
    except OverflowError:
        raise Malformed("http: chunk line too long") from None


async def unzipped(pieces: AsyncIterator[bytes], most_bytes: int) -> AsyncIterator[bytes]:
    """What gzip had made of these pieces, at most so many bytes at a time; where it is none any more, it ends.

    Raises:
        zlib.error: it is no gzip at all, or no longer.
    """
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    async for data in pieces:
        while data:
            yield unzip.decompress(data, most_bytes)
            data = unzip.unconsumed_tail
            if unzip.eof:
                data = unzip.unused_data
                unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
            if data:
                await asyncio.sleep(0)  # a little of gzip can be very much text
