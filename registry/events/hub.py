"""The events of one server: who says them, who hears them, from which level on.

Owns the loggers and the way of an event to the log's output and to each listener. Nothing here blocks: the
output writes on a thread, a slow listener loses lines. Nothing is global, so that two servers in one
process (as tests run them) do not hear each other.
"""

import logging
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

import structlog

from registry.errors import LogError, RequestError
from registry.events.bridge import NOBODY, Bridge
from registry.events.context import add_request_id
from registry.events.hidden import without_secrets, without_values
from registry.events.listeners import QUEUED_LINES, Listener
from registry.events.output import Output
from registry.events.record import (
    DEBUG,
    ERROR,
    INFO,
    LEVELS,
    WARNING,
    Event,
    Renderer,
    console_line,
    json_line,
    monitor_json_line,
    monitor_line,
)

_FORMATS: dict[str, Renderer] = {"console": console_line, "json": json_line}
_TURNED_AWAY = frozenset({401, 403, 408, 413, 429})  # of interest to an operator; a wrong path is its caller's alone
_LONGEST_ERROR = 300  # characters of what was wrong with a request; part of it may be the caller's


class _Voice:
    """Where a logger's events go in; structlog calls the method named for the level."""

    def __init__(self, events: "Events", source: str) -> None:
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
    """Says what happens in one part of the registry; an event nobody hears costs one comparison."""

    _logger: _Voice

    def debug(self, event: str, **values: object) -> None:
        """What helps to find a fault."""
        self._say(DEBUG, "debug", event, values)

    def info(self, event: str, **values: object) -> None:
        """A change that an operator wants to see."""
        self._say(INFO, "info", event, values)

    def warning(self, event: str, **values: object) -> None:
        """Something that an operator should look at."""
        self._say(WARNING, "warning", event, values)

    def error(self, event: str, **values: object) -> None:
        """Something failed that should not."""
        self._say(ERROR, "error", event, values)

    def exception(self, event: str, **values: object) -> None:
        """The same inside an `except`, with the trace, which only the log shows."""
        self._say(ERROR, "error", event, {**values, "exception": traceback.format_exc().rstrip()})

    def _say(self, level: int, method: str, event: str, values: dict[str, object]) -> None:
        if level >= self._logger.events.threshold:
            self._proxy_to_logger(method, event, **values)


class Events:
    """Everything one server says about itself."""

    def __init__(
        self,
        *,
        level: str = "info",
        log_format: str = "console",
        stream: TextIO | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Args:
        level: the least that is written to `stream`; listeners have levels of their own.
        stream: where the log goes; None keeps it to the listeners.
        """
        self._now = now
        self._render = _FORMATS[log_format]
        self._output = Output(stream) if stream is not None else None
        self._level = LEVELS[level]
        self._listeners: list[Listener] = []
        self._bridge: Bridge | None = None
        self._captured: logging.Handler | None = None
        self._watchers: list[Callable[[], None]] = []
        self.threshold = NOBODY
        self._note_threshold()
        self.agent = self.logger("agent")
        self.http = self.logger("agent.http")
        self.server = self.logger("agent.server")

    def logger(self, source: str) -> EventLogger:
        """The logger of one part; what is bound to the context (`structlog.contextvars`) is in its events too."""
        return EventLogger(_Voice(self, source), [structlog.contextvars.merge_contextvars, add_request_id], {})

    def publish(self, level: int, source: str, message: str, values: dict[str, Any]) -> None:
        """Give an event to all who want it, without what may be a secret in it. Never blocks; for any thread."""
        shown = {name: _shown(value) for name, value in values.items()}
        event = Event(self._now(), level, source, without_secrets(message), shown)
        if self._output is not None and level >= self._level:
            self._output.write(self._render(event))
        if self._bridge is not None and level >= self._bridge.level:
            self._bridge.offer(event)
        self.hear(event)

    # Those who hear

    def hear(self, event: Event) -> None:
        """Give an event of another process to the listeners of this one; it was logged where it happened."""
        for listener in tuple(self._listeners):
            if event.level >= listener.level:
                listener.offer(event)

    def span(self, bridge: Bridge) -> None:
        """Share events with the other processes of this server."""
        self._bridge = bridge
        self._note_threshold()

    def forward_from(self, level: int) -> None:
        """Listeners in other processes want the events of this one from `level` on."""
        if self._bridge is not None:
            self._bridge.level = level
            self._note_threshold()

    def set_level(self, level: str) -> None:
        """Write events from this level on (a word of `LEVELS`); listeners keep theirs."""
        self._level = LEVELS[level]
        self._note_threshold()

    def listen(self, level: str, *, as_json: bool = False, limit: int = QUEUED_LINES) -> Listener:
        """Follow the events from a level on, in Consul's form of a line; ends with its stream.

        To be called on the event loop that will read the stream.
        """
        render = monitor_json_line if as_json else monitor_line
        listener = Listener(LEVELS[level], render, self._leave, limit, self._now)
        self._listeners.append(listener)
        self._note_threshold()
        return listener

    def _leave(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
            self._note_threshold()

    def _note_threshold(self) -> None:
        written = self._level if self._output is not None else NOBODY
        listened = min((listener.level for listener in self._listeners), default=NOBODY)
        elsewhere = NOBODY
        if self._bridge is not None:
            self._bridge.note(listened)
            elsewhere = self._bridge.level
        self.threshold = min(written, listened, elsewhere)
        for changed in self._watchers:
            changed()

    def watch(self, changed: Callable[[], None]) -> None:
        """Have this called whenever `threshold` may have moved, on the event loop."""
        self._watchers.append(changed)

    def capture_logging(self) -> None:
        """Take over what libraries say through the standard library's `logging`, from warnings on."""
        self._captured = _FromLogging(self)
        logging.getLogger().addHandler(self._captured)

    def end_streams(self) -> None:
        """End the streams of all listeners after what is queued for them: the server is going away."""
        for listener in tuple(self._listeners):
            listener.close()

    def close(self) -> None:
        """End all streams and write what is queued. Blocks for a moment: not for a running event loop."""
        if self._captured is not None:
            logging.getLogger().removeHandler(self._captured)
        self.end_streams()
        if self._output is not None:
            self._output.close()

    # What the edge says of requests

    def slow_request(self, route: str, method: str, seconds: float, request_id: str, argument: str = "") -> None:
        """A request worked for longer than it should."""
        about = _about(argument)
        self.http.warning(
            "Slow request", method=method, route=route, **about, seconds=round(seconds, 3), request_id=request_id
        )

    def refused(
        self, route: str, method: str, status: int, error: RequestError | LogError, request_id: str, argument: str = ""
    ) -> None:
        """A request was answered with an error: the caller's fault, or the store's.

        Args:
            argument: what follows the route in its path, as the name of a service.
        """
        say = self.http.warning if isinstance(error, LogError) else self.http.info
        problem = _problem(error)[:_LONGEST_ERROR]
        about = _about(argument)
        say("Request refused", method=method, route=route, **about, status=status, error=problem, request_id=request_id)

    def crashed(self, route: str, method: str, request_id: str) -> None:
        """A fault of ours, to be called where it was caught."""
        self.http.exception("Request failed", method=method, route=route, request_id=request_id)

    def turned_away(self, route: str, method: str, status: int, remote: str, request_id: str) -> None:
        """A request was refused before any handler saw it: who may write, what is blocked, what there is not."""
        say = self.http.info if status in _TURNED_AWAY else self.http.debug
        say("Request refused", method=method, route=route, status=status, remote=remote, request_id=request_id)


def _about(argument: str) -> dict[str, str]:
    return {"argument": argument[:_LONGEST_ERROR]} if argument else {}


def _problem(error: RequestError | LogError) -> str:
    """Why, for an operator: of what the caller wrote only what names things."""
    if not isinstance(error, RequestError):
        return str(error)
    values = {name: value for name, value in error.values.items() if name != "headers"}
    if "problem" in values:
        values["problem"] = without_values(str(values["problem"]))
    return " ".join((error.reason, *(f"{name}={value}" for name, value in values.items())))


def _shown(value: object) -> object:
    """A value as it may be shown; what is no text becomes one where it is written."""
    return without_secrets(value) if isinstance(value, str) else value


class _FromLogging(logging.Handler):
    """Makes events of the standard library's log records."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.WARNING)
        self._events = events
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        level = ERROR if record.levelno >= logging.ERROR else WARNING
        values = {}
        if record.exc_info and record.exc_info[0] is not None:
            values["exception"] = self._formatter.formatException(record.exc_info)
        if level >= self._events.threshold:
            self._events.publish(level, record.name, record.getMessage(), values)
