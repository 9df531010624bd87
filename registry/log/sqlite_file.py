"""The SQLite file as the log's thread sees it: batches in, entries and snapshots out.

Owns the connection, what is known to be stored, and what a failure means. It does not know the event
loop: each method runs on the one thread that opened it, one after the other.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from registry.errors import LogCorrupt, LogUnavailable
from registry.log import sqlite_records as records
from registry.log import sqlite_snapshots as snapshots
from registry.log.base import Entry, Newest, NotStored, Reset, Unknown
from registry.log.sequencer import RESTORE_JUMP, no_entry, taken_in
from registry.log.sqlite_schema import Meta, connect, corrupt, meta, opening_error, prepare, transaction

Connect = Callable[[Path, bool], sqlite3.Connection]  # the flag: whether a missing file is made

# After these the statement is known to be rolled back and the connection is good. Anything else may be a
# commit that failed half-way, about which only the file itself can be asked.
ROLLED_BACK = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
)


class SqliteFile:
    """One open store."""

    def __init__(self, path: Path, *, max_pages: int | None = None, connection: Connect | None = None) -> None:
        """`connection` replaces how connections are made, for tests of failing disks."""
        self._path = path
        self._connect = connection or (lambda path, create: connect(path, create=create, max_pages=max_pages))
        self._connection: sqlite3.Connection | None = None
        self._opened = False
        self._last = 0
        self._doubtful = 0  # the last index of what may be stored; 0: none
        self._skipped: frozenset[int] = frozenset()
        self.tail_bytes = 0  # payload bytes after the snapshot; may be read from any thread

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def open(self) -> Newest:
        """Open or make the file, check all of it, and sweep up what a crash left behind.

        Raises:
            LogCorrupt: damage; names the record.
            LogUnavailable: it cannot be opened, or is not ours.
        """
        self._path = self._path.absolute()  # it may be opened again after the process has changed its directory
        try:
            self._connection = connection = self._connect(self._path, True)
            prepare(connection, self._path)
            found = self._checked(connection)
            self.tail_bytes = records.payload_bytes_after(connection, found.snapshot_index)
            self._skipped = records.skipped(connection)
        except sqlite3.Error as error:
            self.close()
            raise opening_error(self._path, error) from error
        except (LogCorrupt, LogUnavailable):
            self.close()
            raise
        self._last = found.last_index
        self._opened = True
        with suppress(LogUnavailable):  # a full disk keeps the rubbish until there is room
            while self.sweep():
                pass
        return _newest(found)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._opened = False
        self._disconnect()

    def write(self, entries: Sequence[Entry]) -> NotStored | Unknown | None:
        """Store a batch in one transaction; None when it is durable."""
        try:
            if self._doubtful:  # a restore may have gone through
                self.newest()
            if entries[0].index <= self._last:
                return NotStored(f"{self._path.name}: the store was replaced meanwhile")
            records.insert(self._connected(), entries, self._last)
        except LogUnavailable as error:
            return NotStored(error.reason)
        except sqlite3.Error as error:
            return self._verdict(entries, error)
        self._stored(entries)
        return None

    def newest(self) -> Newest:
        """The newest record according to the file; after an unknown outcome this settles it.

        Raises:
            LogUnavailable: the file cannot be read.
        """
        try:
            newest = _newest(meta(self._connected(), self._path))
            if self._doubtful and newest.index == self._doubtful:
                self._make_durable()
        except sqlite3.Error as error:
            self._disconnect()
            raise self._unavailable(error) from error
        if newest.index not in (self._last, self._doubtful or self._last):
            raise self._changed_by_others(newest.index)
        self._last, self._doubtful = newest.index, 0
        return newest

    def read(self, after: int, limit: int) -> list[Entry] | Reset:
        """Up to `limit` entries after `after`; a reset if they are gone, beyond the end, or from nothing.

        Raises:
            LogUnavailable: the file cannot be read.
            LogCorrupt: the snapshot is damaged.
        """
        try:
            connection = self._connected()
            found = meta(connection, self._path)
            trimmed = records.trimmed(connection, self._last)
            if after < trimmed or after > self._last or after <= 0 < found.snapshot_index:
                return Reset(found.snapshot_index, found.snapshot_time / 1000, found.floor, self._chunks(found))
            return records.after(connection, after, self._last, limit, self._skipped)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def begin_snapshot(self, index: int, time: float) -> snapshots.Publication | None:
        """A publication to add pieces to; None when a newer snapshot is there already."""
        if index > self._last:
            raise ValueError(f"snapshot as of {index}, but the log ends at {self._last}")
        try:
            connection = self._connected()
            if index < meta(connection, self._path).snapshot_index:
                return None
            return snapshots.Publication(snapshots.next_number(connection), index, round(time * 1000))
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def add_piece(self, publication: snapshots.Publication, piece: snapshots.Piece) -> None:
        """Store one piece of a snapshot."""
        try:
            snapshots.add_piece(self._connected(), publication, piece)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def publish(self, publication: snapshots.Publication, pieces: int) -> None:
        """Make a complete publication the snapshot."""
        try:
            connection = self._connected()
            snapshots.point_to(connection, publication, pieces)
            self.tail_bytes = records.payload_bytes_after(connection, publication.index)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def begin_restore(self, index: int, time: float) -> snapshots.Publication:
        """A publication to add pieces to that is to replace everything, beyond `index` and all there was."""
        try:
            number = snapshots.next_number(self._connected())
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        stands_at = max(index, self._last, self._doubtful) + RESTORE_JUMP
        return snapshots.Publication(number, stands_at, round(time * 1000))

    def restore(self, publication: snapshots.Publication, pieces: int) -> Newest:
        """Replace everything by a complete publication, in one transaction.

        Raises:
            LogUnavailable: it failed; nothing was changed, unless `unknown`.
        """
        try:
            connection = self._connected()
            with transaction(connection):
                records.delete_all(connection)
                snapshots.replace_by(connection, publication, pieces)
        except sqlite3.Error as error:
            newest = self._settled(publication.index, error)
            if newest.index != publication.index:
                raise self._unavailable(error) from error
        self._last, self._doubtful = publication.index, 0
        self._skipped, self.tail_bytes = frozenset(), 0
        return self.newest()

    def skip(self, index: int) -> None:
        """Pass over a record from now on.

        Raises:
            LookupError: there is none, or the snapshot has taken it in.
            LogUnavailable: it could not be written.
        """
        try:
            connection = self._connected()
            if index <= meta(connection, self._path).snapshot_index:
                raise taken_in(index)
            if not records.skip(connection, index):
                raise no_entry(index)
            self._skipped = records.skipped(connection)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def sweep(self) -> bool:
        """Delete a slice of what nobody needs; whether there may be more."""
        try:
            connection = self._connected()
            return snapshots.sweep_some(connection) or records.trim_some(connection)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _verdict(self, entries: Sequence[Entry], error: sqlite3.Error) -> NotStored | Unknown | None:
        """What became of a batch that SQLite failed on: the file is asked, if need be opened anew."""
        last = entries[-1].index
        try:
            newest = self._settled(last, error)
        except LogUnavailable as second:
            return Unknown(second.reason)
        if newest.index == last:
            self._stored(entries)
            return None
        return NotStored(f"{self._path.name}: {error}")

    def _settled(self, index: int, error: sqlite3.Error) -> Newest:
        """What is stored after a transaction up to `index` failed.

        Raises:
            LogUnavailable: nobody can tell.
        """
        if _code(error) not in ROLLED_BACK:
            self._doubtful = index
            self._disconnect()
        try:
            return self.newest()
        except LogUnavailable as second:
            reason = f"{self._path.name}: {error}; asked what is stored: {second.reason}"
            raise LogUnavailable(reason, unknown=True) from error

    def _make_durable(self) -> None:
        """Write what was found after a failed commit once more, from the log beside into the file.

        A sync that failed leaves pages in memory that the kernel thinks are on the disk: they can be
        read, and are gone after a power cut. Only what is written anew is synced anew.
        """
        [busy, _, _] = self._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("the file is in use by another program")

    def _stored(self, entries: Sequence[Entry]) -> None:
        self._last, self._doubtful = entries[-1].index, 0
        self.tail_bytes += sum([len(entry.payload) for entry in entries])

    def _checked(self, connection: sqlite3.Connection) -> Meta:
        """The file's meta row once all of the file was read and found good."""
        found = meta(connection, self._path)
        if not found.trim_index <= found.snapshot_index <= found.last_index:
            raise corrupt(self._path, f"the snapshot as of {found.snapshot_index} has no place in the log")
        records.check(connection, self._path, trim_index=found.trim_index, last=_newest(found))
        self._chunks(found)
        [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise corrupt(self._path, f"the file is damaged ({' '.join(verdict.split())})")
        return found

    def _chunks(self, found: Meta) -> tuple[bytes, ...]:
        publication = snapshots.Publication(found.publication, found.snapshot_index, found.snapshot_time)
        return snapshots.chunks(self._connected(), self._path, publication, found.snapshot_pieces)

    def _connected(self) -> sqlite3.Connection:
        """The connection, made anew if a failure has closed it."""
        if self._connection is None:
            if not self._opened:
                raise LogUnavailable("the log is closed")
            self._connection = self._connect(self._path, False)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):  # what it could not finish is found when the file is opened
                self._connection.close()
            self._connection = None

    def _unavailable(self, error: sqlite3.Error) -> LogUnavailable:
        return LogUnavailable(f"{self._path.name}: {error}")

    def _changed_by_others(self, found: int) -> LogCorrupt:
        return corrupt(self._path, f"record {found} is the last one, not {self._last}: another program has written")


def _newest(found: Meta) -> Newest:
    return Newest(found.last_index, found.last_time / 1000)


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
