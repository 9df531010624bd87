"""Sessions that live by renewal: never ended early, ended soon after their time, on every log (session.md §4)."""

import asyncio
from typing import Any

import pytest

from registry.commands import ChangeKey, EndSession, KeyOp, RaiseLevel
from registry.commands.codec import LEVEL
from registry.core.engine import Engine, Options
from registry.errors import NotFound
from registry.log.faults import FaultyMemoryLog, FaultyStorage
from registry.log.memory import MemoryLog, MemoryStore
from registry.model import topic as topics
from registry.model.session import DELETE, Session
from registry.model.topic import of_key
from registry.testing import FakeClock
from tests.conftest import Park
from tests.makers import HERE, Tally, about, start_server, turns
from tests.unit.core.conftest import Rig

S1 = "11111111-aaaa-bbbb-cccc-000000000001"
TTL = 10 * 10**9


@pytest.fixture
async def engine(engine: Engine) -> Engine:
    """One whose log takes sessions: nobody is there who would not understand them."""
    if engine.shared:
        await engine.propose(RaiseLevel(LEVEL))
    return engine


def session(session_id: str = S1, **fields: Any) -> Session:
    return Session(id=session_id, **{"node": HERE, "ttl": "10s", "lock_delay_ns": 0, **fields})


def locked(key: bytes = b"lock", session_id: str = S1) -> ChangeKey:
    return ChangeKey(KeyOp("lock", key, b"v", session=session_id))


def lives(engine: Engine, session_id: str = S1) -> bool:
    return session_id in engine.state.sessions.rows


async def test_a_session_lives_twice_its_ttl_and_at_most_a_second_more(engine: Engine, clock: FakeClock) -> None:
    await engine.sessions.create(session(), TTL)
    assert await engine.propose(locked()) is True
    await clock.advance(19.9)
    assert lives(engine)
    await clock.advance(1.1)
    assert not lives(engine)
    assert engine.state.kv.pairs[b"lock"].session == ""


async def test_a_renewal_gives_it_the_whole_time_again(engine: Engine, clock: FakeClock) -> None:
    """And it gives nothing else: no entry, no index, nobody woken."""
    await engine.sessions.create(session(), TTL)
    await clock.settle()
    applied = engine.state.applied
    for _ in range(5):
        await clock.advance(19.5)
        found = await engine.sessions.renew(S1.upper())
        assert (found.id, found.ttl) == (S1, "10s")
    assert engine.state.applied == applied
    await clock.advance(19.9)
    assert lives(engine)
    await clock.advance(1.1)
    assert not lives(engine)


async def test_only_renewals_count(engine: Engine, clock: FakeClock) -> None:
    """Neither a lock nor a look at it keeps a session."""
    await engine.sessions.create(session(), TTL)
    await clock.advance(15)
    await engine.propose(locked())
    engine.answer(about((topics.SESSION, S1)))
    await clock.advance(6)
    assert not lives(engine)


async def test_without_ttl_it_lives_on_and_can_be_renewed(engine: Engine, clock: FakeClock) -> None:
    await engine.sessions.create(session(ttl=""), 0)
    await clock.advance(300)
    assert (await engine.sessions.renew(S1)).id == S1


@pytest.mark.parametrize("ended", ["by-hand", "by-time", "never-there"])
async def test_one_that_is_not_there_cannot_be_renewed(engine: Engine, clock: FakeClock, ended: str) -> None:
    if ended != "never-there":
        await engine.sessions.create(session(), TTL)
    if ended == "by-hand":
        await engine.propose(EndSession(S1))
    await clock.advance(21)
    with pytest.raises(NotFound) as refused:
        await engine.sessions.renew(S1)
    assert (refused.value.reason, refused.value.values) == ("session", {"id": S1})


async def test_the_end_wakes_who_waits_for_the_lock(engine: Engine, park: Park, clock: FakeClock) -> None:
    await engine.sessions.create(session(behavior=DELETE), TTL)
    await engine.propose(locked())
    waits = [
        await park(engine.after(about(topic), engine.state.index(topic), 600))
        for topic in (of_key(b"lock"), topics.of_prefix(b"lo"), topics.of_prefix(b""), (topics.SESSION, S1))
    ]
    other = await park(engine.after(about(of_key(b"other")), engine.state.index(of_key(b"other")), 600))
    await clock.advance(21)
    answers = [(await one)[0] for one in waits]
    assert {answer.index for answer in answers} == {engine.state.kv.index}
    assert not other.done()


async def test_many_end_within_their_second(engine: Engine, clock: FakeClock) -> None:
    ids = [f"{number:08}-aaaa-bbbb-cccc-000000000001" for number in range(300)]
    await asyncio.gather(*(engine.sessions.create(session(one), TTL) for one in ids))
    for one in ids[::2]:
        await engine.sessions.renew(one)
    await clock.advance(21)
    assert not engine.state.sessions.rows


async def test_an_end_that_is_on_its_way_is_void_once_the_session_is_renewed(rig: Rig, clock: FakeClock) -> None:
    """The log decides which of the two came first; who was told that he has it, has it."""
    await rig.engine.sessions.create(session(), TTL)
    await rig.engine.propose(locked())
    rig.log.hold()
    other = rig.begin(ChangeKey(KeyOp("set", b"other")))
    await clock.advance(20.5)
    assert lives(rig.engine)
    renewal = asyncio.ensure_future(rig.engine.sessions.renew(S1))
    await turns()
    rig.log.release()
    await asyncio.gather(other, renewal)
    await turns()
    assert lives(rig.engine)
    assert rig.engine.state.kv.pairs[b"lock"].session == S1
    await clock.advance(19)
    assert lives(rig.engine)
    await clock.advance(2)
    assert not lives(rig.engine)


async def test_a_renewal_after_the_end_is_stored_says_so(rig: Rig, clock: FakeClock) -> None:
    """Whatever this process has seen of it yet."""
    await rig.engine.sessions.create(session(), TTL)
    await clock.advance(19)
    renewals = []
    for _ in range(30):
        await clock.advance(0.1)
        try:
            await rig.engine.sessions.renew(S1)
            renewals.append(True)
        except NotFound:
            renewals.append(False)
    assert all(renewals)
    await clock.advance(21)
    with pytest.raises(NotFound):
        await rig.engine.sessions.renew(S1)


async def test_a_start_gives_every_session_its_whole_time(clock: FakeClock) -> None:
    """The time in which nobody could renew is not counted (session.md §4)."""
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed, storage=FaultyStorage())
    first = Engine(FaultyMemoryLog(store, writer="self"), clock)
    await first.start()
    await first.propose(start_server())
    await first.sessions.create(session(), TTL)
    await clock.advance(19)
    await first.stop()
    await clock.advance(60)

    again = Engine(FaultyMemoryLog(store, writer="self"), clock)
    await again.start()
    await again.propose(start_server())
    await clock.advance(19.5)
    assert lives(again)
    await clock.advance(1.5)
    assert not lives(again)
    await again.stop()


async def test_the_factor_is_a_setting(clock: FakeClock) -> None:
    log = MemoryLog(MemoryStore(now=clock.now, elapsed=clock.elapsed), writer="self")
    engine = Engine(log, clock, options=Options(session_expiry_factor=1.0), observer=Tally())
    await engine.start()
    await engine.propose(start_server())
    await engine.sessions.create(session(), TTL)
    await clock.advance(9.9)
    assert lives(engine)
    await clock.advance(1.1)
    assert not lives(engine)
    await engine.stop()


async def test_a_lock_delay_runs_by_the_logs_time(engine: Engine, clock: FakeClock) -> None:
    other = S1.replace("1", "2")
    await engine.sessions.create(session(lock_delay_ns=15 * 10**9, ttl=""), 0)
    await engine.sessions.create(session(other, ttl=""), 0)
    await engine.propose(locked())
    await engine.propose(EndSession(S1))
    ended = engine.state.applied
    assert await engine.propose(locked(session_id=other)) is False
    await clock.advance(14.5)
    assert await engine.propose(locked(session_id=other)) is False
    assert engine.state.kv.index == ended
    await clock.advance(0.6)
    assert await engine.propose(locked(session_id=other)) is True


# Several engines on one log


async def test_a_session_is_kept_by_renewals_through_any_replica(clock: FakeClock) -> None:
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed, storage=FaultyStorage())
    engines = [Engine(FaultyMemoryLog(store, writer=name, shared=True), clock) for name in ("a", "b", "c")]
    for engine in engines:
        await engine.start()
    await engines[0].propose(RaiseLevel(LEVEL))
    await engines[0].propose(start_server())
    await engines[0].sessions.create(session(), TTL)
    await engines[1].propose(locked())
    for turn in range(6):
        await clock.advance(15)
        assert (await engines[turn % 3].sessions.renew(S1)).id == S1
    await clock.advance(21)
    await turns()
    assert [lives(engine) for engine in engines] == [False] * 3
    assert {engine.state.kv.pairs[b"lock"].modify_index for engine in engines} == {engines[0].state.kv.index}
    for engine in engines:
        await engine.stop()
