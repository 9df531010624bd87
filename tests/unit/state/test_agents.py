"""Commands about agents: what Consul's clients see of each, and what a lifecycle and a silence do."""

from typing import Any

import pytest
from msgspec.structs import replace

from registry.commands import (
    DeregisterLocalCheck,
    ExpireTtl,
    FinishTask,
    MoveAgent,
    Reap,
    RegisterAgent,
    RemoveAgent,
    SubmitTask,
    UpdateAgent,
    UpdateCheck,
)
from registry.errors import Conflict, NotFound, TooManyRequests
from registry.model import topic as topics
from registry.model.agent import (
    CODEVALD,
    CONSUL,
    CREATED,
    FR0G,
    HIVE,
    OPTIINFRA,
    RUNNING,
    STOPPED,
    Agent,
    AgentConfig,
    Task,
    Telemetry,
)
from registry.model.check import Check
from registry.model.node import Locality
from registry.model.record import Record
from registry.model.service import Instance, ServiceAddress, Weights
from registry.state.snapshot import Frozen, digest, restored
from tests.makers import World, check, register, register_local, ttl

SECOND_NS = 1_000_000_000


def agent(source: str = OPTIINFRA, **fields: Any) -> Agent:
    revivable = {"revivable_seconds": 600.0} if source in (OPTIINFRA, HIVE) else {}
    return Agent(source=source, **{"ttl_ns": 45 * SECOND_NS, "remove_after_ns": 60 * SECOND_NS, **revivable, **fields})


def birth(service_id: str = "a1", source: str = OPTIINFRA, **fields: Any) -> RegisterAgent:
    row = {name: fields.pop(name) for name in ("name", "address", "port", "tags") if name in fields}
    extra = {name: fields.pop(name) for name in ("most", "replace_dead", "status") if name in fields}
    row = {"name": "cost", "address": "h", "port": 8001, **row}
    return RegisterAgent(service=Instance(node="", id=service_id, agent=agent(source, **fields), **row), **extra)


def news(service_id: str = "a1", **fields: Any) -> UpdateAgent:
    return UpdateAgent(service_id=service_id, **fields)


def record(world: World, record_id: str = "a1") -> Record:
    found = world.state.record(record_id)
    assert found is not None
    return found


def check_of(world: World, check_id: str = "service:a1") -> Check:
    found = world.state.local_check(check_id)
    assert found is not None
    return found


def expire(world: World, check_id: str = "service:a1") -> None:
    world.apply(ExpireTtl(check_id, check_of(world, check_id).create_index))


def reap(world: World, check_id: str = "service:a1") -> None:
    world.apply(Reap(check_id, check_of(world, check_id).critical_index))


@pytest.fixture
def world() -> World:
    """A server with an agent `a1` of OptiInfra and a Consul service `web`."""
    world = World()
    world.apply(birth(name="cost", tags=("spot",), metadata={"cpu": 45.5}, version="1.0"))
    world.apply(register_local("web", meta={"team": "x"}))
    return world


# Registration


def test_an_agent_is_a_service_with_a_check_that_passes_from_birth(world: World) -> None:
    row = world.state.local_service("a1")
    assert row is not None
    assert (row.name, row.address, row.port, row.tags) == ("cost", "h", 8001, ("spot",))
    assert row.meta == {"version": "1.0", "agent_source": "optiinfra", "cpu": "45.5"}
    (found,) = world.state.local_checks_of("a1")
    assert (found.id, found.name, found.type, found.status) == ("service:a1", "Service 'cost' check", "ttl", "passing")
    assert found.runs is not None
    assert (found.runs.ttl_seconds, found.runs.deregister_after_seconds) == (45, 60)
    assert (record(world).status, record(world).metadata) == ("healthy", {"cpu": 45.5})


def test_registered_again_it_keeps_its_source_its_lifecycle_and_its_age(world: World) -> None:
    before = record(world)
    world.apply(birth(source=HIVE, state=CREATED, metadata={"new": 1}, port=9000), after_seconds=50)
    after = record(world)
    assert (after.source, after.state, after.port, after.metadata) == (OPTIINFRA, "", 9000, {"new": 1})
    assert after.instance.registered_at == before.instance.registered_at
    assert after.instance.updated_at == before.instance.updated_at + 51  # and one for what came between


def test_registered_again_in_a_dialect_without_namespaces_it_keeps_its_own(world: World) -> None:
    world.apply(birth("h1", source=HIVE, namespace="prod", cluster="eu", telemetry=Telemetry(success_rate=0.9)))
    world.apply(birth("h1", metadata={"new": 1}))
    after = record(world, "h1")
    assert (after.source, after.namespace, after.cluster, after.metadata) == (HIVE, "prod", "eu", {"new": 1})
    assert after.agent.telemetry == Telemetry(success_rate=0.9)


@pytest.mark.parametrize("source", [CONSUL, FR0G])
def test_registered_again_in_another_dialect_it_keeps_the_timers_of_its_birth(world: World, source: str) -> None:
    """M-23. Nobody who was not born with it gets a grave to come back from."""
    if source == FR0G:
        world.apply(birth("web", FR0G, ttl_ns=120 * SECOND_NS, remove_after_ns=0))
    before = record(world, "web").agent
    world.apply(birth("web", metadata={"new": 1}, version="2"))
    after = record(world, "web")
    assert after.agent == before
    assert (after.metadata["new"], after.version) == ("1", "2")


def test_an_agent_leaves_what_only_consul_knows_as_it_was(world: World) -> None:
    kept = {"weights": Weights(passing=7, warning=2), "enable_tag_override": True, "locality": Locality(zone="eu-1a")}
    addresses = {"wan": ServiceAddress("203.0.113.7", 80)}
    world.apply(register_local("web", address="h", port=8001, tagged_addresses=addresses, meta={"team": "x"}, **kept))
    before = record(world, "web").instance
    world.apply(birth("web", name="web"))
    after = record(world, "web").instance
    assert {name: getattr(after, name) for name in kept} == kept
    assert (after.tagged_addresses, after.meta) == (before.tagged_addresses, {"team": "x"})
    world.apply(birth("web", name="web", port=9))
    assert record(world, "web").instance.tagged_addresses is None, "it is at another address now"


def test_a_label_that_does_not_fit_into_meta_is_left_out(world: World) -> None:
    world.apply(RegisterAgent(service=replace(birth("web").service, agent=agent(name="n" * 513, version="v" * 512))))
    assert record(world, "web").instance.meta == {"team": "x", "version": "v" * 512}
    world.apply(RegisterAgent(service=replace(birth("web").service, agent=agent(name="web"))))
    assert "name" not in (record(world, "web").instance.meta or {}), "it is the id"


def test_registered_again_under_another_type_its_checks_go_with_it(world: World) -> None:
    world.apply(news("a1", status="warning"))
    world.apply(birth(name="price", tags=("new",)))
    assert (check_of(world).service_name, check_of(world).service_tags) == ("price", ("new",))
    assert check_of(world).name == "Service 'price' check"
    assert [one.id for one in world.state.checks_of_service("price")] == ["service:a1"]
    assert record(world).status == "degraded"


def test_a_registration_that_says_the_same_would_change_nothing(world: World) -> None:
    same = birth(name="cost", tags=("spot",), metadata={"cpu": 45.5}, version="1.0")
    assert world.state.changes_nothing(same)
    before = record(world).instance
    world.apply(same, after_seconds=10)  # as it may be by the time it is stored
    assert record(world).instance == before
    for other in (birth(name="cost", tags=("spot",), metadata={"cpu": 45.5}), birth(), birth(status="warning")):
        assert not world.state.changes_nothing(other)
    expire(world)
    assert not world.state.changes_nothing(same), "its silence is over"
    world.apply(same)
    assert record(world).status == "healthy"
    assert world.state.changes_nothing(same)
    world.apply(DeregisterLocalCheck("service:a1"))
    assert not world.state.changes_nothing(same), "its check of liveness comes back"


def test_a_registration_is_a_sign_of_life(world: World) -> None:
    expire(world)
    world.apply(birth())
    assert record(world).status == "healthy"
    world.apply(birth(status="warning"))
    assert record(world).status == "degraded"


def test_a_dead_twin_makes_room_and_a_living_one_does_not(world: World) -> None:
    world.apply(birth("dead"))
    expire(world, "service:dead")
    world.apply(birth("dead-elsewhere", port=9))
    expire(world, "service:dead-elsewhere")
    world.apply(birth("a2", replace_dead=True, version="2"))
    assert sorted(one.id for one in world.state.records()) == ["a1", "a2", "dead-elsewhere", "web"]


def test_stopped_agents_do_not_count_against_the_limit() -> None:
    world = World()
    for service_id in ("c1", "c2"):
        world.apply(birth(service_id, CODEVALD, state=CREATED, most=2))
    with pytest.raises(TooManyRequests) as refused:
        world.apply(birth("c3", CODEVALD, state=CREATED, most=2))
    assert refused.value.values == {"limit": 2, "have": 2}
    world.apply(birth("o1", OPTIINFRA, most=2))  # another system's
    world.apply(MoveAgent("c1", "stop"))
    world.apply(birth("c3", CODEVALD, state=CREATED, most=2))
    world.apply(birth("c2", CODEVALD, state=CREATED, most=2))  # one that is there already
    assert world.state.counters.created == 3


# Signs of life


def test_a_beat_that_says_nothing_new_would_change_nothing(world: World) -> None:
    said = (news(), news(status="passing"), news(metadata={"cpu": 45.5}), news("web"), news("web", status="passing"))
    for same in said:
        assert world.state.changes_nothing(same), same
        assert world.apply(same) == []
    assert record(world).instance.modify_index == 2
    for new in (
        news(status="warning"), news(metadata={"cpu": 46}), news(telemetry=Telemetry(0.5)), news("none"),
        news("web", status="critical"), news("web", metadata={"team": "y"}),
    ):  # fmt: skip
        assert not world.state.changes_nothing(new), new


def test_silence_is_over_with_a_beat_whatever_it_says(world: World) -> None:
    expire(world)
    assert (record(world).status, check_of(world).status) == ("unreachable", "critical")
    assert not world.state.changes_nothing(news())
    world.apply(news())
    assert (record(world).status, check_of(world).status) == ("healthy", "passing")
    world.apply(news(status="critical"))
    expire(world)
    assert record(world).status == "unreachable"
    world.apply(news(status="critical"))
    assert record(world).status == "unhealthy"


def test_a_check_does_not_speak_of_a_silence_that_is_over(world: World) -> None:
    for said in ("", "disk is full"):
        world.apply(UpdateCheck("service:a1", "passing", said, ttl=True))
        expire(world)
        assert "TTL expired" in check_of(world).output
        world.apply(news())
        assert (check_of(world).status, check_of(world).output) == ("passing", "")
    world.apply(UpdateCheck("service:a1", "critical", "disk is full", ttl=True))
    expire(world)
    world.apply(news(status="critical"))
    assert check_of(world).output == "disk is full", "what was posted stays"


def test_a_reported_level_stays_until_another_is_reported(world: World) -> None:
    world.apply(news(status="warning"))
    world.apply(news(metadata={"cpu": 1}))
    assert (record(world).status, record(world).metadata) == ("degraded", {"cpu": 1})
    world.apply(news(status="passing"))
    assert record(world).status == "healthy"


def test_consul_clients_speak_for_an_agent_too(world: World) -> None:
    expire(world)
    world.apply(UpdateCheck("service:a1", "passing", "here", ttl=True))
    assert record(world).status == "healthy"
    world.apply(UpdateCheck("service:a1", "critical", "failed", ttl=True))
    assert record(world).status == "unhealthy"


def test_metadata_is_merged_and_its_keys_never_leave(world: World) -> None:
    world.apply(news(metadata={"mem": 1, "cpu": None}))
    assert record(world).metadata == {"cpu": None, "mem": 1}
    world.apply(news("web", metadata={"load": 0.5, "bad key": "y", "long": "x" * 600}))
    assert record(world, "web").metadata == {"team": "x", "load": "0.5", "bad_key": "y"}


def test_telemetry_is_no_news_for_consul(world: World) -> None:
    before = world.indexes(topics.CATALOG, topics.SERVICES, (topics.HEALTH, "cost"))
    assert world.apply(news(telemetry=Telemetry(0.5, 10, 2))) == []
    assert world.indexes(topics.CATALOG, topics.SERVICES, (topics.HEALTH, "cost")) == before
    assert record(world).agent.telemetry == Telemetry(0.5, 10, 2)


def test_without_a_ttl_check_a_bad_report_has_a_check_of_its_own(world: World) -> None:
    world.apply(news("web", status="warning"))
    assert record(world, "web").status == "degraded"
    found = check_of(world, "agent-status:web")
    assert (found.status, found.runs) == ("warning", None)
    world.apply(news("web", status="critical"))
    world.apply(news("web"))
    assert record(world, "web").status == "unhealthy"
    world.apply(news("web", status="passing"))
    assert world.state.local_check("agent-status:web") is None


def test_of_several_ttl_checks_that_of_liveness_is_set_else_all(world: World) -> None:
    checks = (ttl("t1", service_id="db"), ttl("t2", service_id="db"), check("c", "db", status="passing"))
    world.apply(register_local("db", *checks))
    world.apply(news("db", status="warning"))
    assert [check_of(world, one).status for one in ("t1", "t2", "c")] == ["warning", "warning", "passing"]
    world.apply(register_local("db", *checks, ttl("service:db", service_id="db")))
    world.apply(news("db", status="passing"))
    assert [check_of(world, one).status for one in ("t1", "service:db")] == ["warning", "passing"]


def test_a_liveness_check_that_somebody_removed_comes_back(world: World) -> None:
    world.apply(DeregisterLocalCheck("service:a1"))
    assert not world.state.changes_nothing(news())
    world.apply(news(status="warning"))
    assert check_of(world).status == "warning"


def test_what_no_beat_reaches_is_not_found(world: World) -> None:
    world.apply(register("far", on="n2"))
    for unknown in ("none", "far", "n2~far", "consul", "A1"):
        with pytest.raises(NotFound, match="agent"):
            world.apply(news(unknown))
    assert record(world, "n2~far").type == "far"


# Removal and return


def test_an_agent_that_was_removed_for_its_silence_comes_back_as_it_was(world: World) -> None:
    world.apply(news(metadata={"mem": 1}))
    before = record(world)
    expire(world)
    reap(world)
    assert world.state.record("a1") is None
    assert world.state.is_buried("a1")
    world.apply(news(status="warning"), after_seconds=598)
    after = record(world)
    assert (after.metadata, after.status) == ({"cpu": 45.5, "mem": 1}, "degraded")
    assert after.instance.registered_at == before.instance.registered_at
    assert not world.state.is_buried("a1")


def test_a_grave_is_closed_after_its_time(world: World) -> None:
    expire(world)
    reap(world)
    with pytest.raises(NotFound):
        world.apply(news(), after_seconds=600)
    world.apply(birth("a2"))
    expire(world, "service:a2")
    reap(world, "service:a2")
    assert list(world.state.tombstones) == ["a2"]


def test_who_unregisters_does_not_come_back(world: World) -> None:
    expire(world)
    reap(world)
    world.apply(RemoveAgent("a1"))
    world.apply(birth("a2"))
    world.apply(RemoveAgent("a2"))
    for service_id in ("a1", "a2"):
        with pytest.raises(NotFound):
            world.apply(news(service_id))
        with pytest.raises(NotFound):
            world.apply(RemoveAgent(service_id))


def test_a_consul_service_that_was_removed_stays_away() -> None:
    world = World()
    world.apply(register_local("web", ttl("t", reap_seconds=60.0)))
    expire(world, "t")
    reap(world, "t")
    assert not world.state.is_buried("web")


# Lifecycle

MOVES = {
    ("created", "start"): "running", ("created", "stop"): "stopped", ("running", "stop"): "stopped",
    ("running", "pause"): "paused", ("paused", "start"): "running", ("paused", "resume"): "running",
    ("paused", "stop"): "stopped", ("stopped", "start"): "running", ("stopped", "stop"): "stopped",
    ("failed", "start"): "running", ("failed", "stop"): "stopped", ("", "start"): "running", ("", "stop"): "stopped",
    ("", "pause"): "paused",
    **{(state, "restart"): "running" for state in ("created", "running", "paused", "stopped", "failed", "")},
}  # fmt: skip


@pytest.mark.parametrize("verb", ["start", "stop", "pause", "resume", "restart"])
@pytest.mark.parametrize("state", ["", "created", "running", "paused", "stopped", "failed"])
def test_a_verb_is_taken_where_the_lifecycle_has_it(state: str, verb: str) -> None:
    world = World()
    world.apply(birth(source=CODEVALD, state=state))
    if (state, verb) in MOVES:
        world.apply(MoveAgent("a1", verb))
        assert record(world).state == MOVES[(state, verb)]
        assert check_of(world, "agent-state:a1").output == record(world).state
    else:
        with pytest.raises(Conflict) as refused:
            world.apply(MoveAgent("a1", verb))
        assert refused.value.values == {"verb": verb, "state": state or "running"}


def test_consul_sees_the_lifecycle_as_a_check_and_a_pair() -> None:
    world = World()
    world.apply(birth(source=CODEVALD, state=CREATED))
    seen = []
    for verb in ("", "start", "pause", "resume", "stop"):
        if verb:
            world.apply(MoveAgent("a1", verb))
        shown = check_of(world, "agent-state:a1")
        row = world.state.local_service("a1")
        assert row is not None
        assert row.meta is not None
        assert row.meta["state"] == shown.output
        seen.append((shown.output, shown.status))
    assert seen == [
        ("created", "warning"), ("running", "passing"), ("paused", "warning"), ("running", "passing"),
        ("stopped", "critical"),
    ]  # fmt: skip
    assert check_of(world).status == "passing"


def test_stopping_twice_counts_once() -> None:
    world = World()
    world.apply(birth(source=CODEVALD, state=CREATED))
    for _ in range(3):
        world.apply(MoveAgent("a1", "stop"))
    assert (world.state.counters.stopped, world.state.working[CODEVALD]) == (1, 0)
    assert world.state.changes_nothing(MoveAgent("a1", "stop"))


def test_a_start_ends_a_silence() -> None:
    world = World()
    world.apply(birth(source=CODEVALD, state=CREATED))
    expire(world)
    assert not record(world).is_alive
    world.apply(MoveAgent("a1", "start"))
    assert record(world).is_alive
    assert record(world).agent.beats_itself


def test_a_service_without_a_lifecycle_gets_one(world: World) -> None:
    world.apply(MoveAgent("web", "stop"))
    assert (record(world, "web").state, record(world, "web").status) == (STOPPED, "unhealthy")
    assert record(world, "web").metadata == {"team": "x"}
    world.apply(register_local("web", meta={"team": "y"}))  # it does not know of that
    assert (record(world, "web").state, record(world, "web").metadata) == (STOPPED, {"team": "y"})
    world.apply(MoveAgent("web", "start"))
    assert (record(world, "web").state, record(world, "web").status) == (RUNNING, "healthy")
    assert world.state.counters.stopped == 0


# Consul's clients write


def test_a_consul_registration_of_what_it_read_changes_nothing(world: World) -> None:
    row = world.state.local_service("a1")
    assert row is not None
    again = register_local("cost", service_id="a1", meta=row.meta, tags=row.tags, address="h", port=8001)
    assert world.state.changes_nothing(again)
    catalog = register("cost", on="here", service_id="a1", meta=row.meta, tags=row.tags, address="h", port=8001)
    assert catalog.service is not None
    assert world.state.changes_nothing(replace(catalog, skip_node_update=True))


def test_a_consul_registration_moves_an_agent_and_keeps_what_it_cannot_see(world: World) -> None:
    world.apply(news(telemetry=Telemetry(0.5), metadata={"cpu": 45.5}))
    world.apply(register_local("price", service_id="a1", meta={"cpu": "45.5", "name": "label"}, port=7))
    moved = record(world)
    assert (moved.type, moved.port, moved.name, moved.version) == ("price", 7, "label", "")
    assert (moved.source, moved.metadata, moved.agent.telemetry) == (OPTIINFRA, {"cpu": 45.5}, Telemetry(0.5))
    assert world.state.records_of_type("cost") == []


# Tasks


def task(task_id: str) -> SubmitTask:
    return SubmitTask("a1", Task(id=task_id, type="t"))


def test_a_queue_takes_so_many_beside_those_under_way() -> None:
    world = World()
    config = AgentConfig(max_concurrent_tasks=1, task_queue_size=2)
    world.apply(birth(source=CODEVALD, state=CREATED, config=config))
    for task_id in ("t1", "t2"):
        world.apply(task(task_id))
    with pytest.raises(TooManyRequests, match="task-queue"):
        world.apply(task("t3"))
    assert world.state.tasks_under_way("a1") == []
    world.apply(MoveAgent("a1", "start"))
    world.apply(task("t3"))
    assert [one.id for one in world.state.tasks_under_way("a1")] == ["t1"]
    with pytest.raises(TooManyRequests, match="task-queue"):
        world.apply(task("t4"))
    world.apply(FinishTask("a1", "t1", succeeded=True))
    world.apply(FinishTask("a1", "t1", succeeded=True))  # told twice
    world.apply(FinishTask("a1", "t2", succeeded=False))
    assert [one.id for one in world.state.tasks_under_way("a1")] == ["t3"]
    assert (world.state.counters.tasks_executed, world.state.counters.tasks_failed) == (1, 1)


def test_only_agents_that_work_take_tasks(world: World) -> None:
    with pytest.raises(Conflict, match="agent-no-tasks"):
        world.apply(SubmitTask("web", Task(id="t", type="t")))
    with pytest.raises(NotFound):
        world.apply(SubmitTask("none", Task(id="t", type="t")))
    world.apply(task("t"))
    world.apply(MoveAgent("a1", "stop"))
    with pytest.raises(Conflict, match="agent-stopped"):
        world.apply(task("t2"))
    world.apply(RemoveAgent("a1"))
    assert world.state.queues() == []


# Snapshots


def test_a_snapshot_holds_agents_tasks_graves_and_counters(world: World) -> None:
    world.apply(birth("gone"))
    expire(world, "service:gone")
    reap(world, "service:gone")
    world.apply(birth("c1", CODEVALD, state=CREATED, config=AgentConfig(task_queue_size=7)))
    world.apply(SubmitTask("c1", Task(id="t", type="t", payload={"a": [1]})))
    again = restored(chunk for chunk in Frozen(world.state).chunks() if chunk)
    assert digest(again) == digest(world.state)
    assert again.records() == world.state.records()
    assert again.tasks == world.state.tasks
    assert again.tombstones == world.state.tombstones
    assert again.counters == world.state.counters
    assert {key: count for key, count in world.state.working.items() if count} == again.working
