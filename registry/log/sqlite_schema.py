"""The SQLite file: its tables, how a connection to it is made, and how damage to it is worded.

Owns the format. `sqlite_records.py` and `sqlite_snapshots.py` own what is in the tables.
"""

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from registry.errors import LogCorrupt, LogError, LogUnavailable

APPLICATION_ID = 0x72656773  # "regs": tells our files from other SQLite files
FORMAT = 1
BUSY_SECONDS = 5.0  # somebody may look into the file with the sqlite3 command
CHECKPOINT_PAGES = 500  # 2 MB: the append that carries a checkpoint along waits some 4 ms for it
WAL_KEPT_BYTES = 16 * 1024 * 1024  # what the file beside is cut back to after a burst

# The meta row moves with the last record of each batch inside the one statement that inserts it. A
# statement is a transaction of its own, so a batch costs one call into SQLite and the thread gives up
# Python's lock once: with BEGIN, INSERT, UPDATE and COMMIT a busy event loop slows it down five times.
SCHEMA = """
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format INTEGER NOT NULL,
    store TEXT NOT NULL,
    floor INTEGER NOT NULL DEFAULT 0,
    last_index INTEGER NOT NULL DEFAULT 0,
    last_time INTEGER NOT NULL DEFAULT 0,
    trim_index INTEGER NOT NULL DEFAULT 0,
    publication INTEGER NOT NULL DEFAULT 0,
    snapshot_index INTEGER NOT NULL DEFAULT 0,
    snapshot_time INTEGER NOT NULL DEFAULT 0,
    snapshot_pieces INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE records (
    idx INTEGER PRIMARY KEY,
    previous INTEGER NOT NULL,
    time INTEGER NOT NULL,
    writer TEXT NOT NULL,
    batch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TRIGGER batch_stored AFTER INSERT ON records WHEN NEW.remaining = 0 BEGIN
    UPDATE meta SET last_index = NEW.idx, last_time = NEW.time;
END;
CREATE TABLE pieces (
    publication INTEGER NOT NULL,
    piece INTEGER NOT NULL,
    ends_chunk INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (publication, piece)
);
"""


class Meta(NamedTuple):
    """The numbers of the table `meta`. Times are milliseconds."""

    format: int
    floor: int
    last_index: int
    last_time: int
    trim_index: int
    publication: int
    snapshot_index: int
    snapshot_time: int
    snapshot_pieces: int


PRAGMAS = (
    "PRAGMA synchronous = FULL",  # a commit is on the disk before it is answered
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = OFF",  # else a trim writes every page it frees
    f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}",
    f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}",
)


def connect(path: Path, *, create: bool, max_pages: int | None = None) -> sqlite3.Connection:
    """A connection in autocommit mode, for the thread that makes it.

    On a full disk there is no room for the index that SQLite keeps beside a write-ahead log for all who
    use it; then the connection has the file for itself and the index in memory, so that reads go on.

    Args:
        create: whether a missing file is made; a file that vanished under a running log is not.
        max_pages: the size of the file in pages above which the disk counts as full.
    Raises:
        sqlite3.Error: as SQLite says.
        LogUnavailable: the file system cannot carry a write-ahead log.
    """
    pragmas = PRAGMAS if max_pages is None else (*PRAGMAS, f"PRAGMA max_page_count = {max_pages}")
    try:
        return _connection(path, create, pragmas)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_IOERR_SHMSIZE:
            raise
    return _connection(path, create, ("PRAGMA locking_mode = EXCLUSIVE", *pragmas))


def _connection(path: Path, create: bool, pragmas: Sequence[str]) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?mode={'rwc' if create else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        for pragma in pragmas:
            connection.execute(pragma)
        [journal] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except BaseException:
        connection.close()
        raise
    if journal != "wal":
        connection.close()
        raise LogUnavailable(f"{path} cannot use a write-ahead log on this file system")
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, beside whoever writes; for the thread that makes it.

    Raises:
        sqlite3.Error: as SQLite says.
        LogUnavailable: there is no file.
    """
    refuse_missing(path)
    uri = f"file:{quote(str(path))}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)


def refuse_missing(path: Path) -> None:
    """Look whether there is a file.

    Raises:
        LogUnavailable: there is none.
    """
    if not path.is_file():
        raise LogUnavailable(f"there is no store at {path}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that writes: all of the block or, on an error, nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled back some failures by itself
            connection.execute("ROLLBACK")
        raise


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in an empty file; refuse a file that is not ours or too new.

    Raises:
        LogUnavailable: it is not ours or of a later version.
    """
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and tables == 0:
        store = uuid.uuid4().hex
        connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
            f"INSERT INTO meta (id, format, store) VALUES (1, {FORMAT}, '{store}'); COMMIT;"
        )
        return
    refuse_foreign(connection, path)


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Look whether the file is ours.

    Raises:
        LogUnavailable: it is not, or it is of a later version.
    """
    [application] = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise LogUnavailable(f"{path} is a database of another program; choose another --store")
    version = meta(connection, path).format
    if version > FORMAT:
        raise LogUnavailable(f"{path} was written by a later version (format {version}, this one knows {FORMAT})")


def meta(connection: sqlite3.Connection, path: Path) -> Meta:
    """The one row of `meta`.

    Raises:
        LogCorrupt: it is missing or holds something else than numbers.
    """
    row = connection.execute(f"SELECT {', '.join(Meta._fields)} FROM meta").fetchone()
    if row is None or not all(type(value) is int for value in row):
        raise corrupt(path, "the row of table meta is damaged")
    return Meta(*row)


def corrupt(path: Path, problem: str) -> LogCorrupt:
    """The error for damage, with the way out that exists."""
    return LogCorrupt(
        f"{path}: {problem}. Nothing was changed. 'registry verify' shows all that is wrong. Move {path.name}, "
        f"{path.name}-wal and {path.name}-shm elsewhere; then 'registry restore FILE' puts a backup back, or put "
        f"back a copy of {path.name}, or start with an empty store."
    )


def opening_error(path: Path, error: sqlite3.Error) -> LogError:
    """The error for what SQLite said while a file was opened."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH):
        return corrupt(path, f"the file is damaged ({error})")
    return LogUnavailable(f"{path} cannot be opened: {error}")
