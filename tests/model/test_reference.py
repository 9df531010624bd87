"""The state against the reference: the same rows, the same indexes and the same refusals after every command."""

from hypothesis import given
from msgspec.structs import replace

from registry.commands import (
    Command,
    FinishTask,
    MoveAgent,
    RaiseLevel,
    RegisterAgent,
    RegisterLocal,
    RemoveAgent,
    ReplaceFileRows,
    StartServer,
    SubmitTask,
    UpdateAgent,
)
from registry.model import topic as topics
from registry.model.topic import Topic
from registry.state.store import State
from tests.model.coordination import COORDINATION
from tests.model.histories import History, aimed, applied, commands, examples, histories
from tests.model.reference import CHECK_FIELDS, NODE_FIELDS, SERVICE_FIELDS, Reference, Refused, Row

NAMES = ["web", "db", "consul", "none"]


def covered(command: Command) -> bool:
    """Agents have a model of their own (`test_agents.py`), and so have keys and sessions (`tests/property`)."""
    of_agents = RegisterAgent | UpdateAgent | MoveAgent | RemoveAgent | SubmitTask | FinishTask
    if isinstance(command, COORDINATION):
        return False
    return not isinstance(command, ReplaceFileRows | StartServer | RaiseLevel | of_agents)


def without_sidecar(command: Command) -> Command:
    return replace(command, sidecar=None) if isinstance(command, RegisterLocal) else command


covered_histories = histories(some=commands().filter(covered).map(without_sidecar))


def both(state: State, reference: Reference, index: int, command: Command) -> None:
    """Apply the command to both; they refuse the same."""
    target = aimed(state, command)
    refusal = applied(state, target, index)
    try:
        reference.apply(index, target)
    except Refused:
        assert refusal, command
    else:
        assert not refusal, command


def shown(row: object, names: tuple[str, ...]) -> Row:
    found = {name: getattr(row, name) for name in (*names, "create_index", "modify_index")}
    found["create"], found["modify"] = found.pop("create_index"), found.pop("modify_index")
    return found


def kept(row: Row, names: tuple[str, ...]) -> Row:
    return {name: row[name] for name in (*names, "create", "modify")}


@examples
@given(covered_histories)
def test_the_rows_are_the_same(history: History) -> None:
    state, reference = State(), Reference()
    for index, command in enumerate(history, 1):
        both(state, reference, index, command)
        tables = reference.tables
        assert [shown(row, NODE_FIELDS) for row in state.nodes()] == [
            kept(row, NODE_FIELDS) for _, row in sorted(tables.nodes.items())
        ]
        assert [shown(one, SERVICE_FIELDS) for _, one in state.all_placed()] == [
            kept(row, SERVICE_FIELDS) for _, row in sorted(tables.services.items())
        ]
        assert [shown(row, CHECK_FIELDS) for row in state.all_checks()] == [
            kept(row, CHECK_FIELDS) for _, row in sorted(tables.checks.items())
        ]


def entries(reference: Reference, keys: list[tuple[str, str]]) -> list[tuple[str, str, list[str]]]:
    """Node, id and checks, the node's first, of the instances under these keys."""
    found = []
    for node, key in sorted(keys):
        checks = sorted((name, row) for (place, name), row in reference.tables.checks.items() if place == node)
        ids = [row["id"] for _, row in checks if not row["service_id"]]
        ids += [row["id"] for _, row in checks if row["service_id"].lower() == key]
        found.append((reference.tables.nodes[node]["name"], reference.tables.services[node, key]["id"], ids))
    return found


def reached_under(row: Row, name: str) -> bool:
    if row["native"]:
        return bool(row["name"].lower() == name)
    proxied = row["proxy"] is not None and row["proxy"].destination_service_name.lower() == name
    return bool(proxied and row["kind"] == "connect-proxy")


@examples
@given(covered_histories)
def test_services_are_found_by_name_and_through_the_mesh(history: History) -> None:
    state, reference = State(), Reference()
    for index, command in enumerate(history, 1):
        both(state, reference, index, command)
        rows = reference.tables.services
        for name in NAMES:
            named = entries(reference, [key for key, row in rows.items() if row["name"].lower() == name])
            assert [(e.node.name, e.instance.id, [c.id for c in e.checks]) for e in state.entries(name)] == named
            assert [(node.name, one.id) for node, one in state.placed(name)] == [found[:2] for found in named]
            reached = entries(reference, [key for key, row in rows.items() if reached_under(row, name)])
            assert [
                (e.node.name, e.instance.id, [c.id for c in e.checks]) for e in state.connect_entries(name)
            ] == reached


@examples
@given(covered_histories)
def test_checks_are_found_by_node_service_and_state(history: History) -> None:
    state, reference = State(), Reference()
    for index, command in enumerate(history, 1):
        both(state, reference, index, command)
        rows = [row for _, row in sorted(reference.tables.checks.items())]
        for name in (*NAMES, "n1", "here", "passing", "critical", "odd"):
            assert [one.id for one in state.checks_of_node(name)] == [
                r["id"] for r in rows if r["node"].lower() == name
            ]
            of_service = [r["id"] for r in rows if r["service_id"] and r["service_name"].lower() == name]
            assert [one.id for one in state.checks_of_service(name)] == of_service
            assert [one.id for one in state.checks_in_state(name)] == [
                r["id"] for r in rows if r["status"].lower() == name
            ]
        assert [one.id for one in state.local_checks()] == sorted(r["id"] for r in rows if r["local"])


def expected(reference: Reference) -> dict[Topic, int]:
    """Every index of common.md §8.3 as an answer shows it."""
    tables = max(reference.services, reference.nodes)
    unknown = reference.extinct_service or tables
    unknown_health = reference.extinct_service or max(tables, reference.checks)
    found = {
        topics.NODES: reference.nodes,
        topics.SERVICES: reference.services,
        topics.SERVICES_BY_NODE: tables,
        topics.CHECKS: reference.checks,
    }
    for name in NAMES:
        found[topics.SERVICE, name] = reference.service.get(name, unknown)
        found[topics.HEALTH, name] = reference.service.get(name, unknown_health)
        found[topics.SERVICE_CHECKS_BY_NODE, name] = reference.service.get(name, max(tables, reference.checks))
        reached = [row for row in reference.tables.services.values() if reached_under(row, name)]
        found[topics.CONNECT, name] = reference.service.get(name, tables) if reached else unknown
        found[topics.CONNECT_HEALTH, name] = max(
            (reference.service[row["name"].lower()] for row in reached), default=unknown_health
        )
    for name in ("n1", "n2", "here"):
        found[topics.NODE, name] = reference.node.get(name, reference.extinct_node)
        found[topics.NODE_CHECKS, name] = reference.checks
    return {topic: max(index, 1) for topic, index in found.items()}


@examples
@given(covered_histories)
def test_the_indexes_are_the_same(history: History) -> None:
    state, reference = State(), Reference()
    for index, command in enumerate(history, 1):
        both(state, reference, index, command)
        wanted = expected(reference)
        assert {topic: state.index(topic) for topic in wanted} == wanted, command
