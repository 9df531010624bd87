"""The lifecycle of agents, of this system or any other: start, stop, and the later pause, resume and restart.

Source: dialects.md §4.1 and §4.3; what each allows is `state/agents.py`.
"""

from registry.api.call import Call
from registry.api.dialects.codevald.agents import shown
from registry.api.dialects.codevald.routes import endpoint
from registry.api.reply import Reply
from registry.errors import Conflict


@endpoint("POST", "/api/v1/agents/{id}/start", source="dialects.md §4.3")
async def start(call: Call) -> Reply:
    """Let it run: from then on it gives signs of life, and works at its tasks. 409 when it runs."""
    return await _moved(call, "start")


@endpoint("POST", "/api/v1/agents/{id}/stop", source="dialects.md §4.3 and §4.4, row 3")
async def stop(call: Call) -> Reply:
    """Let it stop; one that has stopped stays as it is."""
    return await _moved(call, "stop")


@endpoint("POST", "/api/v1/agents/{id}/pause", source="dialects.md §4.1, later revisions")
async def pause(call: Call) -> Reply:
    """Let it live on without working. 400 unless it runs."""
    return await _moved(call, "pause")


@endpoint("POST", "/api/v1/agents/{id}/resume", source="dialects.md §4.1, later revisions")
async def resume(call: Call) -> Reply:
    """Let it work again. 400 unless it is paused."""
    return await _moved(call, "resume")


@endpoint("POST", "/api/v1/agents/{id}/restart", source="dialects.md §4.1, later revisions")
async def restart(call: Call) -> Reply:
    """Let it run, whatever it did."""
    return await _moved(call, "restart")


async def _moved(call: Call, verb: str) -> Reply:
    try:
        record = await call.engine.agents.move(call.argument, verb)
    except Conflict as refused:
        raise Conflict(f"cannot-{verb}", state=refused.values["state"]) from None
    return await shown(call, record)
