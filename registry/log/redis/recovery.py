"""Putting back what the store has lost: entries from this process's history, or the whole state.

Owns the sender's side of `mend` and `restore`. When this is wanted the session knows (`session.py`).
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from zlib import crc32

from registry.log.base import Held
from registry.log.redis.history import History, Stored
from registry.log.redis.link import Link, NoAnswer, NotSent, Refused
from registry.log.redis.scripts import Scripts, Value
from registry.log.redis.url import Target

MEND_ENTRIES = 500
MEND_BYTES = 1 << 20
CHUNK_SECONDS = 5.0  # a megabyte on a slow disk

_log = logging.getLogger("registry.store")


class Recovery:
    """Gives a store back what this process took in from it."""

    def __init__(self, target: Target, scripts: Scripts, writer: str, history: History) -> None:
        self.held: Callable[[], Held] | None = None
        self._target = target
        self._scripts = scripts
        self._writer = writer
        self._history = history
        self._snapshots = 0

    async def put_back(self, link: Link, store: str, index: int, window_ms: int) -> bool:
        """Give the store what it lacks behind `index`; False when its past is not ours, so that it wins."""
        if not self._history.knows(index):
            _log.error("The store's newest entry %d is none that this process knows: the store wins", index)
            return False
        entries = self._history.after(index)
        if entries is None:
            return await self.heal(link, store, index)
        _log.warning("The store has lost %d entries behind %d; it gets them back", len(entries), index)
        while entries:
            part = _part(entries)
            values: list[Value] = []
            for entry in part:
                values += (entry.index, entry.chain, entry.own, entry.milliseconds, entry.kind, entry.payload)
            answer = await self._scripts.call(
                link, "mend", store, self._writer, index, window_ms, len(part), *values, seconds=CHUNK_SECONDS
            )
            if answer[0] != "OK":
                return True  # somebody else was faster: the next hello says how it stands
            index, entries = part[-1].index, entries[len(part) :]
        return True

    async def heal(self, link: Link, store: str, index: int) -> bool:
        """Give the store the whole state; False when there is none."""
        if self.held is None:
            return False
        held = self.held()
        if held.index <= index:
            return False
        return await self.replace(link, store, held, "heal") is not None

    async def replace(
        self, link: Link, store: str, held: Held, mode: str, old_chunks: Sequence[str] = ()
    ) -> int | None:
        """Make a state what the store holds; the index at which it stands then, None when it was not wanted."""
        name = self.snapshot_name()
        count, size = await self.write_chunks(link, store, name, held.chunks, "")
        keys = self._scripts.keys
        answer = await self._scripts.call(
            link, "restore", store, self._writer, mode, name, held.index, round(held.time * 1000), count, size,
            more_keys=(*keys.chunks(name, count), *old_chunks), seconds=CHUNK_SECONDS,
        )  # fmt: skip
        return int(answer[1]) if answer[0] == "OK" else None

    def snapshot_name(self) -> str:
        """A name that no snapshot has had."""
        self._snapshots += 1
        return f"{self._writer}.{self._snapshots}"

    async def write_chunks(
        self, link: Link, store: str, name: str, chunks: AsyncIterator[bytes], tenure: str
    ) -> tuple[int, int]:
        """Write the chunks of a snapshot; how many, and their bytes. Those of one that fails half-way are removed."""
        count = size = 0
        try:
            async for chunk in chunks:
                (key,) = self._scripts.keys.chunks(name, count + 1)[count:]
                value = crc32(chunk).to_bytes(4, "big") + chunk
                answer = await self._scripts.call(
                    link, "chunk", store, self._writer, tenure, value, more_keys=(key,), seconds=CHUNK_SECONDS
                )
                if answer[0] != "OK":
                    raise ChunkRefused(answer[0])
                count, size = count + 1, size + len(chunk)
        except BaseException:
            with suppress(Refused, NotSent, NoAnswer):  # a store that is away keeps them
                await link.call(("UNLINK", *self._scripts.keys.chunks(name, count + 1)))
            raise
        return count, size


class ChunkRefused(Refused):
    """The store does not take the snapshot: somebody else is the housekeeper, or it holds another log now."""


def _part(entries: list[Stored]) -> list[Stored]:
    """As many of the first entries as one script call may carry."""
    size = 0
    for count, entry in enumerate(entries[:MEND_ENTRIES]):
        size += len(entry.payload)
        if size > MEND_BYTES and count:
            return entries[:count]
    return entries[:MEND_ENTRIES]
