"""Parameters that many endpoints share: enterprise selectors, datacenter, read mode, blocking.

Owns their order and their errors; what they mean for an answer is `reads.py`.
Source: common.md §3, §8.1, §9, §10.
"""

import re

from msgspec import Struct

from registry.api.call import Call
from registry.errors import InvalidRequest
from registry.model.duration import nanoseconds

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_UNSIGNED = re.compile(r"[0-9]+")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_LARGEST_INDEX = 2**64 - 1
_LARGEST_INTEGER = 2**63 - 1
_MOST_DIGITS = 21  # more than the largest number of 64 bits has
_JITTER_SHARE = 16  # a wait is stretched by up to a sixteenth of itself


class ReadOptions(Struct, frozen=True):
    """How a read wants to be answered: its mode, and from which index on it waits how long.

    `revalidate` asks a cache to look again, which only matters where one keeps answers for a time.
    """

    mode: str = "leader"
    min_index: int = 0
    wait_seconds: float = 0.0
    cached: bool = False
    revalidate: bool = False


def boolean(text: str) -> bool | None:
    """What Go's ParseBool makes of a text; None when it is no boolean."""
    return True if text in _TRUE else False if text in _FALSE else None


def integer(text: str, reason: str) -> int:
    """What Go's Atoi makes of a text.

    Raises:
        InvalidRequest: of this reason; `problem` is Go's text.
    """
    if not _INTEGER.fullmatch(text):
        raise InvalidRequest(reason, text=text, problem="invalid syntax")
    negative, number = text.startswith("-"), _whole(text.lstrip("+-"))
    if number > _LARGEST_INTEGER + negative:
        raise InvalidRequest(reason, text=text, problem="value out of range")
    return -number if negative else number


def refuse_enterprise(call: Call) -> None:
    """Refuse a namespace or a partition, which the community edition does not have.

    Raises:
        InvalidRequest: `enterprise`.
    """
    if call.headers.get("X-Consul-Namespace"):
        raise InvalidRequest("enterprise", where="header", name="X-Consul-Namespace", what="Namespaces are")
    if call.query.value("ns"):
        raise InvalidRequest("enterprise", where="query parameter", name="ns", what="Namespaces are")
    refuse_partition(call)


def refuse_partition(call: Call) -> None:
    """Refuse a partition alone, for the endpoints that look at nothing else.

    Raises:
        InvalidRequest: `enterprise`.
    """
    if call.headers.get("X-Consul-Partition"):
        raise InvalidRequest("enterprise", where="header", name="X-Consul-Partition", what="Partitions are")
    if call.query.value("partition"):
        raise InvalidRequest("enterprise", where="query parameter", name="partition", what="Partitions are")


def refuse_foreign_datacenter(call: Call, *, of_body: str = "") -> None:
    """Refuse a datacenter that is not exactly ours; `datacenter` counts before `dc`, and both before the body's.

    Raises:
        InvalidRequest: `datacenter`.
    """
    wanted = call.query.value("datacenter") or call.query.value("dc") or of_body
    if wanted and wanted != call.engine.state.server.datacenter:
        raise InvalidRequest("datacenter")


def read_options(call: Call) -> ReadOptions:
    """Mode, cache directives, wait and index of a read, in the order Consul looks at them.

    Raises:
        InvalidRequest: `consistency-conflict`, `cached-conflict`, `max-stale`, `cache-control`, `wait`, `index`.
    """
    query = call.query
    if not query and "Cache-Control" not in call.headers:
        return ReadOptions()
    mode = _mode(call)
    revalidate = _revalidates(call.headers.get("Cache-Control", ""))
    wait, min_index = blocking(call)
    return ReadOptions(mode, min_index, wait, "cached" in query and call.server.settings.use_cache, revalidate)


def _mode(call: Call) -> str:
    query = call.query
    stale, consistent = "stale" in query, "consistent" in query
    max_stale = query.value("max_stale")
    if max_stale:
        try:
            stale = nanoseconds(max_stale) > 0 or stale
        except InvalidRequest:
            raise InvalidRequest("max-stale", value=max_stale) from None
    if stale and consistent:
        raise InvalidRequest("consistency-conflict")
    if "cached" in query and consistent:
        raise InvalidRequest("cached-conflict")
    return "stale" if stale else "consistent" if consistent else "leader"


def _revalidates(cache_control: str) -> bool:
    """Whether the header wants a fresh answer; a directive that needs a number of seconds must have one."""
    found = False
    for part in cache_control.lower().split(",") if cache_control else ():
        name, equals, value = part.strip().partition("=")
        if name in ("max-age", "stale-if-error") and equals:
            if not _INTEGER.fullmatch(value) or (seconds := _whole(value.lstrip("+-"))) > _LARGEST_INTEGER:
                raise InvalidRequest("cache-control")
            found = found or (name == "max-age" and seconds == 0)
        found = found or name == "must-revalidate"
    return found


def blocking(call: Call) -> tuple[float, int]:
    """The wait (seconds, stretched by chance, within bounds) and the index of a blocking read.

    Raises:
        InvalidRequest: `wait`, `index`.
    """
    query, settings = call.query, call.server.settings
    wait = 0.0
    if text := query.value("wait"):
        try:
            wait = nanoseconds(text) / 1e9
        except InvalidRequest:
            raise InvalidRequest("wait") from None
    if wait <= 0:
        wait = settings.default_query_seconds
    wait = min(wait, settings.max_query_seconds)
    text = query.value("index")
    if text and not _UNSIGNED.fullmatch(text):
        raise InvalidRequest("index")
    index = _whole(text)
    if index > _LARGEST_INDEX:
        raise InvalidRequest("index")
    return wait * (1 + call.engine.random() / _JITTER_SHARE), index


def _whole(digits: str) -> int:
    """The number, or one that is too large where it is: Python refuses to read thousands of digits."""
    digits = digits.lstrip("0")[:_MOST_DIGITS]
    return int(digits or "0")


def node_meta(call: Call) -> tuple[tuple[str, str], ...]:
    """The `node-meta` selectors: key and value, split at the first colon."""
    return tuple((key, value) for key, _, value in (one.partition(":") for one in call.query.values("node-meta")))
