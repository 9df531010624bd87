"""The four commands: a store is opened as what they need it, something is done with it, and it is said.

Owns what each asks of the store and its exit code. Files, formats and words are in the modules beside.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple, TypeVar

from registry.archive import envelope, files, reading
from registry.archive.contents import Contents
from registry.archive.stores import put_back, replayed, verified
from registry.archive.talk import Talk, rows_of
from registry.errors import LogCorrupt, LogError
from registry.log.base import Log
from registry.log.open import Role, open_log

FAILED = 1

T = TypeVar("T")


class Store(NamedTuple):
    """The url of a store, and the one that may be shown."""

    url: str
    shown: str


def backup(store: Store, file: str, talk: Talk) -> int:
    """Write all that is stored to a file, beside whoever serves the store.

    Raises:
        LogError, SettingsError, OSError: it cannot be done; an older file of that name is still there.
    """
    with files.created(file) as target:
        replay = _with(store, Role.READER, partial(replayed, progress=partial(talk.progress, "reading", unit="index")))
        if replay.state.applied == 0:
            raise LogError(f"{store.shown} holds nothing to back up")
        contents = Contents(replay.state)
        summary = contents.summary()
        for piece in envelope.written(
            contents, summary, lambda done: talk.progress("writing", done, summary.size, "bytes")
        ):
            target.write(piece)
    talk.done(f"{store.shown} is backed up")
    talk.results(rows_of(summary))
    return 0


def restore(store: Store, file: str, talk: Talk, *, agreed: Callable[[str], bool]) -> int:
    """Replace all that is stored by what a file holds.

    Args:
        agreed: is asked before something is replaced, with a line that says what.
    Raises:
        ArchiveDamaged: the file is not what it should be. LogError, SettingsError, OSError: it cannot be done.
        Nothing was changed.
    """
    with files.opened(file) as source:
        found = reading.read(source, partial(talk.progress, "reading", unit="bytes"))

    async def put_in(log: Log) -> int:
        newest = (await log.newest()).index
        question = f"This replaces all that {store.shown} holds (up to index {newest}) by {files.shown(file)}"
        if newest and not agreed(question):
            return 0
        index = await put_back(log, found.state, found.summary.size, partial(talk.progress, "writing", unit="bytes"))
        if not log.shared:  # else others may have written meanwhile
            again = Contents((await replayed(log, lambda done, total: None)).state).summary()
            if again.digest != found.summary.digest:
                raise LogCorrupt(f"{store.shown} does not hold what was written to it")
        return index

    index = _with(store, Role.RESTORER, put_in)
    if not index:
        talk.done("Nothing was changed")
        return FAILED
    talk.done(f"{store.shown} is restored from {files.shown(file)}")
    talk.results(rows_of(found.summary._replace(index=index)))
    return 0


def verify(store: Store, talk: Talk) -> int:
    """Read and replay all that is stored; 0 only when nothing is wrong.

    Raises:
        LogError, SettingsError: it cannot be opened or read.
    """

    async def look(log: Log) -> list[tuple[str, object]]:
        newest = await log.newest()
        verdict = await verified(log, partial(talk.progress, "reading", unit="index"))
        faults.extend(verdict.faults)
        rows: list[tuple[str, object]] = []
        if verdict.replay is not None:
            replay = verdict.replay
            snapshot = replay.snapshot_index or "none"
            rows = [("snapshot", snapshot), ("records", replay.entries), ("refused", replay.refused)]
            rows += [("skipped", replay.passed_over), *rows_of(Contents(replay.state).summary())]
        else:
            rows = [("index", newest.index)]
        return [*rows, ("faults", len(verdict.faults))]

    faults: list[str] = []
    rows = _with(store, Role.READER, look)
    talk.done(f"{store.shown}: {'all is well' if not faults else 'not all is well'}")
    talk.results([*rows, *(("fault", fault) for fault in faults)])
    return FAILED if faults else 0


def repair(store: Store, index: int, talk: Talk) -> int:
    """Let every process pass over one entry of the log from now on.

    Raises:
        LogError, SettingsError: it cannot be done; says why.
    """

    async def skip(log: Log) -> None:
        try:
            await log.skip(index)
        except LookupError as problem:
            raise LogError(f"{store.shown}: {problem.args[0]}; nothing was changed") from None

    _with(store, Role.GUEST, skip)
    talk.done(f"{store.shown}: entry {index} is passed over from now on")
    return 0


def _with(store: Store, role: Role, work: Callable[[Log], Awaitable[T]]) -> T:
    logging.getLogger("registry.store").setLevel(logging.ERROR)  # a server warns of how the store is configured

    async def run() -> T:
        async with _open(store, role) as log:
            return await work(log)

    return asyncio.run(run())


@asynccontextmanager
async def _open(store: Store, role: Role) -> AsyncIterator[Log]:
    log = open_log(store.url, now=time.time, elapsed=time.monotonic, writer=secrets.token_hex(4), role=role)
    await log.open()
    try:
        yield log
    finally:
        await log.close()
