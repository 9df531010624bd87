"""A running registry and a client that shows whole answers."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest

from registry import testing


class Answer(NamedTuple):
    """One answer: status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Agent:
    """A registry as its clients see it; `server` is it from inside."""

    def __init__(self, server: testing.TestServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def get(self, target: str, **headers: str) -> Answer:
        return await self.send("GET", target, **headers)

    async def put(self, target: str, body: Any = None) -> Answer:
        return await self.send("PUT", target, body=body)

    async def send(self, method: str, target: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else json.dumps(body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.server.url + target, data=data, headers=sent) as answer:
            shown = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, shown, await answer.text())

    async def service(self, name: str, **fields: Any) -> None:
        assert (await self.put("/v1/agent/service/register", {"Name": name, **fields})).status == 200

    async def check(self, name: str, **fields: Any) -> None:
        fields.setdefault("TTL", "30s")
        assert (await self.put("/v1/agent/check/register", {"Name": name, **fields})).status == 200

    async def node(self, name: str, **fields: Any) -> None:
        body = {"Node": name, "Address": "10.9.9.9", **fields}
        assert (await self.put("/v1/catalog/register", body)).status == 200


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    async with testing.server() as server, aiohttp.ClientSession() as session:
        yield Agent(server, session)
