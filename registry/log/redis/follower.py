"""Following: the entries of the stream by their chain, the newest snapshot where the chain is broken.

Owns one follower's place. A stream that was trimmed says nothing of what is gone, so each entry names the one
before it; whatever does not follow is a reason to begin anew at the snapshot.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any
from zlib import crc32

from registry.errors import LogCorrupt
from registry.log.base import Entry, Item, Output, Outputs, OwnId, Reset
from registry.log.redis.history import History, Stored
from registry.log.redis.link import Link, NoAnswer, NotSent, Refused
from registry.log.redis.scripts import Keys
from registry.log.redis.session import Interrupted, Session

READ_ENTRIES = 500
BLOCK_MS = 1000
READ_SECONDS = 2.0
CHUNK_SECONDS = 5.0
PAUSE_SECONDS = 0.05  # after a failure
END_SECONDS = 1.0

_log = logging.getLogger("registry.store")
_NOWHERE = -1  # a place that nothing follows: only a reset leads away from it


class Follower:
    """One `Log.follow`."""

    def __init__(self, session: Session, link: Link, keys: Keys, history: History | None, after: int) -> None:
        """`history` is filled by the follower that the engine applies; others have none."""
        self._ending = False
        self._until = 0  # what we stored before the end is yielded still
        self._reading = False
        self._ended = asyncio.Event()
        self._session = session
        self._link = link
        self._keys = keys
        self._history = history
        self._place = after
        self._soft: bytes | None = None
        self._caught_up = False

    async def items(self) -> AsyncIterator[Item]:
        """Entries, resets and outputs, until `end`."""
        begun = False
        while not (self._ending and self._place >= self._until):
            last = self._ending  # one attempt is made after the end was called for
            found: list[Item] = []
            self._reading = True
            try:
                if not begun:
                    await self._begin()
                    begun = True
                found = await self._next()
            except (Refused, NotSent, NoAnswer, Interrupted) as problem:
                if last:
                    break
                if not self._ending:
                    self._session.suspect(str(problem))
                    await asyncio.sleep(PAUSE_SECONDS)
            finally:
                self._reading = False
            for item in found:
                yield item
        self._ended.set()

    async def _begin(self) -> None:
        await self._session.stood()
        if self._place == 0 and await self._link.call(("HEXISTS", self._keys.meta, "snap")) == [1]:
            self._place = _NOWHERE

    async def end(self, until: int) -> None:
        """Yield what is stored up to an index of ours and end; returns when that is done or nobody reads."""
        self._ending, self._until = True, until
        await self._link.drop()
        if self._reading:
            try:
                async with asyncio.timeout(END_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                return

    async def close(self) -> None:
        """Let go of the connection."""
        await self._link.close()
        self._session.forget(self._link)

    async def _next(self) -> list[Item]:
        if self._place == _NOWHERE:
            return [await self._reset()]
        streams = [(self._keys.log, f"{self._place}-0")]
        if self._caught_up and self._soft is None:
            return [await self._all_outputs()]
        if self._soft is not None:
            streams.append((self._keys.soft, self._soft.decode()))
        block = () if self._ending else ("BLOCK", BLOCK_MS)
        names, places = zip(*streams, strict=True)
        command = ("XREAD", "COUNT", READ_ENTRIES, *block, "STREAMS", *names, *places)
        (answer,) = await self._link.call(command, seconds=READ_SECONDS)
        if not answer:
            await self._check_place()
            return []
        found: list[Item] = []
        for name, rows in answer:
            if name == self._keys.log.encode():
                entries = await self._entries(rows)
                found += [entries] if entries else []
            else:
                self._soft = rows[-1][0]
                texts = tuple(Output(_str(fields[1]), int(fields[3]), _str(fields[5])) for _, fields in rows)
                found.append(Outputs(texts))
        return found

    async def _entries(self, rows: list[Any]) -> list[Entry]:
        """The rows of the stream as entries, as far as they follow what was taken in."""
        stored: list[Stored] = []
        place = self._place
        for name, (_, chain, _, own, _, stamp, _, kind, _, payload) in rows:
            one = Stored(int(name[:-2]), int(chain), own, stamp, kind, payload)
            if one.chain != place:
                if not stored:
                    self._break(f"entry {one.index} follows {one.chain}, not {place}")
                    return []
                break
            if kind == b"skip" and int(payload) not in self._session.skipped:
                self._session.skipped |= {int(payload)}
                self._break(f"entry {int(payload)} is passed over from now on")
                return []
            stored.append(one)
            place = one.index
        await self._session.stood()  # what comes from another log is never taken in
        self._place = place
        if self._history is not None:
            self._history.add(stored)
        self._session.newest = max(self._session.newest, place)
        return [_entry(one, self._session.skipped) for one in stored]

    async def _check_place(self) -> None:
        """Nothing came: are we at the end, or somewhere that is no part of the log any more?"""
        await self._session.stood()
        answer = await self._session.call(self._link, "sync", "")
        index = int(answer[1])
        if index == self._place:
            self._caught_up = True
            return
        (rows,) = await self._link.call(("XREAD", "COUNT", 1, "STREAMS", self._keys.log, f"{self._place}-0"))
        if not rows:
            self._break(f"the log ends at {index}, this process is at {self._place}")

    def _break(self, why: str) -> None:
        """The next item is a reset."""
        if self._place != 0:
            _log.warning("The log has to be read anew from its snapshot: %s", why)
        self._place = _NOWHERE

    async def _reset(self) -> Reset:
        """The newest snapshot, whole; the empty state when there is none."""
        while True:
            await self._session.stood()
            answer = await self._session.call(
                self._link, "sync", "", after=[("HMGET", self._keys.meta, "snap", "floor")]
            )
            snap, floor = answer[-1]
            if snap is None:
                reset = Reset(0, 0.0, 0, ())
                break
            name, index, count, _, milliseconds = snap.decode().split(" ")
            chunks = await self._chunks(name, int(count))
            if chunks is not None:
                reset = Reset(int(index), int(milliseconds) / 1000, int(floor or 0), chunks)
                break
        self._place = reset.index
        self._caught_up, self._soft = False, None
        if self._history is not None:
            self._history.begin(reset.index)
        return reset

    async def _chunks(self, name: str, count: int) -> tuple[bytes, ...] | None:
        """The chunks; None when a newer snapshot has taken their place meanwhile."""
        found = []
        for number, key in enumerate(self._keys.chunks(name, count)):
            (value,) = await self._link.call(("GET", key), seconds=CHUNK_SECONDS)
            if value is None:
                (snap,) = await self._link.call(("HGET", self._keys.meta, "snap"))
                if snap is not None and snap.decode().startswith(f"{name} "):
                    raise LogCorrupt(f"chunk {number} of the snapshot is missing: run 'registry restore'")
                return None
            if crc32(value[4:]) != int.from_bytes(value[:4], "big"):
                raise LogCorrupt(f"chunk {number} of the snapshot is damaged: run 'registry restore'")
            found.append(value[4:])
        return tuple(found)

    async def _all_outputs(self) -> Outputs:
        """Every text that is kept, and the place in the stream of those that come."""
        newest, pairs = await self._link.call(
            ("XREVRANGE", self._keys.soft, "+", "-", "COUNT", 1), ("HGETALL", self._keys.out)
        )
        self._soft = newest[0][0] if newest else b"0-0"
        texts = []
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            after, _, text = value.partition(b" ")
            texts.append(Output(_str(key), int(after), _str(text)))
        return Outputs(tuple(texts))


def _entry(stored: Stored, skipped: frozenset[int]) -> Entry:
    writer, _, batch, position = stored.own.decode().split(".")
    time = int(stored.milliseconds) / 1000
    if stored.kind != b"cmd" or stored.index in skipped:
        return Entry(stored.index, time, OwnId(writer, int(batch or 0), int(position or 0)), b"")
    return Entry(stored.index, time, OwnId(writer, int(batch), int(position)), stored.payload)


def _str(text: bytes) -> str:
    return text.decode(errors="replace")
