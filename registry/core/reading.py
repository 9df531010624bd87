"""What readers outside the core may use: the state as queries receive it, questions and answers.

The edges never import `state` themselves; its type and its pure functions reach them through here.
"""

from registry.core.topics import Answer, Question
from registry.state.queries import tags_by_service
from registry.state.store import State

__all__ = ["Answer", "Question", "State", "tags_by_service"]
