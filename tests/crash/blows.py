"""The moments at which a server is killed, each with a way to see whether it was struck at the work that was meant.

Owns how each kind of crash comes about. All of them end in kill -9; what differs is what the server is doing.
"""

import asyncio
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from tests.crash.server import Process

WITHIN_SECONDS = 0.003  # of a write's way from the socket to the answer
SHUTDOWN_SECONDS = 0.02  # in which a server that is asked to end does so
RECOVERY_SECONDS = 0.015  # from taking its store to listening, about
PATIENCE_SECONDS = 3.0  # for the work to begin that is to be struck
STARTS = 3

Blow = Callable[[Process, random.Random], Awaitable[int]]  # how many of its kills came at the time that was meant


async def while_writing(server: Process, chance: random.Random) -> int:
    """At some point of the writes that are under way."""
    await _moment(chance, WITHIN_SECONDS)
    await server.kill()
    return 1


async def while_snapshotting(server: Process, chance: random.Random) -> int:
    """While a snapshot is written, made to count, or the log before it is trimmed."""
    with closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True)) as reader:
        await _until(lambda: _snapshot_under_way(reader))
    await while_writing(server, chance)
    return int(_left_a_snapshot(server.database))


async def while_stopping(server: Process, chance: random.Random) -> int:
    """After it was asked to end in good order, and before it could."""
    server.terminate()
    await _moment(chance, SHUTDOWN_SECONDS)
    struck = server.runs
    await server.kill()
    return int(struck)


async def while_starting(server: Process, chance: random.Random) -> int:
    """At some point of the writes, and then again and again while it recovers from that."""
    await while_writing(server, chance)
    struck = 0
    for _ in range(STARTS):
        await server.spawn()
        await _until(lambda: server.holds_store)
        struck += not await server.listens_within(chance.uniform(0, RECOVERY_SECONDS))
        await server.kill()
    return struck


async def _moment(chance: random.Random, longest_seconds: float) -> None:
    """Let a random time go by: nothing is waited for, the moment itself is what is tested."""
    await asyncio.sleep(chance.uniform(0, longest_seconds))


async def _until(begun: Callable[[], bool]) -> None:
    """Wait for what another process does, which nobody tells us."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not begun() and time.monotonic() < give_up:  # noqa: ASYNC110
        await asyncio.sleep(0.0005)


def _snapshot_under_way(connection: sqlite3.Connection) -> bool:
    """Whether there are pieces of a snapshot that does not count (yet, or any more), or records to be trimmed."""
    [pieces] = connection.execute(
        "SELECT exists(SELECT 1 FROM pieces WHERE publication <> (SELECT publication FROM meta)) OR "
        "exists(SELECT 1 FROM records WHERE idx <= (SELECT trim_index FROM meta))"
    ).fetchone()
    return bool(pieces)


def _left_a_snapshot(database: Path) -> bool:
    """The same of a server that is gone; in a copy, since opening the file repairs what the next start is to find."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            shutil.copy(f"{database}{suffix}", folder)
        with closing(sqlite3.connect(Path(folder) / database.name)) as copy:
            return _snapshot_under_way(copy)
