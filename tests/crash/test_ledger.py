"""The crash test's own judgement: what it lets pass after a crash, and what it does not."""

import random

import pytest

from tests.crash.indexes import Indexes
from tests.crash.ledger import Contest, Ledger, Row, World
from tests.crash.operations import operation
from tests.fuzz.wire import Answer

WEB, CHECK = ("service", "c0-s0"), ("check", "c0-s0:0")
TWO: World = {WEB: Row(1), CHECK: Row(1, "passing", frozenset({"1"}), "c0-s0")}
AGAIN: World = {WEB: Row(2), CHECK: Row(2, "passing", frozenset({"1"}), "c0-s0")}
PASSING, CRITICAL = TWO[CHECK], TWO[CHECK]._replace(status="critical")


def ledger(acknowledged: World, under_way: World | None = None) -> Ledger:
    """A client that was told `acknowledged` and waits for an answer about `under_way`."""
    made = Ledger("c0")
    made.begin(acknowledged)
    made.acknowledge()
    if under_way is not None:
        made.begin(under_way)
    return made


@pytest.mark.parametrize(
    ("acknowledged", "under_way", "found"),
    [
        pytest.param(TWO, None, TWO, id="as it was"),
        pytest.param(TWO, AGAIN, TWO, id="the write under way is not done"),
        pytest.param(TWO, AGAIN, AGAIN, id="the write under way is done"),
        pytest.param(TWO, {}, {}, id="a removal under way is done"),
        pytest.param(
            {**TWO, CHECK: PASSING._replace(outputs=frozenset({"1", "7"}))}, None, TWO,
            id="a text without a new status is lost",
        ),
    ],
)  # fmt: skip
def test_what_a_crash_may_leave(acknowledged: World, under_way: World | None, found: World) -> None:
    assert ledger(acknowledged, under_way).settle(found) == []


@pytest.mark.parametrize(
    ("acknowledged", "under_way", "found"),
    [
        pytest.param(TWO, None, {}, id="everything is gone"),
        pytest.param(AGAIN, None, TWO, id="the last write is gone"),
        pytest.param(TWO, None, {WEB: Row(1)}, id="a check is gone"),
        pytest.param({}, None, TWO, id="what was removed is there again"),
        pytest.param(TWO, None, {**TWO, CHECK: CRITICAL}, id="a status has changed"),
        pytest.param(TWO, None, {**TWO, CHECK: PASSING._replace(outputs=frozenset({"9"}))}, id="a text nobody sent"),
        pytest.param(TWO, AGAIN, {**TWO, WEB: Row(2)}, id="half of the write under way"),
        pytest.param({}, TWO, {WEB: Row(1)}, id="a service without the check that came with it"),
        pytest.param(TWO, AGAIN, {}, id="neither"),
    ],
)
def test_what_a_crash_may_not_leave(acknowledged: World, under_way: World | None, found: World) -> None:
    assert ledger(acknowledged, under_way).settle(found)


def test_the_last_writer_of_a_contest_may_be_any_that_nobody_came_after() -> None:
    contest = Contest()
    for number in (1, 2):
        contest.begin(number)
    contest.end(1)
    contest.end(2)  # at the same time as 1: either may be the last
    assert contest.candidates() == {1, 2}

    contest.begin(3)
    contest.end(3)  # after both
    contest.begin(4)  # under way
    assert contest.candidates() == {3, 4}
    assert contest.settle([2])
    assert contest.settle([2, 2]) == []  # from here on that is what is there


def test_two_numbers_in_one_contested_row_are_half_a_write() -> None:
    contest = Contest()
    contest.begin(1)
    assert contest.settle([0, 1])


async def test_an_index_that_goes_back_is_noted() -> None:
    class Server:
        index = 7

        async def ask(self, method: str, target: str) -> Answer:
            return Answer(200, {"x-consul-index": str(self.index)}, b"[]", False)

    server, indexes = Server(), Indexes()
    await indexes.read(server, "/v1/catalog/nodes")  # type: ignore[arg-type]
    server.index = 6
    await indexes.read(server, "/v1/catalog/services")  # type: ignore[arg-type]
    assert not indexes.problems
    await indexes.read(server, "/v1/catalog/nodes")  # type: ignore[arg-type]
    assert indexes.problems == ["/v1/catalog/nodes: index 6 after 7"]


def test_every_kind_of_write_comes_up_and_changes_rows() -> None:
    chance, changed = random.Random(0), 0
    world: World = {}
    targets: set[str] = set()
    for number in range(1, 2000):
        one = operation("c0", number, world, chance)
        changed += one.after != world
        targets.add("/".join(one.target.partition("?")[0].split("/")[2:5]))
        world = one.after
    assert changed > 1000
    assert len(targets) == 12, targets
