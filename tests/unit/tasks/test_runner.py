"""Who works at which task, what becomes of it, and what is done when replicas or the store go."""

from registry.commands import MoveAgent, RemoveAgent, SubmitTask
from registry.model.agent import CODEVALD, HIVE, Task
from registry.state.members import owner
from registry.tasks.runner import MOST_SENT, task_item
from registry.testing import FakeClock
from tests.makers import register_local
from tests.unit.tasks.conftest import Replica, Replicas

# One replica


async def test_tasks_are_begun_in_their_order_as_far_as_the_agent_works_at_a_time(replica: Replica) -> None:
    await replica.agent(max_concurrent_tasks=2)
    for task_id in ("t1", "t2", "t3", "t4"):
        await replica.submit(task_id)
    assert replica.agents.tasks == ["t1", "t2"]
    await replica.end("t2")
    assert replica.agents.tasks == ["t1", "t2", "t3"]
    await replica.end("t1")
    await replica.end("t3", "no data")
    assert replica.agents.tasks == ["t1", "t2", "t3", "t4"]
    assert (replica.queue, replica.counted) == (["t4"], (2, 1))


async def test_why_a_task_was_not_done_is_told(replica: Replica) -> None:
    await replica.agent()
    await replica.submit("t1")
    await replica.end("t1", "no data")
    assert replica.failures == [("a1", "t1", "no data", None)]


async def test_a_fault_of_ours_fails_the_task_and_is_told_with_its_cause(replica: Replica) -> None:
    await replica.agent()
    replica.agents.fault = ZeroDivisionError()
    await replica.submit("t1")
    assert (replica.queue, replica.counted) == ([], (0, 1))
    assert replica.failures == [("a1", "t1", "internal error", replica.agents.fault)]


async def test_a_task_that_takes_too_long_is_left_off_and_fails(replica: Replica, clock: FakeClock) -> None:
    """By its own timeout, else by that of its agent."""
    await replica.agent(task_timeout_ns=20 * 10**9)
    await replica.submit("t1")
    await replica.submit("t2", timeout_seconds=5)
    await clock.advance(4.9)
    assert replica.counted == (0, 0)
    await clock.advance(0.2)
    assert (replica.queue, replica.agents.left_off) == (["t1"], ["t2"])
    await clock.advance(14.8)
    assert replica.counted == (0, 1)
    await clock.advance(0.2)
    assert (replica.counted, replica.agents.left_off) == ((0, 2), ["t2", "t1"])
    assert [why for _, _, why, _ in replica.failures] == ["not done within 5s", "not done within 20s"]


async def test_an_agent_that_is_removed_has_its_tasks_left_off(replica: Replica, clock: FakeClock) -> None:
    await replica.agent()
    await replica.submit("t1")
    await replica.engine.propose(RemoveAgent("a1"))
    await clock.settle()
    assert (replica.agents.left_off, replica.counted) == (["t1"], (0, 0))
    await replica.agent()
    await clock.advance(1)
    assert replica.agents.tasks == ["t1"]


async def test_a_task_that_another_replica_has_ended_is_left_off(replica: Replica, clock: FakeClock) -> None:
    """As when it was given away and came back before the other one had ended it."""
    await replica.agent()
    await replica.submit("t1")
    await replica.engine.agents.finish("a1", "t1", succeeded=True)
    await clock.settle()
    assert (replica.agents.left_off, replica.counted) == (["t1"], (1, 0))


async def test_a_paused_agent_ends_what_it_has_begun_and_begins_nothing(replica: Replica, clock: FakeClock) -> None:
    await replica.agent(max_concurrent_tasks=1)
    await replica.submit("t1")
    await replica.submit("t2")
    await replica.engine.propose(MoveAgent("a1", "pause"))
    await clock.advance(1)
    assert replica.agents.left_off == []
    await replica.end("t1")
    assert (replica.agents.tasks, replica.counted) == (["t1"], (1, 0))
    await replica.engine.propose(MoveAgent("a1", "resume"))
    await clock.settle()
    assert replica.agents.tasks == ["t1", "t2"]


async def test_tasks_of_codevaldcortex_are_sent_to_nobody(replica: Replica, clock: FakeClock) -> None:
    await replica.agent(source=CODEVALD)
    await replica.submit("t1")
    await clock.advance(0.09)
    assert replica.counted == (0, 0)
    await clock.advance(0.02)
    assert (replica.counted, replica.agents.given) == ((1, 0), [])


async def test_what_is_no_agent_with_a_listener_is_sent_nothing_whatever_its_queue_holds(
    replica: Replica, clock: FakeClock
) -> None:
    """Submitting refuses it; this is the second lock."""
    await replica.agent("a1", source=HIVE)
    await replica.engine.propose(register_local("web"))
    for key in ("a1", "web"):
        replica.engine.state.tasks[key] = {"t1": Task(id="t1", type="t")}
    await replica.runner.stop()
    replica.runner.start()
    await clock.settle()
    assert replica.agents.given == []


async def test_no_more_than_a_limit_are_with_agents_at_a_time(replica: Replica) -> None:
    await replica.agent(max_concurrent_tasks=MOST_SENT + 2, task_queue_size=10_000)
    for number in range(MOST_SENT + 2):
        await replica.engine.propose(SubmitTask("a1", Task(id=f"t{number}", type="t")))
    await replica.clock.settle()
    assert len(replica.agents.given) == MOST_SENT
    await replica.end("t7")
    assert len(replica.agents.given) == MOST_SENT + 1


async def test_the_end_of_a_task_is_stored_when_the_store_is_back(replica: Replica, clock: FakeClock) -> None:
    await replica.agent()
    await replica.submit("t1")
    replica.wire.cut()
    await replica.end("t1")
    await clock.advance(1)
    assert replica.counted == (0, 0)
    replica.wire.mend()
    await clock.advance(1)
    assert (replica.counted, replica.agents.tasks) == ((1, 0), ["t1"])


async def test_stopping_leaves_off_what_is_under_way_and_keeps_it(replica: Replica) -> None:
    await replica.agent()
    await replica.submit("t1")
    await replica.runner.stop()
    assert (replica.agents.left_off, replica.queue, replica.counted) == (["t1"], ["t1"], (0, 0))
    await replica.submit("t2")
    assert replica.agents.tasks == ["t1"]


# Several


def owned_by(replica: Replica, others: tuple[Replica, ...], count: int = 3) -> list[str]:
    """Ids of agents whose tasks are this replica's."""
    members = others[0].engine.state.members
    ids = (f"a{number}" for number in range(1000))
    return [one for one in ids if owner(members, task_item(one)) == replica.wire.writer][:count]


async def test_each_agent_has_one_owner_whoever_takes_its_tasks(replicas: Replicas, clock: FakeClock) -> None:
    one, two = await replicas("aaaaaaaa"), await replicas("bbbbbbbb")
    mine, others = owned_by(one, (one, two)), owned_by(two, (one, two))
    for agent_id in (*mine, *others):
        await one.agent(agent_id)
    for number, agent_id in enumerate((*mine, *others)):
        await (one, two)[number % 2].submit(f"t-{agent_id}", agent_id)
    await clock.settle()
    assert sorted(one.agents.given) == sorted((agent_id, f"t-{agent_id}") for agent_id in mine)
    assert sorted(two.agents.given) == sorted((agent_id, f"t-{agent_id}") for agent_id in others)
    for replica in (one, two):
        for task_id in replica.agents.tasks:
            await replica.end(task_id)
    assert one.counted == two.counted == (6, 0)


async def test_what_an_owner_has_not_ended_when_it_goes_is_done_by_the_next(
    replicas: Replicas, clock: FakeClock
) -> None:
    """At least once."""
    one, two = await replicas("aaaaaaaa"), await replicas("bbbbbbbb")
    (agent_id,) = owned_by(two, (one, two), 1)
    await one.agent(agent_id)
    await one.submit("t1", agent_id)
    assert (one.agents.tasks, two.agents.tasks) == ([], ["t1"])
    await two.stop()
    await clock.advance(5)
    assert one.agents.tasks == ["t1"]
    await one.end("t1")
    assert one.counted == (1, 0)


async def test_a_new_replica_takes_its_share_and_the_other_leaves_it_off(replicas: Replicas) -> None:
    one = await replicas("aaaaaaaa")
    for number in range(20):
        await one.agent(f"a{number}")
        await one.submit(f"t{number}", f"a{number}")
    assert len(one.agents.tasks) == 20
    two = await replicas("bbbbbbbb")
    assert 0 < len(two.agents.tasks) < 20
    assert sorted(one.agents.left_off) == sorted(two.agents.tasks)


async def test_a_replica_that_has_lost_the_store_leaves_off_and_begins_anew_with_it(
    replica: Replica, clock: FakeClock
) -> None:
    """What is its own may be another's by then."""
    await replica.agent()
    await replica.submit("t1")
    replica.wire.cut()
    await clock.advance(2.9)
    assert replica.agents.left_off == []
    await clock.advance(1.2)
    assert replica.agents.left_off == ["t1"]
    replica.wire.mend()
    await clock.advance(1)
    assert replica.agents.tasks == ["t1", "t1"]
