"""`Lock`: one holder at a time among all programs that use the same key, whatever fails.

Owns what a program sees of it: acquire, release, and a block that is cancelled when the lock is lost. How it is got and
kept is `claim.py`. It is the lock of Consul's own clients, with their flags: programs that use theirs and programs that
use this one keep each other out. Source: consul/kv.md §5 and §7.

No lock can stop a program that was asleep for a minute from writing when it wakes up. What can is the resource: give it
`Held.fence` with every write and let it refuse a lower one than it has seen.
"""

import asyncio
import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from registry.client.access import Access
from registry.client.api import Api
from registry.client.claim import Claim, Held
from registry.client.errors import LockLost, NotLocked
from registry.client.http import Target
from registry.client.session import Lease
from registry.client.timing import REAL, Timing

TTL_SECONDS = 15.0
LOCK_DELAY_SECONDS = 15.0
# What a session is told is in milliseconds, and none of them is no end for Consul. Its shortest TTL is the server's.
_SHORTEST_TTL_SECONDS, _LONGEST_TTL_SECONDS = 0.001, 86400.0

log = logging.getLogger("registry.client")


@dataclass(slots=True)
class _Inside:
    """The task that runs a lock's block."""

    task: "asyncio.Task[Any]"
    cancelled_before: int  # how often somebody else had asked it to end
    told: bool = False  # whether we have asked it


class Lock:
    """A lock on a key.

        async with Lock("http://localhost:8500", "jobs/nightly") as held:
            await store.write(data, fence=held.fence)

    A lock that is lost cancels the block, which then ends with `LockLost`; so ends one that has outlived the lock
    without an `await`. An object belongs to the loop it is used on and is held once at a time. `SyncLock` is for
    programs without a loop.

    Args:
        url: of the registry, or of a Consul agent.
        value: what the key shows while it is held and afterwards, for people and for those who look who it is.
        ttl_seconds: after so long without a word from the server the lock counts as lost here; the server gives it away
            later. It takes 10 seconds to a day.
        lock_delay_seconds: for so long nobody else gets a lock that was lost and not given back; at most 60.
        access: the token and the TLS.
        timing: for tests.

    Raises:
        ValueError: a url that is none, no key, or one with a slash at its beginning, which Consul's clients refuse; a
            TTL of nothing, or of more than a day.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        value: bytes = b"",
        ttl_seconds: float = TTL_SECONDS,
        lock_delay_seconds: float = LOCK_DELAY_SECONDS,
        access: Access | None = None,
        timing: Timing = REAL,
    ) -> None:
        if not key or key.startswith("/"):
            raise ValueError(f"a lock needs a key without a slash at its beginning, not {key!r}")
        if not _SHORTEST_TTL_SECONDS <= ttl_seconds <= _LONGEST_TTL_SECONDS:
            raise ValueError(f"a lock needs a TTL of 10 seconds to a day, not of {ttl_seconds} s")
        Target.of(url)
        self.key = key
        self.held: Held | None = None
        self._url, self._access, self._value, self._timing = url, access, value, timing
        self._ttl_seconds, self._lock_delay_seconds = ttl_seconds, lock_delay_seconds
        self._claim: Claim | None = None
        self._watching: asyncio.Task[None] | None = None
        self._inside: _Inside | None = None

    async def acquire(self, timeout: float | None = None) -> Held:
        """Wait until the lock is ours; tries again for as long as that takes, whatever the server does.

        Args:
            timeout: seconds, the requests among them; None waits without end.
        Raises:
            NotLocked: the time is over. Refused: the server will not have it, or the key is used for something else.
            RuntimeError: it is held or waited for already; one that was lost has to be released first.
        """
        if self._claim is not None:
            raise RuntimeError(f"{self.key} is held or waited for already")
        claim = self._claim = Claim(Api(self._url, self._access), self.key, self._value, self._lease, self._timing)
        try:
            async with asyncio.timeout(timeout):
                held = await claim.got()
        except BaseException as error:
            await self._end()
            if isinstance(error, TimeoutError):
                raise NotLocked(self.key, timeout) from None
            raise
        self.held = held
        self._watching = asyncio.create_task(self._watch(claim, held), name=f"watch of lock {self.key}")
        return held

    async def release(self) -> None:
        """Give the lock back; the next one gets it at once. Never raises; does nothing when it is not held."""
        if self.held is not None:
            self.held = None
            await self._end()

    async def __aenter__(self) -> Held:
        task = asyncio.current_task()
        assert task is not None
        held = await self.acquire()
        self._inside = _Inside(task, task.cancelling())
        return held

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held, inside, self._inside = self.held, self._inside, None
        lost = held is not None and not held.alive
        await self.release()
        ours = False  # whether the cancellation that ended the block is ours alone
        if inside is not None and inside.told:
            ours = inside.task.uncancel() <= inside.cancelled_before and kind is asyncio.CancelledError
        if lost and (error is None or ours):
            raise LockLost(self.key) from error

    async def _end(self) -> None:
        claim, self._claim = self._claim, None
        watching, self._watching = self._watching, None
        try:
            if watching is not None and watching is not asyncio.current_task():
                watching.cancel()
                await asyncio.wait({watching})
        finally:
            if claim is not None:
                await claim.end()

    async def _watch(self, claim: Claim, held: Held) -> None:
        await claim.until_lost(held)
        log.warning("lock %s is lost", self.key)
        if self._inside is not None:
            self._inside.told = True
            self._inside.task.cancel()

    def _lease(self, api: Api) -> Lease:
        return Lease(
            api, f"lock {self.key}", ttl_seconds=self._ttl_seconds, lock_delay_seconds=self._lock_delay_seconds,
            timing=self._timing,
        )  # fmt: skip
