"""Reading everything that is stored and checking what can be checked without knowing what it means.

Owns the faults' sentences. Changes nothing.
"""

from collections.abc import AsyncIterator
from zlib import crc32

from registry.errors import LogUnavailable
from registry.log.redis.link import Link, NoAnswer, NotSent, Refused
from registry.log.redis.scripts import Keys

READ_ENTRIES = 500
READ_SECONDS = 5.0


async def faults(link: Link, keys: Keys) -> AsyncIterator[str]:
    """Every fault of the newest snapshot and of the chain of entries behind it.

    Raises:
        LogUnavailable: it could not be read.
    """
    try:
        changed = True
        while changed:  # what a newer snapshot has taken the place of meanwhile may be gone: that is no fault
            snap, index = (await link.call(("HMGET", keys.meta, "snap", "index")))[0]
            found = [fault async for fault in _faults(link, keys, snap, int(index or 0))]
            changed = bool(found) and (await link.call(("HGET", keys.meta, "snap")))[0] != snap
        for fault in found:
            yield fault
    except (Refused, NotSent, NoAnswer) as problem:
        raise LogUnavailable(str(problem)) from None


async def _faults(link: Link, keys: Keys, snap: bytes | None, newest: int) -> AsyncIterator[str]:
    place = 0
    if snap:
        name, at, count, _, _ = snap.decode().split(" ")
        place = int(at)
        async for fault in _of_chunks(link, keys.chunks(name, int(count))):
            yield fault
    async for fault in _of_chain(link, keys, place, newest):
        yield fault


async def _of_chunks(link: Link, chunks: tuple[str, ...]) -> AsyncIterator[str]:
    for number, key in enumerate(chunks):
        (value,) = await link.call(("GET", key), seconds=READ_SECONDS)
        if value is None:
            yield f"chunk {number} of the snapshot is missing"
        elif crc32(value[4:]) != int.from_bytes(value[:4], "big"):
            yield f"chunk {number} of the snapshot is damaged"


async def _of_chain(link: Link, keys: Keys, place: int, newest: int) -> AsyncIterator[str]:
    """The entries from a place on; others may append meanwhile."""
    while True:
        command = ("XRANGE", keys.log, f"({place}-0" if place else "-", "+", "COUNT", READ_ENTRIES)
        (rows,) = await link.call(command, seconds=READ_SECONDS)
        for name, fields in rows:
            index, chain = int(name.partition(b"-")[0]), int(fields[1])
            if chain != place:
                yield f"entry {index} follows {chain}, but {place} stands before it"
            place = index
        if len(rows) < READ_ENTRIES:
            break
    if place < newest:
        yield f"the entries end at {place}, the log says {newest}"
