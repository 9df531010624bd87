"""Loggers: one for each part of the registry, cheap while nobody listens.

Owns how an event is said. Who hears it is decided in `hub.py`.
"""

import traceback
from typing import Any, Protocol

import structlog

from registry.events.context import add_request_id
from registry.events.record import DEBUG, ERROR, INFO, WARNING


class Sink(Protocol):
    """Where events go: the `Events` of a server."""

    threshold: int  # the least level that anybody hears

    def publish(self, level: int, source: str, message: str, values: dict[str, Any]) -> None:
        """Give an event to all who want it. Never blocks; may be called on any thread."""


class _Voice:
    """The end of a structlog chain, which calls the method named for the level."""

    def __init__(self, events: Sink, source: str) -> None:
        self.events = events
        self._source = source

    def debug(self, event: str, **values: object) -> None:
        self.events.publish(DEBUG, self._source, event, values)

    def info(self, event: str, **values: object) -> None:
        self.events.publish(INFO, self._source, event, values)

    def warning(self, event: str, **values: object) -> None:
        self.events.publish(WARNING, self._source, event, values)

    def error(self, event: str, **values: object) -> None:
        self.events.publish(ERROR, self._source, event, values)


class EventLogger(structlog.BoundLoggerBase):
    """Says what happens in one part of the registry; an event that nobody hears costs one comparison."""

    _logger: _Voice

    def debug(self, event: str, **values: object) -> None:
        """Say something that helps to find a fault."""
        self._say(DEBUG, "debug", event, values)

    def info(self, event: str, **values: object) -> None:
        """Say that something has changed that an operator wants to know."""
        self._say(INFO, "info", event, values)

    def warning(self, event: str, **values: object) -> None:
        """Say that something needs an operator's attention."""
        self._say(WARNING, "warning", event, values)

    def error(self, event: str, **values: object) -> None:
        """Say that something failed that should not."""
        self._say(ERROR, "error", event, values)

    def exception(self, event: str, **values: object) -> None:
        """Say so inside an `except`, with the traceback, which only the log shows."""
        self._say(ERROR, "error", event, {**values, "exception": traceback.format_exc().rstrip()})

    def failure(self, event: str, error: BaseException, **values: object) -> None:
        """Say so outside of the `except`, with the traceback of the error that was caught there."""
        self._say(ERROR, "error", event, {**values, "exception": "".join(traceback.format_exception(error)).rstrip()})

    def _say(self, level: int, method: str, event: str, values: dict[str, object]) -> None:
        if level >= self._logger.events.threshold:
            self._proxy_to_logger(method, event, **values)


def logger(events: Sink, source: str) -> EventLogger:
    """The logger of one part; its events include what is bound to the context (`structlog.contextvars`)."""
    return EventLogger(_Voice(events, source), [structlog.contextvars.merge_contextvars, add_request_id], {})
