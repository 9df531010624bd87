"""One event and its lines: as the registry logs it, and as Consul's monitor shows it.

Owns levels and the three forms of a line. Where lines go is `output.py` and `listeners.py`.
Source: agent.md §3.6; the line format of Consul's log library (hclog).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

TRACE, DEBUG, INFO, WARNING, ERROR = 5, 10, 20, 30, 40

LEVELS = {
    "trace": TRACE,
    "debug": DEBUG,
    "info": INFO,
    "warn": WARNING,
    "warning": WARNING,
    "err": ERROR,
    "error": ERROR,
}
_SHORT = {TRACE: "trace", DEBUG: "debug", INFO: "info", WARNING: "warn", ERROR: "error"}
_BRACKETED = {level: f"[{name.upper()}]".ljust(7) for level, name in _SHORT.items()}
_TRACEBACK = "exception"  # the value that only our own log shows: no answer of the registry holds a traceback


class Event(Struct, frozen=True):
    """Something that happened: Unix time in seconds, level, the part of the registry, a sentence, and values."""

    time: float
    level: int
    source: str
    message: str
    values: Mapping[str, Any] = {}


Renderer = Callable[[Event], str]


def console_line(event: Event) -> str:
    """For people: Consul's line, followed by the traceback of an error of ours."""
    line = monitor_line(event)
    traceback = event.values.get(_TRACEBACK)
    return line if traceback is None else f"{line}{traceback}\n"


def json_line(event: Event) -> str:
    """For programs: one JSON object a line."""
    return _encoded({
        "timestamp": _time(event.time, "microseconds"), "level": _SHORT[event.level], "logger": event.source,
        "event": event.message, **event.values,
    })  # fmt: skip


def monitor_line(event: Event) -> str:
    """Consul's line: `2025-01-02T15:04:05.123Z [INFO]  agent: Synced service: service=web-1`."""
    pairs = " ".join(f"{name}={_worded(value)}" for name, value in event.values.items() if name != _TRACEBACK)
    values = f": {pairs}" if pairs else ""
    time, message = _time(event.time, "milliseconds"), _one_line(event.message)
    return f"{time} {_BRACKETED[event.level]} {event.source}: {message}{values}\n"


def monitor_json_line(event: Event) -> str:
    """Consul's line with `?logjson`."""
    values = {name: event.values[name] for name in sorted(event.values) if name != _TRACEBACK}
    return _encoded({
        "@level": _SHORT[event.level], "@message": event.message, "@module": event.source,
        "@timestamp": _time(event.time, "microseconds"), **values,
    })  # fmt: skip


def _time(seconds: float, timespec: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def _encoded(line: Mapping[str, Any]) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=str).decode() + "\n"
    except (TypeError, UnicodeEncodeError):  # keys that are not strings, or text that is not valid Unicode
        readable = {name: str(value).encode("utf-8", "replace").decode() for name, value in line.items()}
        return msgspec.json.encode(readable).decode() + "\n"


def _worded(value: object) -> str:
    """A value as it is written after its name, in quotes unless it is a single word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    text = value if isinstance(value, str) else str(value)
    plain = text.isprintable() and " " not in text and '"' not in text and text != ""
    return text if plain else msgspec.json.encode(text.encode("utf-8", "replace").decode()).decode()


def _one_line(message: str) -> str:
    return message if message.isprintable() else " ".join(message.split())
