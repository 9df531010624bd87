"""`Log` over Redis: one process's end of a log that many share.

Owns the parts and their life. What each does is in its own file; the protocol is in docs/redis.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from registry.errors import LogUnavailable
from registry.log.base import Contact, Deadlines, Group, Held, Item, Newest, NotStored, Outcome, Output, Record
from registry.log.redis.appender import Appender
from registry.log.redis.deadlines import RedisDeadlines
from registry.log.redis.follower import Follower
from registry.log.redis.history import History
from registry.log.redis.link import NoAnswer, NotSent, Refused
from registry.log.redis.membership import Membership
from registry.log.redis.outputs import publish_outputs
from registry.log.redis.place import place_of
from registry.log.redis.scripts import Keys, Scripts
from registry.log.redis.session import Interrupted, Session
from registry.log.redis.snapshots import Snapshots
from registry.log.redis.start import look_at_server
from registry.log.redis.syncs import Syncs
from registry.log.redis.url import Target
from registry.log.redis.verify import faults
from registry.log.role import Role


class RedisLog:
    """One writer's end of a log in Redis. Connections: keeper, appends, beats, ticks, syncs; one a follower."""

    shared = True
    deadlines: Deadlines
    group: Group

    def __init__(self, target: Target, *, writer: str, role: Role = Role.SERVER) -> None:
        """Whoever is no member by its role should not append."""
        self.writer = writer
        self._target = target
        self._place = place_of(target)
        self._keys = Keys(target.namespace)
        scripts = Scripts(self._keys)
        self._history = History()
        self.group = self._membership = Membership(writer)
        self._session = Session(target, self._place, scripts, writer, self._history, self._membership, role)
        appends, beats, self._ticks, syncs, snapshots = (self._session.link() for _ in range(5))
        self._appender = Appender(self._session, appends, writer, target.copies)
        self._syncs = Syncs(self._session, syncs, writer, target.copies)
        self.deadlines = self._deadlines = RedisDeadlines(self._session, self._membership, beats, self._ticks, writer)
        self._snapshots = Snapshots(self._session, self._membership, snapshots, self._keys, writer, self._history)
        self._followers: list[Follower] = []
        self._open = False
        self._closing = asyncio.Lock()
        self._closed = False

    @property
    def held(self) -> Callable[[], Held] | None:
        """What this process can heal a lost store with."""
        return self._session.recovery.held

    @held.setter
    def held(self, held: Callable[[], Held] | None) -> None:
        self._session.recovery.held = held

    async def open(self) -> None:
        """Greet the store, and look at how it is configured."""
        try:
            await self._session.open()
            await look_at_server(self._ticks, self._target)
        except BaseException:
            await self._session.close()
            await self._place.close()
            raise
        self._open = True

    async def close(self) -> None:
        """Finish the append under way, end the followers, leave the group. Idempotent."""
        self._open = False
        async with self._closing:
            if self._closed:
                return
            await self._appender.idle()
            self._closed = True
            for follower in self._followers:
                await follower.end(self._appender.newest)
            await self._deadlines.close()
            await self._syncs.close()
            await self._session.close()
            await self._place.close()

    async def append(self, batch: int, records: list[Record]) -> Outcome:
        """Store the records as one batch; cancelling the caller does not cancel that."""
        if not self._open:
            return NotStored("the log is closed")
        return await self._appender.append(batch, records)

    async def follow(self, after: int) -> AsyncIterator[Item]:
        """All entries after an index; the first follower's are kept to heal the store with."""
        history = None if self._followers else self._history
        follower = Follower(self._session, self._session.link(), self._keys, history, after)
        self._followers.append(follower)
        try:
            async for item in follower.items():
                yield item
        finally:
            self._followers.remove(follower)
            await follower.close()

    async def newest(self) -> Newest:
        """The newest entry, asked of the store."""
        return await self._syncs.newest()

    async def sync(self) -> int:
        """The newest index as of a moment after this call."""
        return (await self._syncs.newest()).index

    def contact(self) -> Contact:
        """How the store is."""
        return self._session.contact()

    async def publish_outputs(self, texts: list[Output]) -> None:
        """Hand texts to everybody, if the store is there."""
        await publish_outputs(self._session, self._ticks, texts)

    async def publish_snapshot(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """Store a snapshot, then trim; the housekeeper's work."""
        await self._snapshots.publish(index, time, chunks)

    def log_bytes_since_snapshot(self) -> int:
        """Bytes of payloads that this process took in since the newest snapshot."""
        return self._history.tail_bytes

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> int:
        """Replace what is stored; the followers of all processes are reset."""
        return await self._snapshots.restore(index, time, chunks)

    async def skip(self, index: int) -> None:
        """Pass over an entry from now on."""
        try:
            answer = await self._session.call(self._ticks, "skip", index)
        except (Interrupted, Refused, NotSent, NoAnswer) as problem:
            raise LogUnavailable(str(problem)) from None
        if answer[0] == "NONE":
            raise LookupError(f"the log holds no entry {index}")
        if answer[0] == "TAKEN":
            raise LookupError(f"the newest snapshot has taken entry {index} in")

    def verify(self) -> AsyncIterator[str]:
        """Read everything and check the chain and the chunks."""
        return faults(self._ticks, self._keys)
