"""How many results of a kind it takes before a check changes.

Owns the two counters of a check. The first result after a registration counts at once; TTL and alias
checks have no thresholds, and a `Result.at_once` passes them by. A registration of the same definition changes
nothing, here as elsewhere: in Consul it restarts the check and its counters, so that a client that registers
again and again never has thresholds.
Source: agent.md §8.7.
"""

from registry.checks.base import Result
from registry.model.check import CRITICAL, WARNING, CheckDefinition


class Thresholds:
    """The counters of one check."""

    __slots__ = ("_failures", "_failures_before_critical", "_failures_before_warning", "_before_passing", "_successes")

    def __init__(self, definition: CheckDefinition, *, settled: bool = False) -> None:
        """`settled`: the check already has a status that results have earned, so the first one is one of many."""
        self._before_passing = definition.success_before_passing
        self._failures_before_critical = definition.failures_before_critical
        self._failures_before_warning = definition.failures_before_warning or definition.failures_before_critical
        self._successes = self._failures = 0
        if not settled:  # the next result counts at once
            self._successes, self._failures = self._before_passing, self._failures_before_critical

    def judge(self, result: Result) -> Result | None:
        """What the result means for the check; None when it has to be seen more often first."""
        if result.at_once:
            return result
        if result.status != CRITICAL:
            self._successes, self._failures = self._successes + 1, 0
            return result if self._successes >= self._before_passing else None
        self._successes, self._failures = 0, self._failures + 1
        if self._failures >= self._failures_before_critical:
            return result
        return Result(WARNING, result.output) if self._failures >= self._failures_before_warning else None
