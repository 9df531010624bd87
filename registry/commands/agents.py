"""Writes of the agents' dialects: registration, news of an agent, its lifecycle and its tasks. All are of level 3.

Source: dialects.md §2, §4.3, §8.5; the rules are in `state/agents.py` and `state/tasks.py`.
"""

from typing import Any

from msgspec import Struct

from registry.model.agent import Task, Telemetry
from registry.model.check import Check
from registry.model.service import Instance


class RegisterAgent(Struct, frozen=True, gc=False, omit_defaults=True, tag="register-agent", kw_only=True):
    """Write an instance that has an agent, with its liveness check, which begins as alive.

    An agent that exists keeps its source, its lifecycle and its age. `status` is what it reports, "" for no change.
    `most` is how many agents of its source may exist that are not stopped, 0 for any number.
    With `replace_dead` twins (same type, name and address) that are unreachable go. `checks` are further ones of the
    instance; one that is there already keeps its status.
    """

    service: Instance
    status: str = ""
    most: int = 0
    replace_dead: bool = False
    checks: tuple[Check, ...] = ()


class UpdateAgent(Struct, frozen=True, gc=False, omit_defaults=True, tag="update-agent", kw_only=True):
    """A sign of life of a local instance, whoever registered it, with what else it says.

    `status` is passing, warning or critical, "" for no change. `metadata` is merged key by key. An agent that was
    removed for its silence not too long ago comes back.
    """

    service_id: str
    status: str = ""
    metadata: dict[str, Any] | None = None
    telemetry: Telemetry | None = None


class MoveAgent(Struct, frozen=True, gc=False, omit_defaults=True, tag="move-agent"):
    """Take an agent to another state of its lifecycle: `verb` is start, stop, pause, resume or restart."""

    service_id: str
    verb: str


class RemoveAgent(Struct, frozen=True, gc=False, omit_defaults=True, tag="remove-agent"):
    """Remove a local instance for good, so that no beat can bring it back."""

    service_id: str


class SubmitTask(Struct, frozen=True, gc=False, omit_defaults=True, tag="submit-task"):
    """Put a task into an agent's queue."""

    service_id: str
    task: Task


class FinishTask(Struct, frozen=True, gc=False, omit_defaults=True, tag="finish-task"):
    """A task is done, or has failed for good. Without effect if the task is gone."""

    service_id: str
    task_id: str
    succeeded: bool
