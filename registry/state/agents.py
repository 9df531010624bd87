"""Commands about agents: registration, signs of life, lifecycle, removal and return.

Owns what each of them changes and what a lifecycle allows; checks of agents are `state/agent_checks.py`. An agent is an
instance of our own node with a part that Consul does not show (`model/agent.py`). Consul's clients see its checks and
its Meta. Source: dialects.md §2, §4.3, §8.5 and §9.
"""

from msgspec.structs import replace

from registry.commands import MoveAgent, RegisterAgent, RemoveAgent, UpdateAgent
from registry.errors import Conflict, NotFound, TooManyRequests
from registry.model.agent import (
    CODEVALD,
    CREATED,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    liveness_id,
    state_check_id,
    status_check_id,
)
from registry.model.agent_meta import shown_key, shown_value, taken_in, with_shown_meta
from registry.model.check import CRITICAL, PASSING
from registry.model.meta import MAX_PAIRS, MAX_VALUE_BYTES
from registry.model.names import fold
from registry.model.service import Instance, Local
from registry.state.agent_checks import (
    UNTOLD,
    beaten_checks,
    hear,
    instance_checks,
    keep_status,
    liveness_check,
    missing_liveness,
    moved_with,
    reported,
    show_state,
)
from registry.state.graves import buried
from registry.state.local import remove_local
from registry.state.local_checks import write_local_check
from registry.state.rows import Rows

# verb → the states it may be used in, and where it leads; "" is an agent without a lifecycle, which runs
_MOVES: dict[str, tuple[frozenset[str], str]] = {
    "start": (frozenset({"", CREATED, PAUSED, STOPPED, FAILED}), RUNNING),
    "stop": (frozenset({"", CREATED, RUNNING, PAUSED, STOPPED, FAILED}), STOPPED),
    "pause": (frozenset({"", RUNNING}), PAUSED),
    "resume": (frozenset({PAUSED}), RUNNING),
    "restart": (frozenset({"", CREATED, RUNNING, PAUSED, STOPPED, FAILED}), RUNNING),
}

_STAMPS = ("virtual_address", "registered_at", "updated_at", "create_index", "modify_index")  # of a row, by the state

_CONSULS_OWN = ("weights", "enable_tag_override", "locality")  # of an instance: agents have no words for them


# Registration


def register_agent(rows: Rows, index: int, time: float, command: RegisterAgent) -> None:
    """Write an agent and its checks, or none of them.

    Raises:
        TooManyRequests: `agent-limit`, the most agents of its source that may run are there already.
    """
    if register_unchanged(rows, command):  # a sign of life, which was news when it was sent
        rows.touched_instances[(fold(rows.server.node), fold(command.service.id))] = True
        return
    service, old = command.service, rows.local_service(command.service.id)
    assert service.agent is not None
    have = rows.working.get(service.agent.source, 0)
    if old is None and command.most and have >= command.most:
        raise TooManyRequests("agent-limit", limit=command.most, have=have)
    if command.replace_dead:
        for twin in _dead_twins(rows, service):
            remove_local(rows, index, twin)
    rows.tombstones.pop(fold(service.id), None)
    row = rows.write_instance(index, _as_before(replace(service, node=rows.server.node, local=Local()), old))
    assert row.agent is not None
    if old is None and row.agent.source == CODEVALD:
        rows.counters = replace(rows.counters, created=rows.counters.created + 1)
    for check in list(instance_checks(rows, row).values()):
        if (check.service_name, check.service_tags) != (row.name, row.tags):
            rows.write_check(index, moved_with(row, check))
    if row.agent.ttl_ns and missing_liveness(rows, row):
        write_local_check(rows, index, liveness_check(row, command.status or PASSING), Local())
    for check in command.checks:
        write_local_check(rows, index, check, Local())
    if not hear(rows, index, time, row, command.status):
        keep_status(rows, index, time, row, command.status)
    show_state(rows, index, time, row)


def register_unchanged(rows: Rows, command: RegisterAgent) -> bool:
    """Whether a registration of an agent that is there would change nothing but its deadlines."""
    old = rows.local_service(command.service.id)
    if old is None or command.checks or (command.replace_dead and _dead_twins(rows, command.service)):
        return False
    new = with_shown_meta(_as_before(replace(command.service, node=rows.server.node, local=Local()), old))
    stamps = {name: getattr(old, name) for name in _STAMPS}
    return (
        replace(new, **stamps) == old
        and not missing_liveness(rows, old)
        and _checks_unchanged(rows, old)
        and _beat_unchanged(rows, old, command.status)
    )


def _checks_unchanged(rows: Rows, instance: Instance) -> bool:
    """Whether the checks know the service as it is, and show the lifecycle."""
    checks = instance_checks(rows, instance)
    state = (instance.agent or UNTOLD).state
    return (not state or fold(state_check_id(instance.id)) in checks) and all(
        (check.service_name, check.service_tags) == (instance.name, instance.tags) for check in checks.values()
    )


def _as_before(service: Instance, old: Instance | None) -> Instance:
    """The instance, with what registering a known id again leaves as it was: source, age, and all that is not given."""
    if old is None or service.agent is None:
        return service
    before, agent = old.agent or UNTOLD, service.agent
    if not agent.keeps_metadata:  # its Meta is all its metadata, and is replaced as by a Consul client
        return taken_in(replace(old, agent=before), service)
    service = replace(service, **{name: getattr(old, name) for name in _CONSULS_OWN})
    if (service.address, service.port) == (old.address, old.port):
        service = replace(service, tagged_addresses=old.tagged_addresses)
    if not before.keeps_metadata:
        said = {"name": "" if agent.name == old.id else agent.name, "version": agent.version}
        told = {**agent.metadata, **{key: value for key, value in said.items() if value}}
        return replace(service, agent=before, meta=_merged_meta(old.meta or {}, told) or None)
    kept = replace(
        agent, source=before.source, state=before.state, namespace=before.namespace, cluster=before.cluster,
        telemetry=agent.telemetry or before.telemetry, config=agent.config or before.config, ttl_ns=before.ttl_ns,
        remove_after_ns=before.remove_after_ns, revivable_seconds=before.revivable_seconds,
    )  # fmt: skip
    return replace(service, agent=kept)


def _dead_twins(rows: Rows, service: Instance) -> list[Instance]:
    """Unreachable agents of the same type, name and address, taken to be earlier runs of the same program."""
    wanted = (service.name, service.address, service.port, service.agent and service.agent.name)
    name, node = fold(service.name), fold(rows.server.node)
    critical = rows.checks_by_status.get(CRITICAL, {}).values()  # fewer than all of the type, and mostly none
    silent = {fold(check.service_id) for check in critical if check.expired and fold(check.service_name) == name}
    found = [rows.by_service.get(name, {}).get((node, service_id)) for service_id in sorted(silent)]
    return [
        one for one in found
        if one is not None and one.local is not None and one.id != service.id
        and (one.name, one.address, one.port, one.agent and one.agent.name) == wanted
    ]  # fmt: skip


# Signs of life


def update_agent(rows: Rows, index: int, time: float, command: UpdateAgent) -> None:
    """Take a sign of life and what came with it; an agent that was removed not too long ago comes back.

    Raises:
        NotFound: `agent`, no local instance has this exact id, and none that a beat could bring back.
    """
    instance = rows.local_service(command.service_id)
    if instance is None:
        instance = _revived(rows, index, time, command.service_id)
    new = with_news(instance, command)
    if new.meta != instance.meta:
        instance = rows.write_instance(index, new)
    elif new != instance:
        rows.write_instance_quietly(new)
        instance = new
    if missing_liveness(rows, instance):
        write_local_check(rows, index, liveness_check(instance, PASSING), Local())
    if not hear(rows, index, time, instance, command.status):
        keep_status(rows, index, time, instance, command.status)
    rows.touched_instances[(fold(instance.node), fold(instance.id))] = True


def update_unchanged(rows: Rows, command: UpdateAgent) -> bool:
    """Whether the sign of life would change nothing but deadlines."""
    instance = rows.local_service(command.service_id)
    if instance is None or missing_liveness(rows, instance) or with_news(instance, command) != instance:
        return False
    if not beaten_checks(rows, instance):
        kept = instance_checks(rows, instance).get(fold(status_check_id(instance.id)))
        return not command.status or (PASSING if kept is None else kept.status) == command.status
    return _beat_unchanged(rows, instance, command.status)


def _beat_unchanged(rows: Rows, instance: Instance, status: str) -> bool:
    """Whether a sign of life that reports this changes none of the checks that it refreshes."""
    counts = not (instance.agent or UNTOLD).ttl_ns
    return all(
        check.status == reported(check, status) and not check.expired
        and bool(check.critical_at) == (counts and check.status == CRITICAL)
        for check in beaten_checks(rows, instance)
    )  # fmt: skip


def with_news(instance: Instance, news: UpdateAgent) -> Instance:
    """The instance with the metadata and telemetry of a sign of life."""
    agent = instance.agent or UNTOLD
    if news.telemetry is not None and news.telemetry != agent.telemetry:
        agent = replace(agent, telemetry=news.telemetry)
    if news.metadata and not agent.keeps_metadata:
        instance = replace(instance, meta=_merged_meta(instance.meta or {}, news.metadata) or None)
    elif news.metadata:
        merged = {**agent.metadata, **news.metadata}
        if merged != agent.metadata:
            agent = replace(agent, metadata=merged)
    if agent is (instance.agent or UNTOLD):
        return instance
    return with_shown_meta(replace(instance, agent=agent))


def _merged_meta(meta: dict[str, str], metadata: dict[str, object]) -> dict[str, str]:
    """The Meta of a record from Consul with what an agent adds, as far as Consul's limits allow."""
    merged = dict(meta)
    for entry in sorted(metadata):
        key, value = shown_key(entry), shown_value(metadata[entry])
        if len(value.encode("utf-8", "surrogatepass")) <= MAX_VALUE_BYTES and (
            key in merged or len(merged) < MAX_PAIRS
        ):
            merged[key] = value
    return merged


# Lifecycle


def move_agent(rows: Rows, index: int, time: float, command: MoveAgent) -> None:
    """Take an agent to another state. Stopping one that is stopped changes nothing.

    Raises:
        NotFound: `agent`; Conflict: `agent-state`, the verb cannot be used in this state.
    """
    instance = rows.local_service(command.service_id)
    if instance is None:
        raise NotFound("agent", id=command.service_id)
    agent = instance.agent or UNTOLD
    state = next_state(instance, command.verb)
    if state is None:
        raise Conflict("agent-state", verb=command.verb, state=agent.state or RUNNING)
    if state == agent.state == STOPPED:
        return
    if state == STOPPED and agent.source == CODEVALD:
        rows.counters = replace(rows.counters, stopped=rows.counters.stopped + 1)
    row = rows.write_instance(index, replace(instance, agent=replace(agent, state=state)))
    if row.agent is not None and row.agent.source == CODEVALD:  # from here on, or until now, the server beats for it
        hear(rows, index, time, row, "")
    show_state(rows, index, time, row)


def move_unchanged(rows: Rows, command: MoveAgent) -> bool:
    """Whether the command stops an agent that is stopped already."""
    instance = rows.local_service(command.service_id)
    state = (instance.agent or UNTOLD).state if instance is not None else ""
    return command.verb == "stop" and state == STOPPED


def next_state(instance: Instance, verb: str) -> str | None:
    """The state that the verb leads to from the agent's present one; None if it is not allowed there."""
    allowed, state = _MOVES[verb]
    return state if (instance.agent or UNTOLD).state in allowed else None


# Removal and return


def remove_agent(rows: Rows, index: int, time: float, command: RemoveAgent) -> None:
    """Remove an agent for good.

    Raises:
        NotFound: `agent`, there is no local instance of this id, nor one that a beat could bring back.
    """
    instance = rows.local_service(command.service_id)
    if instance is not None:
        remove_local(rows, index, instance)
    elif rows.tombstones.pop(fold(command.service_id), None) is None:
        raise NotFound("agent", id=command.service_id)


def _revived(rows: Rows, index: int, time: float, service_id: str) -> Instance:
    """Write an agent again as it was, and alive.

    Raises:
        NotFound: `agent`.
    """
    found = buried(rows, time, service_id)
    if found is None:
        raise NotFound("agent", id=service_id)
    del rows.tombstones[fold(service_id)]
    row = rows.write_instance(index, found.instance)
    for check in found.checks:
        if check.id != liveness_id(row.id):
            rows.write_check(index, replace(check, service_name=row.name, service_tags=row.tags))
    write_local_check(rows, index, liveness_check(row, PASSING), Local())
    return row


# What others ask
