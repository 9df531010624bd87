"""The durable log of one process: a SQLite file on a thread of its own.

Owns the lock on the data directory, the thread, and the way between it and the event loop. What is in
the file and what its failures mean is `sqlite_file.py`'s.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from registry.errors import LogUnavailable
from registry.log import sqlite_snapshots as snapshots
from registry.log.base import Entry, Newest, Reset
from registry.log.directory import DirectoryLock
from registry.log.group import Seats
from registry.log.local import LocalLog
from registry.log.sequencer import Probed, Sequencer, Settled
from registry.log.sqlite_file import SqliteFile
from registry.log.sqlite_reading import ReadingStorage, faults_of
from registry.log.sqlite_schema import refuse_missing
from registry.log.worker import Worker


class SqliteStorage:
    """`Storage` in a file: every call goes to the thread and comes back in order."""

    def __init__(self, file: SqliteFile, lock: DirectoryLock, *, create: bool = True) -> None:
        """`create`: whether a file is made where there is none."""
        self._file = file
        self._lock = lock
        self._create = create
        self._worker: Worker | None = None
        self._publishing = asyncio.Lock()

    async def open(self) -> Newest:
        """Lock the directory, open and check the file."""
        self._worker = Worker("registry-log")
        try:
            if not self._create:
                await self._worker.run(partial(refuse_missing, self._file.path))
            await self._worker.run(self._lock.acquire)
            return await self._worker.run(self._file.open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the file after what was called before, then let go of the directory."""
        if self._worker is None:
            return
        worker, self._worker = self._worker, None
        try:
            await worker.run(self._release)
        finally:
            worker.stop()

    def write(self, entries: list[Entry], done: Settled) -> None:
        """Make the entries durable."""
        self._open_worker().call(partial(self._file.write, entries), done)

    def probe(self, done: Probed) -> None:
        """Settle a batch in doubt."""
        self._open_worker().call(self._file.newest, done)

    async def newest(self) -> Newest:
        """The newest entry according to the file."""
        return await self._open_worker().run(self._file.newest)

    async def read(self, after: int, limit: int) -> list[Entry] | Reset:
        """Up to `limit` entries after `after`, or a reset."""
        return await self._open_worker().run(partial(self._file.read, after, limit))

    async def publish_snapshot(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """Store the chunks piece by piece, then move the pointer, then sweep slice by slice.

        Each step is a transaction of its own, so appends go in between.
        """
        async with self._publishing:
            run = self._open_worker().run
            publication = await run(partial(self._file.begin_snapshot, index, time))
            if publication is None:
                return
            try:
                pieces = await self._put_in(publication, chunks)
                await run(partial(self._file.publish, publication, pieces))
            finally:
                await self._sweep()

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> Newest:
        """Store the chunks piece by piece, then let one transaction put them in the place of everything."""
        async with self._publishing:
            run = self._open_worker().run
            publication = await run(partial(self._file.begin_restore, index, time))
            try:
                pieces = await self._put_in(publication, chunks)
                return await run(partial(self._file.restore, publication, pieces))
            except BaseException:
                await self._sweep()
                raise

    async def _put_in(self, publication: snapshots.Publication, chunks: AsyncIterator[bytes]) -> int:
        """Store the chunks of a publication; how many pieces they became."""
        pieces = 0
        async for chunk in chunks:
            for piece in snapshots.cut(chunk, pieces):
                await self._open_worker().run(partial(self._file.add_piece, publication, piece))
                pieces += 1
        return pieces

    async def _sweep(self) -> None:
        with suppress(LogUnavailable):  # what is left is swept next time, or at the next start
            while await self._open_worker().run(self._file.sweep):
                pass

    async def skip(self, index: int) -> None:
        """Pass over an entry from now on."""
        await self._open_worker().run(partial(self._file.skip, index))

    def verify(self) -> AsyncIterator[str]:
        """Read the file anew, on a thread and a connection of its own, so that no append waits for it."""
        return faults_of(self._file.path)

    def tail_bytes(self) -> int:
        """Bytes of payloads after the snapshot."""
        return self._file.tail_bytes

    def _open_worker(self) -> Worker:
        if self._worker is None:
            raise LogUnavailable("the log is closed")
        return self._worker

    def _release(self) -> None:
        self._file.close()
        self._lock.release()


class SqliteLog(LocalLog):
    """One process's log in a SQLite file."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], float],
        elapsed: Callable[[], float],
        writer: str,
        max_pages: int | None = None,
        create: bool = True,
    ) -> None:
        """Args:
        max_pages: bounds the size of the file as a full disk would; None: the disk decides.
        create: whether a file is made where there is none; else that is an error.
        """
        storage = SqliteStorage(SqliteFile(path, max_pages=max_pages), DirectoryLock(path), create=create)
        seats = Seats()
        super().__init__(writer, storage, Sequencer(storage, now=now, elapsed=elapsed, tenure=seats.tenure), seats)


class SqliteReadingLog(LocalLog):
    """A log in a SQLite file as it is at the moment of opening; whoever writes to it is not disturbed."""

    def __init__(self, path: Path, *, now: Callable[[], float], elapsed: Callable[[], float], writer: str) -> None:
        storage = ReadingStorage(path)
        super().__init__(writer, storage, Sequencer(storage, now=now, elapsed=elapsed), Seats())
