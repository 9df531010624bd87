"""Real targets for checks: servers of each kind on a free port, with certificates made for the test run."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from registry.checks.means import Means
from tests.unit.checks.certificates import Certificate, self_signed

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for `localhost` and 127.0.0.1 that nobody but itself vouches for."""
    return self_signed(tmp_path_factory.mktemp("tls"), names="DNS:localhost,DNS:known.test,IP:127.0.0.1")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def means() -> AsyncIterator[Means]:
    """What probes share, trusting whom this machine trusts."""
    made = Means()
    yield made
    await made.close()


@pytest.fixture
async def trusting(certificate: Certificate) -> AsyncIterator[Means]:
    """What probes share, trusting the test's certificate."""
    made = Means(ca_file=certificate.file)
    yield made
    await made.close()


@asynccontextmanager
async def listening(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that talks to each connection as it is told; its `host:port`."""
    talking: set[asyncio.Task[Any]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            await talk(reader, writer)
        except (asyncio.CancelledError, OSError, EOFError):
            pass
        finally:
            talking.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(met, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.close()
        for task in talking:
            task.cancel()
        if talking:
            await asyncio.wait(talking)
        await server.wait_closed()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing until the other side goes."""
    while await reader.read(4096):
        pass


async def old_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers whatever comes in HTTP/1."""
    await reader.read(4096)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    await reader.read(4096)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound, so nobody else gets it, and that takes no connection."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
