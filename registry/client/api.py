"""One HTTP conversation with the registry that stays open: for locks, sessions and elections.

Owns the connection pool and what counts as an answer. What is asked is not known here.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from registry.client.access import Access
from registry.client.errors import Refused, ServerAway
from registry.client.http import Answer, Target, away, tls_of

_CONNECT_SECONDS = 5.0
_MARGIN_SECONDS = 10.0  # for an answer beyond its wait and what the server adds to it
_OK, _MISSING, _BROKEN = 200, 404, 500
_REDIRECTS = range(300, 400)  # what Consul says for ever of a path that it would write otherwise, as /v1/kv/..
_REFUSED = "invalid"  # in the text of a 500 with which Consul refuses what it was asked; other 500s may pass


class Found(NamedTuple):
    """An answer of 200, or of 404 without a body: `value` is its JSON, None for nothing there."""

    value: Any
    at: int  # its index


class Api:
    """Requests to one registry. Opened by its first request, closed once; belongs to the loop it is used on."""

    def __init__(self, url: str, access: Access | None = None) -> None:
        self._target = Target.of(url)
        self._access = access or Access()
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | bool = True

    async def ask(
        self,
        method: str,
        path: str,
        question: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        seconds: float = _MARGIN_SECONDS,
    ) -> Found:
        """One request, within `seconds` and the margin for what a server adds to a wait.

        Raises:
            Refused: the server will not, whenever it is asked. ServerAway: no answer, or one that may be another a
                moment later.
        """
        url = f"{self._target.url}{path}{'?' + urlencode(question) if question else ''}"
        timeout = aiohttp.ClientTimeout(total=seconds * 17 / 16 + _MARGIN_SECONDS, sock_connect=_CONNECT_SECONDS)
        try:
            session = await self._opened()
            async with session.request(
                method, URL(url, encoded=True), data=body, ssl=self._tls, allow_redirects=False, timeout=timeout
            ) as answer:
                said = await answer.read()
                index = answer.headers.get("X-Consul-Index", "")
        except (OSError, aiohttp.ClientError) as error:
            raise away(error) from error
        return _found(answer.status, said, int(index) if index.isdecimal() else 0)

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)  # aiohttp ends its transports in the next turn

    async def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls = await tls_of(self._target, self._access)
            if self._session is None:
                self._tls = tls
                self._session = aiohttp.ClientSession(headers=self._access.headers)
        return self._session


def _found(status: int, said: bytes, index: int) -> Found:
    if status == _MISSING and not said:
        return Found(None, index)
    if status == _BROKEN and _REFUSED in (text := Answer(status, said).text).lower():
        raise Refused(status, text)
    if status in _REDIRECTS:
        raise Refused(status, "a redirect, which is not followed")
    if status != _OK:
        raise Answer(status, said).problem()
    try:
        return Found(json.loads(said), index)
    except ValueError as error:
        raise ServerAway(f"an answer that is no JSON: {error}") from None
