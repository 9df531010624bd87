"""The workers as the parent sees them: which processes they are, and when one is started again.

Owns back-off. A worker that had served for a while is started again at once; one that dies over and over is
started less and less often, so that it does not take the processor from those that serve.
"""

import os
import signal
from dataclasses import dataclass

from registry.events.bridge import NOBODY
from registry.supervisor.channel import Channel

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0
STEADY_SECONDS = 30.0  # one that has served for this long is replaced after the shortest pause again


@dataclass(eq=False)
class Child:
    """One process; times are monotonic seconds.

    `words` is the pipe with what it says when it fails. `serving_since` is None until it listens, `deaf_since`
    until it lets go of the line, which is the last thing it does.
    """

    number: int
    pid: int
    channel: Channel
    words: int
    serving_since: float | None = None
    deaf_since: float | None = None
    watches: int = NOBODY  # the level from which its listeners want the events of others
    forwards: int = NOBODY  # the level from which it sends its own

    def kill(self) -> None:
        """End it at once. It is our child and not yet waited for, so its id cannot belong to another process."""
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close the line and the pipe."""
        self.channel.close()
        os.close(self.words)


class Slot:
    """The place of one worker, filled by one process after another."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.child: Child | None = None
        self.start_at: float | None = 0.0  # when the next process is due; None while there is one
        self._failures = 0

    def fill(self, child: Child) -> None:
        """Note that a process has been started."""
        self.child = child
        self.start_at = None

    def vacate(self, now: float) -> float:
        """Note that there is no process; returns the seconds until the next one is due."""
        since = self.child.serving_since if self.child is not None else None
        self.child = None
        if since is not None and now - since >= STEADY_SECONDS:
            self._failures = 0
        pause: float = min(FIRST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 16)
        self.start_at = now + pause
        return pause
