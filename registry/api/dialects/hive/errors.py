"""The words and codes for errors. Source: dialects.md §5.4, §5.6 and M-14."""

from typing import Any

import grpc

from registry.errors import LogUnavailable, RequestError

Code: Any = grpc.StatusCode

# reason of an error → its code and text; clients look for "não encontrado" to decide to register again
WORDS: dict[str, tuple[Any, str]] = {
    "agent": (Code.NOT_FOUND, "Agente {id} não encontrado"),
    "agent-id": (Code.INVALID_ARGUMENT, "agent_id: {id!r} is no agent, and no UUID"),
    "agent-type": (Code.INVALID_ARGUMENT, "agent_type: {number} is not within {least} to 4"),
    "capabilities": (Code.INVALID_ARGUMENT, "capabilities: at least one is required"),
    "message": (Code.INVALID_ARGUMENT, "the bytes of the call are no {wanted}"),
    "metadata-limit": (
        Code.INVALID_ARGUMENT, "metadata of {size} bytes, at most {limit} are taken (max_metadata_bytes)"
    ),
    "name-limit": (
        Code.INVALID_ARGUMENT, "a name of {size} characters, at most {limit} are taken (max_name_characters)"
    ),
    "network": (Code.PERMISSION_DENIED, "writes are not taken from {remote}"),
    "pending-writes": (
        Code.RESOURCE_EXHAUSTED, "{have} writes wait already, at most {limit} may (max_pending_writes)"
    ),
    "slow-watcher": (
        Code.RESOURCE_EXHAUSTED, "{limit} events wait to be read already (hive_watch_events); watch anew"
    ),
    "telemetry": (Code.INVALID_ARGUMENT, "telemetry.{field}: {value} is not {wanted}"),
    "token": (Code.UNAUTHENTICATED, "authorization: {problem}"),
    "token-method": (Code.PERMISSION_DENIED, "{subject} may not call {method}"),
    "type-reserved": (Code.INVALID_ARGUMENT, "{field}: {name} is the registry's own service"),
}  # fmt: skip

MOST_CHARACTERS = 256  # of a caller's own words in a text, which travels in a header of 16 KiB at most

_CODES = {
    400: Code.INVALID_ARGUMENT, 403: Code.PERMISSION_DENIED, 404: Code.NOT_FOUND, 409: Code.FAILED_PRECONDITION,
    413: Code.INVALID_ARGUMENT, 429: Code.RESOURCE_EXHAUSTED,
}  # fmt: skip


def answer_to(error: RequestError | LogUnavailable) -> tuple[Any, str]:
    """The code and the text of an error."""
    if isinstance(error, LogUnavailable):
        outcome = "whether it was stored is not known" if error.unknown else "nothing changed"
        return Code.UNAVAILABLE, f"{error.reason}; {outcome}"
    code, text = WORDS.get(error.reason, (_CODES.get(error.status, Code.UNKNOWN), error.reason))
    return code, text.format(**{name: _shortened(value) for name, value in error.values.items()})


def _shortened(value: Any) -> Any:
    return f"{value[:MOST_CHARACTERS]}…" if isinstance(value, str) and len(value) > MOST_CHARACTERS else value
