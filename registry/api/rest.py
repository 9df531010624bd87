"""A REST dialect: paths with one named segment, words for errors in a table, JSON objects as errors.

Owns routing and the shape of errors for the dialects of agents, which were Go programs of one kind: an unknown path or
method is 404, slashes too many do not count, and a network that may not write is told so. What an endpoint does is its
dialect's. Source: dialects.md §1.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

import msgspec

from registry.api.call import Endpoint
from registry.api.dialect import Match
from registry.api.query import unescaped
from registry.api.reply import Reply, text_reply
from registry.errors import InvalidRequest, LogError, LogUnavailable, PermissionDenied, RequestError

JSON = "application/json; charset=utf-8"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

_encoder = msgspec.json.Encoder(order="deterministic")  # maps by their keys, as Go writes them

Words = Mapping[str, tuple[int, str]]  # reason of an error → status and text

# What every REST dialect says alike; a dialect's own words go before these.
WORDS: dict[str, tuple[int, str]] = {
    "body": (413, "the body has {size} bytes, at most {limit} are taken"),
    "body-broken": (400, "the body did not arrive as announced"),
    "body-json": (400, "{problem}"),
    "body-limit": (413, "the body has {size} bytes, at most {limit} are taken (max_body_bytes)"),
    "body-slow": (408, "the body did not go on for {seconds:g}s, after {size} bytes (request_body_seconds)"),
    "field": (400, "{field}: {problem}"),
    "metadata-limit": (413, "metadata of {size} bytes, at most {limit} are taken (max_metadata_bytes)"),
    "name-limit": (413, "a name of {size} characters, at most {limit} are taken (max_name_characters)"),
    "network": (403, "writes are not taken from {remote}"),
    "pending-writes": (429, "{have} writes wait already, at most {limit} may (max_pending_writes)"),
    "query-escape": (400, "the query string cannot be read"),
    "type-reserved": (400, "{field}: {name} is the registry's own service"),
}


def json_reply(value: Any, status: int = 200, headers: bytes = b"") -> Reply:
    """Compact JSON, as shell scripts of these systems cut it up with regular expressions."""
    return Reply(status=status, body=_encoder.encode(value), content_type=JSON, headers=headers)


def _segment(route: tuple[str, ...]) -> int | None:
    """Where the `{segment}` of a route is."""
    return next((at for at, part in enumerate(route) if part.startswith("{")), None)


class RestDialect:
    """One dialect over a table of endpoints whose routes have at most one `{segment}`."""

    always = b""
    telling_headers: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        endpoints: list[Endpoint],
        words: Words,
        *,
        owned: tuple[str, ...] = (),
        allow_write_from: tuple[str, ...] = (),
    ) -> None:
        """Args:
        words: the dialect's own, which go before `WORDS`.
        owned: first segments of paths that are this dialect's whether there is such a route or not.
        allow_write_from: networks that may write; none named: all.
        """
        self.name = name
        self._words = {**WORDS, **words}
        self._owned = tuple(tuple(path.strip("/").split("/")) for path in owned)
        self._writers = tuple(ipaddress.ip_network(one, strict=False) for one in allow_write_from)
        routes = [(tuple(one.route.strip("/").split("/")), one) for one in endpoints]
        self._first = frozenset(route[0] for route, _ in routes) | frozenset(path[0] for path in self._owned)
        self._exact = {(one.method, route): one for route, one in routes if _segment(route) is None}
        self._around: dict[tuple[str, int], list[tuple[int, tuple[str, ...], Endpoint]]] = {}  # what is fixed
        for route, one in routes:
            at = _segment(route)
            if at is not None:
                fixed = (at, route[:at] + route[at + 1 :], one)
                self._around.setdefault((one.method, len(route)), []).append(fixed)

    def match(self, method: str, raw_path: str, raw_query: str, remote: str) -> Match | None:
        """The endpoint of a request; 404 where the path is this dialect's and nothing is there."""
        first = raw_path.lstrip("/").partition("/")[0]
        if first not in self._first:
            return None
        segments = tuple(part for part in raw_path.split("/") if part)
        found = self._endpoint(method, segments)
        if found is None:
            if any(segments[: len(path)] == path for path in self._owned):
                return Match("unknown", path=raw_path, reply=text_reply(404, "404 page not found"))
            return None
        endpoint, segment = found
        try:
            argument = unescaped(segment)
        except InvalidRequest:
            return Match("bad-path", path=raw_path, reply=text_reply(400, "400 Bad Request"))
        if method not in _READS and not self._may_write(remote):
            refusal = self.error_reply(PermissionDenied("network", remote=remote))
            return Match(endpoint.route, path=raw_path, reply=refusal)
        return Match(endpoint.route, endpoint.handler, argument, path=raw_path)

    def _endpoint(self, method: str, segments: tuple[str, ...]) -> tuple[Endpoint, str] | None:
        """The endpoint and its segment; one without a segment goes before one with."""
        exact = self._exact.get((method, segments))
        if exact is not None:
            return exact, ""
        for at, fixed, endpoint in self._around.get((method, len(segments)), ()):
            if segments[:at] + segments[at + 1 :] == fixed:
                return endpoint, segments[at]
        return None

    def _may_write(self, remote: str) -> bool:
        if not self._writers or not remote:
            return True
        address = ipaddress.ip_address(remote)
        return any(address in network for network in self._writers)

    def error_reply(self, error: RequestError | LogError) -> Reply:
        """`{"error": text}` with the dialect's words."""
        if isinstance(error, RequestError):
            status, text = self._words.get(error.reason, (error.status, error.reason))
            return json_reply({"error": text.format(**error.values)}, status)
        if not isinstance(error, LogUnavailable):
            return self.crash_reply()
        outcome = "whether it was stored is not known" if error.unknown else "nothing changed"
        return json_reply({"error": f"{error.reason}; {outcome}"}, error.status)

    def crash_reply(self) -> Reply:
        """What a fault of ours looks like from outside."""
        return json_reply({"error": "internal error; the server's log has the details under this request's id"}, 500)

    def indented(self, body: bytes, *, newline: bool) -> bytes:
        """As it is: these answers are compact always."""
        return body
