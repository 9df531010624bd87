"""Snapshots in the store: chunks first, then one script that makes them count and trims the log.

Owns the sender's side. A snapshot that fails half-way is removed again, by the next one of this process if the
store was away; only what a process leaves that dies meanwhile stays.
"""

import asyncio
from collections.abc import AsyncIterator

from registry.errors import LogUnavailable
from registry.log.base import Held
from registry.log.redis.history import History
from registry.log.redis.link import CALL_SECONDS, Link, NoAnswer, NotSent, Refused
from registry.log.redis.membership import Membership
from registry.log.redis.recovery import ChunkRefused
from registry.log.redis.scripts import Keys
from registry.log.redis.session import Interrupted, Session

PUBLISH_SECONDS = 5.0  # trimming takes its time


class Snapshots:
    """Publishes and restores for one writer."""

    def __init__(
        self, session: Session, membership: Membership, link: Link, keys: Keys, writer: str, history: History
    ) -> None:
        self._session = session
        self._membership = membership
        self._link = link
        self._keys = keys
        self._writer = writer
        self._history = history
        self._turn = asyncio.Lock()
        self._left: list[str] = []  # chunks that were written and count for nothing

    async def publish(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """As `Log.publish_snapshot`; one after the other."""
        async with self._turn:
            await self._publish(index, time, chunks)

    async def _publish(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        tenure = str(self._membership.tenure())
        try:
            await self._session.standing(CALL_SECONDS)
            await self._sweep()
            name = self._session.recovery.snapshot_name()
            count, size = await self._written(name, chunks, tenure)
            keys = self._keys.chunks(name, count)
            old = await self._before_the_last()
            answer = await self._session.call(
                self._link, "publish", self._writer, tenure, name, index, round(time * 1000), count, size,
                more_keys=(*keys, *old), seconds=PUBLISH_SECONDS,
            )  # fmt: skip
        except (Interrupted, Refused, NotSent, NoAnswer, ChunkRefused) as problem:
            raise LogUnavailable(f"the snapshot was not stored: {problem}") from None
        if answer[0] == "BEYOND":
            raise ValueError(f"snapshot as of {index}, but the log ends at {int(answer[1])}")
        if answer[0] in ("FENCED", "MISSING"):
            raise LogUnavailable("the snapshot was not stored: somebody else keeps house")
        if answer[0] == "OK":
            self._left.clear()
            self._history.snapshot_taken(index)

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> int:
        """As `Log.restore`."""
        recovery = self._session.recovery
        try:
            await self._session.standing(CALL_SECONDS)
            old = [*await self._before_the_last(), *await self._named("snap")]
            stands_at = await recovery.replace(
                self._link, self._session.store, Held(index, time, chunks), "replace", old_chunks=old
            )
        except (Interrupted, Refused, NotSent, NoAnswer, ChunkRefused) as problem:
            raise LogUnavailable(f"the store was not replaced: {problem}") from None
        if stands_at is None:
            raise LogUnavailable("the store was not replaced: it is being recovered")
        return stands_at

    async def _written(self, name: str, chunks: AsyncIterator[bytes], tenure: str) -> tuple[int, int]:
        recovery = self._session.recovery

        async def noted() -> AsyncIterator[bytes]:
            count = 0
            async for chunk in chunks:
                count += 1
                self._left.append(self._keys.chunks(name, count)[-1])
                yield chunk

        return await recovery.write_chunks(self._link, self._session.store, name, noted(), tenure)

    async def _sweep(self) -> None:
        """Remove what an earlier attempt of ours left."""
        if self._left:
            await self._link.call(("UNLINK", *self._left))
            self._left.clear()

    async def _before_the_last(self) -> tuple[str, ...]:
        return await self._named("snap_old")

    async def _named(self, field: str) -> tuple[str, ...]:
        """The chunks of the snapshot that a field of `meta` names."""
        (found,) = await self._link.call(("HGET", self._keys.meta, field))
        if not found:
            return ()
        name, _, count, _, _ = found.decode().split(" ")
        return self._keys.chunks(name, int(count))
