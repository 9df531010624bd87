"""When checks are run, how many at a time, and that they end: on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from registry.checks.base import Result, passing
from registry.checks.runner import CheckRunner, Parts
from registry.model.check import CheckDefinition
from registry.testing import FakeClock
from tests.unit.checks.conftest import listening, silent

SECOND = 10**9
TEN = CheckDefinition(tcp="x:1", interval_ns=10 * SECOND)


class World:
    """A runner with targets that the test speaks for."""

    def __init__(self, clock: FakeClock, means, *, probe=None, chance=lambda: 0.0, most_at_once=1000) -> None:
        self.clock = clock
        self.reported: list[tuple[str, Result, float]] = []
        self.started: list[tuple[str, float]] = []
        self.failures: list[tuple[str, Exception]] = []
        self.answer = passing("fine")
        self.gate: asyncio.Event | None = None
        self.at_once = self.highest = 0
        parts = Parts(
            report=lambda key, result: self.reported.append((key, result, clock.elapsed())),
            clock=clock,
            chance=chance,
            failed=lambda key, error: self.failures.append((key, error)),
            means=means,
        )
        if probe is None:
            parts = parts._replace(probe=lambda kind, definition, means: Scripted(self, definition))
        self.runner = CheckRunner(parts, most_at_once=most_at_once)

    @property
    def times(self) -> list[float]:
        return [round(at, 3) for _, at in self.started]

    @property
    def statuses(self) -> list[str]:
        return [result.status for _, result, _ in self.reported]


class Scripted:
    """Answers what the world says, when its gate is open."""

    def __init__(self, world: World, definition: CheckDefinition) -> None:
        self.world, self.definition = world, definition

    async def run(self) -> Result:
        world = self.world
        world.started.append((self.definition.tcp, world.clock.elapsed()))
        world.at_once += 1
        world.highest = max(world.highest, world.at_once)
        try:
            if world.gate is not None:
                await world.gate.wait()
            if world.answer.output == "raise":
                raise RuntimeError("broken probe")
            return world.answer
        finally:
            world.at_once -= 1


@pytest.fixture
async def world(clock, means) -> AsyncIterator[World]:
    made = World(clock, means)
    yield made
    await made.runner.close()


async def test_the_first_run_is_soon_and_the_next_an_interval_after_it(world, clock):
    world.runner.run("c", TEN)
    await clock.advance(0.29)
    assert world.started == []
    await clock.advance(30)
    assert world.times == [0.3, 10.3, 20.3, 30.3][:3]
    assert world.reported[0][:2] == ("c", passing("fine"))


async def test_an_interval_follows_the_end_of_a_run(world, clock):
    world.gate = asyncio.Event()
    world.runner.run("c", TEN)
    await clock.advance(25)
    assert world.times == [0.3]
    world.gate.set()
    await clock.advance(11)
    assert world.times == [0.3, 35.0]


async def test_nothing_runs_more_often_than_every_second(world, clock):
    world.runner.run("c", CheckDefinition(tcp="x:1", interval_ns=SECOND // 100))
    await clock.advance(3)
    assert world.times == [0.3, 1.3, 2.3]


async def test_first_runs_are_spread_evenly(world, clock):
    for number in range(200):
        world.runner.run(number, TEN)
    await clock.advance(1.0)
    times = sorted(at for _, at in world.started)
    assert len(times) == 200
    assert times[0] >= 0.3
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) < 3 * 0.7 / 200


async def test_with_many_waiting_first_runs_are_spread_over_the_interval(world, clock):
    for number in range(2200):
        world.runner.run(number, TEN)
    counts = []
    for _ in range(10):
        before = len(world.started)
        await clock.advance(1.0)
        counts.append(len(world.started) - before)
    assert sum(counts) == 2200
    assert max(counts[1:]) < 300


async def test_registering_again_changes_nothing_of_the_schedule(world, clock):
    world.runner.run("c", TEN)
    await clock.advance(5)
    world.runner.run("c", CheckDefinition(tcp="x:1", interval_ns=10 * SECOND))
    await clock.advance(6)
    assert world.times == [0.3, 10.3]


async def test_registering_something_else_starts_anew(world, clock):
    world.runner.run("c", TEN)
    await clock.advance(5)
    world.runner.run("c", CheckDefinition(tcp="y:1", interval_ns=10 * SECOND))
    await clock.advance(6)
    assert [what for what, _ in world.started] == ["x:1", "y:1"]
    assert world.started[1][1] < 6.0


async def test_registering_a_ttl_check_stops_what_ran(world, clock):
    world.runner.run("c", TEN)
    world.runner.run("c", CheckDefinition(ttl_ns=SECOND))
    await clock.advance(60)
    assert world.started == []
    assert world.runner.figures().checks == 0


async def test_registering_again_goes_on_counting(world, clock):
    """A client that registers every few seconds, as many do, has thresholds all the same."""
    definition = CheckDefinition(tcp="x:1", interval_ns=10 * SECOND, failures_before_critical=3)
    world.runner.run("c", definition)
    await clock.advance(1)
    world.answer = Result("critical", "down")
    for _ in range(2):
        await clock.advance(10)
        world.runner.run("c", definition)
    assert world.statuses == ["passing"]
    await clock.advance(10)
    assert world.statuses == ["passing", "critical"]


async def test_a_run_under_way_outlives_a_registration_of_the_same(world, clock):
    world.gate = asyncio.Event()
    world.runner.run("c", TEN)
    await clock.advance(1)
    world.runner.run("c", CheckDefinition(tcp="x:1", interval_ns=10 * SECOND))
    world.gate.set()
    await clock.settle()
    assert world.statuses == ["passing"]
    assert world.runner.figures().cancelled == 0


async def test_what_was_taken_over_keeps_its_thresholds(world, clock):
    world.answer = Result("critical", "down")
    world.runner.run("c", CheckDefinition(tcp="x:1", interval_ns=SECOND, failures_before_critical=2), taken_over=True)
    await clock.advance(1)
    assert world.statuses == []
    await clock.advance(1)
    assert world.statuses == ["critical"]


async def test_a_check_that_is_stopped_in_mid_flight_is_cancelled_and_silent(world, clock):
    world.gate = asyncio.Event()
    world.runner.run("c", TEN)
    await clock.advance(1)
    assert world.at_once == 1
    world.runner.stop("c")
    await clock.settle()
    assert world.at_once == 0
    world.gate.set()
    await clock.advance(60)
    assert world.reported == []
    assert world.runner.figures().cancelled == 1
    world.runner.stop("c")  # nobody's business any more


async def test_a_check_that_waits_is_stopped(world, clock):
    world.runner.run("c", TEN)
    world.runner.stop("c")
    await clock.advance(60)
    assert world.started == []


async def test_so_many_at_a_time_and_the_others_in_their_turn(clock, means):
    world = World(clock, means, most_at_once=3)
    world.gate = asyncio.Event()
    for number in range(10):
        world.runner.run(number, TEN)
    await clock.advance(2)
    figures = world.runner.figures()
    assert (figures.running, figures.queued) == (3, 7)
    world.runner.stop(9)  # one of those who wait, or one under way
    world.gate.set()
    await clock.advance(0.01)
    assert world.highest == 3
    assert len(world.reported) == 9
    assert figures.lag.highest_seconds > 0.9
    await world.runner.close()


async def test_a_broken_probe_is_critical_and_runs_again(world, clock):
    world.answer = passing("raise")
    world.runner.run("c", TEN)
    await clock.advance(1)
    world.answer = passing("fine")
    await clock.advance(10)
    assert [result.output for _, result, _ in world.reported] == ["RuntimeError: broken probe", "fine"]
    assert [key for key, _ in world.failures] == ["c"]
    assert world.runner.figures().errors == 1


async def test_bytes_of_a_target_that_are_no_text_are_replaced(world, clock):
    """Some come to us as lone surrogates, which can be neither stored nor shown: the result would be lost."""
    world.answer = passing(b"caf\xe9 \xc3\xa9".decode("utf-8", "surrogateescape"))
    world.runner.run("c", TEN)
    await clock.advance(1)
    assert [result.output for _, result, _ in world.reported] == ["caf\ufffd \xe9"]


async def test_what_happens_is_counted(world, clock):
    world.runner.run("c", TEN)
    await clock.advance(11)
    world.answer = Result("critical", "down")
    await clock.advance(10)
    figures = world.runner.figures()
    assert figures.runs == {"tcp": 3}
    assert figures.results == {("tcp", "passing"): 2, ("tcp", "critical"): 1}
    assert figures.lag.count == 3
    assert figures.durations["tcp"].buckets[0] == 3


async def test_closing_ends_everything(clock, means):
    world = World(clock, means)
    world.gate = asyncio.Event()
    for number in range(20):
        world.runner.run(number, TEN)
    await clock.advance(0.6)
    assert 0 < world.at_once < 20
    await world.runner.close()
    assert world.at_once == 0
    world.runner.run("late", TEN)
    await clock.advance(60)
    assert world.reported == []
    assert world.runner.figures().checks == 0


async def test_a_real_probe_in_mid_flight_lets_go_of_its_connection(clock, means):
    left = asyncio.Event()

    async def talk(reader, writer):
        await silent(reader, writer)
        left.set()

    async with listening(talk) as where:
        world = World(clock, means, probe="real")
        world.runner.run("c", CheckDefinition(http=f"http://{where}", interval_ns=SECOND))
        await clock.advance(0.5)
        while world.runner.figures().running == 0:  # noqa: ASYNC110 - the real time of a loopback connection
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)  # until it is connected
        world.runner.stop("c")
        await asyncio.wait_for(left.wait(), 2)
        await world.runner.close()
    assert world.reported == []


@pytest.mark.parametrize(
    "definition",
    [
        {"http": "http://127.0.0.1:1/"},
        {"tcp": "127.0.0.1:1"},
        {"udp": "127.0.0.1"},
        {"grpc": "127.0.0.1:1"},
        {"h2ping": "127.0.0.1:1"},
        {"script_args": ("/bin/false-or-none",)},
        {"script_args": ("x",), "docker_container_id": "c"},
        {"os_service": "no-such.service"},
    ],
)
async def test_every_type_of_check_is_run(clock, means, definition):
    world = World(clock, means, probe="real")
    world.runner.run("c", CheckDefinition(interval_ns=3600 * SECOND, **definition))
    await clock.advance(1)
    while not world.reported:  # noqa: ASYNC110 - the real time of a refused connection
        await asyncio.sleep(0.005)
    assert world.statuses == ["critical"]
    assert world.failures == []
    await world.runner.close()
