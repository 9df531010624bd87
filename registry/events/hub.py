"""The events of one server: who hears them, and from which level on.

Owns the way of an event to the log's output, to each listener and to the other processes of the server, and the
words about requests. Nothing here blocks: the output writes on a thread, and a slow listener loses lines. Nothing is
global, so that two servers in one process (as tests run them) do not hear each other.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TextIO

from registry.errors import LogError, RequestError
from registry.events.bridge import NOBODY, Bridge
from registry.events.capture import FromLogging
from registry.events.hidden import without_secrets, without_values
from registry.events.listeners import QUEUED_LINES, Listener
from registry.events.logger import EventLogger, logger
from registry.events.output import Output
from registry.events.record import (
    LEVELS,
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
        stream: where the log goes; with None only listeners hear of it.
        now: Unix time in seconds.
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
        """The logger of one part of the registry."""
        return logger(self, source)

    def publish(self, level: int, source: str, message: str, values: dict[str, Any]) -> None:
        """Give an event to all who want it, with possible secrets masked. Never blocks; may be called on any thread."""
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
        """Follow the events from a level on, as lines in Consul's form, until the listener's stream is closed.

        Must be called on the event loop that will read the stream.
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
        """Call `changed` on the event loop whenever `threshold` may have moved."""
        self._watchers.append(changed)

    def capture_logging(self) -> None:
        """Publish what libraries log through the standard library's `logging`, from warnings on."""
        self._captured = FromLogging(self)
        logging.getLogger().addHandler(self._captured)

    def end_streams(self) -> None:
        """End the streams of all listeners, after what is queued for them, because the server is stopping."""
        for listener in tuple(self._listeners):
            listener.close()

    def close(self) -> None:
        """End all streams and write what is queued. Blocks, so it must not run on an event loop."""
        if self._captured is not None:
            logging.getLogger().removeHandler(self._captured)
        self.end_streams()
        if self._output is not None:
            self._output.close()

    # What the edge says of requests

    def slow_request(self, route: str, method: str, seconds: float, request_id: str, argument: str = "") -> None:
        """Say that a request was worked on for longer than it should take."""
        about = _about(argument)
        self.http.warning(
            "Slow request", method=method, route=route, **about, seconds=round(seconds, 3), request_id=request_id
        )

    def refused(
        self, route: str, method: str, status: int, error: RequestError | LogError, request_id: str, argument: str = ""
    ) -> None:
        """Say that a request was answered with an error, which is the caller's fault or the store's.

        Args:
            argument: what follows the route in its path, such as the name of a service.
        """
        say = self.http.warning if isinstance(error, LogError) else self.http.info
        problem = _problem(error)[:_LONGEST_ERROR]
        about = _about(argument)
        say("Request refused", method=method, route=route, **about, status=status, error=problem, request_id=request_id)

    def crashed(self, route: str, method: str, request_id: str) -> None:
        """Say that a request failed through a fault of ours. To be called inside the `except`."""
        self.http.exception("Request failed", method=method, route=route, request_id=request_id)

    def turned_away(self, route: str, method: str, status: int, remote: str, request_id: str) -> None:
        """Say that no handler saw a request: its caller may not write, or the path is blocked or unknown."""
        say = self.http.info if status in _TURNED_AWAY else self.http.debug
        say("Request refused", method=method, route=route, status=status, remote=remote, request_id=request_id)


def _about(argument: str) -> dict[str, str]:
    return {"argument": argument[:_LONGEST_ERROR]} if argument else {}


def _problem(error: RequestError | LogError) -> str:
    """The reason for an operator, without text of the caller's that may hold a secret."""
    if not isinstance(error, RequestError):
        return str(error)
    values = {name: value for name, value in error.values.items() if name != "headers"}
    if "problem" in values:
        values["problem"] = without_values(str(values["problem"]))
    return " ".join((error.reason, *(f"{name}={value}" for name, value in values.items())))


def _shown(value: object) -> object:
    """A value as it may be shown; one that is not text is turned into text where it is written."""
    return without_secrets(value) if isinstance(value, str) else value
