"""The table of CodeValdCortex's endpoints, and its words for errors."""

from registry.api.call import Endpoints
from registry.api.rest import Words

endpoint = Endpoints()

WORDS: Words = {
    "agent": (404, "agent not found"),
    "agent-limit": (429, "agent limit reached: {limit}"),
    "agent-no-tasks": (409, "agent does not accept tasks"),
    "agent-stopped": (409, "agent is stopped"),
    "body": (413, "a task of {size} bytes, at most {limit} are taken (max_task_bytes)"),
    "cannot-pause": (400, "cannot pause agent in state: {state}"),  # 400 as the later revisions, which have it
    "cannot-resume": (400, "cannot resume agent in state: {state}"),
    "cannot-start": (409, "cannot start agent in state: {state}"),
    "healthy": (400, "healthy: {text} where true or false is needed"),
    "missing": (400, "{field} is required"),
    "range": (400, "{field}: {value} is not within {least} to {most}"),
    "task-queue": (503, "task queue is full"),
}
