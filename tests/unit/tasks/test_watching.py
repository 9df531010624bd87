"""What the engine tells the runner: whose view or queue may differ, and when to look at all."""

from collections.abc import Iterable

from registry.commands import MoveAgent, SetMembers
from registry.model.member import Member
from tests.unit.tasks.conftest import Replica

Told = list[list[str] | None]


def watched(replica: Replica) -> Told:
    """What is told from now on: ids, or None for all."""
    told: Told = []

    def changed(keys: Iterable[tuple[str, str]] | None) -> None:
        told.append(None if keys is None else [key for _, key in keys])

    replica.engine.watch_agents(changed)
    return told


async def test_each_entry_tells_of_the_agents_it_is_about(replica: Replica) -> None:
    told = watched(replica)
    await replica.agent("A1")
    await replica.submit("t1", "A1")
    await replica.engine.agents.finish("A1", "t1", succeeded=True)
    await replica.engine.propose(MoveAgent("A1", "stop"))
    assert told == [["a1"]] * 4


async def test_a_beat_tells_of_nothing(replica: Replica) -> None:
    await replica.agent("a1")
    told = watched(replica)
    await replica.engine.agents.beat("a1")
    assert told == []


async def test_other_members_are_a_reason_to_look_at_all(replica: Replica) -> None:
    told = watched(replica)
    await replica.engine.propose(SetMembers((Member("bbbbbbbb"),), "bbbbbbbb"))
    assert None in told


async def test_whoever_ends_it_is_told_no_more(replica: Replica) -> None:
    told = watched(replica)
    replica.engine.watch_agents(None)
    await replica.agent("a1")
    assert told == []
