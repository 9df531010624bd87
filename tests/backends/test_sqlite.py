"""What only a log in a file has to show: crashes, damage, full and failing disks, and its lock."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.errors import LogCorrupt, LogLocked, LogUnavailable
from registry.log.base import NotStored, Reset, Stored
from registry.log.sqlite import SqliteLog
from tests.backends.stores import Clock, Reader, SqliteBackend, each, records

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(clock: Clock, tmp_path: Path) -> SqliteBackend:
    return SqliteBackend(clock, tmp_path)


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts an appender; it is gone when the test ends."""
    children: list[subprocess.Popen[str]] = []

    def started(*arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.backends.appender", *map(str, arguments)]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield started
    for child in children:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def said(child: "subprocess.Popen[str]") -> tuple[str, int]:
    assert child.stdout is not None
    word, number = child.stdout.readline().split()
    return word, int(number)


async def filled(store: SqliteBackend, *, snapshot: int = 0, payload: bytes = b"payload %d") -> None:
    """Records 1 to 9, and perhaps a snapshot as of one of them."""
    log = store.log()
    await log.open()
    for number in range(1, 10):
        await log.append(number, records(payload % number))
    if snapshot:
        await log.publish_snapshot(snapshot, 1.0, each(b"a" * 600_000, b"b" * 10))
    await log.close()


def change(store: SqliteBackend, statement: str) -> None:
    """Do to the file what nobody should."""
    connection = sqlite3.connect(store.path)
    with connection:
        assert connection.execute(statement).rowcount
    connection.close()


@pytest.mark.slow
async def test_kill_9_keeps_every_acknowledged_batch_and_no_half(
    store: SqliteBackend, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    rounds = random.Random(7)
    newest = 0
    for _ in range(4):
        child = start(store.path)
        assert said(child) == ("open", child.pid)
        for _ in range(rounds.randrange(1, 60)):
            word, acknowledged = said(child)
            assert word == "Stored"
            assert acknowledged > newest
            newest = acknowledged
        child.kill()
        rest, _ = child.communicate()
        newest = max([newest, *(int(line.split()[1]) for line in rest.splitlines(keepends=True) if "\n" in line)])

        log = store.log()
        await log.open()
        found = (await log.newest()).index
        assert found >= newest
        reader = Reader(log, 0)
        first = await reader.next()
        after = first.index
        entries = [] if isinstance(first, Reset) else [first]
        entries += await reader.entries(found - after)
        batches: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for entry in entries:
            number, position, size, _ = entry.payload.split(b"/", 3)
            assert int(number) == entry.own_id.batch
            batches.setdefault((entry.own_id.writer, entry.own_id.batch), []).append((int(position), int(size)))
        for parts in batches.values():
            size = parts[0][1]
            assert parts == [(n, size) for n in range(size)]
        newest = found
        await log.close()


async def test_a_second_process_is_refused_and_told_who_holds_the_store(
    store: SqliteBackend, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    child = start(store.path)
    said(child)
    log = store.log()
    with pytest.raises(LogLocked, match=rf"{store.path.parent} is in use by process {child.pid}$"):
        await log.open()
    await log.close()
    child.kill()
    child.communicate()

    again = store.log()
    await again.open()
    with pytest.raises(LogLocked, match=f"process {os.getpid()}$"):
        await store.log("b").open()
    await again.close()


DAMAGE = [
    ("UPDATE records SET payload = 'payload x' WHERE idx = 4", "record 4 is damaged"),
    ("UPDATE records SET payload = x'00' WHERE idx = 4", "record 4 is damaged"),
    ("UPDATE records SET time = time + 1 WHERE idx = 9", "record 9 is damaged"),
    ("UPDATE records SET writer = 'b' WHERE idx = 1", "record 1 is damaged"),
    ("UPDATE records SET writer = CAST(x'ff' AS TEXT) WHERE idx = 6", "the record after 5 cannot be read"),
    ("DELETE FROM records WHERE idx = 5", "record 5 is missing"),
    ("DELETE FROM records WHERE idx = 1", "record 0 is missing|record 1 is missing"),
    ("DELETE FROM records WHERE idx = 9", "record 9 should be the last one, but that is record 8"),
    ("DELETE FROM records", "record 9 should be the last one, but that is record 0"),
    ("UPDATE meta SET last_index = 8", "record 8 should be the last one, but that is record 9"),
    ("UPDATE meta SET last_time = 8", "the time of record 9"),
    ("UPDATE meta SET snapshot_index = 4", "piece 0 of the snapshot as of 4 is damaged"),
    ("UPDATE meta SET snapshot_index = 44", "snapshot as of 44"),
    ("UPDATE meta SET trim_index = 8", "snapshot as of 3"),
    ("UPDATE pieces SET data = substr(data, 1, 1000) WHERE piece = 1", "piece 1 of the snapshot as of 3 is damaged"),
    ("DELETE FROM pieces WHERE piece = 1", "piece 1 of the snapshot as of 3 is missing"),
    ("DELETE FROM pieces WHERE piece = (SELECT max(piece) FROM pieces)", r"piece \d of the snapshot .* is missing"),
    ("DELETE FROM meta", "the row of table meta is damaged"),
    ("UPDATE meta SET last_time = 'soon'", "the row of table meta is damaged"),
    ("DROP TABLE pieces", "pieces"),
]


@pytest.mark.parametrize(("statement", "named"), DAMAGE, ids=[statement for statement, _ in DAMAGE])
async def test_damage_is_refused_by_name_with_the_way_out(store: SqliteBackend, statement: str, named: str) -> None:
    await filled(store, snapshot=3)
    connection = sqlite3.connect(store.path)
    with connection:
        connection.execute(statement)
    connection.close()
    before = store.path.read_bytes()

    for _ in range(2):
        log = store.log()
        with pytest.raises(LogCorrupt, match=named) as raised:
            await log.open()
        await log.close()
        text = str(raised.value)
        assert str(store.path) in text
        assert "'registry restore FILE'" in text
        assert "\n" not in text
    assert store.path.read_bytes() == before


async def test_a_flipped_bit_on_the_disk_is_found(store: SqliteBackend) -> None:
    await filled(store)
    content = bytearray(store.path.read_bytes())
    content[content.index(b"payload 7") + 3] ^= 1
    store.path.write_bytes(content)
    with pytest.raises(LogCorrupt, match="record 7 is damaged"):
        await store.log().open()


@pytest.mark.parametrize("page", range(6))
async def test_a_page_that_is_lost_is_found(store: SqliteBackend, page: int) -> None:
    await filled(store, payload=b"payload %d" + b"x" * 3000)
    content = bytearray(store.path.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    store.path.write_bytes(content)
    with pytest.raises((LogCorrupt, LogUnavailable), match=r"registry\.db"):
        await store.log().open()


async def test_a_file_cut_short_is_found(store: SqliteBackend) -> None:
    await filled(store, snapshot=3)
    content = store.path.read_bytes()
    store.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(LogCorrupt, match=r"registry\.db"):
        await store.log().open()


async def test_what_is_no_store_is_left_alone(store: SqliteBackend, tmp_path: Path) -> None:
    store.path.parent.mkdir()
    store.path.write_text("my notes, which are long enough to be taken for something else by nobody\n" * 20)
    with pytest.raises(LogCorrupt, match="not a database"):
        await store.log().open()

    store.path.unlink()
    change_to_foreign = sqlite3.connect(store.path)
    change_to_foreign.execute("CREATE TABLE theirs (x)")
    change_to_foreign.close()
    with pytest.raises(LogUnavailable, match="another program"):
        await store.log().open()


async def test_a_store_of_a_later_version_is_left_alone(store: SqliteBackend) -> None:
    await filled(store)
    change(store, "UPDATE meta SET format = 7")
    with pytest.raises(LogUnavailable, match="later version \\(format 7"):
        await store.log().open()


async def test_a_directory_that_cannot_be_made_takes_one_line(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(LogUnavailable, match="data directory .* cannot be used: ") as raised:
        await SqliteBackend(clock, tmp_path).log().open()
    assert "\n" not in str(raised.value)


async def test_a_directory_in_place_of_the_file_takes_one_line(store: SqliteBackend) -> None:
    store.path.mkdir(parents=True)
    with pytest.raises(LogUnavailable, match="cannot be opened: unable to open"):
        await store.log().open()


async def test_the_data_directory_is_made(clock: Clock, tmp_path: Path) -> None:
    log = SqliteBackend(clock, tmp_path / "a" / "b").log()
    await log.open()
    await log.close()
    assert (tmp_path / "a" / "b" / "data" / "registry.db").exists()


async def test_a_full_disk_refuses_writes_and_nothing_else(store: SqliteBackend, clock: Clock) -> None:
    log = store.log(max_pages=40)
    await log.open()
    stored = 0
    while isinstance(outcome := await log.append(stored + 1, records(b"x" * 1000, b"y" * 1000)), Stored):
        stored += 1
    assert isinstance(outcome, NotStored)
    assert "full" in outcome.reason

    assert (await log.newest()).index == 2 * stored
    assert await Reader(log, 0).payloads(2 * stored) == [b"x" * 1000, b"y" * 1000] * stored
    with pytest.raises(LogUnavailable, match="full"):
        await log.publish_snapshot(2 * stored, clock.unix, each(b"z" * 600_000))
    assert isinstance(await log.append(stored + 2, records(*[b"x" * 100] * 1000)), NotStored)
    assert isinstance(await log.append(stored + 3, records(b"x" * 9000)), NotStored)
    await log.close()

    again = store.log("b")
    await again.open()
    assert not isinstance(await Reader(again, 0).next(), Reset)
    assert await again.append(1, records(b"room")) == Stored(2 * stored + 1, clock.unix)
    await again.close()


async def test_a_disk_with_room_again_takes_writes_again(
    store: SqliteBackend, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    child = start(store.path, 2_000_000)
    said(child)
    last = 0
    refused = 0
    while refused < 2:
        word, newest = said(child)
        if word == "Stored":
            last, refused = newest, 0
        else:
            refused += 1
            assert (word, newest) == ("NotStored", last)
    assert last > 0
    word, newest = said(child)
    assert word == "Stored"
    assert newest > last
    assert child.wait() == 0

    log = store.log()
    await log.open()
    assert len(await Reader(log, 0).entries(newest)) == newest
    await log.close()


async def test_a_start_on_a_full_disk_serves_reads(
    store: SqliteBackend, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    await filled(store, payload=b"payload %d" + b"x" * 5000)
    child = start(store.path, 12_000, "from the start")
    assert said(child) == ("open", child.pid)
    answers = [said(child) for _ in range(3)]
    assert answers[0] == ("NotStored", 9)
    assert answers[2][0] == "Stored", "with room again"
    assert child.wait() == 0


async def test_what_a_crash_left_behind_is_swept_up(store: SqliteBackend) -> None:
    await filled(store, snapshot=3)
    change(store, "INSERT INTO pieces SELECT 99, piece, ends_chunk, crc, data FROM pieces")
    change(store, "UPDATE meta SET trim_index = 2")
    log = store.log()
    await log.open()
    assert isinstance(await Reader(log, 1).next(), Reset)
    assert (await Reader(log, 2).payloads(1)) == [b"payload 3"]
    await log.close()
    connection = sqlite3.connect(store.path)
    assert connection.execute("SELECT count(*) FROM pieces WHERE publication = 99").fetchone() == (0,)
    assert connection.execute("SELECT min(idx) FROM records").fetchone() == (3,)
    connection.close()


async def test_writes_of_another_program_are_noticed(store: SqliteBackend) -> None:
    log = store.log()
    await log.open()
    await log.append(1, records(b"one"))
    change(store, "INSERT INTO records SELECT 2, 1, time, writer, 9, 0, 0, 0, payload FROM records")
    with pytest.raises(LogCorrupt, match="another program has written"):
        await log.append(2, records(b"two"))
    await log.close()


async def test_a_link_to_the_store_does_not_go_round_its_lock(
    store: SqliteBackend, clock: Clock, tmp_path: Path
) -> None:
    log = store.log()
    await log.open()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.db").symlink_to(store.path)
    other = SqliteLog(tmp_path / "elsewhere" / "link.db", now=clock.now, elapsed=clock.elapsed, writer="b")
    with pytest.raises(LogLocked):
        await other.open()
    await log.close()


async def test_people_may_look_into_the_file_meanwhile(store: SqliteBackend) -> None:
    log = store.log()
    await log.open()
    await log.append(1, records(b"one"))
    connection = sqlite3.connect(store.path)
    assert connection.execute("SELECT idx, payload FROM records").fetchall() == [(1, b"one")]
    assert isinstance(await log.append(2, records(b"two")), Stored)
    connection.close()
    await log.close()
