"""The checks by which Consul's clients see an agent: whether it lives, what it reports, and its lifecycle.

Owns which checks a sign of life refreshes and what each of them says. Commands about agents are `state/agents.py`.
Source: dialects.md §2.2, §8.3, §8.5 and M-27.
"""

from msgspec.structs import replace

from registry.model.agent import (
    CREATED,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    Agent,
    liveness_id,
    state_check_id,
    status_check_id,
)
from registry.model.check import CRITICAL, PASSING, WARNING, Check, CheckDefinition
from registry.model.duration import text
from registry.model.names import fold
from registry.model.service import Instance, Local
from registry.state.local_checks import is_ttl, posted, take_result, write_local_check
from registry.state.rows import Rows

UNTOLD = Agent()  # stands for the agent of an instance that only Consul's clients have written

_STATE_STATUS = {CREATED: WARNING, RUNNING: PASSING, PAUSED: WARNING, STOPPED: CRITICAL, FAILED: CRITICAL}


def instance_checks(rows: Rows, instance: Instance) -> dict[str, Check]:
    """The checks of one instance by their folded ids."""
    return rows.checks_by_instance.get((fold(instance.node), fold(instance.id)), {})


def liveness_check(instance: Instance, status: str) -> Check:
    """The TTL check that every agent is registered with (dialects.md §2.2)."""
    agent = instance.agent
    assert agent is not None
    runs = CheckDefinition(ttl_ns=agent.ttl_ns, deregister_critical_service_after_ns=agent.remove_after_ns)
    return Check(
        node=instance.node, id=liveness_id(instance.id), name=_liveness_name(instance.name), status=status,
        service_id=instance.id, type="ttl", interval=text(0), timeout=text(0), runs=runs,
    )  # fmt: skip


def _liveness_name(service_name: str) -> str:
    return f"Service '{service_name}' check"


def moved_with(instance: Instance, check: Check) -> Check:
    """A check of an instance that has another name or other tags by now; the one of liveness is called after it."""
    called_after_it = check.name == _liveness_name(check.service_name)
    name = _liveness_name(instance.name) if called_after_it else check.name
    return replace(check, name=name, service_name=instance.name, service_tags=instance.tags)


def missing_liveness(rows: Rows, instance: Instance) -> bool:
    """Whether the agent was registered with a liveness check that someone has removed since."""
    born_with_one = bool((instance.agent or UNTOLD).ttl_ns)
    return born_with_one and fold(liveness_id(instance.id)) not in rows.checks.get(fold(instance.node), {})


def beaten_checks(rows: Rows, instance: Instance) -> list[Check]:
    """The checks that a sign of life refreshes: the liveness check, or else every TTL check of a Consul instance."""
    checks = instance_checks(rows, instance)
    liveness = checks.get(fold(liveness_id(instance.id)))
    if liveness is not None and is_ttl(liveness):
        return [liveness]
    if (instance.agent or UNTOLD).ttl_ns:
        return []
    return [check for _, check in sorted(checks.items()) if check.local is not None and is_ttl(check)]


def reported(check: Check, status: str) -> str:
    """The status that a sign of life gives a check: the reported one, or else its own unless that was for silence."""
    return status or (PASSING if check.expired else check.status)


def hear(rows: Rows, index: int, time: float, instance: Instance, status: str) -> list[Check]:
    """Give the checks that a sign of life refreshes the reported status; returns those checks.

    An agent is removed only for its silence, and not for being critical as in Consul (dialects.md §2.3). What a check
    said of its silence is over with it.
    """
    beaten, counts = beaten_checks(rows, instance), not (instance.agent or UNTOLD).ttl_ns
    for check in beaten:
        output = posted(check.output) if check.expired else check.output
        take_result(rows, index, time, check, reported(check, status), output, counts=counts)
    return beaten


def keep_status(rows: Rows, index: int, time: float, instance: Instance, status: str) -> None:
    """Hold a reported status in a check of its own, where no TTL check can; removed when it is passing."""
    check_id = status_check_id(instance.id)
    kept = instance_checks(rows, instance).get(fold(check_id))
    if status == PASSING and kept is not None:
        rows.remove_check(index, kept)
    elif status in (WARNING, CRITICAL) and kept is None:
        write_local_check(rows, index, _plain(instance, check_id, "Agent status", status, ""), Local())
    elif status in (WARNING, CRITICAL) and kept is not None:
        take_result(rows, index, time, kept, status, kept.output)


def show_state(rows: Rows, index: int, time: float, instance: Instance) -> None:
    """Write the check by which Consul's clients see a lifecycle (dialects.md §8.3)."""
    state = (instance.agent or UNTOLD).state
    if not state:
        return
    check_id, status = state_check_id(instance.id), _STATE_STATUS[state]
    shown = instance_checks(rows, instance).get(fold(check_id))
    if shown is None:
        write_local_check(rows, index, _plain(instance, check_id, "Agent state", status, state), Local())
    else:
        take_result(rows, index, time, shown, status, state)


def _plain(instance: Instance, check_id: str, name: str, status: str, output: str) -> Check:
    return Check(
        node=instance.node, id=check_id, name=name, status=status, output=output, service_id=instance.id,
    )  # fmt: skip
