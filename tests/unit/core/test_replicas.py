"""Several engines on one shared log: each shows the truth, one keeps house, and a store that is away hurts nobody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from registry.commands import DeregisterLocal, RaiseLevel, RegisterLocalCheck, SetMembers, UpdateCheck
from registry.commands.codec import LEVEL, encoded
from registry.core.engine import Engine, Options
from registry.core.writes import UNDERSTOOD_SECONDS
from registry.errors import InvalidRequest, LogCorrupt, LogUnavailable, NotFound
from registry.log.base import Item, Output, Tenure
from registry.log.faults import FaultyMemoryLog, FaultyStorage
from registry.log.memory import MemoryLog, MemoryStore
from registry.model import topic as topics
from registry.model.check import CRITICAL, PASSING, WARNING
from registry.model.member import Member
from registry.state.snapshot import Frozen, digest, restored
from registry.testing import FakeClock
from tests.makers import (
    HERE,
    Tally,
    World,
    check,
    health_of,
    parked,
    port_of,
    register,
    register_local,
    start_server,
    ttl,
    turns,
)
from tests.unit.core.conftest import Rig

WEB = (topics.HEALTH, "web")
EXPIRED = "TTL expired"


class ReplicaLog(FaultyMemoryLog):
    """A shared log's end, which can also fall behind or fail to be read."""

    def __init__(self, store: MemoryStore, *, writer: str) -> None:
        super().__init__(store, writer=writer, shared=True)
        self.go = asyncio.Event()
        self.go.set()
        self.syncs = 0
        self.unreadable = 0

    async def sync(self) -> int:
        self.syncs += 1
        return await super().sync()

    async def follow(self, after: int) -> AsyncIterator[Item]:
        if self.unreadable:
            self.unreadable -= 1
            raise LogUnavailable("injected: not readable")
        async for item in super().follow(after):
            await self.go.wait()
            yield item
            if self.unreadable:
                self.unreadable -= 1
                raise LogUnavailable("injected: not readable")


class Replica:
    """An engine, its end of the log, and what its observer was told."""

    def __init__(self, store: MemoryStore, clock: FakeClock, writer: str, **given: Any) -> None:
        self.log = ReplicaLog(store, writer=writer)
        self.told = Tally()
        level = given.pop("level", LEVEL)
        self.engine = Engine(self.log, clock, options=Options(**given), observer=self.told, level=level)
        self._clock = clock

    async def start(self) -> "Replica":
        await self.engine.start()
        return self

    def announce(self, level: int = LEVEL) -> Member:
        member = Member(self.log.writer, address="10.0.0.1", port=8500, level=level, version="1")
        self.engine.announce(member.encoded())
        return member

    async def stop(self) -> None:
        self.log.away = False
        self.log.go.set()
        self.log.release()
        await self.engine.stop()


Start = Callable[..., Awaitable[Replica]]


@pytest.fixture
def one_store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(now=clock.now, elapsed=clock.elapsed, storage=FaultyStorage())


@pytest.fixture
async def start(one_store: MemoryStore, clock: FakeClock) -> AsyncIterator[Start]:
    """Starts replicas on one store; the first one that is there keeps house."""
    made: list[Replica] = []
    clock.busy = lambda: any(one.engine.busy for one in made)

    async def begin(writer: str, **given: Any) -> Replica:
        made.append(await Replica(one_store, clock, writer, **given).start())
        return made[-1]

    yield begin
    clock.busy = lambda: False
    for one in reversed(made):
        await one.stop()


@pytest.fixture
async def pair(start: Start, clock: FakeClock) -> tuple[Replica, Replica]:
    """Two replicas of a server that knows who it is, and whose deadlines are armed."""
    one, two = await start("aaaaaaaa"), await start("bbbbbbbb")
    await one.engine.propose(start_server())
    await clock.advance(0.5)
    return one, two


Pair = tuple[Replica, Replica]


def seen(replica: Replica, check_id: str = "ttl") -> tuple[str, str]:
    """What the agent shows of a check."""
    found = replica.engine.state.local_check(check_id)
    assert found is not None
    return found.status, found.output


def catalog(replica: Replica) -> tuple[str, str]:
    [found] = [one for one in replica.engine.state.checks_of_node(HERE) if one.id == "ttl"]
    return found.status, found.output


async def with_ttl(replica: Replica, seconds: float = 10.0, **fields: Any) -> None:
    """A passing TTL check of a service `web`."""
    await replica.engine.propose(register_local("web", ttl("ttl", seconds, **fields)))
    await replica.engine.beat("ttl", PASSING, "")
    await turns()


# One truth


async def test_registered_on_one_beaten_on_the_other_removed_on_either(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    await with_ttl(one)
    applied = one.engine.state.applied
    for _ in range(5):
        await clock.advance(9)
        await two.engine.beat("ttl", PASSING, "")
    assert (seen(one), one.engine.state.applied) == ((PASSING, ""), applied)
    await two.engine.propose(DeregisterLocal("web"))
    await one.engine.confirm()
    assert one.engine.state.local_services() == []


async def test_a_new_status_wakes_readers_of_the_other(pair: Pair) -> None:
    one, two = pair
    await with_ttl(one)
    reader = await parked(one.engine, one.engine.after(health_of("web"), one.engine.state.index(WEB), 60))
    await two.engine.beat("ttl", WARNING, "so so")
    answer, _ = await reader
    assert b"so so" in answer.body


async def test_confirm_returns_when_what_the_others_wrote_shows(pair: Pair) -> None:
    one, two = pair
    two.log.go.clear()
    await one.engine.propose(register("web", port=81))
    asked = asyncio.ensure_future(two.engine.confirm())
    await turns()
    assert not asked.done()
    assert two.engine.state.placed("web") == []
    two.log.go.set()
    await asked
    assert port_of(two.engine) == 81


async def test_confirm_gives_up_on_a_replica_that_stays_behind(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    two.log.go.clear()
    await one.engine.propose(register("web"))
    asked = asyncio.ensure_future(two.engine.confirm())
    await clock.advance(1)
    with pytest.raises(LogUnavailable, match="behind"):
        await asked


async def test_confirm_on_a_log_of_ones_own_asks_nobody(rig: Rig) -> None:
    rig.log.away = True  # a question would be refused
    await rig.engine.confirm()
    rig.log.away = False


async def test_a_write_that_changes_nothing_is_judged_on_the_newest_state(pair: Pair) -> None:
    """Here the replica does not know yet that another one has changed what it is about."""
    one, two = pair
    await one.engine.propose(register("web", port=1))
    await turns()
    two.log.go.clear()
    await one.engine.propose(register("web", port=2))
    again = asyncio.ensure_future(two.engine.propose(register("web", port=1)))
    await turns()
    assert not again.done()
    two.log.go.set()
    await again
    await one.engine.confirm()
    assert port_of(one.engine) == port_of(two.engine) == 1


async def test_a_write_that_changes_nothing_costs_a_question_and_no_entry(pair: Pair) -> None:
    one, two = pair
    await one.engine.propose(register("web"))
    await turns()
    applied, syncs = one.engine.state.applied, two.log.syncs
    await two.engine.propose(register("web"))
    assert (two.engine.state.applied, two.log.syncs) == (applied, syncs + 1)
    assert len(two.told.skips) == 1


async def test_a_beat_for_a_check_that_nobody_knows_costs_no_entry(pair: Pair) -> None:
    one, two = pair
    applied = one.engine.state.applied
    for replica in pair:
        for _ in range(3):
            with pytest.raises(NotFound):
                await replica.engine.beat("none", PASSING, "")
    assert one.engine.state.applied == two.engine.state.applied == applied
    assert two.log.syncs == 3


@pytest.mark.parametrize("status", [PASSING, CRITICAL])
async def test_a_beat_for_a_check_without_ttl_costs_no_entry(pair: Pair, status: str) -> None:
    one, two = pair
    await one.engine.propose(RegisterLocalCheck(check("other", node="")))
    await turns()
    applied = one.engine.state.applied
    for replica in pair:
        with pytest.raises(InvalidRequest):
            await replica.engine.beat("other", status, "")
    assert one.engine.state.applied == two.engine.state.applied == applied


async def test_a_beat_for_a_check_that_another_has_just_made_one_of_signs_of_life_is_taken(pair: Pair) -> None:
    one, two = pair
    await one.engine.propose(RegisterLocalCheck(check("ttl", node="")))
    await turns()
    two.log.go.clear()
    await one.engine.propose(RegisterLocalCheck(ttl("ttl")))
    beat = asyncio.ensure_future(two.engine.beat("ttl", WARNING, "so so"))
    await turns()
    two.log.go.set()
    await beat
    assert seen(two) == (WARNING, "so so")


async def test_a_beat_for_a_check_that_another_has_just_registered_is_taken(pair: Pair) -> None:
    one, two = pair
    two.log.go.clear()
    await one.engine.propose(register_local("web", ttl()))
    beat = asyncio.ensure_future(two.engine.beat("ttl", PASSING, ""))
    await turns()
    two.log.go.set()
    await beat
    assert seen(two) == (PASSING, "")


async def test_a_beat_of_a_replica_that_stays_behind_is_refused(pair: Pair, clock: FakeClock) -> None:
    """Else it would be taken for the status that another replica has changed meanwhile."""
    one, two = pair
    await with_ttl(one)
    two.log.go.clear()
    await one.engine.beat("ttl", CRITICAL, "down")
    beat = asyncio.ensure_future(two.engine.beat("ttl", PASSING, "up again"))
    await clock.advance(1)
    with pytest.raises(LogUnavailable):
        await beat


async def test_a_log_that_cannot_be_read_for_a_while_is_read_again(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    two.log.unreadable = 5
    await one.engine.propose(register("web", port=1))
    await one.engine.propose(register("web", port=2))
    await clock.advance(2)
    assert two.engine.failed is not None
    assert not two.engine.failed.done()
    assert port_of(two.engine) == 2
    assert two.told.troubles.count("injected: not readable") <= 2  # said once for each time it begins


async def test_a_write_of_unknown_outcome_is_said_to_be_unknown_at_once(pair: Pair) -> None:
    one, _ = pair
    one.log.inject_unknown(stored=False)
    with pytest.raises(LogUnavailable) as told:
        await one.engine.propose(register("web"))
    assert told.value.unknown


async def test_a_gap_in_the_past_raises_every_index_and_wakes_everybody(pair: Pair) -> None:
    one, two = pair
    readers = [await parked(each.engine, each.engine.after(health_of("web"), 1000, 60)) for each in pair]
    one.log.inject_jump(10_000)
    index = await one.log.gap()
    for reader in readers:
        answer, _ = await reader
        assert answer.index == index
    assert digest(one.engine.state) == digest(two.engine.state)


async def test_a_write_that_the_log_passes_over_is_said_to_be_unknown(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = pair

    async def passed_over(batch: int, records: list[Any]) -> Any:
        return await ReplicaLog.append(one.log, batch, [record._replace(payload=b"") for record in records])

    monkeypatch.setattr(one.log, "append", passed_over)
    with pytest.raises(LogUnavailable) as told:
        await one.engine.propose(register("web"))
    assert told.value.unknown


# The housekeeper


async def test_the_first_one_there_keeps_house_then_the_next(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    await with_ttl(two)
    assert (one.engine.keeps_house, two.engine.keeps_house) == (True, False)
    await clock.advance(9)
    await one.engine.stop()
    assert two.engine.keeps_house
    await clock.advance(2)
    assert seen(two) == (CRITICAL, EXPIRED)


async def test_silence_is_seen_by_all(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    await with_ttl(two)
    await clock.advance(11)
    assert seen(one) == seen(two) == catalog(two) == (CRITICAL, EXPIRED)


async def test_a_check_that_the_housekeeper_has_not_heard_of_still_falls_silent(pair: Pair, clock: FakeClock) -> None:
    """It is behind when the time is up: the deadline must not be taken for that of a check that is gone."""
    one, two = pair
    one.log.go.clear()
    await two.engine.propose(register_local("web", ttl("ttl", 2.0, status=PASSING)))
    await clock.advance(3)
    assert seen(two)[0] == PASSING
    one.log.go.set()
    await clock.advance(1)
    assert seen(one) == seen(two) == (CRITICAL, EXPIRED)


async def test_deadlines_that_were_lost_are_armed_anew_for_a_whole_period(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    await with_ttl(two)
    await clock.advance(9)
    one.log.lose_deadlines()
    await clock.advance(9.9)
    assert seen(one) == (PASSING, "")
    await two.engine.beat("ttl", PASSING, "")
    await clock.advance(9.5)
    assert seen(one) == (PASSING, "")
    await clock.advance(2)
    assert seen(one) == seen(two) == (CRITICAL, EXPIRED)


async def test_a_critical_service_has_a_minute_more_after_deadlines_were_lost(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    await with_ttl(two, 10_000.0, reap_seconds=90.0)
    await two.engine.beat("ttl", CRITICAL, "down")
    await clock.advance(89)
    one.log.lose_deadlines()
    await clock.advance(59)
    assert len(two.engine.state.local_services()) == 1
    await clock.advance(2)
    assert two.engine.state.local_services() == []


async def test_a_store_that_is_away_expires_nobody(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    await with_ttl(two)
    one.log.away = two.log.away = True
    await clock.advance(60)
    one.log.lose_deadlines()
    one.log.away = two.log.away = False
    await clock.advance(9)
    assert seen(one) == seen(two) == (PASSING, "")
    await clock.advance(3)
    assert seen(one)[0] == CRITICAL


async def test_housekeeping_that_cannot_be_done_is_told_once(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    for _ in range(2):
        one.log.away = True
        await clock.advance(30)
        one.log.away = False
        await clock.advance(1)
    assert len([text for text in one.told.troubles if "away" in text]) == 2
    assert two.told.troubles == []


async def test_nobody_keeps_house_while_its_log_is_being_closed(
    pair: Pair, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = pair
    close, closing = one.log.close, asyncio.Event()

    async def slowly() -> None:
        one.log.away = True
        await closing.wait()
        await close()

    monkeypatch.setattr(one.log, "close", slowly)
    stopping = asyncio.ensure_future(one.engine.stop())
    await clock.advance(5)
    closing.set()
    await stopping
    assert one.told.troubles == []


# A store that is away


async def test_while_the_store_is_away_a_beat_that_changes_nothing_is_taken(pair: Pair) -> None:
    one, two = pair
    await with_ttl(one)
    two.log.away = True
    await two.engine.beat("ttl", PASSING, "still here")
    assert seen(two) == (PASSING, "still here")


async def test_a_beat_that_was_taken_while_the_store_was_away_is_told_when_it_is_back(
    pair: Pair, clock: FakeClock
) -> None:
    """An outage of one replica that is too short for anybody to miss it: nothing is armed anew."""
    one, two = pair
    await with_ttl(one)
    await clock.advance(9)
    two.log.away = True
    await two.engine.beat("ttl", PASSING, "")
    two.log.away = False
    await clock.advance(6)
    assert seen(one)[0] == PASSING
    await clock.advance(5)
    assert seen(one)[0] == CRITICAL


async def test_while_an_unknown_write_is_about_the_node_its_beats_are_taken(pair: Pair) -> None:
    """A write about the whole node is on its way when the store goes away: no beat is a change because of it."""
    one, two = pair
    await with_ttl(one)
    one.log.hold()
    other = asyncio.ensure_future(two.engine.propose(DeregisterLocal("other")))
    await turns()
    two.log.away = True
    beat = asyncio.ensure_future(two.engine.beat("ttl", PASSING, "still here"))
    await turns()
    one.log.release()
    await beat
    assert seen(two) == (PASSING, "still here")
    with pytest.raises(NotFound):
        await other


async def test_while_the_store_is_away_the_first_beat_of_a_check_born_critical_is_taken(pair: Pair) -> None:
    one, two = pair
    await one.engine.propose(register_local("web", ttl()))
    await turns()
    two.log.away = True
    await two.engine.beat("ttl", CRITICAL, "not yet")
    assert seen(two) == (CRITICAL, "not yet")


@pytest.mark.parametrize(("check_id", "status"), [("ttl", CRITICAL), ("none", PASSING)])
async def test_while_the_store_is_away_any_other_beat_is_refused(pair: Pair, check_id: str, status: str) -> None:
    one, two = pair
    await with_ttl(one)
    two.log.away = True
    with pytest.raises(LogUnavailable) as refused:
        await two.engine.beat(check_id, status, "")
    assert not refused.value.unknown
    assert seen(two) == (PASSING, "")


async def test_a_beat_that_has_become_a_change_when_the_store_goes_away_is_refused(pair: Pair) -> None:
    """It was begun as one that changes nothing, but meanwhile another replica has changed the status."""
    one, two = pair
    await with_ttl(one)
    two.log.go.clear()
    await one.engine.beat("ttl", CRITICAL, "down")
    beat = asyncio.ensure_future(two.engine.beat("ttl", PASSING, "up again"))
    await turns()
    two.log.away = True
    two.log.go.set()
    with pytest.raises(LogUnavailable):
        await beat
    assert seen(two) == (CRITICAL, "down")


async def test_while_the_store_is_away_writes_are_refused_and_reads_go_on(pair: Pair) -> None:
    one, two = pair
    await one.engine.propose(register("web"))
    await turns()
    two.log.away = True
    for command in (register("web"), register("web", port=81)):
        with pytest.raises(LogUnavailable):
            await two.engine.propose(command)
    with pytest.raises(LogUnavailable):
        await two.engine.confirm()
    assert two.engine.contact().away
    assert b'"port":80' in two.engine.answer(health_of("web")).body
    two.log.away = False
    await two.engine.propose(register("web", port=81))
    await one.engine.confirm()
    assert port_of(one.engine) == 81


# Texts


async def test_a_new_text_shows_on_all_at_once_and_in_the_catalog_later(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    await with_ttl(one, 10_000.0)
    applied = one.engine.state.applied
    await two.engine.beat("ttl", PASSING, "news")
    await turns()
    assert (seen(one), seen(two)) == ((PASSING, "news"), (PASSING, "news"))
    assert catalog(one) == (PASSING, "")
    await clock.advance(500)
    assert catalog(one) == catalog(two) == (PASSING, "news")
    assert one.engine.state.applied == applied + 1, "one of them brings it into the log"


async def test_texts_end_the_same_on_all_whoever_took_them(pair: Pair) -> None:
    one, two = pair
    await with_ttl(one, 10_000.0)
    await asyncio.gather(
        *[each.engine.beat("ttl", PASSING, f"{n} of {each.log.writer}") for n in range(20) for each in pair]
    )
    await turns()
    assert seen(one) == seen(two)


async def test_a_text_that_was_published_before_ours_does_not_cover_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    await with_ttl(one, 10_000.0)
    publish = one.log.publish_outputs

    async def slowly(texts: list[Output]) -> None:
        await turns(8)
        await publish(texts)

    monkeypatch.setattr(one.log, "publish_outputs", slowly)
    await one.engine.beat("ttl", PASSING, "ours")
    two.log.foreign_outputs(Output("ttl", one.engine.state.applied, "theirs"))
    for _ in range(20):
        assert seen(one) == (PASSING, "ours"), "who has heard of a text is not shown an older one"
        await turns(1)
    assert seen(one) == seen(two) == (PASSING, "ours")


async def test_a_lost_text_of_ours_does_not_keep_others_out(
    pair: Pair, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    await with_ttl(one, 10_000.0)

    async def lost(texts: list[Output]) -> None:
        """Best effort was not enough."""

    monkeypatch.setattr(one.log, "publish_outputs", lost)
    await one.engine.beat("ttl", PASSING, "lost")
    await clock.advance(5)
    await two.engine.beat("ttl", PASSING, "news")
    await turns()
    assert seen(one) == (PASSING, "news")


async def test_a_text_older_than_a_change_in_the_log_is_passed_over(pair: Pair) -> None:
    one, two = pair
    await with_ttl(one, 10_000.0)
    before = one.engine.state.applied
    await one.engine.beat("ttl", WARNING, "worse")
    one.log.foreign_outputs(Output("ttl", before, "old news"), Output("none", before, ""))
    await turns()
    assert seen(one) == seen(two) == (WARNING, "worse")


async def test_a_text_that_could_not_be_stored_is_stored_later(pair: Pair, clock: FakeClock) -> None:
    one, _ = pair
    await with_ttl(one, 10_000.0)
    await one.engine.beat("ttl", PASSING, "news")
    await clock.advance(149)
    one.log.away = True
    await clock.advance(5)
    one.log.away = False
    await clock.advance(151)
    assert catalog(one) == (PASSING, "news")


async def test_a_text_taken_by_a_replica_that_died_reaches_the_log_with_the_next(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    await with_ttl(one, 10_000.0)
    two.log.foreign_outputs(Output("ttl", one.engine.state.applied, "of one that died"))
    await turns()
    await one.engine.beat("ttl", PASSING, "newer")
    await clock.advance(151)
    assert catalog(two) == (PASSING, "newer")


async def test_a_text_of_a_replica_that_is_behind_does_not_undo_a_newer_status(pair: Pair, clock: FakeClock) -> None:
    """It was cut off when the status changed, and brings its text into the log the moment it is back."""
    one, two = pair
    await one.engine.propose(RaiseLevel(LEVEL))
    await with_ttl(one)
    await two.engine.beat("ttl", PASSING, "last words")
    await turns()
    two.log.go.clear()
    await one.engine.beat("ttl", CRITICAL, "down")
    two.engine._beats.flush()
    await turns()
    two.log.go.set()
    await turns()
    assert catalog(one) == catalog(two) == (CRITICAL, "down")


async def test_a_text_does_not_outlive_a_reset_to_a_newer_status(pair: Pair, clock: FakeClock) -> None:
    one, _ = pair
    await with_ttl(one, 10_000.0)
    await one.engine.beat("ttl", PASSING, "soft")
    world = World()
    world.apply(register_local("web", ttl("ttl", 10_000.0)))
    for status in (PASSING, CRITICAL, PASSING, CRITICAL):
        world.apply(UpdateCheck("ttl", status, f"logged {status}", ttl=True))
    one.log.inject_restore(clock.now(), *[chunk for chunk in Frozen(world.state).chunks() if chunk])
    await turns()
    assert seen(one) == (CRITICAL, f"logged {CRITICAL}")


# Members and levels


async def test_the_housekeeper_writes_down_who_is_there(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    members = (one.announce(), two.announce())
    await clock.advance(1)
    for each in pair:
        state = each.engine.state
        assert (state.members, state.holder, state.level) == (members, "aaaaaaaa", LEVEL)
    applied = one.engine.state.applied
    await clock.advance(60)
    assert one.engine.state.applied == applied, "nothing is written while nothing changes"
    await two.engine.stop()
    await clock.advance(1)
    assert one.engine.state.members == members[:1]


async def test_who_keeps_house_next_writes_itself_down(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    _, left = one.announce(), two.announce()
    await clock.advance(1)
    await one.engine.stop()
    await clock.advance(1)
    assert (two.engine.state.members, two.engine.state.holder) == ((left,), "bbbbbbbb")


async def test_members_are_counted_however_much_is_written(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    members = (one.announce(), two.announce())
    clock.busy = lambda: False
    stopped = False

    async def write_on(name: str) -> None:
        port = 0
        while not stopped:
            port += 1
            await one.engine.propose(register(name, port=port))

    writers = [asyncio.ensure_future(write_on(f"s{number}")) for number in range(4)]
    try:
        await clock.advance(2)  # each write sets a timer, and each timer lets more writes run: no longer than needed
        found = one.engine.state.members
    finally:
        stopped = True  # or they would write on while the engine waits for the last write
        await asyncio.gather(*writers)
    assert found == members


async def test_work_belongs_to_exactly_one_of_the_members(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    items = [f"item {number}" for number in range(100)]
    assert [one.engine.owns(item) for item in items] == [True] * 100, "nobody is written down: the housekeeper does it"
    assert [two.engine.owns(item) for item in items] == [False] * 100
    one.announce()
    two.announce()
    await clock.advance(1)
    mine, yours = ({item for item in items if each.engine.owns(item)} for each in pair)
    assert mine | yours == set(items)
    assert not mine & yours
    assert min(len(mine), len(yours)) > 20


async def test_the_level_rises_when_the_last_old_replica_has_gone(pair: Pair, clock: FakeClock) -> None:
    one, two = pair
    one.announce()
    two.announce(level=1)
    await clock.advance(5)
    assert one.engine.state.level == 1
    refused = asyncio.ensure_future(one.engine.propose(SetMembers((), "aaaaaaaa")))
    await clock.advance(UNDERSTOOD_SECONDS - 0.1)
    assert not refused.done(), "it might still say what it understands"
    await clock.advance(0.1)
    with pytest.raises(LogUnavailable, match="replicas"):
        await refused
    await two.engine.stop()
    await clock.advance(1)
    assert one.engine.state.level == LEVEL


@pytest.mark.parametrize("about", [b"", b"\xc1 no member"], ids=["silent", "unreadable"])
async def test_the_level_waits_for_a_replica_of_which_nothing_is_known(
    pair: Pair, clock: FakeClock, about: bytes
) -> None:
    one, two = pair
    one.announce()
    two.announce()
    one.log.foreign_peer("cccccccc", about)
    await clock.advance(5)
    assert one.engine.state.level == 1
    one.log.foreign_peer_leaves("cccccccc")
    await clock.advance(1)
    assert one.engine.state.level == LEVEL


async def test_only_the_housekeeper_of_that_time_writes_down_who_is_there(pair: Pair, clock: FakeClock) -> None:
    """Its record waits in the log while it loses the house: it is void."""
    one, two = pair
    tenure = Tenure(one.log.group.tenure())
    await one.engine.stop()
    two.engine._writes.submit(RaiseLevel(LEVEL), tenure)
    await turns()
    assert two.engine.state.level == 1


async def test_a_log_of_ones_own_needs_no_level(rig: Rig) -> None:
    """One process is all members there are; its records say by themselves what they need."""
    await rig.engine.propose(SetMembers((Member("other"),), "other"))
    assert rig.engine.state.members == (Member("other"),)


async def test_a_log_that_is_no_longer_shared_forgets_its_members(clock: FakeClock) -> None:
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    first = Engine(MemoryLog(store, writer="first"), clock)
    await first.start()
    await first.propose(start_server())
    await first.propose(SetMembers((Member("gone"),), "gone"))
    await first.stop()
    again = Engine(MemoryLog(store, writer="again"), clock)
    await again.start()
    await turns()
    assert (again.state.members, again.state.holder) == ((), "")
    assert again.owns("anything")
    await again.stop()


@pytest.mark.parametrize("payload", [encoded(RaiseLevel(2)), encoded(SetMembers((), "x"))], ids=["raised", "used"])
async def test_a_replica_that_is_too_old_for_the_log_stops_and_says_so(start: Start, payload: bytes) -> None:
    new, old = await start("aaaaaaaa"), await start("bbbbbbbb", level=1)
    await new.engine.propose(start_server())
    await new.log.foreign(payload)
    assert old.engine.failed is not None
    cause = await old.engine.failed
    assert isinstance(cause, LogCorrupt)
    assert "level 2" in str(cause)
    assert "levels up to 1" in str(cause)
    assert new.engine.failed is not None
    assert not new.engine.failed.done()
    assert old.engine.state.members == ()


async def test_a_replica_that_is_too_old_for_a_snapshot_does_not_start(pair: Pair, start: Start) -> None:
    one, _ = pair
    await one.log.foreign(encoded(RaiseLevel(2)))
    await turns()
    frozen = Frozen(one.engine.state)

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in frozen.chunks():
            if chunk:
                yield chunk

    await one.log.publish_snapshot(frozen.header.applied, frozen.header.time, chunks())
    with pytest.raises(LogCorrupt, match="level 2, but this program knows levels up to 1"):
        await start("cccccccc", level=1)


async def test_a_replica_that_starts_with_the_others_shows_what_they_show(pair: Pair, start: Start) -> None:
    one, _ = pair
    for number in range(20):
        await one.engine.propose(register("web", service_id=str(number)))
    three = await start("cccccccc")
    assert digest(three.engine.state) == digest(one.engine.state)


async def test_a_replica_holds_its_state_for_a_store_that_loses_it(pair: Pair) -> None:
    one, two = pair
    await one.engine.propose(register("web"))
    await two.engine.confirm()
    assert two.log.held is not None
    held = two.log.held()
    assert (held.index, held.time) == (one.engine.state.applied, one.engine.state.time)
    assert digest(restored([chunk async for chunk in held.chunks])) == digest(one.engine.state)
