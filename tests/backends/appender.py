"""A process that appends to a SQLite log and says on its output what became of each batch.

Run with the path of the store to go on until killed, publishing snapshots on the way. With a number of
bytes behind it, no file may grow beyond that until two appends in a row have failed; with a third word,
not even while the store is opened.
"""

import asyncio
import os
import resource
import sys
import time
from pathlib import Path

from registry.log.base import Outcome, Stored
from registry.log.sqlite import SqliteLog
from tests.backends.stores import each, records

FILLING = os.urandom(700)


async def append(log: SqliteLog, number: int) -> Outcome:
    """One batch whose records say which part of it they are."""
    size = 1 + number * 7 % 40
    outcome = await log.append(number, records(*[b"%d/%d/%d/" % (number, n, size) + FILLING for n in range(size)]))
    last = outcome.first + size - 1 if isinstance(outcome, Stored) else (await log.newest()).index
    print(type(outcome).__name__, last, flush=True)
    return outcome


async def until_killed(log: SqliteLog) -> None:
    number = 0
    while True:
        number += 1
        await append(log, number)
        if number % 20 == 0:
            newest = await log.newest()
            await log.publish_snapshot(newest.index, newest.time, each(FILLING * 500))


async def until_full(log: SqliteLog) -> None:
    number = refused = 0
    while refused < 2:  # after one refusal what was written beside is brought into the file, and there is room
        number += 1
        refused = 0 if isinstance(await append(log, number), Stored) else refused + 1
    limit_files(resource.RLIM_INFINITY)
    await append(log, number + 1)
    await log.close()


def limit_files(limit_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))


async def main(path: Path, *limit: str) -> None:
    if len(limit) > 1:
        limit_files(int(limit[0]))
    log = SqliteLog(path, now=time.time, elapsed=time.monotonic, writer=f"w{os.getpid()}")
    await log.open()
    print("open", os.getpid(), flush=True)
    if limit:
        limit_files(int(limit[0]))
        await until_full(log)
    else:
        await until_killed(log)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
