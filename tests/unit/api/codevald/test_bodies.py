"""The config of a new agent and a task, as clients spell them (dialects.md §4.2)."""

import json
from typing import Any

import pytest

from registry.api.dialects.codevald.bodies import LONGEST_NS, LONGEST_QUEUE, MOST_TASKS_AT_ONCE, config_of, task_of
from registry.api.lenient import Fields
from registry.errors import InvalidRequest
from registry.model.agent import AgentConfig, Resources

SECOND_NS = 1_000_000_000
DEFAULTS = AgentConfig(
    max_concurrent_tasks=5, task_queue_size=100, heartbeat_interval_ns=30 * SECOND_NS, task_timeout_ns=300 * SECOND_NS,
    resources=Resources(cpu_millicores=0, memory_mb=0, max_tasks=0),
)  # fmt: skip


def config(value: Any) -> AgentConfig:
    return config_of(Fields.of(json.dumps({"config": value}).encode()))


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"MaxConcurrentTasks": 0, "TaskQueueSize": 0, "HeartbeatInterval": 0, "TaskTimeout": 0, "Resources": {}},
        {"MaxConcurrentTasks": None, "TaskQueueSize": None, "HeartbeatInterval": None, "Resources": None},
        {"HeartbeatInterval": "0s", "TaskTimeout": "0"},
        {"workers": 7, "name": "x"},
    ],
)
def test_what_is_zero_or_absent_is_the_default(value: Any) -> None:
    assert config(value) == DEFAULTS


@pytest.mark.parametrize(
    "names",
    [
        ("MaxConcurrentTasks", "TaskQueueSize", "HeartbeatInterval", "TaskTimeout", "Resources", "CPU", "MaxTasks"),
        ("maxconcurrenttasks", "taskQueueSize", "HEARTBEATINTERVAL", "tasktimeout", "resources", "cpu", "maxTasks"),
        ("max_concurrent_tasks", "task_queue_size", "heartbeat_interval", "Task_Timeout", "RESOURCES", "Cpu",
         "max_tasks"),
    ],
)  # fmt: skip
def test_keys_are_names_of_go_in_any_case_or_in_snake_case(names: tuple[str, ...]) -> None:
    workers, queue, interval, timeout, resources, cpu, most = names
    found = config({
        workers: 2, queue: 3, interval: 4 * SECOND_NS, timeout: 5 * SECOND_NS, resources: {cpu: 6, "Memory": 7, most: 8}
    })  # fmt: skip
    assert found == AgentConfig(
        max_concurrent_tasks=2, task_queue_size=3, heartbeat_interval_ns=4 * SECOND_NS, task_timeout_ns=5 * SECOND_NS,
        resources=Resources(cpu_millicores=6, memory_mb=7, max_tasks=8),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [(1, 1), (45_000_000_000, 45 * SECOND_NS), ("30s", 30 * SECOND_NS), ("1m30s", 90 * SECOND_NS),
     ("250ms", 25 * 10**7), (LONGEST_NS, LONGEST_NS)],
)  # fmt: skip
def test_a_duration_is_nanoseconds_or_a_text(value: Any, nanoseconds: int) -> None:
    found = config({"HeartbeatInterval": value, "TaskTimeout": value})
    assert (found.heartbeat_interval_ns, found.task_timeout_ns) == (nanoseconds, nanoseconds)


def test_of_two_spellings_the_last_one_counts() -> None:
    assert config({"MaxConcurrentTasks": 2, "max_concurrent_tasks": 3}).max_concurrent_tasks == 3
    assert config({"max_concurrent_tasks": 3, "MaxConcurrentTasks": None}).max_concurrent_tasks == 3


@pytest.mark.parametrize(
    "value",
    [
        [],
        "x",
        {"MaxConcurrentTasks": "5"},
        {"MaxConcurrentTasks": 1.5},
        {"MaxConcurrentTasks": True},
        {"MaxConcurrentTasks": -1},
        {"MaxConcurrentTasks": MOST_TASKS_AT_ONCE + 1},
        {"TaskQueueSize": LONGEST_QUEUE + 1},
        {"HeartbeatInterval": "30"},
        {"HeartbeatInterval": ""},
        {"HeartbeatInterval": "-30s"},
        {"HeartbeatInterval": -1},
        {"HeartbeatInterval": 30.0},
        {"HeartbeatInterval": "900000h"},
        {"TaskTimeout": LONGEST_NS + 1},
        {"TaskTimeout": [30]},
        {"Resources": 5},
        {"Resources": {"CPU": "1"}},
        {"Resources": {"Memory": -1}},
    ],
)
def test_what_cannot_be_meant_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        config(value)


def test_a_task_keeps_what_it_was_sent_with() -> None:
    body = {"Type": "t", "PAYLOAD": [{"a": 1}], "priority": -5, "timeout": 30, "more": 1}
    task = task_of(Fields.of(json.dumps(body).encode()))
    assert (task.type, task.payload, task.priority, task.timeout_ns) == ("t", [{"a": 1}], -5, 30 * SECOND_NS)


def test_a_task_without_a_timeout_has_none_of_its_own() -> None:
    for body in (b'{"type": "t"}', b'{"type": "t", "timeout": 0}', b'{"type": "t", "timeout": null}'):
        assert task_of(Fields.of(body)).timeout_ns == 0


def test_no_two_tasks_have_one_id() -> None:
    assert len({task_of(Fields.of(b'{"type": "t"}')).id for _ in range(100)}) == 100
