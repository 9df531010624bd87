"""What is refused, or fails for a reason nobody thought of, leaves nothing behind it and is not kept quiet."""

from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from registry.commands import Command, ReplaceFileRows
from registry.commands.codec import encoded
from registry.core.engine import Engine
from registry.errors import LogUnavailable, NotFound, RequestError
from registry.log.base import Record
from registry.log.memory import MemoryLog, MemoryStore
from registry.model.check import CRITICAL, PASSING, CheckDefinition
from registry.testing import FakeClock
from tests.makers import check, register, register_local, sidecar_of, start_server, ttl, turns
from tests.unit.core.conftest import Rigged

NO_TTL = replace(ttl(), runs=CheckDefinition(http="http://h", interval_ns=10**9))


@pytest.mark.parametrize(
    "again",
    [
        register_local("web", NO_TTL, sidecar=sidecar_of("web")),
        ReplaceFileRows(services=(register_local("web", NO_TTL),), checks=(check("c", "unknown", node=""),)),
        ReplaceFileRows(services=(register_local("web", NO_TTL, sidecar=sidecar_of("web")),), checks=()),
    ],
    ids=["no port for a sidecar", "a file's check without its service", "no port for a file's sidecar"],
)
async def test_a_refused_registration_does_not_end_the_time_of_a_check(
    engine: Engine, clock: FakeClock, again: Command
) -> None:
    await engine.propose(register_local("web", ttl(status=PASSING)))
    await clock.advance(5)
    with pytest.raises(RequestError):
        await engine.propose(again)
    await clock.advance(6)
    found = engine.state.local_check("ttl")
    assert found is not None
    assert found.status == CRITICAL


async def test_a_beat_for_nothing_costs_no_entry_on_any_log(engine: Engine) -> None:
    applied = engine.state.applied
    for status in (PASSING, CRITICAL):
        with pytest.raises(NotFound):
            await engine.beat("none", status, "")
    assert engine.state.applied == applied


async def test_a_log_of_ones_own_that_cannot_be_read_refuses_the_start(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for ever for a disk that nobody mends."""
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    first = MemoryLog(store, writer="one")
    await first.open()
    await first.append(1, [Record(encoded(start_server()))])

    async def unreadable(*_: Any) -> None:
        raise LogUnavailable("the disk is gone")

    engine = Engine(MemoryLog(store, writer="two"), clock)
    monkeypatch.setattr(store.sequencer.feed, "_read", unreadable)
    with pytest.raises(LogUnavailable, match="the disk is gone"):
        await engine.start()
    await engine.stop()
    await first.close()


@pytest.mark.parametrize("error", [ValueError("beyond the newest entry"), KeyError("a bug")], ids=["value", "key"])
async def test_a_snapshot_that_fails_for_no_known_reason_stops_the_process(
    rigged: Rigged, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    rig = await rigged(snapshot_min_bytes=100)

    async def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(rig.log, "publish_snapshot", broken)
    with suppress(LogUnavailable):  # it may be told that all is over
        await rig.engine.propose(register("web", tags=("x" * 200,)))
    await turns()
    assert rig.engine.failed is not None
    assert await rig.engine.failed is error
