"""A SQLite log over a disk that fails when told to: what is known, what is not, and how it goes on."""

import sqlite3
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.errors import LogUnavailable
from registry.log.base import NotStored, Reset, Stored, Unknown
from registry.log.directory import DirectoryLock
from registry.log.group import Seats
from registry.log.local import LocalLog
from registry.log.sequencer import Sequencer
from registry.log.sqlite import SqliteLog, SqliteStorage
from registry.log.sqlite_file import SqliteFile
from registry.log.sqlite_schema import connect
from tests.backends.stores import Clock, Reader, each, records

BEFORE, AFTER = "before", "after"  # the commit fails with nothing, or with everything, in the file


def io_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR | (4 << 8)
    return error


class Disk:
    """Makes connections. Next inserts and commits fail as listed; `away`: no file opens; not `syncs`: no checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: deque[str] = deque()
        self.commits: deque[str] = deque()
        self.away = False
        self.syncs = True
        self.opened = 0

    def connection(self, path: Path, create: bool) -> Any:
        if self.away:
            raise io_error()
        self.opened += 1
        return FailingConnection(connect(path, create=create), self)


class FailingConnection:
    def __init__(self, connection: sqlite3.Connection, disk: Disk) -> None:
        self._connection = connection
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if "checkpoint(" in statement and not self._disk.syncs:
            raise io_error()
        faults = self._disk.commits if statement == "COMMIT" else self._disk.faults
        if not statement.startswith(("INSERT", "COMMIT")) or not faults:
            return self._connection.execute(statement, *values)
        if faults.popleft() == AFTER:
            self._connection.execute(statement, *values)
        raise io_error()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "registry.db")


@pytest.fixture
async def log(disk: Disk, clock: Clock) -> AsyncIterator[LocalLog]:
    storage = SqliteStorage(SqliteFile(disk.path, connection=disk.connection), DirectoryLock(disk.path))
    opened = LocalLog("a", storage, Sequencer(storage, now=clock.now, elapsed=clock.elapsed), Seats())
    await opened.open()
    await opened.append(1, records(b"one"))
    yield opened
    await opened.close()


async def test_a_failed_commit_that_left_nothing_is_not_stored(log: LocalLog, disk: Disk, clock: Clock) -> None:
    disk.faults.append(BEFORE)
    outcome = await log.append(2, records(b"lost"))
    assert isinstance(outcome, NotStored)
    assert "disk I/O error" in outcome.reason
    assert disk.opened == 2, "only a fresh look at the file tells"
    assert await log.append(3, records(b"two")) == Stored(2, clock.unix)
    assert await Reader(log, 0).payloads(2) == [b"one", b"two"]


async def test_a_failed_commit_that_is_in_the_file_is_stored(log: LocalLog, disk: Disk, clock: Clock) -> None:
    disk.faults.append(AFTER)
    assert await log.append(2, records(b"two", b"three")) == Stored(2, clock.unix)
    assert await log.append(3, records(b"four")) == Stored(4, clock.unix)
    assert await Reader(log, 0).payloads(4) == [b"one", b"two", b"three", b"four"]


async def test_what_was_found_after_a_failed_sync_counts_once_it_is_written_again(
    log: LocalLog, disk: Disk, clock: Clock
) -> None:
    """After a sync has failed, what can be read may be gone with the power."""
    disk.faults.append(AFTER)
    disk.syncs = False
    assert isinstance(await log.append(2, records(b"two")), Unknown)
    assert isinstance(await log.append(3, records(b"refused")), NotStored)
    disk.syncs = True
    assert await log.append(4, records(b"three")) == Stored(3, clock.unix)
    assert await Reader(log, 0).payloads(3) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("fault", [BEFORE, AFTER])
async def test_a_disk_that_is_away_leaves_the_outcome_open_until_it_is_back(
    log: LocalLog, disk: Disk, clock: Clock, fault: str
) -> None:
    reader = Reader(log, 0)
    assert await reader.payloads(1) == [b"one"]
    disk.faults.append(fault)
    disk.away = True
    assert isinstance(await log.append(2, records(b"doubtful")), Unknown)
    assert isinstance(await log.append(3, records(b"refused")), NotStored)
    with pytest.raises(LogUnavailable, match="disk I/O error"):
        await log.newest()
    with pytest.raises(LogUnavailable, match="disk I/O error"):
        await log.publish_snapshot(1, clock.unix, each(b"x"))

    disk.away = False
    survived = [b"doubtful"] if fault == AFTER else []
    assert await log.append(4, records(b"back")) == Stored(2 + len(survived), clock.unix)
    assert await reader.payloads(1 + len(survived)) == [*survived, b"back"]


async def test_a_large_batch_that_fails_in_the_middle_leaves_nothing(log: LocalLog, disk: Disk) -> None:
    disk.faults.extend([AFTER])
    outcome = await log.append(2, records(*[b"%d" % n for n in range(700)]))
    assert isinstance(outcome, NotStored)
    assert (await log.newest()).index == 1
    assert isinstance(await log.append(3, records(b"two")), Stored)


async def test_a_file_that_vanished_is_not_made_anew(log: LocalLog, disk: Disk) -> None:
    for name in ("registry.db", "registry.db-wal", "registry.db-shm"):
        (disk.path.parent / name).unlink(missing_ok=True)
    disk.faults.append(BEFORE)
    assert isinstance(await log.append(2, records(b"two")), Unknown)
    assert isinstance(await log.append(3, records(b"three")), NotStored)
    assert not disk.path.exists()


async def test_a_restore_whose_commit_left_nothing_changes_nothing(log: LocalLog, disk: Disk, clock: Clock) -> None:
    disk.commits.append(BEFORE)
    with pytest.raises(LogUnavailable, match="disk I/O error"):
        await log.restore(0, 1.0, each(b"chunk"))
    assert await log.append(2, records(b"two")) == Stored(2, clock.unix)
    assert await Reader(log, 0).payloads(2) == [b"one", b"two"]


async def test_a_restore_whose_commit_is_in_the_file_is_done(log: LocalLog, disk: Disk) -> None:
    disk.commits.append(AFTER)
    index = await log.restore(0, 1.0, each(b"chunk"))
    reset = await Reader(log, 0).next()
    assert isinstance(reset, Reset)
    assert (reset.index, reset.chunks) == (index, (b"chunk",))
    outcome = await log.append(2, records(b"two"))
    assert isinstance(outcome, Stored)
    assert outcome.first == index + 1


async def test_after_a_restore_of_which_nobody_knows_no_lower_index_is_stored(
    log: LocalLog, disk: Disk, clock: Clock
) -> None:
    """The process goes on refusing writes; at its next start it finds what the file holds."""
    put_in = disk.commits.append

    async def chunks() -> AsyncIterator[bytes]:
        yield b"chunk"
        put_in(AFTER)
        disk.away = True

    with pytest.raises(LogUnavailable) as raised:
        await log.restore(0, 1.0, chunks())
    assert raised.value.unknown
    disk.away = False
    assert isinstance(await log.append(2, records(b"two")), NotStored)
    await log.close()
    storage = SqliteStorage(SqliteFile(disk.path), DirectoryLock(disk.path))
    again = LocalLog("b", storage, Sequencer(storage, now=clock.now, elapsed=clock.elapsed), Seats())
    await again.open()
    reset = await Reader(again, 0).next()
    assert isinstance(reset, Reset)
    assert reset.chunks == (b"chunk",)
    await again.close()


async def test_a_full_disk_refuses_a_restore_and_leaves_no_rubbish(clock: Clock, tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "registry.db", now=clock.now, elapsed=clock.elapsed, writer="a", max_pages=100)
    await log.open()
    await log.append(1, records(b"one"))
    for _ in range(3):
        with pytest.raises(LogUnavailable, match="full"):
            await log.restore(0, 1.0, each(*[b"x" * 100_000] * 10))
    assert isinstance(await log.restore(0, 1.0, each(b"x" * 100_000)), int)
    await log.close()
