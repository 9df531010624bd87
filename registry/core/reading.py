"""What readers outside the core may use: the state as queries receive it, questions and answers, how the store is.

The edges never import `state` or `log` themselves; their types and pure functions reach them through here.
"""

from registry.core.digest import digest_of
from registry.core.topics import Answer, Question
from registry.log.base import Contact
from registry.state.queries import tags_by_service
from registry.state.store import State
from registry.state.transactions import look_up_all

__all__ = ["Answer", "Contact", "Question", "State", "digest_of", "look_up_all", "tags_by_service"]
