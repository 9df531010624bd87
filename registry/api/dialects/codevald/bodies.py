"""Bodies that come in: a new agent with its config, a task.

The config's keys are the names of a Go struct, in any case, or the same in snake_case; zero means the default.
Source: dialects.md §4.2.
"""

import uuid
from typing import Any

from registry.api.lenient import Fields
from registry.errors import InvalidRequest
from registry.model import duration
from registry.model.agent import AgentConfig, Resources, Task

MOST_TASKS_AT_ONCE = 1_000  # of one agent: each is a request, or at least a timer, of the process that runs it
LONGEST_QUEUE = 100_000  # of one agent: it is in memory, and in every snapshot
LONGEST_NS = 2**61  # 73 years; twice that, the longest time to live, is an int64 of nanoseconds still
_LARGEST = 2**63 - 1
_DEFAULTS = AgentConfig()


def required(fields: Fields, name: str) -> str:
    """A string that has to be there.

    Raises:
        InvalidRequest: `missing`, `field`.
    """
    text = fields.text(name)
    if not text:
        raise InvalidRequest("missing", field=name)
    return text


def config_of(fields: Fields) -> AgentConfig:
    """The `config` of a new agent; the usual one where there is none.

    Raises:
        InvalidRequest: `field`, `range`.
    """
    given = _bare(fields.map("config"))
    resources = _bare(given.map("Resources"))
    return AgentConfig(
        max_concurrent_tasks=_count(given, "MaxConcurrentTasks", MOST_TASKS_AT_ONCE) or _DEFAULTS.max_concurrent_tasks,
        task_queue_size=_count(given, "TaskQueueSize", LONGEST_QUEUE) or _DEFAULTS.task_queue_size,
        heartbeat_interval_ns=_duration(given, "HeartbeatInterval") or _DEFAULTS.heartbeat_interval_ns,
        task_timeout_ns=_duration(given, "TaskTimeout") or _DEFAULTS.task_timeout_ns,
        resources=Resources(
            cpu_millicores=_count(resources, "CPU"),
            memory_mb=_count(resources, "Memory"),
            max_tasks=_count(resources, "MaxTasks"),
        ),
    )


def task_of(fields: Fields) -> Task:
    """A task with an id of ours; its timeout is sent in seconds.

    Raises:
        InvalidRequest: `missing`, `field`, `range`.
    """
    return Task(
        id=f"task-{uuid.uuid4()}",
        type=required(fields, "type"),
        payload=fields.value("payload"),
        priority=fields.whole("priority"),
        timeout_ns=_count(fields, "timeout", LONGEST_NS // duration.SECOND) * duration.SECOND,
    )


def _bare(values: dict[str, Any]) -> Fields:
    """The fields under their names without underscores, so that `max_concurrent_tasks` is `MaxConcurrentTasks`."""
    return Fields({name.replace("_", ""): value for name, value in values.items() if value is not None})


def _count(fields: Fields, name: str, most: int = _LARGEST) -> int:
    value = fields.whole(name)
    if not 0 <= value <= most:
        raise InvalidRequest("range", field=name, value=value, least=0, most=most)
    return value


def _duration(fields: Fields, name: str) -> int:
    """Nanoseconds, or a text such as `30s`."""
    if not isinstance(fields.value(name), str):
        return _count(fields, name, LONGEST_NS)
    try:
        value = duration.nanoseconds(fields.text(name))
    except InvalidRequest as error:
        raise InvalidRequest("field", field=name, problem=error.values["problem"]) from None
    if not 0 <= value <= LONGEST_NS:
        raise InvalidRequest("range", field=name, value=value, least=0, most=LONGEST_NS)
    return value
