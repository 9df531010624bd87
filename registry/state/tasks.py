"""Commands about the tasks of agents: what a queue accepts, and what its agent works on.

Owns the order of a queue, which is first come, first served, and how much of it is under way. That follows from the
queue and the lifecycle, so that nothing has to be written when a task begins. Source: dialects.md §4.2 to §4.4.
"""

from itertools import islice

from msgspec.structs import replace

from registry.commands import FinishTask, SubmitTask
from registry.errors import Conflict, NotFound, TooManyRequests
from registry.model.agent import CODEVALD, FAILED, OPTIINFRA, RUNNING, STOPPED, AgentConfig, Task
from registry.model.names import fold
from registry.model.service import Instance
from registry.state.agent_checks import UNTOLD
from registry.state.rows import Rows

_DEFAULTS = AgentConfig()


def submit_task(rows: Rows, index: int, time: float, command: SubmitTask) -> None:
    """Put a task at the end of its agent's queue.

    Raises:
        NotFound: `agent`.
        Conflict: `agent-no-tasks`, it is not an agent that takes tasks; `agent-stopped`.
        TooManyRequests: `task-queue`, the queue is full.
    """
    instance = rows.local_service(command.service_id)
    if instance is None:
        raise NotFound("agent", id=command.service_id)
    agent = instance.agent or UNTOLD
    if agent.source not in (CODEVALD, OPTIINFRA):
        raise Conflict("agent-no-tasks", id=instance.id)
    if agent.state in (STOPPED, FAILED):
        raise Conflict("agent-stopped", id=instance.id)
    queue = rows.tasks.get(fold(instance.id), {})
    room = (agent.config or _DEFAULTS).task_queue_size
    if len(queue) - len(under_way(rows, instance)) >= room:
        raise TooManyRequests("task-queue", limit=room, have=len(queue))
    rows.tasks.setdefault(fold(instance.id), queue)[command.task.id] = command.task
    rows.touched_instances.setdefault((fold(instance.node), fold(instance.id)), False)


def finish_task(rows: Rows, index: int, time: float, command: FinishTask) -> None:
    """Take a task out of its queue and count it. Without effect if it is not there."""
    key = fold(command.service_id)
    queue = rows.tasks.get(key, {})
    if queue.pop(command.task_id, None) is None:
        return
    if not queue:
        del rows.tasks[key]
    counters = rows.counters
    if command.succeeded:
        rows.counters = replace(counters, tasks_executed=counters.tasks_executed + 1)
    else:
        rows.counters = replace(counters, tasks_failed=counters.tasks_failed + 1)
    rows.touched_instances.setdefault((fold(rows.server.node), key), False)


def under_way(rows: Rows, instance: Instance) -> list[Task]:
    """The tasks that an agent works on: the first ones in its queue, while it runs."""
    agent = instance.agent or UNTOLD
    if agent.state not in ("", RUNNING):
        return []
    tasks = rows.tasks.get(fold(instance.id), {})
    return list(islice(tasks.values(), (agent.config or _DEFAULTS).max_concurrent_tasks))
