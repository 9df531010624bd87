"""From a log to a state for a backup: all that is stored and nothing later, and no waiting for a store that is gone."""

import asyncio

import pytest

from registry.archive import stores
from registry.archive.contents import Contents
from registry.archive.stores import put_back, replayed, verified
from registry.commands.codec import encoded
from registry.core.recovery import ApplyFailed
from registry.errors import LogUnavailable
from registry.log.base import Record
from registry.log.faults import FaultyMemoryLog, faulty_log
from registry.testing import FakeClock
from tests.makers import register, start_server


def nothing(done: int, total: int) -> None:
    """No progress is shown."""


@pytest.fixture
async def log(clock: FakeClock) -> FaultyMemoryLog:
    opened = faulty_log(now=clock.now, elapsed=clock.elapsed)
    await opened.open()
    for number, command in enumerate((start_server(), register("web"), register("db")), 1):
        await opened.append(number, [Record(encoded(command))])
    return opened


async def test_a_state_holds_what_is_stored_and_says_how_it_came(log: FaultyMemoryLog) -> None:
    found = await replayed(log, nothing)
    assert (found.state.applied, found.snapshot_index, found.entries) == (3, 0, 3)
    assert Contents(found.state).summary().services == 3


async def test_a_state_that_was_put_back_is_the_same(log: FaultyMemoryLog, clock: FakeClock) -> None:
    state = (await replayed(log, nothing)).state
    other = faulty_log(now=clock.now, elapsed=clock.elapsed)
    await other.open()
    index = await put_back(other, state, 1, nothing)
    found = await replayed(other, nothing)
    assert (found.state.applied, found.snapshot_index, found.entries) == (index, index, 0)
    assert Contents(found.state).summary().digest == Contents(state).summary().digest
    assert found.state.time == state.time


async def test_what_is_refused_or_passed_over_is_counted(log: FaultyMemoryLog) -> None:
    await log.append(4, [Record(encoded(start_server(node="someone-else")))])
    await log.append(5, [Record(b"poison")])
    await log.skip(5)
    found = await replayed(log, nothing)
    assert (found.entries, found.refused, found.passed_over) == (5, 1, 1)


async def test_a_store_that_goes_away_is_not_waited_for(log: FaultyMemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "LOOK_SECONDS", 0.01)
    log.inject_jump(5)

    async def further() -> int:
        return 9  # more is promised than comes

    monkeypatch.setattr(log, "sync", further)
    reading = asyncio.ensure_future(replayed(log, nothing))
    await asyncio.sleep(0.05)
    assert not reading.done()
    log.away = True
    with pytest.raises(LogUnavailable, match="injected: away"):
        await reading


async def test_an_entry_that_cannot_be_applied_is_a_fault(
    log: FaultyMemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ApplyFailed(2, "a bug")

    monkeypatch.setattr(stores, "apply_entry", broken)
    verdict = await verified(log, nothing)
    assert verdict.replay is None
    (fault,) = verdict.faults
    assert "repair --skip 2" in fault
