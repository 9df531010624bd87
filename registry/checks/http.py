"""HTTP checks: the status of an answer, with the end of its body.

Owns the request, its redirects and its texts. Connections are kept for the next run where the target keeps
them; all checks of a process share one session. Which urls cannot be asked is in urls.py.
Source: agent.md §8.3, §8.5; Go's net/http.
"""

import asyncio
import ssl
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from registry.checks import dial, gotext, urls
from registry.checks.base import Result, Tail, critical, output_limit, timeout_seconds
from registry.checks.means import Means
from registry.model.check import CRITICAL, PASSING, WARNING, CheckDefinition

MOST_REDIRECTS = 10  # Go's
KEPT_SECONDS = 75.0  # how long an idle connection is kept; most servers drop theirs sooner
_TOO_MANY = 429
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_METHOD_KEPT = frozenset({307, 308})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_ONE_HOST = ("Authorization", "Www-Authenticate", "Cookie", "Cookie2")
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
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_NO_LIMIT
        )
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

    async def run(self) -> Result:
        """Send it once, and again to wherever it is redirected."""
        request = _Request(self._method, self._definition.http, self._headers, self._definition.body.encode())
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            return await self._follow(request, deadline)
        except urls.UrlError as error:
            return critical(str(error))
        except TimeoutError:
            return critical(request.failed(f"{gotext.DEADLINE} (Client.Timeout exceeded while awaiting headers)"))
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
            return critical(request.failed(self._failure(error, request)))

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
        return critical(request.failed(f"stopped after {MOST_REDIRECTS} redirects"))

    async def _answer(self, request: "_Request") -> aiohttp.ClientResponse:
        url = urls.read(request.url, request.verb)
        tls = await self._means.tls(self._definition, ("http/1.1",)) if url.scheme == "https" else True
        headers = request.headers
        if request.method not in _REPEATABLE and "Connection" not in headers:
            headers = headers.copy()  # the target may close a kept connection just as the request is sent,
            headers["Connection"] = "close"  # and this one may not be sent twice to find that out
        return await _session(self._means).request(
            _AsGiven(request.method),
            URL(url.text, encoded=True),
            headers=headers,
            data=request.body or None,
            allow_redirects=False,
            ssl=tls,
            server_hostname=self._definition.tls_server_name or None,
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
        said = f"{status} {response.reason or ''}"
        return Result(found, f"HTTP {self._method} {self._definition.http}: {said} Output: {output.text()}")

    def _failure(self, error: Exception, request: "_Request") -> str:
        name = self._definition.tls_server_name or URL(request.url).host or ""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return gotext.tls_text(error.certificate_error, name)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return f"dial tcp: lookup {error.host}: no such host"
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            return gotext.tls_text(error.os_error, name)
        if isinstance(error, aiohttp.ClientConnectorError):
            where = dial.Address(self._means.resolver.first.get(error.host or "", error.host or ""), error.port or 0)
            return f"dial tcp {where}: connect: {gotext.errno_text(error.os_error)}"
        if isinstance(error, aiohttp.ClientResponseError):
            return f"net/http: HTTP/1.x transport connection broken: malformed HTTP response: {error.message}"
        return "EOF" if isinstance(error, aiohttp.ServerDisconnectedError) else gotext.peer_text(error)


class _Request:
    """What is sent next: the first request of a run, or the one a redirect asks for."""

    def __init__(self, method: str, url: str, headers: "CIMultiDict[str]", body: bytes) -> None:
        self.method, self.url, self.headers, self.body = method, url, headers, body

    @property
    def verb(self) -> str:
        """The method as errors spell it."""
        return self.method[:1] + self.method[1:].lower()

    def failed(self, why: str) -> str:
        """The text of a request that got no answer."""
        return f"{self.verb} {gotext.quoted(urls.shown(self.url))}: {why}"

    def redirect(self, where: str, status: int) -> None:
        """Go on to another url, as Go does. Secrets go to the same host only."""
        old = URL(self.url, encoded=True)
        new = old.join(URL(where, encoded=True))
        if status not in _METHOD_KEPT:
            self.method = self.method if self.method in ("GET", "HEAD") else "GET"
            self.body = b""
        self.headers = self.headers.copy()
        self.headers.pop("Host", None)
        if new.host != old.host:
            for name in _FOR_ONE_HOST:
                self.headers.popall(name, None)
        self.url = str(new)


def _headers(definition: CheckDefinition) -> "CIMultiDict[str]":
    headers: CIMultiDict[str] = CIMultiDict()
    given: dict[str, Any] = dict(definition.header or {})
    for name, values in given.items():
        for value in values[:1] if name.lower() == "host" else values:
            headers.add(name, value)
    headers.setdefault("User-Agent", "Consul Health Check")
    headers.setdefault("Accept", "text/plain, text/*, */*")
    headers.setdefault("Accept-Encoding", "gzip")
    return headers
