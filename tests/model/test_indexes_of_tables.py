"""The secondary indexes of the tables: after every command they say what the primary tables say."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given

from registry.model.agent import STOPPED
from registry.model.agent_meta import with_shown_meta
from registry.model.check import OF_SESSION, Check
from registry.model.meta import meta_problem
from registry.model.service import Instance
from registry.state.store import State
from tests.model.histories import History, aimed, applied, examples, histories

Key = tuple[str, str]


def instances(state: State) -> dict[Key, Instance]:
    return {(node, key): row for node, rows in state.instances.items() for key, row in rows.items()}


def checks(state: State) -> dict[Key, Check]:
    return {(node, key): row for node, rows in state.checks.items() for key, row in rows.items()}


def grouped(rows: dict[Key, Any], name: Callable[[Any], Any]) -> dict[Any, dict[Key, Any]]:
    """The rows under each name; one without a name is nowhere."""
    found: dict[Any, dict[Key, Any]] = {}
    for key, row in rows.items():
        if name(row):
            found.setdefault(name(row), {})[key] = row
    return found


def connects(state: State) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in instances(state).values():
        if row.connect_name:
            counts = found.setdefault(row.name.lower(), {})
            counts[row.connect_name.lower()] = counts.get(row.connect_name.lower(), 0) + 1
    return found


def reapable(row: Check) -> bool:
    ends = row.runs is not None and row.runs.deregister_critical_service_after_ns > 0
    return bool(row.critical_at and row.service_id and ends)


def of_instances(state: State) -> dict[Key, dict[str, Check]]:
    found: dict[Key, dict[str, Check]] = {}
    for (node, key), row in checks(state).items():
        found.setdefault((node, row.service_id.lower()), {})[key] = row
    return found


def check_tables(state: State) -> None:
    rows, some_checks = instances(state), checks(state)
    assert state.by_service == grouped(rows, lambda row: row.name.lower())
    assert state.by_connect == grouped(rows, lambda row: row.connect_name.lower())
    assert state.connects_of == connects(state)
    assert state.local_ids == {row.id: key for key, row in rows.items() if row.local is not None}
    assert state.node_of_id == {row.id.lower(): key for key, row in state.node_rows.items() if row.id}
    assert state.checks_by_instance == of_instances(state)
    owned = {key: row for key, row in some_checks.items() if row.service_id}
    assert state.checks_by_service == grouped(owned, lambda row: row.service_name.lower())
    assert state.checks_by_status == grouped(some_checks, lambda row: row.status.lower())
    assert state.local_check_ids == {row.id: key for key, row in some_checks.items() if row.local is not None}
    assert all(row.status == "critical" for row in some_checks.values() if row.critical_at)
    assert state.reapable == {key: row for key, row in some_checks.items() if reapable(row)}
    following = {(node, key): row for node, rows in state.session_checks.items() for key, row in rows.items()}
    assert following == {key: row for key, row in some_checks.items() if row.type == OF_SESSION}


def check_agents(state: State) -> None:
    """What is counted is there, each agent has what Consul shows of it, and nobody is dead and alive."""
    some = instances(state)
    working = Counter(one.agent.source for one in some.values() if one.agent and one.agent.state != STOPPED)
    assert {source: count for source, count in state.working.items() if count} == working
    for row in some.values():
        assert with_shown_meta(row) == row
        assert row.registered_at <= row.updated_at <= state.time
        assert not (row.agent and row.agent.keeps_metadata) or meta_problem(row.meta, "") is None
    here = state.instances[state.own_key()]
    assert all(key in here for key in state.tasks)
    assert not any(key in here for key in state.tombstones)


def check_references(state: State) -> None:
    """Every row stands on one that is there."""
    for node, _ in [*instances(state), *checks(state)]:
        assert node in state.node_rows
    for (node, _), row in checks(state).items():
        assert not row.service_id or row.service_id.lower() in state.instances[node]
    for node_row in state.node_rows.values():
        assert not node_row.id or state.node_rows[state.node_of_id[node_row.id.lower()]] is node_row


def check_mesh_addresses(state: State) -> None:
    """Each name that is reached has a number of its own, and no other name has one."""
    assert state.virtual_numbers.keys() == state.by_connect.keys()
    assert len(set(state.virtual_numbers.values())) == len(state.virtual_numbers)
    for mesh, rows in state.by_connect.items():
        assert {row.virtual_address for row in rows.values()} == {f"240.0.0.{state.virtual_numbers[mesh]}"}


def check_indexes(state: State) -> None:
    """A name that exists has an index of its own, one that does not has none."""
    assert state.indexes.service.keys() == state.by_service.keys()
    assert state.indexes.node.keys() == state.node_rows.keys()


def check_own_rows(state: State) -> None:
    """The server's own node, service and check are never missing."""
    here = state.own_key()
    assert here in state.node_rows
    assert "consul" in state.instances[here]
    assert "serfhealth" in state.checks[here]


def check_keys(state: State) -> None:
    """Who holds what is what the pairs say, and no key outlives the session that holds it."""
    kv = state.kv
    held: dict[str, dict[bytes, None]] = {}
    for key, pair in kv.pairs.items():
        assert pair.key == key
        assert pair.create_index <= pair.modify_index <= kv.index
        if pair.session:
            held.setdefault(pair.session.lower(), {})[key] = None
    assert kv.held == held
    assert held.keys() <= state.sessions.rows.keys()
    assert list(kv.pairs) == sorted(kv.pairs)
    assert {grave.key: grave for grave in kv.burials()} == kv.graves


def check_sessions(state: State) -> None:
    """Each session stands on a node and on checks that are there and, unless they follow sessions, not critical."""
    table = state.sessions
    by_node: dict[str, dict[str, None]] = {}
    by_check: dict[Key, dict[str, None]] = {}
    for session_id, row in table.rows.items():
        node = row.node.lower()
        assert node in state.node_rows
        by_node.setdefault(node, {})[session_id] = None
        for check_id in row.bound_checks:
            bound = state.checks[node][check_id.lower()]
            assert bound.status != "critical" or bound.type == "session"
            by_check.setdefault((node, check_id.lower()), {})[session_id] = None
        assert row.create_index <= table.index
    assert table.by_node == by_node
    assert table.by_check == by_check


def check_prepared(state: State) -> None:
    """Names and templates lead to the queries that have them; none outlives its session."""
    table = state.prepared
    rows = table.rows.values()
    assert table.names == {row.name.lower(): row.id for row in rows if row.name}
    assert table.templates == {row.name.lower(): row.id for row in rows if row.is_template}
    assert {row.session.lower() for row in rows if row.session} <= state.sessions.rows.keys()
    assert state.coordinates.keys() <= state.node_rows.keys()
    assert [one.ltime for one in state.events] == sorted({one.ltime for one in state.events})


@examples
@given(histories())
def test_every_index_says_what_the_tables_say(history: History) -> None:
    state = State()
    for index, command in enumerate(history, 1):
        applied(state, aimed(state, command), index)
        check_tables(state)
        check_references(state)
        check_agents(state)
        check_mesh_addresses(state)
        check_indexes(state)
        check_own_rows(state)
        check_keys(state)
        check_sessions(state)
        check_prepared(state)
