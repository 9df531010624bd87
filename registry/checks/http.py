"""HTTP checks: the status of an answer, with the end of its body.

Owns the request, its redirects and its texts. Connections are kept for the next run where the target keeps
them; all checks of a process share them (connections.py). Which urls cannot be asked is in urls.py, what counts as an
answer in answers.py.
Source: agent.md §8.3, §8.5; Go's net/http.
"""

import asyncio
import re
import zlib
from typing import NamedTuple

from registry.checks import answers, dial, gotext, urls
from registry.checks.base import Result, Tail, critical, output_limit, timeout_seconds
from registry.checks.connections import KEPT_SECONDS, ProxyError, Way, connect, connections, proxy_authorization
from registry.checks.means import Means
from registry.checks.proxies import proxy_for
from registry.checks.schedule import interval_seconds
from registry.checks.wire import Wire
from registry.model.check import CRITICAL, PASSING, WARNING, CheckDefinition

MOST_REDIRECTS = 10  # Go's
_TOO_MANY = 429
_UNZIPPED_BYTES = 65536
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_METHOD_KEPT = frozenset({307, 308})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_ONE_HOST = frozenset({"authorization", "www-authenticate", "cookie", "cookie2"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HOST_END = re.compile(r"[ /]")
_OURS_TO_SAY = frozenset({"content-length", "transfer-encoding", "trailer"})  # what the body is says them
_SAID_ONCE = frozenset({"host", "user-agent"})
_DEFAULTS = (("User-Agent", "Consul Health Check"), ("Accept", "text/plain, text/*, */*"))
_BROKEN = "net/http: HTTP/1.x transport connection broken: "

Headers = list[tuple[str, str]]


class _Ready(NamedTuple):
    """A request as it is sent. `lasting`: over a connection that may be older than it, and may live on."""

    way: Way
    data: bytes
    lasting: bool
    zipped: bool  # gzip was offered, not by the definition


class _Exchange(NamedTuple):
    """A request that has got an answer, whose body is still to be read."""

    ready: _Ready
    wire: Wire
    answer: answers.Answer


class HttpProbe:
    """Sends the request of the check."""

    def __init__(self, definition: CheckDefinition, means: Means) -> None:
        self._definition = definition
        self._means = means
        self._seconds = timeout_seconds(definition)
        self._limit = output_limit(definition, means.output_max_bytes)
        self._method = definition.method or "GET"
        self._wrong_header = _wrong_header(definition)
        self._first: _Ready | None = None  # the request of the definition, once it has been read

    async def run(self) -> Result:
        """Send it once, and again to wherever it is redirected."""
        if not _TOKEN.match(self._method):
            return critical(f"net/http: invalid method {gotext.quoted(self._method)}")
        request = _Request(self._definition, self._method)
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            if self._wrong_header:
                urls.parse(request.url)  # what is wrong with it is said first
                return critical(request.failed(self._wrong_header))
            return await self._follow(request, deadline)
        except urls.UrlError as error:
            return critical(str(error))
        except (dial.DialError, ProxyError) as error:
            return critical(request.failed(str(error)))
        except answers.Malformed as error:
            return critical(request.failed(_BROKEN + str(error)))
        except TimeoutError:
            return critical(request.failed(f"{gotext.DEADLINE} (Client.Timeout exceeded while awaiting headers)"))
        except (EOFError, OSError) as error:
            return critical(request.failed(gotext.peer_text(error, request.path)))

    async def _follow(self, request: "_Request", deadline: float) -> Result:
        for redirects in range(MOST_REDIRECTS + 1):
            async with asyncio.timeout_at(deadline):
                exchange = await self._exchange(request)
            answer = exchange.answer
            where = answer.header("location") if answer.status in _REDIRECTS else ""
            if not where or self._definition.disable_redirects:
                return await self._judged(exchange, deadline)
            self._leave(exchange, whole=answer.length == 0)
            if redirects < MOST_REDIRECTS:
                request.redirect(where, answer.status)
        request.url = where  # as the target wrote it
        return critical(request.failed(f"stopped after {MOST_REDIRECTS} redirects"))

    async def _exchange(self, request: "_Request") -> _Exchange:
        ready = self._first if request.first else None
        if ready is None:
            ready = self._made_ready(request)
            if request.first:
                self._first = ready
        kept = connections(self._means).take(ready.way) if ready.lasting else None
        if kept is not None:
            try:
                return await _answered(ready, kept, request)
            except (EOFError, OSError):
                if kept.received:
                    raise  # else the target had closed it, and has not seen the request
        return await _answered(ready, await connect(ready.way, self._means, self._definition), request)

    def _made_ready(self, request: "_Request") -> _Ready:
        definition, url = self._definition, urls.read(request.url, request.verb)
        tls, proxy = url.scheme == "https", proxy_for(url)
        way = Way(url.address, tls, definition.tls_server_name, definition.tls_skip_verify, proxy)
        if proxy is not None and not tls:
            way = way._replace(address=proxy.address)  # any target that it leads to
        # A target may close a kept connection just as a request is sent, and some may not be sent twice to find out.
        lasting = (
            request.method in _REPEATABLE
            and interval_seconds(definition) < KEPT_SECONDS
            and not request.says("connection")  # it is the definition that decides
        )
        more: Headers = []
        zipped = request.method != "HEAD" and not request.says("accept-encoding") and not request.says("range")
        if zipped:
            more.append(("Accept-Encoding", "gzip"))
        if not lasting and not request.says("connection"):
            more.append(("Connection", "close"))
        if url.user is not None and not request.says("authorization"):
            more.append(("Authorization", urls.basic(url.user)))
        if proxy is not None and not tls and (secret := proxy_authorization(proxy)):
            more.append(("Proxy-Authorization", secret))
        target = url.absolute if proxy is not None and not tls else url.target
        return _Ready(way, request.encoded(target, url.authority, more), lasting, zipped)

    async def _judged(self, exchange: _Exchange, deadline: float) -> Result:
        _, wire, answer = exchange
        output = Tail(self._limit)
        pieces = answers.read_body(wire, answer)
        if exchange.ready.zipped and answer.header("content-encoding").lower() == "gzip":
            pieces = answers.unzipped(pieces, _UNZIPPED_BYTES)
        whole = False
        try:
            async with asyncio.timeout_at(deadline):
                async for data in pieces:
                    output.write(data)
            whole = True
        except (answers.Malformed, zlib.error, EOFError, OSError):
            pass  # the status has been said: what is there of the body has to do
        finally:
            self._leave(exchange, whole=whole)
        status = answer.status
        found = PASSING if 200 <= status <= 299 else WARNING if status == _TOO_MANY else CRITICAL
        return Result(found, f"HTTP {self._method} {self._definition.http}: {answer.line} Output: {output.text()}")

    def _leave(self, exchange: _Exchange, *, whole: bool) -> None:
        """Keep the connection if both sides are done with it and with each other. `whole`: the body was read."""
        ready, wire, answer = exchange
        if whole and ready.lasting and answer.stays and not wire.waiting and not wire.closed:
            connections(self._means).keep(ready.way, wire)
        else:
            wire.close()


async def _answered(ready: _Ready, wire: Wire, request: "_Request") -> _Exchange:
    request.path = wire.path
    try:
        wire.send(ready.data)
        return _Exchange(ready, wire, await answers.read_head(wire, request.method))
    except BaseException:
        wire.close()
        raise


class _Request:
    """What is sent next: the first request of a run, or the one a redirect asks for."""

    def __init__(self, definition: CheckDefinition, method: str) -> None:
        self.method, self.url = method, definition.http
        self.verb = method[:1] + method[1:].lower()  # how errors spell the method of the first request
        self.first = True
        self.path = ""  # the ends of the connection, as Go's errors show them
        self._headers, self._body = _headers(definition), definition.body.encode()
        self._names = {name.lower() for name, _ in self._headers}
        self._host = next((value for name, value in self._headers if name.lower() == "host"), "")
        self._refers = self.says("referer")  # all by itself

    def says(self, name: str) -> bool:
        """Whether the definition has a header of this name (in lower case)."""
        return name in self._names

    def encoded(self, target: str, authority: str, more: Headers) -> bytes:
        """The whole request, with `more` headers."""
        host = _HOST_END.split(urls.ascii_name(self._host), maxsplit=1)[0] or authority
        lines = [f"{self.method} {target} HTTP/1.1", f"Host: {host}"]
        if self._body or self.method in _WITH_BODY:
            lines.append(f"Content-Length: {len(self._body)}")
        lines += [f"{name}: {value}" for name, value in [*self._headers, *more] if name.lower() != "host"]
        return "\r\n".join([*lines, "\r\n"]).encode() + self._body

    def failed(self, why: str) -> str:
        """The text of a request that got no answer."""
        return f"{self.verb} {gotext.quoted(urls.shown(self.url))}: {why}"

    def redirect(self, where: str, status: int) -> None:
        """Go on to another url, as Go does. Secrets go to the same host, and to those below it, only."""
        old = self.url
        try:
            self.url = urls.joined(old, where)
        except urls.UrlError as error:
            said = f"failed to parse Location header {gotext.quoted(where)}: {error}"
            raise urls.UrlError(self.failed(said)) from None
        self.first = False
        if status not in _METHOD_KEPT:
            self.method = self.method if self.method in ("GET", "HEAD") else "GET"
            self._body = b""
        if urls.parse(where).scheme:
            self._host = ""  # the name that the definition gives the target is not that of another
        before, now = urls.parse(old), urls.parse(self.url)
        left_out = set() if _same_or_below(now.host, before.host) else {*_FOR_ONE_HOST}
        if not self._refers:
            left_out.add("referer")
        self._headers = [(name, value) for name, value in self._headers if name.lower() not in left_out]
        if not self._refers and not (before.scheme == "https" and now.scheme == "http"):
            self._headers.append(("Referer", urls.shown(old, with_user=False)))
        self._names = {name.lower() for name, _ in self._headers}


def _same_or_below(host: str, other: str) -> bool:
    host, other = urls.ascii_name(host).lower(), urls.ascii_name(other).lower()
    return host == other or (host.endswith(f".{other}") and not dial.is_ip(host))


def _headers(definition: CheckDefinition) -> Headers:
    headers: Headers = []
    for name, values in (definition.header or {}).items():
        if name.lower() not in _OURS_TO_SAY:
            headers += [(name, value.strip()) for value in (values[:1] if name.lower() in _SAID_ONCE else values)]
    given = {name.lower() for name, value in headers if value}
    for name, value in _DEFAULTS:
        if name.lower() not in given:
            headers = [one for one in headers if one[0].lower() != name.lower()]
            headers.append((name, value))
    return headers


def _wrong_header(definition: CheckDefinition) -> str:
    """What no target could make sense of in the headers of a definition; Go does not send them."""
    for name, values in (definition.header or {}).items():
        if not _TOKEN.match(name):
            return f"net/http: invalid header field name {gotext.quoted(name)}"
        if any(_CONTROL.search(value) for value in values):
            return f"net/http: invalid header field value for {gotext.quoted(name)}"
    return ""
