"""Which request an event belongs to, for events that arise far from where the request came in.

Owns the id of the current request. It goes with the task that answers, and with a write to where it is applied.
"""

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

REQUEST_ID: ContextVar[str] = ContextVar("registry_request_id", default="")


def add_request_id(_: object, __: str, values: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that adds the id of the current request, if the event does not name one itself."""
    request_id = REQUEST_ID.get()
    if request_id:
        values.setdefault("request_id", request_id)
    return values
