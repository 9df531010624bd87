"""A SQLite log that is only read: one moment of it, beside whoever has it, and every fault by name."""

import sqlite3
from collections.abc import AsyncIterator

import pytest

from registry.errors import LogCorrupt, LogUnavailable, SettingsError
from registry.log.base import NotStored, Reset
from registry.log.open import Role, open_log
from registry.log.sqlite import SqliteReadingLog
from tests.backends.stores import Clock, Reader, SqliteBackend, each, records


@pytest.fixture
def store(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(clock, tmp_path_factory.mktemp("store"))


def reading(store: SqliteBackend, clock: Clock) -> SqliteReadingLog:
    return SqliteReadingLog(store.path, now=clock.now, elapsed=clock.elapsed, writer="reader")


@pytest.fixture
async def served(store: SqliteBackend) -> AsyncIterator[None]:
    """Records 1 to 9 with a snapshot as of 4, and a server that has the store open."""
    log = store.log()
    await log.open()
    for number in range(1, 10):
        await log.append(number, records(b"payload %d" % number))
    await log.publish_snapshot(4, 1.0, each(b"a" * 600_000, b"b" * 10))
    yield
    await log.close()


def change(store: SqliteBackend, statement: str) -> None:
    connection = sqlite3.connect(store.path)
    with connection:
        assert connection.execute(statement).rowcount
    connection.close()


@pytest.mark.usefixtures("served")
async def test_it_is_read_beside_its_server(store: SqliteBackend, clock: Clock) -> None:
    log = reading(store, clock)
    await log.open()
    assert (await log.newest()).index == await log.sync() == 9
    reader = Reader(log, 0)
    reset = await reader.next()
    assert isinstance(reset, Reset)
    assert (reset.index, reset.chunks) == (4, (b"a" * 600_000, b"b" * 10))
    assert await reader.payloads(5) == [b"payload %d" % number for number in range(5, 10)]
    await log.close()


async def test_what_is_written_meanwhile_is_not_seen(store: SqliteBackend, clock: Clock) -> None:
    """A backup is of one moment, also when the server snapshots and trims under it."""
    server = store.log()
    await server.open()
    for number in (1, 2, 3):
        await server.append(number, records(b"payload %d" % number))
    log = reading(store, clock)
    await log.open()
    await server.append(4, records(b"late"))
    for index in (2, 4):
        await server.publish_snapshot(index, 1.0, each(b"chunk"))
    assert await Reader(log, 0).payloads(3) == [b"payload 1", b"payload 2", b"payload 3"]
    assert (await log.newest()).index == 3
    await log.close()
    await server.close()


@pytest.mark.usefixtures("served")
async def test_it_changes_nothing(store: SqliteBackend, clock: Clock) -> None:
    log = reading(store, clock)
    await log.open()
    assert isinstance(await log.append(1, records(b"x")), NotStored)
    for change in (log.restore(0, 1.0, each(b"x")), log.publish_snapshot(5, 1.0, each(b"x")), log.skip(6)):
        with pytest.raises(LogUnavailable, match="read only"):
            await change
    assert isinstance(await log.append(2, records(b"x")), NotStored)
    await log.close()


@pytest.mark.usefixtures("served")
async def test_a_skipped_entry_is_skipped_for_it_too(store: SqliteBackend, clock: Clock) -> None:
    change(store, "CREATE TABLE skipped (idx INTEGER PRIMARY KEY)")
    change(store, "INSERT INTO skipped VALUES (6)")
    log = reading(store, clock)
    await log.open()
    assert await Reader(log, 4).payloads(2) == [b"payload 5", b""]
    await log.close()


async def test_without_a_store_nothing_is_made(store: SqliteBackend, clock: Clock) -> None:
    log = reading(store, clock)
    with pytest.raises(LogUnavailable, match="no store at"):
        await log.open()
    assert not store.path.parent.exists()


async def test_a_file_of_another_program_is_refused(store: SqliteBackend, clock: Clock) -> None:
    store.path.parent.mkdir()
    change(store, "CREATE TABLE theirs (x)")
    log = reading(store, clock)
    with pytest.raises(LogUnavailable, match="another program"):
        await log.open()


DAMAGE = [
    ("UPDATE records SET payload = 'payload x' WHERE idx = 6", "record 6 is damaged"),
    ("DELETE FROM records WHERE idx = 7", "record 7 is missing"),
    ("DELETE FROM records WHERE idx = 9", "record 9 should be the last one"),
    ("UPDATE pieces SET data = x'00' WHERE piece = 1", "piece 1 of the snapshot as of 4 is damaged"),
    ("DELETE FROM pieces WHERE piece = 2", "piece 2 of the snapshot as of 4 is missing"),
]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(("statement", "fault"), DAMAGE)
async def test_no_damage_is_read_as_if_it_were_whole(
    store: SqliteBackend, clock: Clock, statement: str, fault: str
) -> None:
    change(store, statement)
    log = reading(store, clock)
    await log.open()

    async def everything() -> None:
        reader = Reader(log, 0)
        await reader.next()
        await reader.payloads(5)

    with pytest.raises(LogCorrupt, match=fault.partition(" of the snapshot")[0]):
        await everything()
    await log.close()


@pytest.mark.usefixtures("served")
async def test_every_fault_is_found_at_once(store: SqliteBackend, clock: Clock) -> None:
    for statement, _ in DAMAGE:
        change(store, statement)
    log = reading(store, clock)
    await log.open()
    found = [fault async for fault in log.verify()]
    assert len(found) == len(DAMAGE)
    for _, fault in DAMAGE:
        assert any(one.startswith(fault) for one in found), (fault, found)
    await log.close()


async def test_a_log_in_memory_is_out_of_reach_for_others(clock: Clock) -> None:
    for role in (Role.READER, Role.GUEST):
        with pytest.raises(SettingsError, match="memory:"):
            open_log("memory:", now=clock.now, elapsed=clock.elapsed, writer="r", role=role)
