"""What the supervisor itself says: lines in the log, and events for those who listen at a worker.

It writes from the parent's only thread, so it drops a line rather than wait for a full pipe.
"""

import select
import sys
import time
from collections.abc import Callable
from typing import Any

from registry.events.bridge import encoded
from registry.events.record import ERROR, INFO, LEVELS, WARNING, Event, Renderer, console_line, json_line
from registry.settings import Settings

_FORMATS: dict[str, Renderer] = {"console": console_line, "json": json_line}


class Voice:
    """The events of one supervisor."""

    def __init__(self, settings: Settings, share: Callable[[bytes], None]) -> None:
        """Args:
        share: takes the bytes of an event to the workers whose listeners want it.
        """
        self._level = LEVELS[settings.log_level]
        self._render = _FORMATS[settings.log_format]
        self._share = share

    def info(self, message: str, **values: Any) -> None:
        """Say that something has changed that an operator wants to know."""
        self._say(INFO, message, values)

    def warning(self, message: str, **values: Any) -> None:
        """Say that something needs an operator's attention."""
        self._say(WARNING, message, values)

    def error(self, message: str, **values: Any) -> None:
        """Say that something failed that should not."""
        self._say(ERROR, message, values)

    def _say(self, level: int, message: str, values: dict[str, Any]) -> None:
        event = Event(time.time(), level, "agent.supervisor", message, values)
        self._share(encoded(event))
        if level >= self._level:
            _write(self._render(event))


def _write(line: str) -> None:
    try:
        if select.select([], [sys.stderr], [], 0)[1]:
            sys.stderr.write(line)
            sys.stderr.flush()
    except (OSError, ValueError):  # nobody is left to read it
        return
