"""`Claim`: one acquisition of a key, from the first look at it until it is given back.

Owns the order of the requests, so that there is one holder whatever gets lost on the way: the session is the same for
every try, so asking again what was not answered is harmless, and the holder looks once more before it believes.
Source: consul/kv.md §7, consul/session.md §6.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from registry.client.api import Api
from registry.client.backoff import Backoff
from registry.client.errors import ClientError, LockLost, Refused, ServerAway
from registry.client.key import LOCK_FLAGS, Key
from registry.client.session import Lease
from registry.client.timing import Timing

_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 5.0  # between tries: the server is away, or nobody may have the key yet
_FAREWELL_SECONDS = 5.0
_CONFLICT = 409
_NO_SESSION = "invalid session"  # how Consul says that the session is over, to whoever would lock with it

log = logging.getLogger("registry.client")


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A lock while it is ours. May be looked at from any thread.

    Attributes:
        session: holds the key.
        lock_index: Consul's count of how often the key was locked; begins anew when the key is deleted, or written by
            somebody who does not lock it.
        fence: higher for every later holder, whatever becomes of the key: the log's index at which it became ours, or
            a later one at which it still was.
        lost: set once it is not certainly ours; belongs to the event loop.
    """

    key: str
    session: str
    lock_index: int
    fence: int
    lost: asyncio.Event = field(repr=False)
    _lease: Lease = field(repr=False)

    @property
    def alive(self) -> bool:
        """Whether it is certainly still ours; asks nobody."""
        return not self.lost.is_set() and self._lease.alive

    def check(self) -> None:
        """Do nothing while it is certainly ours.

        Raises:
            LockLost: it may be somebody else's.
        """
        if not self.alive:
            raise LockLost(self.key)


class Claim:
    """Getting a key, keeping it, giving it back.

    Args:
        lease: makes a session that has not begun.
    """

    def __init__(self, api: Api, key: str, value: bytes, lease: Callable[[Api], Lease], timing: Timing) -> None:
        self._api = api
        self._key = Key(api, key, timing)
        self._value = value
        self._new_lease = lease
        self._timing = timing
        self._lease: Lease | None = None
        self._asked = False  # whether the key may be the session's

    async def got(self) -> Held:
        """Wait until the key is ours.

        Raises:
            Refused: the server will not have it, or the key is used for something else.
        """
        backoff = self._backoff()
        while True:
            try:
                waited = await self._until_free()
                if (held := await self._taken(await self._living())) is not None:
                    return held
                if waited:  # somebody was faster
                    backoff.reset()
                    continue
            except ServerAway as error:
                log.warning("lock %s: %s", self._key.name, error)
            except Refused as error:
                if _NO_SESSION not in error.text:
                    raise
                await self._end_session()
            # Nobody has it and still it cannot be had: the lock-delay runs, which ends without a word.
            await self._timing.sleep(backoff.next())

    async def until_lost(self, held: Held) -> None:
        """Return when its session is over, or the key is not its any more."""
        assert self._lease is not None
        watching = {
            asyncio.create_task(self._until_not(held.session)),
            asyncio.create_task(self._lease.lost.wait()),
        }
        try:
            await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)
        held.lost.set()

    async def end(self) -> None:
        """Give it back and end the session, within 5 seconds. Never raises: a server that is away does it by the TTL.

        What was lost is not given back but ended, so that the lock-delay keeps others from it for a while.
        """
        lease, gives_back = self._lease, False
        if lease is not None:
            gives_back = self._asked and lease.alive
            lease.stop()  # before anything that could be interrupted: nothing of ours lives on unattended
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                if lease is not None and gives_back:
                    with suppress(ClientError):
                        await self._key.give_back(lease.id, self._value)
                await self._end_session()
        except TimeoutError:
            log.warning("lock %s: no answer when it was given back; its session will end", self._key.name)
        finally:
            await self._api.close()

    async def _until_free(self) -> bool:
        """Wait while somebody has the key; whether anybody had."""
        pair, waited = await self._key.now(), False
        while pair is not None:
            if pair.flags != LOCK_FLAGS:
                raise Refused(_CONFLICT, f"the key {self._key.name} is used for something else than a lock")
            if not pair.session or (self._lease is not None and pair.session == self._lease.id):
                break
            waited, pair = True, await self._key.next()
        return waited

    async def _living(self) -> Lease:
        if self._lease is not None and not self._lease.alive:
            await self._end_session()
        if self._lease is None:
            lease = self._new_lease(self._api)
            await lease.begin()
            self._lease = lease
        return self._lease

    async def _taken(self, lease: Lease) -> Held | None:
        self._asked = True
        if not await self._key.take(lease.id, self._value):
            self._asked = False
            return None
        pair = await self._key.now()
        if pair is None or pair.session != lease.id or not lease.alive:
            return None
        return Held(self._key.name, lease.id, pair.lock_index, pair.modify_index, asyncio.Event(), lease)

    async def _end_session(self) -> None:
        lease, self._lease, self._asked = self._lease, None, False
        if lease is not None:
            await lease.end()

    async def _until_not(self, session: str) -> None:
        backoff = self._backoff()
        while True:
            try:
                pair = await self._key.next()
            except ClientError:
                await self._timing.sleep(backoff.next())
                continue
            backoff.reset()
            if pair is None or pair.session != session:
                log.info("lock %s: the key is not ours any more", self._key.name)
                return

    def _backoff(self) -> Backoff:
        return Backoff(_FIRST_SECONDS, _LONGEST_SECONDS, self._timing.chance)
