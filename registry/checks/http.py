"""HTTP checks: the status of an answer, with the end of its body.

Owns the request, its redirects and its texts. Connections are kept for the next run where the target keeps
them; all checks of a process share one session. Which urls cannot be asked is in urls.py.
Source: agent.md §8.3, §8.5; Go's net/http.
"""

import asyncio
import re
import ssl
from contextvars import ContextVar
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from registry.checks import dial, gotext, urls
from registry.checks.base import Result, Tail, critical, output_limit, timeout_seconds
from registry.checks.malformed import malformed
from registry.checks.means import Means
from registry.checks.streams import refusal, sendable
from registry.model.check import CRITICAL, PASSING, WARNING, CheckDefinition

MOST_REDIRECTS = 10  # Go's
KEPT_SECONDS = 75.0  # how long an idle connection is kept; most servers drop theirs sooner
_TOO_MANY = 429
_HTTPS_PORT = 443
_LONGEST_LINE_BYTES = 65536  # of the head of an answer: more than a cookie, less than anybody's memory
_MOST_HEADERS = 1000
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_METHOD_KEPT = frozenset({307, 308})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_ONE_HOST = ("Authorization", "Www-Authenticate", "Cookie", "Cookie2")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS_TO_SAY = frozenset({"content-length", "transfer-encoding", "trailer"})  # what the body is says them
_DEFAULTS = (
    ("User-Agent", "Consul Health Check"),
    ("Accept", "text/plain, text/*, */*"),
    ("Accept-Encoding", "gzip"),
)
_UNDER_WAY: ContextVar["_Request | None"] = ContextVar("request", default=None)  # of the task that sends it
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)


class _AsGiven(str):
    """A method that is sent as it is spelt; aiohttp shouts it otherwise."""

    __slots__ = ()

    def upper(self) -> str:
        return self


class _Names(AbstractResolver):
    """Our resolver in the shape that aiohttp asks for."""

    def __init__(self, resolver: dial.Resolver) -> None:
        self._resolver = resolver

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = await self._resolver.addresses(host, port)
        return [
            ResolveResult(hostname=host, host=where[0], port=port, family=family, proto=protocol, flags=0)
            for family, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        """Nothing: the resolver is everybody's."""


def _session(means: Means) -> aiohttp.ClientSession:
    session = means.shared.get(__name__)
    if session is None:
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEPT_SECONDS, resolver=_Names(means.resolver), use_dns_cache=False
        )
        session = means.shared[__name__] = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_NO_LIMIT, request_class=_Noting,
            max_line_size=_LONGEST_LINE_BYTES, max_field_size=_LONGEST_LINE_BYTES, max_headers=_MOST_HEADERS,
        )  # fmt: skip
    return cast(aiohttp.ClientSession, session)


class HttpProbe:
    """Sends the request of the check."""

    def __init__(self, definition: CheckDefinition, means: Means) -> None:
        self._definition = definition
        self._means = means
        self._seconds = timeout_seconds(definition)
        self._limit = output_limit(definition, means.output_max_bytes)
        self._method = definition.method or "GET"
        self._headers = _headers(definition)
        self._wrong_header = _wrong_header(definition)
        self._url: urls.Url | None = None  # that of the definition, once it has been read

    async def run(self) -> Result:
        """Send it once, and again to wherever it is redirected."""
        if not _TOKEN.match(self._method):
            return critical(f"net/http: invalid method {gotext.quoted(self._method)}")
        request = _Request(self._method, self._definition.http, self._headers, self._definition.body.encode())
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            if self._wrong_header:
                urls.parse(request.url)  # what is wrong with it is said first
                return critical(request.failed(self._wrong_header))
            return await self._follow(request, deadline)
        except urls.UrlError as error:
            return critical(str(error))
        except dial.DialError as error:
            return critical(request.failed(str(error)))
        except TimeoutError:
            return critical(request.failed(f"{gotext.DEADLINE} (Client.Timeout exceeded while awaiting headers)"))
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
            return critical(request.failed(await self._failure(error, request)))

    async def _follow(self, request: "_Request", deadline: float) -> Result:
        for redirects in range(MOST_REDIRECTS + 1):
            async with asyncio.timeout_at(deadline):
                response = await self._answer(request)
            async with response:
                where = response.headers.get("Location", "") if response.status in _REDIRECTS else ""
                if not where or self._definition.disable_redirects:
                    return await self._judged(response, deadline)
                if redirects < MOST_REDIRECTS:
                    request.redirect(where, response.status)
        request.url = where  # as the target wrote it
        return critical(request.failed(f"stopped after {MOST_REDIRECTS} redirects"))

    async def _answer(self, request: "_Request") -> aiohttp.ClientResponse:
        url = self._url if request.url == self._definition.http else None
        if url is None:
            url = urls.read(request.url, request.verb)
            if request.url == self._definition.http:
                self._url = url
        name = self._definition.tls_server_name
        tls: ssl.SSLContext | bool = True
        if url.scheme == "https":
            tls = await self._means.tls(self._definition, ("http/1.1",))
            if name and not sendable(name):
                if not self._definition.tls_skip_verify:
                    port = URL(url.text, encoded=True).port or _HTTPS_PORT
                    raise dial.DialError(await refusal(dial.Address(url.host, port), self._means, name))
                name = ""
        headers = request.headers
        if request.method not in _REPEATABLE and "Connection" not in headers:
            headers = headers.copy()  # the target may close a kept connection just as the request is sent,
            headers["Connection"] = "close"  # and this one may not be sent twice to find that out
        if url.named and "Host" not in headers:
            headers = headers.copy()
            headers["Host"] = url.named
        _UNDER_WAY.set(request)
        return await _session(self._means).request(
            _AsGiven(request.method),
            URL(url.text, encoded=True),
            headers=headers,
            data=request.body or None,
            allow_redirects=False,
            ssl=tls,
            server_hostname=name or None,
            proxy=urls.proxy_for(url),
            skip_auto_headers=("Content-Type", "Accept", "User-Agent"),
        )

    async def _judged(self, response: aiohttp.ClientResponse, deadline: float) -> Result:
        output = Tail(self._limit)
        try:
            async with asyncio.timeout_at(deadline):
                async for data in response.content.iter_any():
                    output.write(data)
        except (aiohttp.ClientError, TimeoutError, OSError):
            response.close()  # the status has been said: what is there of the body has to do
        status = response.status
        found = PASSING if 200 <= status <= 299 else WARNING if status == _TOO_MANY else CRITICAL
        said = f"{status} {response.reason or ''}".rstrip()
        return Result(found, f"HTTP {self._method} {self._definition.http}: {said} Output: {output.text()}")

    async def _failure(self, error: Exception, request: "_Request") -> str:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            name = self._definition.tls_server_name or error.host
            refused, address = error.certificate_error, dial.Address(error.host, error.port or 0)
            if isinstance(refused, ssl.SSLCertVerificationError):
                return await refusal(address, self._means, name, refused.verify_code)
            return gotext.tls_text(refused)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            said = error.os_error
            return f"dial tcp: {said if isinstance(said, dial.LookupFailed) else f'lookup {error.host}: no such host'}"
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            return gotext.tls_text(error.os_error)
        if isinstance(error, aiohttp.ClientConnectorError):
            if error.os_error.errno is None:  # connected, and cut off in the handshake
                return gotext.tls_text(error.os_error)
            host = "" if request.nameless else error.host or ""
            where = dial.Address(self._means.resolver.first.get(host, host), error.port or 0)
            return f"dial tcp {where}: connect: {gotext.errno_text(error.os_error)}"
        if isinstance(error, aiohttp.ClientResponseError):
            return f"net/http: HTTP/1.x transport connection broken: {malformed(error.message)}"
        if isinstance(error, aiohttp.ServerDisconnectedError):
            return "EOF"
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError):  # the target has refused us, after our side of the handshake
            return gotext.tls_text(cause)
        return gotext.peer_text(error, request.path)


class _Noting(aiohttp.ClientRequest):
    """A request that notes which connection it is sent over, for the text of its failure."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        transport = conn.transport
        if transport is not None and (request := _UNDER_WAY.get()) is not None:
            request.ends = (transport.get_extra_info("sockname"), transport.get_extra_info("peername"))
        return await super().send(conn)


class _Request:
    """What is sent next: the first request of a run, or the one a redirect asks for."""

    def __init__(self, method: str, url: str, headers: "CIMultiDict[str]", body: bytes) -> None:
        self.method, self.url, self.headers, self.body = method, url, headers, body
        self.verb = method[:1] + method[1:].lower()  # how errors spell the method of the first request
        self.ends: tuple[Any, Any] = (None, None)  # of the connection: ours and theirs

    @property
    def path(self) -> str:
        """The ends of the connection, as Go's errors show them; empty when there was none."""
        return dial.path_between(*self.ends)

    @property
    def nameless(self) -> bool:
        """Whether the url names no host, which means this machine."""
        return not urls.parse(self.url).host

    def failed(self, why: str) -> str:
        """The text of a request that got no answer."""
        return f"{self.verb} {gotext.quoted(urls.shown(self.url))}: {why}"

    def redirect(self, where: str, status: int) -> None:
        """Go on to another url, as Go does. Secrets go to the same host only."""
        old = urls.parse(self.url)
        try:
            self.url = urls.joined(self.url, where)
        except urls.UrlError as error:
            said = f"failed to parse Location header {gotext.quoted(where)}: {error}"
            raise urls.UrlError(self.failed(said)) from None
        if status not in _METHOD_KEPT:
            self.method = self.method if self.method in ("GET", "HEAD") else "GET"
            self.body = b""
        self.headers = self.headers.copy()
        self.headers.pop("Host", None)
        if urls.parse(self.url).host != old.host:
            for name in _FOR_ONE_HOST:
                self.headers.popall(name, None)


def _headers(definition: CheckDefinition) -> "CIMultiDict[str]":
    headers: CIMultiDict[str] = CIMultiDict()
    given: dict[str, Any] = dict(definition.header or {})
    for name, values in given.items():
        if name.lower() in _OURS_TO_SAY:
            continue
        for value in values[:1] if name.lower() == "host" else values:
            headers.add(name, value)
    for name, value in _DEFAULTS:
        if not headers.get(name):
            headers[name] = value
    return headers


def _wrong_header(definition: CheckDefinition) -> str:
    """What no target could make sense of in the headers of a definition; Go does not send them."""
    for name, values in (definition.header or {}).items():
        if not _TOKEN.match(name):
            return f"net/http: invalid header field name {gotext.quoted(name)}"
        if any(_CONTROL.search(value) for value in values):
            return f"net/http: invalid header field value for {gotext.quoted(name)}"
    return ""
