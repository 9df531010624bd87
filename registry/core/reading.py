"""What the edges may use of the layers below: the state, questions and answers, the condition of the store.

An edge never imports `state` or `log` itself; it gets their types and pure functions from here.
"""

from registry.core.digest import digest_of
from registry.core.topics import Answer, Question
from registry.log.base import Contact
from registry.state.queries import tags_by_service
from registry.state.store import State
from registry.state.transactions import look_up_all

__all__ = ["Answer", "Contact", "Question", "State", "digest_of", "look_up_all", "tags_by_service"]
