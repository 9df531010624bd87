"""Alias checks: as well as the service or the node they stand for.

Owns the verdict over the checks of a target. Nothing is sent anywhere, so there is no probe and nothing
to wait for; when to look again is the runner's business.
Source: agent.md §8.6.
"""

from registry.checks.base import Result, Standing, Target, critical, passing
from registry.model.check import CRITICAL, PASSING, CheckDefinition

EVERY_SECONDS = 60.0  # between evaluations that no change has asked for


def target_of(definition: CheckDefinition) -> Target | None:
    """What the check follows; None when it is not an alias check."""
    if definition.alias_node or definition.alias_service:
        return Target(definition.alias_node, definition.alias_service)
    return None


def verdict(target: Target, standing: Standing) -> Result:
    """What the checks of the target say: the first that is critical, else the first that is not passing."""
    if target.node and not standing.node_known:
        return passing("No checks found.")
    regarded = [check for check in standing.checks if check.service_id in ("", target.service_id)]
    own = any(check.service_id for check in regarded)
    if target.service_id and not own and not standing.service_known:
        return critical(f"Service {target.service_id} could not be found on node {target.node}")
    failing = [check for check in regarded if check.status != PASSING]
    if not failing:
        return passing("All checks passing." if regarded else "No checks found.")
    worst = next((check for check in failing if check.status == CRITICAL), failing[0])
    return Result(worst.status, f'Aliased check "{worst.name}" failing: {worst.output}')
