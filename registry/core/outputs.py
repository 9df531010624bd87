"""Texts of checks that have changed without a change of status, on their way into the log.

Owns when each is due, nothing else. Consul sends such a text to the catalog only after a while, so that
output which differs on each run wakes nobody. Source: agent.md §1, output-only changes; `DESIGN.md` §4.
"""

from collections.abc import Callable
from functools import partial

from registry.clock import Clock, TimerHandle


class DeferredOutputs:
    """One timer for each check whose newest text is not in the log."""

    def __init__(self, clock: Clock, flush: Callable[[str], None]) -> None:
        self._clock = clock
        self._flush = flush
        self._timers: dict[str, TimerHandle] = {}

    def defer(self, check_id: str, seconds: float) -> None:
        """Flush the check's text in `seconds`, at once when that is 0; an earlier time for it is void."""
        self.forget(check_id)
        if seconds <= 0:
            self._flush(check_id)
        else:
            self._timers[check_id] = self._clock.call_later(seconds, partial(self._due, check_id))

    def forget(self, check_id: str) -> None:
        """The log has the check's newest text: nothing is due."""
        timer = self._timers.pop(check_id, None)
        if timer is not None:
            timer.cancel()

    def _due(self, check_id: str) -> None:
        del self._timers[check_id]
        self._flush(check_id)

    def flush(self) -> None:
        """Flush everything now: the server is going down."""
        for check_id, timer in list(self._timers.items()):
            timer.cancel()
            self._due(check_id)
