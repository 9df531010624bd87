"""One HTTP request and its answer, from a thread or from an event loop.

Owns the transport of registrations, a connection each: a beat every 30 seconds is not worth one that stays open. What
an answer means is not known here. Proxies of the environment are not used, redirects not followed.
"""

import asyncio
import http.client
import json
import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from registry.client.access import Access
from registry.client.errors import ClientError, Refused, ServerAway

ANSWER_BYTES = 1 << 20  # of an answer that are read; those to an agent have some hundred
TEXT_CHARACTERS = 200  # of an error's text that are shown
TOO_MANY_REQUESTS = 429
_TROUBLES = (OSError, http.client.HTTPException, aiohttp.ClientError)  # TimeoutError and ssl.SSLError are OSErrors


class Answer(NamedTuple):
    """What the server said."""

    status: int
    body: bytes

    @property
    def value(self) -> dict[str, Any]:
        """The JSON object in the body; empty where there is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def text(self) -> str:
        """What it says, in one short line."""
        said = self.value.get("error")
        words = said if isinstance(said, str) else self.body.decode(errors="replace")
        return " ".join(words.split())[:TEXT_CHARACTERS]

    def problem(self) -> ClientError:
        """This answer as the error it is."""
        if 400 <= self.status < 500 and self.status != TOO_MANY_REQUESTS:
            return Refused(self.status, self.text)
        return ServerAway(f"{self.status}: {self.text}" if self.text else str(self.status))


class Target(NamedTuple):
    """A base url taken apart."""

    secure: bool
    host: str
    port: int
    prefix: str  # of every path; without a slash at its end

    @classmethod
    def of(cls, url: str) -> "Target":
        """The parts of `url`.

        Raises:
            ValueError: it is not the url of an HTTP server.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not a url of the form http://host:port")
        secure = parts.scheme == "https"
        return cls(secure, parts.hostname, parts.port or (443 if secure else 80), parts.path.rstrip("/"))

    @property
    def url(self) -> str:
        """The base url without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.prefix}"


def post(base: str, path: str, body: object, access: Access, seconds: float) -> Answer:
    """POST from a thread that may wait; `body` goes as JSON, None as nothing.

    Raises:
        ServerAway: no answer. ValueError, TypeError: a url or a body that cannot be sent.
    """
    target = Target.of(base)
    sent, headers = _encoded(body, access)
    try:
        connection = _connection(target, access, seconds)
        try:
            connection.request("POST", target.prefix + path, sent, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(ANSWER_BYTES))
        finally:
            connection.close()
    except _TROUBLES as error:
        raise away(error) from error


async def post_async(base: str, path: str, body: object, access: Access, seconds: float) -> Answer:
    """As `post`, on the running event loop."""
    target = Target.of(base)
    sent, headers = _encoded(body, access)
    try:
        tls = await tls_of(target, access)
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.post(_url(target, path), data=sent, ssl=tls, allow_redirects=False) as answer,
        ):
            return Answer(answer.status, await _read(answer))
    except _TROUBLES as error:
        raise away(error) from error


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) >= ANSWER_BYTES:
            break
    return bytes(body)


async def tls_of(target: Target, access: Access) -> ssl.SSLContext | bool:
    """The TLS for this target, made on another thread because it reads files; true where there is nothing to say."""
    return await asyncio.to_thread(access.tls) if target.secure else True


def away(error: Exception) -> ServerAway:
    """What went wrong on the way, as ours."""
    match error:  # aiohttp puts words of its own around the system's
        case aiohttp.ClientConnectorCertificateError():
            error = error.certificate_error
        case aiohttp.ClientConnectorError():
            error = error.os_error
    return ServerAway(str(error) or type(error).__name__)


def _connection(target: Target, access: Access, seconds: float) -> http.client.HTTPConnection:
    if target.secure:
        return http.client.HTTPSConnection(target.host, target.port, timeout=seconds, context=access.tls())
    return http.client.HTTPConnection(target.host, target.port, timeout=seconds)


def _encoded(body: object, access: Access) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, access.headers
    return json.dumps(body).encode(), {"Content-Type": "application/json", **access.headers}


def _url(target: Target, path: str) -> URL:
    return URL(target.url + path, encoded=True)
