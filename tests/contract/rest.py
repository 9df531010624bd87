"""A client of the REST dialects: what was answered, as plain values."""

import json
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from registry.commands import RaiseLevel
from registry.commands.codec import LEVEL
from registry.testing import TestServer


class Answer(NamedTuple):
    """An answer: its status, its headers, and its body as text."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def value(self) -> Any:
        return json.loads(self.text)


class RestClient:
    """Asks one server; bodies are JSON values, or bytes that are sent as they are."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self._session = aiohttp.ClientSession()

    async def know_agents(self) -> None:
        """Over a shared store: its only member has said that it knows of agents, for which time would have to pass."""
        if self.server.engine.shared:
            await self.server.engine.propose(RaiseLevel(LEVEL))

    async def close(self) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; `path` goes onto the wire as it is."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        host, port = self.server.host, self.server.port
        url = URL(f"http://{host}:{port}{path}", encoded=True)
        async with self._session.request(method, url, data=data, headers=headers) as response:
            return Answer(response.status, dict(response.headers), await response.text())

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self.ask("POST", path, body)

    async def put(self, path: str, body: Any = None) -> Answer:
        return await self.ask("PUT", path, body)
