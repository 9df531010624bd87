"""Connections whose bytes are not what a client sends: broken heads, wrong lengths, torn and glued requests.

Owns how the bytes are made. How many answers they get, if any, is for the server to say.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

from tests.fuzz.drafts import Draft
from tests.fuzz.seeds import requests_for
from tests.fuzz.spoilers import spoiled

HUGE_HEAD_BYTES = (1 << 20) + 100  # over the limit of a head
READS = ("/v1/health/service/", "/v1/catalog/services", "/v1/agent/services", "/v1/status/leader", "/v1/agent/service/")
WRITES = ("/v1/agent/service/register", "/v1/catalog/register", "/v1/agent/check/register", "/v1/agent/check/pass/")
BODIES = WRITES[:3]  # what cannot be done before the body is there
BYTES = (
    b"\x00",
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b":",
    b"\xff",
    b"\t",
    b"%",
    b"HTTP/1.1",
    b"\x16\x03\x01",
    b"\x7f",
    b"0",
    b",",
)


class Bytes(NamedTuple):
    """What is sent, in which pieces, and whether the client then ends its side."""

    kind: str
    pieces: list[bytes]
    half_close: bool


def broken(chance: random.Random) -> Bytes:
    """Something to send on a connection of its own."""
    kind = chance.choice(list(_KINDS))
    data = _KINDS[kind](chance)
    return Bytes(kind, list(_torn(data, chance)), chance.random() < 0.3)


def _torn(data: bytes, chance: random.Random) -> list[bytes]:
    """The bytes in one piece, in a few, or one by one."""
    way = chance.random()
    if way < 0.4 or len(data) < 2:
        return [data]
    if way < 0.5 and len(data) < 400:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(chance.randrange(1, len(data)) for _ in range(chance.randrange(1, 5)))
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _request(chance: random.Random, *paths: str, right: bool = True) -> bytes:
    """A whole request that is right, or spoiled as `spoilers.py` does it."""
    path = chance.choice(paths or READS + WRITES)
    draft = requests_for("PUT" if path in WRITES else "GET", path, chance)
    draft.query = [pair for pair in draft.query if pair[0] not in ("index", "hash")]  # nobody moves the clock here
    return (draft if right else _answered_at_once(draft, chance)).bytes()


def _answered_at_once(draft: Draft, chance: random.Random) -> Draft:
    draft = spoiled(draft, chance)
    if draft.method == "HEAD":  # whose answer could not be told from one with a body
        draft.method = "GET"
    draft.query = [pair for pair in draft.query if pair[0] not in ("index", "hash")]
    return draft


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((1, 2, 10, 300, 5000)))


def _damaged(chance: random.Random) -> bytes:
    """A request with some bytes changed, put in or left out, most of them in its head."""
    data = bytearray(_request(chance))
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = (
            chance.randrange(max(1, data.find(b"\r\n\r\n") + 4))
            if chance.random() < 0.8
            else chance.randrange(len(data))
        )
        data[at : at + chance.randrange(3)] = chance.choice(BYTES)
    return bytes(data)


def _pipelined(chance: random.Random) -> bytes:
    """Several requests in a row; perhaps one in the middle is spoiled."""
    return b"".join(_request(chance, right=chance.random() < 0.8) for _ in range(chance.randrange(2, 9)))


def _cut_short(chance: random.Random) -> bytes:
    data = _request(chance, *BODIES)
    return data[: chance.randrange(1, len(data))]


def _wrong_length(chance: random.Random) -> bytes:
    """A length that is not the body's, or no length at all."""
    head, _, body = _request(chance, *BODIES).partition(b"\r\n\r\n")
    near = (str(len(body) - 1).encode(), str(len(body) + 1).encode())
    odd = (b"0", b"1", b"-1", b"+5", b"1e3", b"0x10", b"", b" ", b"5,5", b"9" * 30, b"\xd9\xa3")
    lengths = (*near, *odd, b"5\r\nContent-Length: 6")
    kept = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    return b"\r\n".join([*kept, b"Content-Length: " + chance.choice(lengths), b"", body])


def _wrong_chunks(chance: random.Random) -> bytes:
    """Chunks that are none; a length beside them; codings that nobody knows."""
    head, _, body = _request(chance, *BODIES).partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length") or chance.random() < 0.2]
    coding = chance.choice(
        (
            b"chunked",
            b"chunked",
            b"Chunked",
            b"gzip, chunked",
            b"chunked, chunked",
            b"identity",
            b"xchunked",
            b" chunked\t",
        )
    )
    size = b"%x" % len(body)
    chunks = (
        b"%b\r\n%b\r\n0\r\n\r\n" % (size, body),
        b"%b;a=b\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (size, body),
        b"%b\n%b\n0\n\n" % (size, body),
        b"-1\r\n%b\r\n0\r\n\r\n" % body,
        b"ffffffffffffffffff\r\n%b" % body,
        b"zz\r\n%b\r\n0\r\n\r\n" % body,
        b"%b\r\n%bXX0\r\n\r\n" % (size, body),
        b"%b\r\n%b" % (size, body[: len(body) // 2]),
        b"0\r\n\r\n",
        b"%b\r\n%b\r\n" % (size, body),
        b"\r\n",
        b"1\r\n{\r\n" * 300,
    )
    return b"\r\n".join([*kept, b"Transfer-Encoding: " + coding, b"", chance.choice(chunks)])


def _odd_head(chance: random.Random) -> bytes:
    """Heads at the edge of what HTTP allows, and over it."""
    heads = (
        b"GET /v1/agent/services\r\n\r\n",
        b"GET  /v1/agent/services  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/agent/services HTTP/1.1\r\n\r\n",
        b"GET /v1/agent/services HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /v1/agent/services HTTP/0.9\r\n\r\n",
        b"GET /v1/agent/services HTTP/1.1\nHost: x\n\n",
        b"\r\n\r\nGET /v1/agent/services HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/agent/services HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        b"GET /v1/agent/services HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /v1/agent/services HTTP/1.1\r\n: x\r\n\r\n",
        b"GET /v1/agent/services HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET /v1/agent/services HTTP/1.1\r\nA: " + b"b" * HUGE_HEAD_BYTES + b"\r\n\r\n",
        b"GET /" + b"a" * HUGE_HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\nmore",
        b"GET http://127.0.0.1:1/v1/agent/services HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1/v1/agent/services HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //127.0.0.1:1/v1/agent/services HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/agent/services HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
        b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n",
        b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\nContent-Length: 14\r\n\r\n"
        + b'{"Name":"web"}',
    )
    return chance.choice(heads)


_KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "noise": _noise,
    "damaged": _damaged,
    "pipelined": _pipelined,
    "cut short": _cut_short,
    "wrong length": _wrong_length,
    "wrong chunks": _wrong_chunks,
    "odd head": _odd_head,
}
