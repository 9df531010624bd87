"""Records in the SQLite file: how a batch goes in with one statement, comes out, and is checked.

Owns the table `records`, and `skipped` beside it: indexes that a repair passes over. Each record has a CRC of
all its columns and the index of the record before it, so that damage and gaps show although indexes may jump.
"""

import sqlite3
import struct
from collections.abc import Iterator, Sequence, Set
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from registry.log.base import Entry, Newest, OwnId
from registry.log.sqlite_schema import corrupt, transaction

COLUMNS = 9
ROWS_MAX = 256  # a statement; larger batches take several in one transaction
TRIM_ROWS = 1000  # deleted in one go: a millisecond or two during which an append waits

_NUMBERS = struct.Struct("<6q")
_PADDING = (None,) * COLUMNS
SELECT = "SELECT idx, previous, time, writer, batch, position, remaining, crc, payload FROM records"


def insert(connection: sqlite3.Connection, entries: Sequence[Entry], previous: int) -> None:
    """Store a batch after record `previous`; on an error nothing of it is stored."""
    values: list[object] = []
    remaining = len(entries)
    for entry in entries:
        remaining -= 1
        index, time, (writer, batch, position), payload = entry
        milliseconds = round(time * 1000)
        crc = crc32(payload, _header_crc(index, previous, milliseconds, writer, batch, position, remaining))
        values += (index, previous, milliseconds, writer, batch, position, remaining, crc, payload)
        previous = index
    if len(entries) <= ROWS_MAX:
        _insert_rows(connection, values)
        return
    with transaction(connection):
        for start in range(0, len(values), ROWS_MAX * COLUMNS):
            _insert_rows(connection, values[start : start + ROWS_MAX * COLUMNS])


def after(connection: sqlite3.Connection, index: int, last: int, limit: int, skipped: Set[int]) -> list[Entry]:
    """Up to `limit` entries after `index`, none beyond `last`; those of `skipped` without their bytes."""
    rows = connection.execute(f"{SELECT} WHERE idx > ? AND idx <= ? ORDER BY idx LIMIT ?", (index, last, limit))
    return [_entry(row, skipped) for row in rows.fetchall()]


def after_checked(
    connection: sqlite3.Connection, path: Path, index: int, last: int, limit: int, skipped: Set[int]
) -> list[Entry]:
    """As `after`, from a file that nobody has checked.

    Raises:
        LogCorrupt: a record is damaged or missing; names it.
    """
    rows = connection.execute(f"{SELECT} WHERE idx > ? AND idx <= ? ORDER BY idx LIMIT ?", (index, last, limit))
    found, place = [], index
    for row in rows:
        if not _intact(row):
            raise corrupt(path, f"record {row[0]} is damaged (its checksum is wrong)")
        if row[1] > place:
            raise corrupt(path, f"record {row[1]} is missing (record {row[0]} follows it)")
        found.append(_entry(row, skipped))
        place = row[0]
    if len(found) < limit and place < last:
        raise corrupt(path, f"record {last} should be the last one, but that is record {place}")
    return found


def skipped(connection: sqlite3.Connection) -> frozenset[int]:
    """Indexes of the records that are passed over. Only a file that was repaired has the table."""
    [tables] = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'skipped'").fetchone()
    return frozenset([index for [index] in connection.execute("SELECT idx FROM skipped")] if tables else ())


def skip(connection: sqlite3.Connection, index: int) -> bool:
    """Write down that a record is passed over; False when there is none."""
    with transaction(connection):
        found = connection.execute("SELECT 1 FROM records WHERE idx = ?", (index,)).fetchone()
        if found is not None:
            connection.execute("CREATE TABLE IF NOT EXISTS skipped (idx INTEGER PRIMARY KEY)")
            connection.execute("INSERT OR IGNORE INTO skipped VALUES (?)", (index,))
    return found is not None


def delete_all(connection: sqlite3.Connection) -> None:
    """Delete every record and what was said of any; within a transaction of the caller's."""
    connection.execute("DELETE FROM records")
    connection.execute("DROP TABLE IF EXISTS skipped")


def trimmed(connection: sqlite3.Connection, last: int) -> int:
    """Index of the newest record that is gone: `last` when none is left."""
    row = connection.execute("SELECT previous FROM records ORDER BY idx LIMIT 1").fetchone()
    return last if row is None else int(row[0])


def payload_bytes_after(connection: sqlite3.Connection, index: int) -> int:
    """Bytes of the payloads after `index`."""
    [total] = connection.execute("SELECT total(length(payload)) FROM records WHERE idx > ?", (index,)).fetchone()
    return int(total)


def trim_some(connection: sqlite3.Connection) -> bool:
    """Delete a slice of the records that nobody needs any more; whether there was one."""
    deleted = connection.execute(
        "DELETE FROM records WHERE idx IN"
        " (SELECT idx FROM records WHERE idx <= (SELECT trim_index FROM meta) ORDER BY idx LIMIT ?)",
        (TRIM_ROWS,),
    )
    return deleted.rowcount > 0


def check(connection: sqlite3.Connection, path: Path, *, trim_index: int, last: Newest) -> None:
    """Read every record and follow the chain from the trimmed part to the newest.

    Raises:
        LogCorrupt: a record is damaged or missing; names it.
    """
    for fault in faults(connection, trim_index=trim_index, last=last):
        raise corrupt(path, fault)


def faults(connection: sqlite3.Connection, *, trim_index: int, last: Newest) -> Iterator[str]:
    """What is wrong with the records and their chain, one sentence for each fault."""
    previous: int | None = None
    milliseconds = round(last.time * 1000)
    try:
        for row in connection.execute(f"{SELECT} ORDER BY idx"):
            index = row[0]
            if not _intact(row):
                yield f"record {index} is damaged (its checksum is wrong)"
            elif (previous is None and row[1] > trim_index) or (previous is not None and row[1] != previous):
                yield f"record {row[1]} is missing (record {index} follows it)"
            previous, milliseconds = index, row[2]
    except sqlite3.Error as error:
        where = "the first record" if previous is None else f"the record after {previous}"
        yield f"{where} cannot be read ({error})"
        return
    found = trim_index if previous is None else previous  # trimmed to the end there is nothing to read
    if found != last.index:
        yield f"record {last.index} should be the last one, but that is record {found}"
    elif milliseconds != round(last.time * 1000):
        yield f"the time of record {last.index} is not the one the file ends with"


def _entry(row: tuple[Any, ...], skipped: Set[int]) -> Entry:
    index, _, milliseconds, writer, batch, position, _, _, payload = row
    return Entry(index, milliseconds / 1000, OwnId(writer, batch, position), b"" if index in skipped else payload)


@cache
def _insert_statement(rows: int) -> str:
    places = ",".join(["(" + ",".join("?" * COLUMNS) + ")"] * rows)
    return f"INSERT INTO records SELECT * FROM (VALUES {places}) WHERE column1 IS NOT NULL"


def _insert_rows(connection: sqlite3.Connection, values: list[object]) -> None:
    """Run a prepared statement of the next power of two, padded with rows that it leaves out."""
    count = len(values) // COLUMNS
    size = 1 << (count - 1).bit_length()
    connection.execute(_insert_statement(size), values + list(_PADDING) * (size - count))


def _header_crc(
    index: int, previous: int, milliseconds: int, writer: str, batch: int, position: int, remaining: int
) -> int:
    numbers = _NUMBERS.pack(index, previous, milliseconds, batch, position, remaining)
    return crc32(writer.encode(), crc32(numbers))


def _intact(row: tuple[Any, ...]) -> bool:
    *header, crc, payload = row
    try:
        return bool(crc32(payload, _header_crc(*header)) == crc)
    except (TypeError, AttributeError, struct.error):
        return False  # a column has become another type
