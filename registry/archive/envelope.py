"""The file around a state: a gzip'd tar with the three members that Consul's snapshots have.

Owns writing it. The same state gives the same bytes. `consul snapshot save` accepts it, since nothing looks into
`state.bin` but ours. Source: Consul's API, /v1/snapshot; `consul snapshot inspect` decodes what only Consul writes.
"""

import base64
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from registry.archive import state_bin
from registry.archive.contents import Contents, Summary
from registry.model.server import Server

META = "meta.json"
STATE = "state.bin"
SUMS = "SHA256SUMS"
BLOCK = tarfile.BLOCKSIZE
_MODE = 0o600
_TERM = 1
_RAW_DEFLATE = -15
# Deflate, no time, unknown system; bit 2 of the flags: the checksum of this head follows it, so that every
# byte of the file is covered by some sum.
_HEAD = b"\x1f\x8b\x08\x02\0\0\0\0\0\xff"


class Own(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What `meta.json` says beside Consul's keys."""

    format: int
    time: float
    level: int
    nodes: int
    services: int
    checks: int


class Meta(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The keys of `meta.json` that are read back."""

    index: int
    size: int
    registry: Own


def written(contents: Contents, summary: Summary, progress: Callable[[int], None]) -> Iterator[bytes]:
    """The bytes of a backup; `progress` is told how many bytes of the state are in it."""
    head = _HEAD + (zlib.crc32(_HEAD) & 0xFFFF).to_bytes(2, "little")
    yield head
    pack = zlib.compressobj(wbits=_RAW_DEFLATE)
    total, crc = 0, 0
    for piece in _tar(contents, summary, progress):
        total, crc = total + len(piece), zlib.crc32(piece, crc)
        if packed := pack.compress(piece):
            yield packed
    yield pack.flush() + crc.to_bytes(4, "little") + (total & 0xFFFFFFFF).to_bytes(4, "little")


def _tar(contents: Contents, summary: Summary, progress: Callable[[int], None]) -> Iterator[bytes]:
    meta = msgspec.json.encode(_meta(contents.server, summary)) + b"\n"
    sums = f"{hashlib.sha256(meta).hexdigest()}  {META}\n{summary.digest}  {STATE}\n".encode()
    seconds = int(summary.time)
    yield _member(META, len(meta), seconds) + meta + _padding(len(meta))
    yield _member(STATE, summary.size, seconds)
    done = 0
    for piece in state_bin.written(contents.chunks()):
        yield piece
        done += len(piece)
        progress(done)
    yield _padding(done)
    yield _member(SUMS, len(sums), seconds) + sums + _padding(len(sums)) + bytes(2 * BLOCK)


def _member(name: str, size: int, seconds: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, _MODE, seconds
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def _meta(server: Server, summary: Summary) -> dict[str, Any]:
    """Consul's keys, of which its tools read some, and ours."""
    address = f"{server.address}:{server.service_port}"
    own = Own(
        format=state_bin.FORMAT,
        time=summary.time,
        level=summary.level,
        nodes=summary.nodes,
        services=summary.services,
        checks=summary.checks,
    )
    return {
        "Version": 1,
        "ID": f"{_TERM}-{summary.index}-{round(summary.time * 1000)}",
        "Index": summary.index,
        "Term": _TERM,
        "Peers": base64.b64encode(msgspec.msgpack.encode([address.encode()])).decode(),
        "Configuration": {"Servers": [{"Suffrage": 0, "ID": server.id, "Address": address}]},
        "ConfigurationIndex": 1,
        "Size": summary.size,
        "Registry": own,
    }
