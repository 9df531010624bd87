"""Events: the lines of our log and of Consul's monitor, and that nobody who is slow holds the server up."""

import asyncio
import io
import json
import logging
import threading
from typing import Any

import pytest
import structlog

from registry.errors import LogUnavailable, NotFound
from registry.events import Events

NOW = 1_735_830_245.123456  # 2025-01-02T15:04:05.123456Z


class Pipe(io.StringIO):
    """A stream whose reader can be made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()
        self.stalled = threading.Event()

    def write(self, text: str) -> int:
        self.stalled.set()
        self.open.wait(5)
        return super().write(text)


def written(log_format: str = "console", level: str = "info", **say: Any) -> str:
    stream = io.StringIO()
    events = Events(level=level, log_format=log_format, stream=stream, now=lambda: NOW)
    events.agent.info("Synced service", **say)
    events.close()
    return stream.getvalue()


async def first_chunk(events: Events, level: str = "info", **options: Any) -> str:
    listener = events.listen(level, **options)
    events.agent.info("Synced service", service="web-1")
    events.close()
    return b"".join([chunk async for chunk in listener.chunks()]).decode()


def test_a_line_for_people_is_consuls() -> None:
    assert written(service="web-1") == "2025-01-02T15:04:05.123Z [INFO]  agent: Synced service: service=web-1\n"
    assert written() == "2025-01-02T15:04:05.123Z [INFO]  agent: Synced service\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two words", '"two words"'),
        ('a"b', '"a\\"b"'),
        ("a\nb", '"a\\nb"'),
        ("", '""'),
        ("\u2028", '"\u2028"'),
        (True, "true"),
        (1.5, "1.5"),
        (None, "None"),
        (["a", "b"], '"a, b"'),
        ("\udcff", '"?"'),
    ],
)
def test_a_value_is_one_word_on_one_line(value: object, shown: str) -> None:
    assert written(k=value) == f"2025-01-02T15:04:05.123Z [INFO]  agent: Synced service: k={shown}\n"


def test_the_fields_of_a_line_for_programs() -> None:
    assert json.loads(written("json", service="web-1", index=7)) == {
        "timestamp": "2025-01-02T15:04:05.123456Z", "level": "info", "logger": "agent", "event": "Synced service",
        "service": "web-1", "index": 7,
    }  # fmt: skip


def test_what_is_no_json_is_written_as_text() -> None:
    line = written("json", odd={7}, error=ValueError("x"), bad="\udcff")

    assert line.count("\n") == 1
    assert json.loads(line)["event"] == "Synced service"
    assert json.loads(line)["bad"] == "?"


def test_what_is_below_the_level_is_not_written_and_the_level_can_change() -> None:
    stream = io.StringIO()
    events = Events(level="warn", stream=stream, now=lambda: NOW)
    events.agent.info("quiet")
    events.set_level("debug")
    events.agent.debug("loud")
    events.set_level("error")
    events.agent.warning("quiet again")
    events.close()

    assert [line.split("agent: ")[1] for line in stream.getvalue().splitlines()] == ["loud"]


@pytest.mark.parametrize(
    ("method", "shown"), [("debug", "[DEBUG]"), ("info", "[INFO] "), ("warning", "[WARN] "), ("error", "[ERROR]")]
)
def test_levels_are_shown_as_consul_shows_them(method: str, shown: str) -> None:
    stream = io.StringIO()
    events = Events(level="debug", stream=stream, now=lambda: NOW)
    getattr(events.http, method)("x")
    events.close()

    assert stream.getvalue() == f"2025-01-02T15:04:05.123Z {shown} agent.http: x\n"


def test_what_is_bound_to_the_context_is_in_the_event() -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        assert written(service="w").endswith("agent: Synced service: service=w request_id=r-1\n")


def test_two_servers_in_one_process_do_not_hear_each_other() -> None:
    one, other = io.StringIO(), io.StringIO()
    first, second = Events(stream=one), Events(stream=other)
    first.agent.info("from the first")
    first.close()
    second.close()

    assert "from the first" in one.getvalue()
    assert other.getvalue() == ""


def test_a_reader_that_does_not_read_costs_lines_not_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.events.output.QUEUED_LINES", 5)
    pipe = Pipe()
    pipe.open.clear()
    events = Events(stream=pipe, now=lambda: NOW)
    events.agent.info("first")
    assert pipe.stalled.wait(5)  # its thread is stuck in the write from here on
    for number in range(20):
        events.agent.info(f"line {number}")
    pipe.open.set()
    events.close()

    lines = pipe.getvalue().splitlines()
    kept = [line for line in lines if "agent: line" in line]
    assert [line.rpartition(" ")[2] for line in kept] == ["0", "1", "2", "3", "4"]
    assert [line for line in lines if "lost" in line] == ["(15 log lines were lost: their reader was too slow)"]


def test_a_closed_stream_is_survived() -> None:
    stream = io.StringIO()
    events = Events(stream=stream)
    stream.close()
    events.agent.info("into nothing")
    events.close()


def test_the_trace_of_an_error_is_in_the_log() -> None:
    stream = io.StringIO()
    events = Events(stream=stream, now=lambda: NOW)
    try:
        raise ValueError("broken")
    except ValueError:
        events.crashed("/v1/x", "GET", "r-1")
    events.close()

    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("[ERROR] agent.http: Request failed: method=GET route=/v1/x request_id=r-1")
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "ValueError: broken"


async def test_a_trace_is_never_in_the_answer_of_the_monitor() -> None:
    for as_json in (False, True):
        events = Events(now=lambda: NOW)
        listener = events.listen("info", as_json=as_json)
        try:
            raise ValueError("broken")
        except ValueError:
            events.crashed("/v1/x", "GET", "r-1")
        events.close()
        shown = b"".join([chunk async for chunk in listener.chunks()]).decode()

        assert "Request failed" in shown
        assert "Traceback" not in shown


async def test_the_monitor_shows_consuls_lines() -> None:
    line = await first_chunk(Events(now=lambda: NOW))

    assert line == "2025-01-02T15:04:05.123Z [INFO]  agent: Synced service: service=web-1\n"


async def test_the_monitor_in_json() -> None:
    line = await first_chunk(Events(now=lambda: NOW), as_json=True)

    assert line == (
        '{"@level":"info","@message":"Synced service","@module":"agent","@timestamp":"2025-01-02T15:04:05.123456Z",'
        '"service":"web-1"}\n'
    )


async def test_a_listener_has_a_level_of_its_own() -> None:
    stream = io.StringIO()
    events = Events(level="error", stream=stream)
    listener = events.listen("debug")
    events.agent.debug("for the listener")
    await asyncio.to_thread(events.close)

    assert "for the listener" in b"".join([chunk async for chunk in listener.chunks()]).decode()
    assert stream.getvalue() == ""
    assert await first_chunk(Events(), level="warn") == ""


async def test_lines_come_as_they_are_said_from_any_thread() -> None:
    events = Events()
    chunks = events.listen("info").chunks()
    waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    await asyncio.to_thread(events.agent.info, "from a thread")

    assert b"from a thread" in await waiting
    events.agent.info("again")
    assert b"again" in await anext(chunks)
    await chunks.aclose()


async def test_a_slow_listener_loses_lines_and_is_told_how_many() -> None:
    events = Events(now=lambda: NOW)
    listener = events.listen("info", limit=3)
    for number in range(10):
        events.agent.info(f"line {number}")
    events.close()

    lines = b"".join([chunk async for chunk in listener.chunks()]).decode().splitlines()
    assert [line.rpartition(" ")[2] for line in lines[:3]] == ["0", "1", "2"]
    assert lines[3:] == ["2025-01-02T15:04:05.123Z [WARN]  agent: Monitor was too slow and lost lines: lost=7"]


async def test_a_listener_that_goes_away_is_forgotten() -> None:
    events = Events()
    quiet = events.threshold
    chunks = events.listen("debug").chunks()
    events.agent.info("x")
    await anext(chunks)
    assert events.threshold < quiet
    await chunks.aclose()

    assert events.threshold == quiet


def test_refusals_are_the_callers_fault_unless_they_are_the_stores() -> None:
    stream = io.StringIO()
    events = Events(level="debug", stream=stream, now=lambda: NOW)
    events.refused("/v1/x", "PUT", 404, NotFound("service", id="a"), "r-1")
    events.refused("/v1/x", "PUT", 503, LogUnavailable("disk full"), "r-2")
    events.slow_request("/v1/x", "GET", 0.75, "r-3")
    events.close()

    assert [line[25:31] for line in stream.getvalue().splitlines()] == ["[INFO]", "[WARN]", "[WARN]"]
    assert "status=404" in stream.getvalue()
    assert "seconds=0.75 request_id=r-3" in stream.getvalue()


def test_warnings_of_libraries_are_events_too() -> None:
    stream = io.StringIO()
    before = logging.getLogger().handlers.copy()
    events = Events(stream=stream, now=lambda: NOW)
    events.capture_logging()
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    logging.getLogger("asyncio").info("chatter")
    events.close()

    assert logging.getLogger().handlers == before
    assert stream.getvalue() == "2025-01-02T15:04:05.123Z [ERROR] asyncio: Task exception was never retrieved\n"
