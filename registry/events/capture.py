"""What libraries say through the standard library's `logging`, as events of the registry.

Owns the handler and nothing of where it is installed.
"""

import logging

from registry.events.logger import Sink
from registry.events.record import ERROR, WARNING


class FromLogging(logging.Handler):
    """Turns log records of the standard library into events."""

    def __init__(self, events: Sink) -> None:
        super().__init__(logging.WARNING)
        self._events = events
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Publish a record as an event of the logger's name."""
        level = ERROR if record.levelno >= logging.ERROR else WARNING
        values = {}
        if record.exc_info and record.exc_info[0] is not None:
            values["exception"] = self._formatter.formatException(record.exc_info)
        if level >= self._events.threshold:
            self._events.publish(level, record.name, record.getMessage(), values)
