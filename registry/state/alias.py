"""Alias checks: each has the status of another service's checks, updated by the command that changes those.

Owns what an alias says and when it is looked at again. No replica runs them: they are part of the state, so all
agree on them, and a registration is answered with its aliases evaluated. Source: agent.md §8.6.
"""

from registry.model.check import CRITICAL, PASSING, WARNING, Check
from registry.model.names import fold
from registry.state.local_checks import take_result
from registry.state.rows import Rows
from registry.state.tables import Key

PASSING_ALL = "All checks passing."
NO_CHECKS = "No checks found."


def settle(rows: Rows, index: int, time: float) -> None:
    """Evaluate every alias whose target the command has stirred, and then those that follow these.

    Aliases that follow each other in a circle are given up after as many rounds as there are aliases.
    """
    for _ in range(len(rows.aliases) + 1):
        due = sorted(rows.stirred_aliases)
        rows.stirred_aliases.clear()
        for place in due:
            check = rows.aliases.get(place)
            if check is not None:
                take_result(rows, index, time, check, *_verdict(rows, check))
        if not rows.stirred_aliases:
            return
    rows.stirred_aliases.clear()


def _verdict(rows: Rows, alias: Check) -> tuple[str, str]:
    """The status and output of an alias, from the present checks of its target."""
    node, service = rows.alias_target(alias)
    assert alias.runs is not None
    if node not in rows.node_rows:
        return PASSING, NO_CHECKS
    status, output, seen = PASSING, NO_CHECKS, False
    for check in _considered(rows, (node, service), local=not alias.runs.alias_node):
        seen = seen or fold(check.service_id) == service
        if check.status in (CRITICAL, WARNING):
            status, output = check.status, f"Aliased check {_quoted(check.name)} failing: {check.output}"
        elif status == PASSING:
            output = PASSING_ALL
        if check.status == CRITICAL:
            break
    if service and not seen and service not in rows.instances.get(node, {}):
        name = alias.runs.alias_service
        return CRITICAL, f"Service {name} could not be found on node {alias.runs.alias_node}"
    return status, output


def _considered(rows: Rows, target: Key, *, local: bool) -> list[Check]:
    """The checks of a node as a whole and of one of its services, by their ids."""
    node, service = target
    found = {**rows.checks_by_instance.get((node, ""), {})}
    if service:
        found |= rows.checks_by_instance.get(target, {})
    return [check for _, check in sorted(found.items()) if not local or check.local is not None]


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
