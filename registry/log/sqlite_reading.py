"""The SQLite file as one who only looks at it sees it: as of one moment, beside whoever writes.

Owns the read transaction that holds the moment still, and reading all of the file for faults. It takes no lock on
the data directory and changes nothing. Nobody has checked the file before, so every record and piece is
checked when it is read.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from registry.errors import LogUnavailable
from registry.log import sqlite_records as records
from registry.log import sqlite_snapshots as snapshots
from registry.log.base import Entry, Newest, NotStored, Reset
from registry.log.sequencer import Probed, Settled
from registry.log.sqlite_schema import Meta, connect_to_read, meta, opening_error, refuse_foreign
from registry.log.worker import Worker

FAULTS_AT_ONCE = 100
_REFUSAL = "the log was opened to be read only"


class FileReader:
    """One read transaction; each method runs on the one thread that opened it."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._connection: sqlite3.Connection | None = None

    def open(self) -> Newest:
        """Begin to read; what is committed from now on is not seen.

        Raises:
            LogUnavailable: there is no file, or it is not ours. LogCorrupt: it is damaged.
        """
        try:
            self._connection = connect_to_read(self._path)
            self._connection.execute("BEGIN")
            refuse_foreign(self._connection, self._path)
            found = self._meta()
        except sqlite3.Error as error:
            raise opening_error(self._path, error) from error
        return Newest(found.last_index, found.last_time / 1000)

    def close(self) -> None:
        """End the transaction. Idempotent."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def newest(self) -> Newest:
        """The newest record as of the moment of opening."""
        try:
            found = self._meta()
        except sqlite3.Error as error:
            raise LogUnavailable(f"{self._path.name}: {error}") from error
        return Newest(found.last_index, found.last_time / 1000)

    def read(self, after: int, limit: int) -> list[Entry] | Reset:
        """As `Storage.read`.

        Raises:
            LogCorrupt: a record or the snapshot is damaged.
        """
        try:
            found, connection = self._meta(), self._opened()
            if after < records.trimmed(connection, found.last_index) or after <= 0 < found.snapshot_index:
                whole = snapshots.chunks(connection, self._path, _publication(found), found.snapshot_pieces)
                return Reset(found.snapshot_index, found.snapshot_time / 1000, found.floor, whole)
            passed_over = records.skipped(connection)
            return records.after_checked(connection, self._path, after, found.last_index, limit, passed_over)
        except sqlite3.Error as error:
            raise opening_error(self._path, error) from error

    def faults(self) -> Iterator[str]:
        """All that is wrong with the file."""
        try:
            found, connection = self._meta(), self._opened()
        except sqlite3.Error as error:
            yield f"the row of table meta cannot be read ({error})"
            return
        if not found.trim_index <= found.snapshot_index <= found.last_index:
            yield f"the snapshot as of {found.snapshot_index} has no place in the log"
        last = Newest(found.last_index, found.last_time / 1000)
        yield from records.faults(connection, trim_index=found.trim_index, last=last)
        yield from snapshots.faults(connection, _publication(found), found.snapshot_pieces)
        try:
            for [verdict] in connection.execute(f"PRAGMA quick_check({FAULTS_AT_ONCE})"):
                if verdict != "ok":
                    yield f"the file is damaged ({' '.join(verdict.split())})"
        except sqlite3.Error as error:
            yield f"the file is damaged ({error})"

    def _meta(self) -> Meta:
        return meta(self._opened(), self._path)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise LogUnavailable("the log is closed")
        return self._connection


class ReadingStorage:
    """`Storage` that refuses every change."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._reader = FileReader(path)
        self._worker: Worker | None = None

    async def open(self) -> Newest:
        """Begin to read."""
        self._worker = Worker("registry-reading")
        try:
            return await self._worker.run(self._reader.open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the reading."""
        if self._worker is None:
            return
        worker, self._worker = self._worker, None
        try:
            await worker.run(self._reader.close)
        finally:
            worker.stop()

    def write(self, entries: list[Entry], done: Settled) -> None:
        """Refuse."""
        self._opened().call(lambda: NotStored(_REFUSAL), done)

    def probe(self, done: Probed) -> None:
        """The newest entry; nothing is ever in doubt."""
        self._opened().call(self._reader.newest, done)

    async def newest(self) -> Newest:
        """The newest entry as of the moment of opening."""
        return await self._opened().run(self._reader.newest)

    async def read(self, after: int, limit: int) -> list[Entry] | Reset:
        """Up to `limit` entries after `after`, or a reset."""
        return await self._opened().run(partial(self._reader.read, after, limit))

    async def publish_snapshot(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> None:
        """Refuse."""
        raise LogUnavailable(_REFUSAL)

    async def restore(self, index: int, time: float, chunks: AsyncIterator[bytes]) -> Newest:
        """Refuse."""
        raise LogUnavailable(_REFUSAL)

    async def skip(self, index: int) -> None:
        """Refuse."""
        raise LogUnavailable(_REFUSAL)

    def verify(self) -> AsyncIterator[str]:
        """A sentence for each fault."""
        return faults_of(self._path)

    def tail_bytes(self) -> int:
        """Of no account: who only reads makes no snapshot."""
        return 0

    def _opened(self) -> Worker:
        if self._worker is None:
            raise LogUnavailable("the log is closed")
        return self._worker


async def faults_of(path: Path) -> AsyncIterator[str]:
    """What is wrong with a file, read on a thread of its own.

    Raises:
        LogUnavailable: it could not be read. LogCorrupt: not even its head could.
    """
    worker, reader = Worker("registry-verify"), FileReader(path)
    try:
        await worker.run(reader.open)
        faults = reader.faults()
        while found := await worker.run(lambda: list(islice(faults, FAULTS_AT_ONCE))):
            for fault in found:
                yield fault
    finally:
        await worker.run(reader.close)
        worker.stop()


def _publication(found: Meta) -> snapshots.Publication:
    return snapshots.Publication(found.publication, found.snapshot_index, found.snapshot_time)
