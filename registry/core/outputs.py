"""When the newest text of a check is due to reach the log, if its status has not changed.

Owns those times and nothing else. Consul too sends such a text to the catalog only after a while, so that
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

    def defer(self, key: str, seconds: float) -> None:
        """Flush the check's text in `seconds`, or at once if that is 0. Replaces a time that was set before."""
        self.forget(key)
        if seconds <= 0:
            self._flush(key)
        else:
            self._timers[key] = self._clock.call_later(seconds, partial(self._due, key))

    def waits(self, key: str) -> bool:
        """Whether a time is set for the check's text."""
        return key in self._timers

    def forget(self, key: str) -> None:
        """Cancel the check's time, because the log has its newest text."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _due(self, key: str) -> None:
        del self._timers[key]
        self._flush(key)

    def flush(self) -> None:
        """Flush everything now, because the server is shutting down."""
        for key, timer in list(self._timers.items()):
            timer.cancel()
            self._due(key)
