"""What any answer must be like, whatever was asked.

Owns the 5xx answers that Consul would give too, and the shape of bodies and headers. What HTTP itself asks for
is `wire.py`; that a refusal changes nothing is `target.py`.
"""

import gzip
import json
import re
import zlib
from string import Formatter
from typing import Any, NoReturn

from registry.api.dialects.consul.errors import TABLE
from tests.fuzz.wire import Answer

ANY_QUERY = "?%"  # a target that any refusal of a query may belong to
STATUSES = frozenset({200, 301, 400, 401, 403, 404, 405, 409, 413, 429, 431, 500, 503})
INDEX_HEADERS = ("x-consul-index", "x-consul-knownleader", "x-consul-lastcontact", "x-consul-query-backend")
FEWER_HEADERS = {"/v1/event/list": ["x-consul-index"], "/v1/txn": ["x-consul-knownleader", "x-consul-lastcontact"]}
_LOCAL_HEALTH = "/v1/agent/health/service/"  # says how a service is by its status: 429 and 503 are answers there
_LEAKS = re.compile(r"Traceback|File \"|site-packages|/registry/|\.py\b|0x[0-9a-f]{8,}>")

# A quoted text of Go's, and the texts of a filter that is wrong (common.md §12.3).
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_FILTER = (
    rf"(?:Selector {_QUOTED} is not valid|Invalid match operator {_QUOTED} for selector {_QUOTED}"
    rf"|Failed to coerce value {_QUOTED} for selector {_QUOTED}: strconv\.Parse(?:Int|Uint|Bool|Float): .*"
    rf"|Failed to compile regular expression {_QUOTED}: error parsing regexp: .*"
    r"|\d+:\d+ \(\d+\): .*)"
)
_NUMBER = r"(?:invalid syntax|value out of range)"
_MULTI_ERROR = r"(?:1 error|\d+ errors) occurred:\n(?:\t\* .*\n)+\n"

# Reasons whose whole text, or its end, comes from elsewhere: what the contract knows of it.
PROBLEMS = {
    "agent-check-filter": _FILTER,
    "catalog-node-id": r"(?:uuid string is wrong length|uuid is improperly formatted|encoding/hex: .*)",
    "catalog-service-invalid": _MULTI_ERROR,
    "event-filter": r"error parsing regexp: .*",
    "filter-selector": _FILTER,
    "filter-syntax": _FILTER,
    "join": r"(?:1 error|\d+ errors) occurred:\n(?:\t\* Failed to (?:join|resolve) .*\n)+\n",
    "prepared-template": r"Bad .*",
    "query-id": r"UUID must be 36 characters",
    "query-invalid": r"(?:Must be bound to a session|Must provide a Service name to query|Bad NearestN .*"
    r"|Targets cannot be populated with NearestN or Datacenters|Couldn't load metadata pair .*"
    r"|sameness-groups are an enterprise-only feature|Bad Token .*|Bad DNS TTL .*|DNS TTL .*)",
    "query-limit": _NUMBER,
    "query-render": r"Bad (?:format|evaluation) .*",
    "session-ttl": r"time: .*",
    "snapshot": r"failed to (?:decompress snapshot|read snapshot file|read snapshot (?:metadata|data)): .*",
    "unsigned": _NUMBER,
    "stored-meta": r"(?:Couldn't load metadata pair \('.*', '.*'\): .*"
    r"|Node metadata cannot contain more than 64 key/value pairs)",
}


def _pattern(reason: str, template: str) -> str:
    """The texts that a row of the table of errors can become."""
    parts = []
    for literal, field, _, conversion in Formatter().parse(template):
        parts.append(re.escape(literal))
        if field == "problem":
            parts.append(PROBLEMS[reason])
        elif field is not None:
            parts.append(_QUOTED if conversion == "q" else ".*")
    return "".join(parts)


ALLOWED_500 = {
    reason: re.compile(_pattern(reason, text), re.DOTALL) for reason, (status, text) in TABLE.items() if status == 500
}


def problems(target: str, answer: Answer) -> list[str]:
    """Everything that is wrong with an answer."""
    return [*_status_problems(target, answer), *_header_problems(target, answer), *_body_problems(answer)]


def _status_problems(target: str, answer: Answer) -> list[str]:
    text = answer.body.decode("utf-8", "replace")
    if answer.status not in STATUSES:
        return [f"nobody expects status {answer.status}"]
    if answer.status == 500:
        reasons = [reason for reason, pattern in ALLOWED_500.items() if pattern.fullmatch(text)]
        if not reasons:
            return ["a 500 that is not Consul's"]
        if reasons == ["query-escape"] and not re.search(r"%(?![0-9A-Fa-f]{2})|;", target.partition("?")[2]):
            return ["a 500 without a text, but the query can be read"]
    if answer.status in (429, 503) and "x-consul-reason" not in answer.headers:
        return [f"{answer.status} although the store is well"]
    return []


def _header_problems(target: str, answer: Answer) -> list[str]:
    """Index headers come together, and an index is never 0 (common.md §6)."""
    found = []
    present = [name for name in INDEX_HEADERS if name in answer.headers]
    if (
        present
        and len(present) < len(INDEX_HEADERS)
        and not any(path in target and present == names for path, names in FEWER_HEADERS.items())
    ):
        found.append(f"of the index headers only {present}")
    index = answer.headers.get("x-consul-index", "1")
    if not index.isdecimal() or int(index) < 1:
        found.append(f"this is no index: {index!r}")
    if "date" not in answer.headers and not answer.closes:
        found.append("no date")
    return found


def _body_problems(answer: Answer) -> list[str]:
    """JSON is JSON, with every key once; text is text; nothing of our insides is in it."""
    try:
        body = _unpacked(answer)
        text = body.decode()
        if body and answer.headers.get("content-type", "").startswith("application/json"):
            json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        return [f"the body cannot be read: {error}"]
    if answer.status >= 400 and (leak := _LEAKS.search(text)):
        return [f"the body tells of our insides: {leak[0]!r}"]
    return []


def _unpacked(answer: Answer) -> bytes:
    return (
        gzip.decompress(answer.body)
        if answer.headers.get("content-encoding") == "gzip" and answer.body
        else answer.body
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"a key stands twice: {sorted(key for key in keys if keys.count(key) > 1)[0]!r}")
    return dict(pairs)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
