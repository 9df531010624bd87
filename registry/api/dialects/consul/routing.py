"""How a request finds its endpoint: Consul's rules, which are those of Go's request multiplexer.

Owns redirects, 404, 405, OPTIONS and what is refused before any handler runs. The table is `routes.py`.
Source: common.md §1, §2, §7.
"""

import html
import ipaddress
import posixpath
import re
from urllib.parse import quote

from registry.api.call import Endpoint
from registry.api.dialect import Match
from registry.api.dialects.consul.routes import ANY_METHOD, ROUTES
from registry.api.query import Query, unescaped, unescaped_bytes
from registry.api.reply import Reply, header_lines, text_reply
from registry.errors import InvalidRequest

_NO_V1 = "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n"
_NO_ROUTE = "Invalid URL path: not a recognized HTTP API endpoint\n"
_NO_PAGES = "Consul Agent: UI disabled. To enable, set ui_config.enabled=true in the agent configuration and restart."
_UNCLEAN = re.compile(r"//|/\.\.?(?:/|$)")
_PLAIN = "$&+,/:;=@~"  # beside letters, digits and -._ what Go writes into a path as it stands
_TAKEN_AS_SENT = re.compile(r"[\w$&+,/:;=@~.!'()*\[\]%-]*", re.ASCII)  # else it is escaped anew before it is cleaned
_DEPTH = max(path.count("/") for path in ROUTES)


class Routing:
    """The table of routes with the endpoints that are built."""

    def __init__(
        self,
        endpoints: list[Endpoint],
        *,
        block_endpoints: tuple[str, ...] = (),
        allow_write_from: tuple[str, ...] = (),
    ) -> None:
        """Args:
        endpoints: those of the dialect that are built; every path must be among Consul's routes.
        block_endpoints: path prefixes that are answered with 403 (`http_config.block_endpoints`).
        allow_write_from: networks that may write; none named: all (`http_config.allow_write_http_from`).
        """
        self._blocked = block_endpoints
        self._writers = tuple(ipaddress.ip_network(one, strict=False) for one in allow_write_from)
        self._handlers: dict[str, dict[str, Endpoint]] = {path: {} for path in ROUTES}
        for one in endpoints:
            self._handlers[one.path][one.method] = one

    def match(self, method: str, raw_path: str, raw_query: str, remote: str) -> Match:
        """The endpoint of a request, or the answer that routing itself gives."""
        if raw_path == "*" and method == "OPTIONS":
            return _itself("*", Reply(content_type=None), bare=True)  # about the server as a whole
        try:
            path = unescaped(raw_path)
        except InvalidRequest:
            return _itself("bad-path", text_reply(400, "400 Bad Request"), bare=True)
        if not path.isprintable() and any(not one.isprintable() and one != " " for one in path):
            return _itself("unprintable", Reply(status=400, content_type=None), bare=True)
        if _UNCLEAN.search(raw_path):
            return _redirect(method, _cleaned(raw_path), raw_query)
        route = self._route(path)
        if route is None:
            return self._unknown(method, path, raw_path, raw_query)
        return self._at(route, method, path, raw_query, remote)

    def _route(self, path: str) -> str | None:
        """The longest route that the path matches; none where the path only lacks a prefix's slash."""
        if path in ROUTES and not path.endswith("/"):
            return path
        if path + "/" in ROUTES:
            return None
        end = len(path) if path.count("/") <= _DEPTH else _nth_slash(path, _DEPTH) + 1
        while (end := path.rfind("/", 0, end)) > 0:
            if path[: end + 1] in ROUTES:
                return path[: end + 1]
        return None

    def _unknown(self, method: str, path: str, raw_path: str, raw_query: str) -> Match:
        if path + "/" in ROUTES:
            return _redirect(method, raw_path + "/", raw_query)
        if path == "/":
            return _itself("/", text_reply(200, _NO_PAGES), bare=True)
        text = _NO_ROUTE if "/v1/" in path else _NO_V1
        return _itself("unknown", text_reply(404, text), bare=True)

    def _at(self, route: str, method: str, path: str, raw_query: str, remote: str) -> Match:
        refusal = self._refusal(route, method, path, remote)
        if refusal is not None:
            return _itself(route, refusal if _readable(raw_query) else text_reply(500, ""))
        handlers = self._handlers[route]
        endpoint = handlers.get(method) or handlers.get(ANY_METHOD)
        if endpoint is None:
            return _itself(route, text_reply(404, _NO_ROUTE), bare=True)
        argument = path[len(route) :] if route.endswith("/") else ""
        return Match(route, endpoint.handler, argument, path)

    def _refusal(self, route: str, method: str, path: str, remote: str) -> Reply | None:
        """The answer to a request that its endpoint is not to see."""
        allowed = ROUTES[route]
        if any(path.startswith(prefix) for prefix in self._blocked):
            return text_reply(403, "Endpoint is blocked by agent configuration")
        if method == "OPTIONS" and allowed:
            return Reply(headers=_allow(allowed))
        if allowed and method not in allowed:
            return text_reply(405, f"method {method} not allowed", _allow(allowed))
        if self._writers and method != "GET" and not self._may_write(remote):
            return text_reply(403, "Access is restricted")
        return None

    def _may_write(self, remote: str) -> bool:
        address = ipaddress.ip_address(remote.partition("%")[0])
        return any(address in network for network in self._writers)


def _itself(route: str, reply: Reply, *, bare: bool = False) -> Match:
    reply.bare = bare
    return Match(route, reply=reply)


def _readable(raw_query: str) -> bool:
    """Whether the query can be read; one that cannot is an error before anything else (common.md §3)."""
    try:
        Query(raw_query)
    except InvalidRequest:
        return False
    return True


def _allow(methods: tuple[str, ...]) -> bytes:
    return header_lines(("Allow", ",".join(("OPTIONS", *methods))))


def _nth_slash(path: str, count: int) -> int:
    at = -1
    for _ in range(count):
        at = path.find("/", at + 1)
    return at


def _cleaned(raw_path: str) -> str:
    """The escaped path without empty, `.` and `..` parts; a trailing slash stays.

    Go takes it for one that is not escaped yet, and escapes it once more (kv.md §1).
    Source: https://pkg.go.dev/net/url#URL.EscapedPath.
    """
    sent = raw_path if _TAKEN_AS_SENT.fullmatch(raw_path) else quote(unescaped_bytes(raw_path), safe=_PLAIN)
    clean = quote(posixpath.normpath("/" + sent.lstrip("/")), safe=_PLAIN)
    return clean + "/" if raw_path.endswith("/") and clean != "/" else clean


def _redirect(method: str, location: str, raw_query: str) -> Match:
    """A redirect with the query kept, worded as Go words it."""
    if raw_query:
        location = f"{location}?{raw_query}"
    body, content_type = b"", None
    if method in ("GET", "HEAD"):
        content_type = "text/html; charset=utf-8"
        shown = html.escape(location).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
        body = f'<a href="{shown}">Moved Permanently</a>.\n\n'.encode("utf-8", "replace")
    reply = Reply(301, body, content_type, header_lines(("Location", location)))
    return _itself("redirect", reply, bare=True)
