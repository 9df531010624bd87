"""From a log to a state and back: what the commands do with a store once it is open.

Owns following a log up to one moment, and noticing that a store has gone away meanwhile. Opening and closing it is
the caller's.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import NamedTuple

from registry.archive.contents import for_a_log
from registry.commands.codec import LEVEL
from registry.core.recovery import apply_entry, state_of
from registry.errors import LogCorrupt, LogError, LogUnavailable
from registry.log.base import Entry, Item, Log, Reset
from registry.state.changes import Changes
from registry.state.store import State

LOOK_SECONDS = 0.5  # between two looks at whether the store is still there, while nothing comes from it

Progress = Callable[[int, int], None]  # how far it has come, of how much


class Replay(NamedTuple):
    """What a log said: the state, the index of the snapshot it began with, and the entries behind that."""

    state: State
    snapshot_index: int
    entries: int
    refused: int
    passed_over: int


async def replayed(log: Log, progress: Progress) -> Replay:
    """The state as of the newest entry at this moment; the log is open and others may go on writing.

    Raises:
        LogUnavailable: the store went away. LogCorrupt, ApplyFailed: an entry or the snapshot cannot be taken in.
    """
    until = await log.sync()
    state, begun, entries, refused, passed_over = State(), 0, 0, 0, 0
    if until == 0:
        return Replay(state, begun, entries, refused, passed_over)
    async for item in _items(log):
        if isinstance(item, Reset):
            state, begun, entries, refused, passed_over = state_of(item, LEVEL), item.index, 0, 0, 0
        elif isinstance(item, list):
            for entry in item:
                if state.applied < entry.index <= until:
                    entries += 1
                    passed_over += not entry.payload
                    refused += _taken_in(state, entry)
        progress(state.applied, until)
        if state.applied >= until:
            break
    return Replay(state, begun, entries, refused, passed_over)


def _taken_in(state: State, entry: Entry) -> bool:
    """Take an entry in; whether the state refused it."""
    changes = Changes()
    if not entry.payload:
        state.advance(entry.index, entry.time, changes)
        return False
    return apply_entry(state, entry, None, changes).refusal is not None


async def _items(log: Log) -> AsyncIterator[Item]:
    """What the log yields from its beginning; a store that goes away is an error and not a wait."""
    items = log.follow(0)
    try:
        while True:
            coming = asyncio.ensure_future(anext(items, None))
            try:
                while not (await asyncio.wait({coming}, timeout=LOOK_SECONDS))[0]:
                    contact = log.contact()
                    if contact.away:
                        raise LogUnavailable(contact.reason)
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
            item = await coming
            if item is None:
                raise LogUnavailable("the log ended before its newest entry")
            yield item
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()


async def put_back(log: Log, state: State, size: int, progress: Progress) -> int:
    """Replace what a log holds by this state, of `size` bytes; the index at which it stands then.

    Raises:
        LogUnavailable: it could not be stored, and nothing changed.
    """

    async def chunks() -> AsyncIterator[bytes]:
        done = 0
        for chunk in for_a_log(state):
            yield chunk
            done += len(chunk)
            progress(done, size)

    return await log.restore(state.applied, state.time, chunks())


class Verdict(NamedTuple):
    """What a look at all of a store has shown; without a replay the entries could not be applied."""

    faults: tuple[str, ...]
    replay: Replay | None


async def verified(log: Log, progress: Progress) -> Verdict:
    """Check all that is stored, then replay it.

    Raises:
        LogUnavailable: the store went away.
    """
    faults = [fault async for fault in log.verify()]
    try:
        return Verdict(tuple(faults), await replayed(log, progress))
    except LogUnavailable:
        raise
    except LogError as error:
        if not (faults and isinstance(error, LogCorrupt)):
            faults.append(str(error))
        return Verdict(tuple(faults), None)
