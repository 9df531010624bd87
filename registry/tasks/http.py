"""Tasks over HTTP: OptiInfra's agents listen for them at `/task` of their address.

Owns the request and what counts as done. Nobody is asked but the address of the agent: no redirect is followed, and
no proxy is used. Source: dialects.md §4.3.
"""

import ssl
from typing import Any

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from registry.checks.dial import Resolver
from registry.model.agent import Task
from registry.model.service import Instance
from registry.tasks.runner import Refused

MOST_BYTES = 1 << 20  # of an answer; its result is not kept
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=None)  # the runner has the time
_DONE = "completed"


class _Order(msgspec.Struct, frozen=True, gc=False):
    """What an agent is sent."""

    task_id: str
    task_type: str
    parameters: Any
    timeout_seconds: int | float
    priority: int
    metadata: dict[str, str]


class _Report(msgspec.Struct, frozen=True, gc=False):
    """What is read of its answer."""

    status: str = ""
    error: Any = None


_report = msgspec.json.Decoder(_Report)


class _Names(AbstractResolver):
    """Looks names up on threads that nobody else waits for."""

    def __init__(self) -> None:
        self._resolver = Resolver()

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = await self._resolver.addresses(host, port)
        return [
            ResolveResult(hostname=host, host=where[0], port=port, family=family, proto=protocol, flags=0)
            for family, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        self._resolver.close()


class HttpListener:
    """Posts tasks to agents."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def run(self, agent: Instance, task: Task, seconds: float) -> None:
        """Post a task to its agent and wait for the answer.

        Raises:
            Refused: the agent cannot be reached, answers something else, or says that it has failed.
        """
        url = address_of(agent)
        try:
            async with self._made().post(url, data=_order(agent, task, seconds), allow_redirects=False) as answer:
                _judge(answer.status, await _text(answer))
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            raise Refused(f"{url}: {str(error) or type(error).__name__}") from error

    def _made(self) -> aiohttp.ClientSession:
        if self._session is None:
            # a kept connection may be closed just as a task is sent over it, and it may not be sent twice to see
            connector = aiohttp.TCPConnector(limit=0, force_close=True, resolver=_Names(), use_dns_cache=False)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_NO_LIMIT,
                headers={"Content-Type": "application/json", "Accept": "application/json"},
            )  # fmt: skip
        return self._session

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()


def address_of(agent: Instance) -> URL:
    """Where the agent listens.

    Raises:
        Refused: it has not said where, or not in words that an address is made of.
    """
    if not agent.address or not agent.port:
        raise Refused("the agent has no address")
    try:
        return URL.build(scheme="http", host=agent.address, port=agent.port, path="/task")
    except ValueError as error:
        raise Refused(f"the agent's address {agent.address!r} is none: {error}") from error


def _order(agent: Instance, task: Task, seconds: float) -> bytes:
    parameters = {} if task.payload is None else task.payload
    whole = round(seconds) if seconds == round(seconds) else seconds
    return msgspec.json.encode(_Order(task.id, task.type, parameters, whole, task.priority, {"agent_id": agent.id}))


async def _text(answer: aiohttp.ClientResponse) -> bytes:
    """The body.

    Raises:
        Refused: it is too long.
    """
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MOST_BYTES:
            raise Refused(f"an answer of more than {MOST_BYTES} bytes")
    return bytes(body)


def _judge(status: int, body: bytes) -> None:
    """Raises:
    Refused: the answer is not that the task is done.
    """
    if not 200 <= status <= 299:
        raise Refused(f"answered {status}")
    try:
        report = _report.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"answered {status} with something else than a result: {error}") from error
    if report.status != _DONE:
        raise Refused(str(report.error or f"status {report.status!r}"))
