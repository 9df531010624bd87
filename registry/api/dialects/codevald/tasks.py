"""Tasks for agents: taken into the agent's queue, worked off by `registry/tasks`.

Source: dialects.md §4.2, SubmitTask, and §4.3.
"""

from registry.api.call import Call
from registry.api.dialects.codevald.bodies import task_of
from registry.api.dialects.codevald.routes import endpoint
from registry.api.dialects.codevald.wire import TaskReply
from registry.api.lenient import Fields
from registry.api.reply import Reply
from registry.api.rest import json_reply


@endpoint("POST", "/api/v1/agents/{id}/tasks", source="dialects.md §4.2, SubmitTask")
async def submit(call: Call) -> Reply:
    """Queue a task; 202 once it is stored, whenever it will be done.

    Errors: 409 for an agent that has stopped, or is of a system that takes no tasks; 503 when its queue is full.
    """
    task = task_of(Fields.of(await call.body(call.server.settings.max_task_bytes)))
    await call.engine.agents.submit(call.argument, task)
    return json_reply(TaskReply(call.argument, "task submitted successfully", task.id), 202)
