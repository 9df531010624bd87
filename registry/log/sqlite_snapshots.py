"""Snapshots in the SQLite file: pieces that go in one by one, and the pointer that makes them count.

Owns the table `pieces` and the snapshot columns of `meta`. A publication without the pointer is rubbish
and swept away. Chunks are cut into pieces so that no append waits long for one.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from registry.log.sqlite_schema import corrupt

PIECE_BYTES = 128 * 1024  # on the disk in about a millisecond


class Publication(NamedTuple):
    """A snapshot that has a number and a place in the log, complete or not."""

    number: int
    index: int  # type: ignore[assignment]  # hides tuple.index
    milliseconds: int

    @property
    def time(self) -> float:
        """Log time of the state, in Unix seconds."""
        return self.milliseconds / 1000


class Piece(NamedTuple):
    """A part of a chunk; `ends_chunk` tells where chunks part."""

    number: int
    ends_chunk: bool
    data: bytes


def cut(chunk: bytes, first: int) -> list[Piece]:
    """The pieces of a chunk, numbered from `first`; an empty chunk is one empty piece."""
    starts = range(0, max(1, len(chunk)), PIECE_BYTES)
    return [
        Piece(first + n, start + PIECE_BYTES >= len(chunk), chunk[start : start + PIECE_BYTES])
        for n, start in enumerate(starts)
    ]


def add_piece(connection: sqlite3.Connection, publication: Publication, piece: Piece) -> None:
    """Store one piece of a publication."""
    row = (publication.number, piece.number, piece.ends_chunk, _crc(publication, piece), piece.data)
    connection.execute("INSERT INTO pieces VALUES (?, ?, ?, ?, ?)", row)


def point_to(connection: sqlite3.Connection, publication: Publication, pieces: int) -> None:
    """Make a publication the snapshot, and the records up to the snapshot before it superfluous."""
    connection.execute(
        "UPDATE meta SET trim_index = snapshot_index, publication = ?, snapshot_index = ?, snapshot_time = ?,"
        " snapshot_pieces = ?",
        (*publication, pieces),
    )


def replace_by(connection: sqlite3.Connection, publication: Publication, pieces: int) -> None:
    """Make a publication the snapshot at which the log stands, and the only one; the records are the caller's.

    Within a transaction of the caller's.
    """
    connection.execute("DELETE FROM pieces WHERE publication <> ?", (publication.number,))
    connection.execute(
        "UPDATE meta SET floor = :index, last_index = :index, last_time = max(last_time, :time), trim_index = :index,"
        " publication = :number, snapshot_index = :index, snapshot_time = :time, snapshot_pieces = :pieces",
        {
            "index": publication.index,
            "time": publication.milliseconds,
            "number": publication.number,
            "pieces": pieces,
        },
    )


def next_number(connection: sqlite3.Connection) -> int:
    """A publication number that no piece has."""
    [number] = connection.execute(
        "SELECT 1 + max(publication, (SELECT coalesce(max(publication), 0) FROM pieces)) FROM meta"
    ).fetchone()
    return int(number)


def sweep_some(connection: sqlite3.Connection) -> bool:
    """Delete one piece that no pointer leads to; whether there was one."""
    deleted = connection.execute(
        "DELETE FROM pieces WHERE rowid IN"
        " (SELECT rowid FROM pieces WHERE publication <> (SELECT publication FROM meta) LIMIT 1)"
    )
    return deleted.rowcount > 0


def chunks(connection: sqlite3.Connection, path: Path, publication: Publication, pieces: int) -> tuple[bytes, ...]:
    """The chunks of a complete publication as they were published.

    Raises:
        LogCorrupt: a piece is damaged or missing; names it.
    """
    whole: list[bytes] = []
    begun: list[bytes] = []
    expected = 0
    try:
        rows = connection.execute(
            "SELECT piece, ends_chunk, data, crc FROM pieces WHERE publication = ? ORDER BY piece",
            (publication.number,),
        )
        for number, ends_chunk, data, crc in rows:
            if number != expected:
                break
            if not _intact(publication, number, ends_chunk, data, crc):
                raise corrupt(path, f"piece {number} of the snapshot as of {publication.index} is damaged")
            expected += 1
            begun.append(data)
            if ends_chunk:
                whole.append(b"".join(begun))
                begun.clear()
    except sqlite3.Error as error:
        raise corrupt(path, f"piece {expected} of the snapshot cannot be read ({error})") from error
    if expected != pieces:
        raise corrupt(path, f"piece {expected} of the snapshot as of {publication.index} is missing (of {pieces})")
    return tuple(whole)


def faults(connection: sqlite3.Connection, publication: Publication, pieces: int) -> Iterator[str]:
    """What is wrong with the pieces of a publication, one sentence for each fault."""
    select = "SELECT piece, ends_chunk, data, crc FROM pieces WHERE publication = ? AND piece = ?"
    for number in range(pieces):
        try:
            row = connection.execute(select, (publication.number, number)).fetchone()
        except sqlite3.Error as error:
            yield f"piece {number} of the snapshot cannot be read ({error})"
            continue
        if row is None:
            yield f"piece {number} of the snapshot as of {publication.index} is missing (of {pieces})"
        elif not _intact(publication, *row):
            yield f"piece {number} of the snapshot as of {publication.index} is damaged"


def _intact(publication: Publication, number: int, ends_chunk: object, data: object, crc: object) -> bool:
    if ends_chunk not in (0, 1) or not isinstance(data, bytes):
        return False
    return _crc(publication, Piece(number, bool(ends_chunk), data)) == crc


def _crc(publication: Publication, piece: Piece) -> int:
    head = (*publication, piece.number, int(piece.ends_chunk))
    return crc32(piece.data, crc32(repr(head).encode()))
