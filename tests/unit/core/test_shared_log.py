"""Several processes on one log: what each may say, who does what for all, and what while the store is away.

Two engines over one store in memory are two replicas; `FaultyMemoryLog` can be cut off.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from registry.commands import RegisterLocal, SetMembers
from registry.commands.codec import encoded
from registry.core.engine import Engine, Options
from registry.errors import LogCorrupt, LogUnavailable, NotFound
from registry.log.base import Output, Tenure
from registry.log.faults import FaultyMemoryLog, FaultyStorage
from registry.log.memory import MemoryStore
from registry.model.check import CRITICAL, PASSING
from registry.model.member import Member
from registry.state.members import check_item
from registry.state.snapshot import digest
from registry.testing import FakeClock
from tests.makers import Tally, port_of, register, register_local, start_server, ttl, turns


class Replica(NamedTuple):
    engine: Engine
    log: FaultyMemoryLog
    told: Tally


class House:
    """One store and the replicas on it."""

    def __init__(self, clock: FakeClock) -> None:
        self.store = MemoryStore(now=clock.now, elapsed=clock.elapsed, storage=FaultyStorage())
        self.clock = clock
        self.replicas: list[Replica] = []

    async def replica(self, name: str, level: int = 2, **options: float) -> Replica:
        log, told = FaultyMemoryLog(self.store, writer=name, shared=True), Tally()
        engine = Engine(log, self.clock, observer=told, level=level, options=Options(**options))
        await engine.start()
        engine.announce(Member(name, level=level).encoded())
        if not engine.state.server.node:
            await engine.propose(start_server())
        self.replicas.append(Replica(engine, log, told))
        return self.replicas[-1]


@pytest.fixture
async def house(clock: FakeClock) -> AsyncIterator[House]:
    made = House(clock)
    yield made
    for replica in reversed(made.replicas):
        replica.log.away = False
        await replica.engine.stop()


def seen(replica: Replica, check_id: str = "ttl") -> tuple[str, str]:
    """What the agent of this replica shows."""
    found = replica.engine.state.local_check(check_id)
    assert found is not None
    return found.status, found.output


def web(seconds: float = 10.0) -> RegisterLocal:
    return register_local("web", ttl("ttl", seconds, status=PASSING))


async def test_what_one_writes_another_shows_once_it_has_confirmed(house: House) -> None:
    one, two = await house.replica("one"), await house.replica("two")
    await one.engine.propose(register("web", port=81))
    await two.engine.confirm()
    assert port_of(two.engine) == 81
    assert digest(one.engine.state) == digest(two.engine.state)


async def test_a_write_that_seems_to_change_nothing_is_judged_on_the_newest_state(house: House) -> None:
    """The other process has changed the row meanwhile: to put it back is a change."""
    one, two = await house.replica("one"), await house.replica("two")
    await one.engine.propose(register("web", port=80))
    await two.engine.confirm()
    other = asyncio.ensure_future(one.engine.propose(register("web", port=81)))
    await asyncio.sleep(0)
    await asyncio.gather(other, two.engine.propose(register("web", port=80)))
    await one.engine.confirm()
    indexes = {one.engine.state.applied, two.engine.state.applied}
    assert len(indexes) == 1
    assert port_of(one.engine) == port_of(two.engine)


async def test_a_write_that_changes_nothing_is_refused_while_nobody_can_confirm_it(house: House) -> None:
    one = await house.replica("one")
    await one.engine.propose(register("web"))
    one.log.away = True
    with pytest.raises(LogUnavailable):
        await one.engine.propose(register("web"))


async def test_a_beat_counts_whoever_takes_it(house: House, clock: FakeClock) -> None:
    one, two = await house.replica("one"), await house.replica("two")
    await one.engine.propose(web())
    for _ in range(4):
        await clock.advance(8)
        await two.engine.beat("ttl", PASSING, "")
    assert seen(one)[0] == PASSING
    before = one.engine.state.applied
    await clock.advance(11)
    assert (seen(one)[0], seen(two)[0]) == (CRITICAL, CRITICAL)
    assert one.engine.state.applied == before + 1, "told once, by the one that keeps house"


async def test_a_beat_for_a_check_that_the_other_has_just_registered_is_taken(house: House) -> None:
    one, two = await house.replica("one"), await house.replica("two")
    await one.engine.propose(web())
    await two.engine.beat("ttl", PASSING, "here")
    assert seen(two) == (PASSING, "here")


async def test_a_beat_for_nothing_costs_no_entry(house: House) -> None:
    one = await house.replica("one")
    before = (await one.log.newest()).index
    for _ in range(5):
        with pytest.raises(NotFound):
            await one.engine.beat("nothing", PASSING, "")
    assert (await one.log.newest()).index == before


async def test_while_the_store_is_away_beats_are_taken_and_changes_refused(house: House) -> None:
    one = await house.replica("one")
    await one.engine.propose(web())
    one.log.away = True
    await one.engine.beat("ttl", PASSING, "still here")
    assert seen(one) == (PASSING, "still here")
    with pytest.raises(LogUnavailable):
        await one.engine.beat("ttl", CRITICAL, "broken")
    with pytest.raises(LogUnavailable):
        await one.engine.beat("unknown", PASSING, "")
    with pytest.raises(LogUnavailable):
        await one.engine.propose(register("web"))
    assert one.engine.contact().away


async def test_nothing_expires_because_the_store_was_away(house: House, clock: FakeClock) -> None:
    """The beats taken meanwhile have moved no deadline: all of them begin anew."""
    one = await house.replica("one")
    await one.engine.propose(web())
    before = one.told.rearms
    one.log.away = True
    for _ in range(5):
        await clock.advance(8)
        await one.engine.beat("ttl", PASSING, "")
    one.log.lose_deadlines()
    one.log.away = False
    await clock.advance(9)
    assert seen(one)[0] == PASSING
    assert one.told.rearms == before + 1
    await clock.advance(3)
    assert seen(one)[0] == CRITICAL


async def test_an_outage_is_told_once(house: House, clock: FakeClock) -> None:
    one = await house.replica("one")
    one.log.away = True
    await clock.advance(60)
    assert len(one.told.troubles) == 1


async def test_the_next_one_keeps_house(house: House, clock: FakeClock) -> None:
    one, two = await house.replica("one"), await house.replica("two")
    await one.engine.propose(web())
    assert (one.engine.keeps_house, two.engine.keeps_house) == (True, False)
    house.replicas.remove(one)
    await one.engine.stop()
    assert two.engine.keeps_house
    await clock.advance(11)
    assert seen(two)[0] == CRITICAL


async def test_texts_of_one_are_shown_by_the_other_without_an_entry(house: House) -> None:
    one, two = await house.replica("one"), await house.replica("two")
    await one.engine.propose(web())
    before = one.engine.state.applied
    await one.engine.beat("ttl", PASSING, "load 0.3")
    await turns()
    assert seen(two) == (PASSING, "load 0.3")
    await one.engine.beat("ttl", PASSING, "load 0.4")
    await turns()
    assert seen(one) == seen(two) == (PASSING, "load 0.4")
    assert two.engine.state.applied == before


async def test_a_text_older_than_what_the_log_says_of_its_check_is_passed_over(house: House) -> None:
    one = await house.replica("one")
    await one.engine.propose(web())
    before = one.engine.state.applied
    await one.engine.beat("ttl", CRITICAL, "down")
    one.log.foreign_outputs(Output("ttl", before, "fine"), Output("no such check", before, "x"))
    await turns()
    assert seen(one) == (CRITICAL, "down")
    one.log.foreign_outputs(Output("ttl", one.engine.state.applied, "still down"))
    await turns()
    assert seen(one) == (CRITICAL, "still down")


async def test_the_members_are_written_down_once_all_understand_that(house: House, clock: FakeClock) -> None:
    one, two = await house.replica("one"), await house.replica("two", level=1)
    await clock.advance(2)
    assert one.engine.state.level == 1
    assert one.engine.state.members == ()

    house.replicas.remove(two)
    await two.engine.stop()
    three = await house.replica("three")
    await clock.advance(2)
    for replica in (one, three):
        assert replica.engine.state.level == 2
        assert [member.id for member in replica.engine.state.members] == ["one", "three"]
        assert replica.engine.state.holder == "one"
    assert len(one.told.commands) == len({*map(repr, one.told.commands)}), "each change once"


async def test_each_piece_of_work_has_one_owner_and_moves_when_it_goes(house: House, clock: FakeClock) -> None:
    one, two = await house.replica("one"), await house.replica("two")
    items = [check_item(f"check {number}") for number in range(100)]
    assert all(one.engine.owns(item) and not two.engine.owns(item) for item in items), "before there is a list"
    await clock.advance(2)
    of_one = {item for item in items if one.engine.owns(item)}
    assert 20 < len(of_one) < 80
    assert all(two.engine.owns(item) is (item not in of_one) for item in items)
    house.replicas.remove(one)
    await one.engine.stop()
    await clock.advance(2)
    assert all(two.engine.owns(item) for item in items)


async def test_a_member_list_of_an_earlier_tenure_is_void(house: House, clock: FakeClock) -> None:
    """The housekeeper counted, was deposed, and its word comes late."""
    one, two = await house.replica("one"), await house.replica("two")
    await clock.advance(2)
    tenure = one.log.group.tenure()
    house.replicas.remove(one)
    await one.engine.stop()
    await clock.advance(2)
    stale = SetMembers((Member("one", level=2),), "one")
    two.engine._writes.submit(stale, Tenure(tenure))
    await turns()
    assert [member.id for member in two.engine.state.members] == ["two"]


async def test_an_older_program_stops_at_a_level_it_does_not_know(house: House, clock: FakeClock) -> None:
    await house.replica("one")
    await clock.advance(2)
    log = FaultyMemoryLog(house.store, writer="old", shared=True)
    engine = Engine(log, clock, level=1)
    with pytest.raises(LogCorrupt, match="level 2, but this program knows levels up to 1"):
        await engine.start()
    await engine.stop()


async def test_a_gap_in_the_log_wakes_everybody_and_lifts_every_index(house: House) -> None:
    one = await house.replica("one")
    await one.engine.propose(register("web"))
    house.store.sequencer.jump(1_000_000)
    index = await one.log.gap()
    await turns()
    assert one.engine.state.applied == index
    assert one.engine.state.index(("service", "web")) >= index
    await one.engine.propose(register("web", port=82))
    assert one.engine.state.applied == index + 1


async def test_a_process_that_stays_behind_says_so(house: House, clock: FakeClock) -> None:
    one = await house.replica("one")
    waiting = asyncio.ensure_future(one.engine._writes.caught_up(99))
    await turns()
    await clock.advance(1.1)
    with pytest.raises(LogUnavailable, match="behind the store"):
        await waiting


async def test_a_stored_command_of_another_process_is_applied_here(house: House) -> None:
    one = await house.replica("one")
    await one.log.foreign(encoded(register("web", port=9)))
    await turns()
    assert port_of(one.engine) == 9
