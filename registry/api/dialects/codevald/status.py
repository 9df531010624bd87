"""What the runtime says of itself; `/health` is one for all dialects (§7.2).

Source: dialects.md §4.1 and §4.2, RuntimeMetrics.
"""

from registry import __version__
from registry.api.agents import newest_wanted
from registry.api.call import Call
from registry.api.dialects.codevald.routes import endpoint
from registry.api.dialects.codevald.wire import RuntimeMetrics, StatusReply
from registry.api.reply import Reply
from registry.api.rest import json_reply
from registry.model.agent import CODEVALD


@endpoint("GET", "/api/v1/metrics", source="dialects.md §4.2, RuntimeMetrics")
async def metrics(call: Call) -> Reply:
    """Counts since the log began, and of this moment; all from the state, so a restart changes none."""
    await newest_wanted(call)
    state = call.engine.state
    counted = state.counters
    figures = RuntimeMetrics(
        total_agents_created=counted.created,
        total_agents_stopped=counted.stopped,
        total_tasks_executed=counted.tasks_executed,
        total_tasks_failed=counted.tasks_failed,
        current_active_agents=state.working.get(CODEVALD, 0),
        current_running_tasks=sum(len(under_way) for _, under_way in state.queues()),
    )
    return json_reply(figures)


@endpoint("GET", "/api/v1/status", source="dialects.md §4.1")
async def status(call: Call) -> Reply:
    """Always running: whoever is not does not answer."""
    return json_reply(StatusReply("CodeValdCortex", "running", __version__))
