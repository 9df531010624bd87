"""`state.bin`: the chunks of a state, each with its length and a checksum.

Owns that format. What is in the chunks is `state/snapshot.py`'s.

    magic (10 bytes), format (2) · for each chunk: length (4), CRC-32 (4), bytes · 0 (4), number of chunks (4)

Numbers are big-endian.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Protocol
from zlib import crc32

from registry.errors import ArchiveDamaged

MAGIC = b"\x89registry\n"
FORMAT = 1
LARGEST_CHUNK = 1 << 20  # the log's limit too

_HEAD = struct.Struct(f">{len(MAGIC)}sH")
_PAIR = struct.Struct(">II")


class Source(Protocol):
    """Bytes that come one after the other."""

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            ArchiveDamaged: there are not as many.
        """


def written(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of `state.bin` for these chunks, none of which is empty."""
    yield _HEAD.pack(MAGIC, FORMAT)
    count = 0
    for chunk in chunks:
        yield _PAIR.pack(len(chunk), crc32(chunk))
        yield chunk
        count += 1
    yield _PAIR.pack(0, count)


def read(source: Source) -> Iterator[bytes]:
    """The chunks of a `state.bin`, each of them once it is found to be whole.

    Raises:
        ArchiveDamaged: it is not ours, or not whole; only when the last chunk is out it is known to be.
    """
    magic, version = _HEAD.unpack(source.exactly(_HEAD.size))
    if magic != MAGIC:
        raise ArchiveDamaged("its state.bin is that of another program")
    if version != FORMAT:
        raise ArchiveDamaged(f"it is of format {version}, this program reads format {FORMAT}")
    count = 0
    while True:
        length, number = _PAIR.unpack(source.exactly(_PAIR.size))
        if length == 0:
            break
        if length > LARGEST_CHUNK:
            raise ArchiveDamaged(f"chunk {count} is damaged (it is too long)")
        chunk = source.exactly(length)
        if crc32(chunk) != number:
            raise ArchiveDamaged(f"chunk {count} is damaged (its checksum is wrong)")
        yield chunk
        count += 1
    if number != count:
        raise ArchiveDamaged(f"it holds {count} chunks instead of {number}")
