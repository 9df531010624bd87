"""The moments at which a server is killed, each with a way to see whether it was struck at the work that was meant.

Owns how each kind of crash comes about. All of them end in kill -9; what differs is what the server is doing.
"""

import asyncio
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from tests.crash.server import Process

WITHIN_SECONDS = 0.003  # of a write's way from the socket to the answer
SHUTDOWN_SECONDS = 0.02  # in which a server that is asked to end does so
STARTS = 3

Blow = Callable[[Process, random.Random], Awaitable[int]]  # how many of its kills came at the time that was meant


async def while_writing(server: Process, chance: random.Random) -> int:
    """At some point of the writes that are under way."""
    await _moment(chance, WITHIN_SECONDS)
    await server.kill()
    return 1


async def while_snapshotting(server: Process, chance: random.Random) -> int:
    """The same; with a server that takes snapshots all the time it often is in the midst of one."""
    await while_writing(server, chance)
    return int(_snapshot_under_way(server.database))


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
    usual, struck = server.start_seconds[-1], 0
    for _ in range(STARTS):
        await server.spawn()
        listens = await server.listens_within(usual * chance.uniform(0.6, 1.0))
        struck += server.holds_store and not listens
        await server.kill()
    return struck


async def _moment(chance: random.Random, longest_seconds: float) -> None:
    """Let a random time go by: nothing is waited for, the moment itself is what is tested."""
    await asyncio.sleep(chance.uniform(0, longest_seconds))


def _snapshot_under_way(database: Path) -> bool:
    """Whether the file has pieces of a snapshot that does not count yet, or records that wait to be trimmed.

    Looked at in a copy: opening the file would repair what the next start is to find.
    """
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            shutil.copy(f"{database}{suffix}", folder)
        with closing(sqlite3.connect(Path(folder) / database.name)) as copy:
            [pieces] = copy.execute("SELECT count(*) FROM pieces, meta WHERE pieces.publication <> meta.publication")
            [records] = copy.execute("SELECT count(*) FROM records, meta WHERE records.idx <= meta.trim_index")
    return bool(pieces[0] or records[0])
