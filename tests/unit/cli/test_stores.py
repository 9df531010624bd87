"""backup, restore, verify and repair as their user meets them: the way round, exit codes, one line for a failure."""

import asyncio
import os
import re
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from registry.commands.codec import encoded
from registry.log.base import Record, Stored
from registry.log.open import open_log
from registry.testing import FakeClock
from tests.makers import register, start_server
from tests.processes import ROOT, NotStarted, ServerProcess
from tests.replicas.replica import Replica, agreed
from tests.stores import empty_namespace

POISON = b"\x01no command"


class Ended(NamedTuple):
    """A command that has come to its end."""

    code: int
    out: bytes
    err: str

    @property
    def rows(self) -> dict[str, str]:
        """What it printed, by name."""
        binary = self.out.startswith(b"\x1f\x8b")
        text = self.err.partition("\n")[2] if binary else self.out.decode()
        return dict(line.split(maxsplit=1) for line in text.splitlines())

    @property
    def line(self) -> str:
        """What it said instead: one line."""
        assert self.out == b""
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        return self.err[:-1]


async def command(*words: object, given: bytes = b"") -> Ended:
    """Run the command line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", *map(str, words), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(given)
    assert process.returncode is not None
    return Ended(process.returncode, out, err.decode())


async def filled(folder: Path, *payloads: bytes) -> Path:
    """A store in this folder that knows who it is and holds `web`, and then these entries."""
    clock = FakeClock()
    log = open_log(f"sqlite:///{folder}/registry.db", now=clock.now, elapsed=clock.elapsed, writer="maker")
    await log.open()
    for number, payload in enumerate((encoded(start_server()), encoded(register("web")), *payloads), 1):
        assert isinstance(await log.append(number, [Record(payload)]), Stored)
    await log.close()
    return folder


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """The data directory of a store with two entries."""
    return await filled(tmp_path / "data")


Start = Callable[..., Coroutine[Any, Any, ServerProcess]]


@pytest.fixture
async def serve() -> AsyncIterator[Start]:
    """Starts servers; they are gone when the test ends."""
    started: list[ServerProcess] = []

    async def start(*flags: object) -> ServerProcess:
        started.append(ServerProcess(*map(str, flags)))
        await started[-1].start()
        return started[-1]

    yield start
    for server in started:
        await server.kill()


async def names(server: ServerProcess) -> set[str]:
    """The services that a server shows."""
    connection = await server.connected()
    answer = await connection.ask("GET", "/v1/catalog/services")
    await connection.close()
    return set(msgspec.json.decode(answer.body))


async def put(server: ServerProcess, path: str, body: bytes = b"") -> None:
    connection = await server.connected()
    answer = await connection.ask("PUT", path, body)
    assert answer.status == 200, answer.body
    await connection.close()


def listed(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


# The way round


@pytest.mark.slow
async def test_from_a_file_to_redis_and_back_under_running_servers(
    serve: Start, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The servers go on throughout; both stores hold the same, and are the same server."""
    url = empty_namespace(request.getfixturevalue("redis_server"))
    first = await serve("--data-dir", tmp_path / "a", "--node", "first")
    other = await serve("--store", url, "--node", "other")
    for number in range(30):
        await put(first, "/v1/agent/service/register", b'{"Name": "web%d", "Check": {"TTL": "1h"}}' % number)
    await put(other, "/v1/agent/service/register", b'{"Name": "old"}')

    file = tmp_path / "backup.tgz"
    saved = await command("backup", "--data-dir", tmp_path / "a", file)
    assert saved.code == 0, saved.err
    assert {name: saved.rows[name] for name in ("nodes", "services", "checks")} == {
        "nodes": "1", "services": "31", "checks": "31",
    }  # fmt: skip
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert listed(tmp_path) == ["a", "backup.tgz"]

    restored = await command("restore", "--yes", "--store", url, file)
    assert restored.code == 0, restored.err
    wanted = {"consul", *(f"web{number}" for number in range(30))}
    while await names(other) != wanted:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    await put(other, "/v1/agent/check/pass/service:web7")

    checked = await command("verify", "--store", url)
    assert checked.code == 0, checked.err
    assert int(checked.rows["index"]) > int(saved.rows["index"])

    await put(other, "/v1/agent/service/deregister/web7")
    back = await command("backup", "--store", url, "-")
    assert back.code == 0, back.err
    assert (await command("restore", "--data-dir", tmp_path / "b", "-", given=back.out)).code == 0
    again = await command("verify", "--data-dir", tmp_path / "b")
    assert (again.code, again.rows["digest"]) == (0, back.rows["digest"])
    assert again.rows["services"] == "30"
    second = await serve("--data-dir", tmp_path / "b")
    assert await names(second) == wanted - {"web7"}
    connection = await second.connected()
    own = msgspec.json.decode((await connection.ask("GET", "/v1/agent/self")).body)
    await connection.close()
    assert own["Config"]["NodeName"] == "first"


async def test_nothing_is_lost_on_the_way_through_redis(
    folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = empty_namespace(request.getfixturevalue("redis_server"))
    file = tmp_path / "backup.tgz"
    digests = [(await command("backup", "--data-dir", folder, file)).rows["digest"]]
    digests.append((await command("restore", "--store", url, file)).rows["digest"])
    digests.append((await command("backup", "--store", url, file)).rows["digest"])
    digests.append((await command("restore", "--data-dir", folder, "--yes", file)).rows["digest"])
    digests.append((await command("verify", "--data-dir", folder)).rows["digest"])
    assert len(set(digests)) == 1


@pytest.mark.slow
async def test_an_entry_that_stops_the_server_is_passed_over_as_it_says_itself(serve: Start, tmp_path: Path) -> None:
    folder = await filled(tmp_path / "data", POISON, encoded(register("db")))
    with pytest.raises(NotStarted) as stopped:
        await serve("--data-dir", folder)
    said = re.search(r"'registry (repair --skip \d+)'", str(stopped.value))
    assert said is not None, stopped.value
    broken = await command("verify", "--data-dir", folder)
    assert broken.code == 1
    assert said[1] in broken.rows["fault"]

    repaired = await command(*said[1].split(), "--data-dir", folder)
    assert (repaired.code, repaired.out) == (0, b""), repaired.err
    server = await serve("--data-dir", folder)
    assert await names(server) == {"consul", "web", "db"}
    await put(server, "/v1/agent/service/register", b'{"Name": "later"}')
    await server.kill()
    await server.start()
    assert await names(server) == {"consul", "web", "db", "later"}
    checked = await command("verify", "--data-dir", folder)
    assert (checked.code, checked.rows["skipped"]) == (0, "1")


async def test_a_poisoned_entry_in_redis_is_passed_over_too(
    folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = empty_namespace(request.getfixturevalue("redis_server"))
    log = open_log(url, now=lambda: 0.0, elapsed=lambda: 0.0, writer="maker")
    await log.open()
    for number, payload in enumerate((encoded(start_server()), POISON, encoded(register("web"))), 1):
        assert isinstance(await log.append(number, [Record(payload)]), Stored)
    await log.close()
    assert (await command("verify", "--store", url)).code == 1
    assert "--skip 2" in (await command("backup", "--store", url, tmp_path / "b.tgz")).line
    assert (await command("repair", "--store", url, "--skip", 2)).code == 0
    checked = await command("verify", "--store", url)
    assert (checked.code, checked.rows["services"]) == (0, "2")


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_an_entry_that_stops_all_replicas_is_passed_over_by_all(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """They stop, the one command that each of them names is run, they start, and they hold the same."""
    url = empty_namespace(request.getfixturevalue("redis_server"))
    replicas = [Replica(name, url, "--data-dir", str(tmp_path / name)) for name in ("r0", "r1", "r2")]
    try:
        for replica in replicas:
            await replica.start()
        await put(replicas[0], "/v1/agent/service/register", b'{"Name": "before"}')
        await agreed(replicas)
        poison = await appended(url, POISON)
        said = {await last_words(replica) for replica in replicas}
        assert said == {f"repair --skip {poison}"}
        with pytest.raises(NotStarted, match=f"'registry repair --skip {poison}'"):
            await replicas[0].start()

        assert (await command("repair", "--skip", poison, "--store", url)).code == 0
        for replica in replicas:
            await replica.start()
        await put(replicas[1], "/v1/agent/service/register", b'{"Name": "after"}')
        held = await agreed(replicas)
        assert held.index > poison
        assert await names(replicas[2]) == {"consul", "before", "after"}
        checked = await command("verify", "--store", url)
        assert (checked.code, checked.rows["skipped"]) == (0, "2")  # the entry, and the one that says so
    finally:
        for replica in replicas:
            await replica.kill()


async def appended(url: str, payload: bytes) -> int:
    """Append an entry as one of the servers might have; its index."""
    log = open_log(url, now=lambda: 0.0, elapsed=lambda: 0.0, writer="maker")
    await log.open()
    stored = await log.append(1, [Record(payload)])
    assert isinstance(stored, Stored)
    await log.close()
    return stored.first


async def last_words(server: ServerProcess) -> str:
    """The command that a server names while it stops by itself, with exit code 1."""
    async with asyncio.timeout(10):
        while server.runs:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
    await server.kill()
    said = re.search(r"'registry (repair --skip \d+)'", server.words())
    assert said is not None, server.words()
    assert server.exit_code == 1
    return said[1]


@pytest.mark.slow
async def test_redis_without_its_log_is_restored_as_its_servers_say(
    serve: Start, folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The stream is gone and the rest is there: nothing is made up, and a backup is the way out."""
    redis_server = request.getfixturevalue("redis_server")
    url = empty_namespace(redis_server)
    file = tmp_path / "backup.tgz"
    await command("backup", "--data-dir", folder, file)
    server = await serve("--store", url)
    await put(server, "/v1/agent/service/register", b'{"Name": "old"}')
    namespace = re.search(r"namespace=(\w+)", url)
    assert namespace is not None
    await asyncio.to_thread(redis_server.ask, "DEL", f"{{{namespace[1]}}}:log")

    lost = await command("verify", "--store", url)
    assert (lost.code, "run 'registry restore'" in lost.line) == (1, True)
    assert (await command("restore", "--store", url, file)).code == 2  # there is something: it asks
    restored = await command("restore", "--yes", "--store", url, file)
    assert restored.code == 0, restored.err
    while await names(server) != {"consul", "web"}:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    await put(server, "/v1/agent/service/register", b'{"Name": "new"}')
    assert (await command("verify", "--store", url)).code == 0


# What is refused


async def test_repair_says_why_it_cannot(folder: Path, tmp_path: Path) -> None:
    assert "no entry 9; nothing was changed" in (await command("repair", "--data-dir", folder, "--skip", 9)).line
    file = tmp_path / "backup.tgz"
    await command("backup", "--data-dir", folder, file)
    await command("restore", "--data-dir", folder, file, "--yes")
    ended = await command("repair", "--data-dir", folder, "--skip", 2)
    assert (ended.code, "snapshot has taken entry 2 in" in ended.line) == (1, True)
    assert (await command("repair", "--data-dir", folder)).code == 2


async def test_what_is_stored_is_replaced_only_when_that_was_said(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tgz"
    before = await command("backup", "--data-dir", folder, file)
    ended = await command("restore", "--data-dir", folder, file)
    assert (ended.code, "--yes" in ended.line) == (2, True)
    after = await command("verify", "--data-dir", folder)
    assert after.rows["index"] == before.rows["index"]
    assert (await command("restore", "--data-dir", tmp_path / "empty", file)).code == 0


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
async def test_on_a_terminal_it_asks(folder: Path, tmp_path: Path, answer: str, code: int) -> None:
    file = tmp_path / "backup.tgz"
    before = await command("backup", "--data-dir", folder, file)
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "restore", "--data-dir", str(folder), str(file), cwd=ROOT,
        stdin=theirs, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.write(ours, f"{answer}\n".encode())
    out, err = await process.communicate()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code
    assert b"This replaces all" in err + out
    after = await command("verify", "--data-dir", folder)
    assert (after.rows["index"] == before.rows["index"]) == (answer == "n")


@pytest.mark.slow
async def test_a_store_that_a_server_holds_is_read_but_not_changed(serve: Start, folder: Path, tmp_path: Path) -> None:
    server = await serve("--data-dir", folder)
    file = tmp_path / "backup.tgz"
    assert (await command("backup", "--data-dir", folder, file)).code == 0
    assert (await command("verify", "--data-dir", folder)).code == 0
    for words in (("restore", "--yes", file), ("repair", "--skip", "1")):
        ended = await command(*words, "--data-dir", folder)
        assert (ended.code, f"in use by process {server.pid}" in ended.line) == (1, True)
    await put(server, "/v1/agent/service/register", b'{"Name": "later"}')


async def test_a_damaged_file_changes_nothing(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tgz"
    before = await command("backup", "--data-dir", folder, file)
    whole = await asyncio.to_thread(file.read_bytes)
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[:100] + b"xxx" + whole[103:], b"", b"hello"):
        await asyncio.to_thread(file.write_bytes, damaged)
        ended = await command("restore", "--data-dir", folder, "--yes", file)
        assert (ended.code, "nothing was changed" in ended.line) == (1, True)
    after = await command("verify", "--data-dir", folder)
    assert (after.rows["index"], after.rows["digest"]) == (before.rows["index"], before.rows["digest"])


async def test_a_damaged_store_is_not_backed_up_and_an_older_backup_stays(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tgz"
    await command("backup", "--data-dir", folder, file)
    before = await asyncio.to_thread(file.read_bytes)
    await asyncio.to_thread(_damage, folder)
    ended = await command("backup", "--data-dir", folder, file)
    assert (ended.code, "record 2 is damaged" in ended.line) == (1, True)
    assert await asyncio.to_thread(file.read_bytes) == before
    assert listed(tmp_path) == ["backup.tgz", "data"]
    checked = await command("verify", "--data-dir", folder)
    assert (checked.code, "record 2 is damaged" in checked.rows["fault"]) == (1, True)


def _damage(folder: Path) -> None:
    connection = sqlite3.connect(folder / "registry.db")
    with connection:
        connection.execute("UPDATE records SET payload = 'x' WHERE idx = 2")
    connection.close()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["backup", "--store", "memory:", "FILE"], 2, "store: memory:"),
        (["verify", "--store", "memory:"], 2, "store: memory:"),
        (["restore", "--store", "nonsense", "FILE"], 2, "store: no backend"),
        (["backup", "--store", "sqlite:x", "FILE"], 2, "store: a SQLite store is written"),
        (["backup", "--store", "redis://:open-sesame@127.0.0.1:1", "FILE"], 1, "does not answer"),
        (["verify", "--data-dir", "NOWHERE"], 1, "there is no store at"),
        (["repair", "--data-dir", "NOWHERE", "--skip", "1"], 1, "there is no store at"),
        (["backup", "--data-dir", "NOWHERE", "FILE"], 1, "there is no store at"),
        (["restore", "--data-dir", "NOWHERE", "NOFILE"], 1, "No such file"),
        (["backup", "--data-dir", "DATA", "NOWHERE/x/y"], 1, "No such file"),
        (["backup", "--data-dir", "DATA", "DATA"], 1, "is a directory"),
        (["repair", "--data-dir", "DATA", "--skip", "0"], 2, "--skip"),
        (["backup", "--data-dir", "DATA"], 2, "FILE"),
    ],
)
async def test_a_mistake_is_one_line_and_its_exit_code(
    folder: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    if words[0] == "restore" and "FILE" in words:
        await command("backup", "--data-dir", folder, tmp_path / "FILE")
    places = {"FILE": "FILE", "NOFILE": "NOFILE", "NOWHERE": "NOWHERE", "DATA": "data", "NOWHERE/x/y": "NOWHERE/x/y"}
    ended = await command(*(str(tmp_path / places[word]) if word in places else word for word in words))
    assert (ended.code, said in ended.line) == (code, True), ended
    assert "sesame" not in ended.err
    assert not (tmp_path / "NOWHERE").exists()


@pytest.mark.parametrize("words", [["backup", "FILE"], ["verify"], ["repair", "--skip", "1"]], ids=" ".join)
async def test_where_nothing_is_stored_is_no_store(
    tmp_path: Path, words: list[str], request: pytest.FixtureRequest
) -> None:
    """A mistyped namespace must not look like a store that is well, nor give a file that looks like a backup."""
    url = empty_namespace(request.getfixturevalue("redis_server"))
    for _ in range(2):
        ended = await command(*(tmp_path / word if word == "FILE" else word for word in words), "--store", url)
        assert (ended.code, "nothing is stored there" in ended.line) == (1, True)
    assert listed(tmp_path) == []


async def test_an_empty_store_is_no_backup(tmp_path: Path) -> None:
    clock = FakeClock()
    url = f"sqlite:///{tmp_path}/data/registry.db"
    log = open_log(url, now=clock.now, elapsed=clock.elapsed, writer="maker")
    await log.open()
    await log.close()
    ended = await command("backup", "--store", url, tmp_path / "backup.tgz")
    assert (ended.code, "holds nothing to back up" in ended.line) == (1, True)
    assert listed(tmp_path) == ["data"]


async def test_a_backup_that_is_told_to_end_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    holder = sqlite3.connect(folder / "registry.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN IMMEDIATE")  # so that the backup waits
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "backup", "--data-dir", str(folder), str(tmp_path / "backup.tgz"),
        cwd=ROOT, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    while not any(name.endswith(".partial") for name in listed(tmp_path)):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.01)
    process.terminate()
    assert process.returncode is None
    holder.close()
    assert await process.wait() == 1
    assert listed(tmp_path) == ["data"]
