"""`SyncLock` and `SyncElection`: the twins of `Lock` and `Election` for programs without an event loop.

Owns the way to a thread on which the lock lives while it is held or waited for. There is nobody to cancel here: who
holds a lock asks `held.alive`, or calls `held.check()`, before each step that needs it.
"""

import threading
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import TypeVar

from registry.client.claim import Held
from registry.client.election import Election
from registry.client.errors import LockLost
from registry.client.lock import Lock
from registry.client.loop_thread import LoopThread

Result = TypeVar("Result")


class SyncLock:
    """A lock that lives on a thread.

        with SyncLock(Lock("http://localhost:8500", "jobs/nightly")) as held:
            store.write(data, fence=held.fence)

    A block that ends after the lock was lost raises `LockLost`. Every method may be called from any thread; the lock is
    no thread's own.
    """

    def __init__(self, lock: Lock) -> None:
        self.lock = lock
        self._thread = LoopThread(f"lock {lock.key}")
        self._turn = threading.Lock()  # while it is held or waited for
        self._releasing = threading.Lock()

    @property
    def held(self) -> Held | None:
        """As of the lock."""
        return self.lock.held

    def acquire(self, timeout: float | None = None) -> Held:
        """As of the lock.

        Raises:
            NotLocked, Refused, RuntimeError.
        """
        if not self._turn.acquire(blocking=False):
            raise RuntimeError(f"{self.lock.key} is held or waited for already")
        try:
            self._thread.start()
            return self._thread.call(self.lock.acquire(timeout))
        except BaseException:
            self._thread.close()
            self._turn.release()
            raise

    def release(self) -> None:
        """As of the lock."""
        with self._releasing:
            if self.lock.held is not None:
                try:
                    self._thread.call(self.lock.release())
                finally:
                    self._thread.close()
                    self._turn.release()

    def __enter__(self) -> Held:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lost = self.held is not None and not self.held.alive
        self.release()
        if lost and error is None:
            raise LockLost(self.lock.key)


class SyncElection:
    """An election for threads.

    election = SyncElection(Election("http://localhost:8500", "service/reports/leader", name="worker-7"))
    election.campaign(lead)  # lead(held) goes on while held.alive
    """

    def __init__(self, election: Election) -> None:
        self.election = election

    def campaign(self, lead: Callable[[Held], Result]) -> Result:
        """Lead as often as it takes until `lead` returns while we lead; resign, and return its result.

        `lead` runs on the caller's thread. It must end when the leadership is lost: `held.check()` does so.

        Raises:
            Refused: the server will not have it.
        """
        while True:
            try:
                with SyncLock(self.election.term()) as held:
                    return lead(held)
            except LockLost as error:
                if error.key != self.election.key:
                    raise

    def leader(self) -> str | None:
        """As of the election.

        Raises:
            Refused, ServerAway.
        """
        thread = self._started()
        try:
            return thread.call(self.election.leader())
        finally:
            thread.close()

    def leaders(self) -> Generator[str | None, None, None]:
        """As of the election; closing the iterator ends it."""
        thread, leaders = self._started(), self.election.leaders()
        try:
            while True:
                yield thread.call(_next(leaders))
        finally:
            thread.close()

    def _started(self) -> LoopThread:
        thread = LoopThread(f"election for {self.election.key}")
        thread.start()
        return thread


async def _next(leaders: AsyncGenerator[str | None, None]) -> str | None:
    return await anext(leaders)
