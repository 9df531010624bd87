"""A real target for every type of check that is run: it can be well, warn, be unwell, keep a check waiting, or be gone.

Each kind is a context manager that yields a `Target`. Those that speak TLS show a certificate that nobody vouches for,
so their fields skip its verification.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc as grpc_library
from aiohttp import web
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from h2.config import H2Configuration
from h2.connection import H2Connection

from tests.unit.checks.certificates import Certificate

WELL, WARNING, UNWELL = "passing", "warning", "critical"
_STATUSES = {WELL: "200 OK", WARNING: "429 Too Many Requests", UNWELL: "500 Internal Server Error"}
_EXIT_CODES = {WELL: 0, WARNING: 1, UNWELL: 2}

Fields = dict[str, Any]


@dataclass
class Target:
    """What a check looks at, and what a registration says to have it looked at.

    `hung`: instead of it, something that never answers; `reached` and `left` say when a look at that has begun and
    when it was given up. `gone`: instead of it, a place where nobody is.
    """

    fields: Fields
    become: Callable[[str], Awaitable[None]]
    hung: Fields = field(default_factory=dict)
    gone: Fields = field(default_factory=dict)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    text: str = "fine"  # what it says of itself, where the type has such a thing


Kind = Callable[[Path, Certificate], AbstractAsyncContextManager[Target]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """A server of bytes on a port that it can leave and come back to."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None) -> None:
        self._talk, self._tls = talk, tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.address = "127.0.0.1:0"

    async def open(self) -> None:
        host, _, port = self.address.partition(":")
        self._server = await asyncio.start_server(self._met, host, int(port), ssl=self._tls)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (asyncio.CancelledError, OSError, EOFError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()


async def _to_the_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass


@asynccontextmanager
async def _silence(target: Target) -> AsyncIterator[str]:
    """Somebody who takes connections and says nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target.reached.set()
        try:
            await _to_the_end(reader)
        finally:
            target.left.set()

    listener = Listener(talk)
    await listener.open()
    try:
        yield listener.address
    finally:
        await listener.close()


def _nobody(held: socket.socket) -> str:
    """A port that is bound, so nobody else gets it, and that takes no connection."""
    held.bind(("127.0.0.1", 0))
    return f"127.0.0.1:{held.getsockname()[1]}"


@asynccontextmanager
async def _networked(
    fields: Callable[[str], Fields], become: Callable[[str], Awaitable[None]], address: str
) -> AsyncIterator[Target]:
    """A target that is reached over the network; `fields` says how an address is written."""
    target = Target(fields(address), become)
    with socket.socket() as held:
        async with _silence(target) as silent:
            target.hung, target.gone = fields(silent), fields(_nobody(held))
            yield target


@asynccontextmanager
async def _spoken(fields: Callable[[str], Fields], talk: Any, tls: ssl.SSLContext | None) -> AsyncIterator[Target]:
    """A target whose mood decides what it says."""
    mood = WELL

    async def become(wanted: str) -> None:
        nonlocal mood
        mood = wanted

    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer, mood, target.text)
        await _to_the_end(reader)

    listener = Listener(said, tls)
    await listener.open()
    try:
        async with _networked(fields, become, listener.address) as target:
            yield target
    finally:
        await listener.close()


async def _say_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mood: str, text: str) -> None:
    """Answers at `/`; whoever asks for `/moved` is sent there."""
    moved = (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"/moved"
    status, extra, body = ("302 Found", "Location: /\r\n", "") if moved else (_STATUSES[mood], "", text)
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}Connection: close\r\n\r\n{body}".encode())
    await writer.drain()


def http(folder: Path, certificate: Certificate) -> AbstractAsyncContextManager[Target]:
    return _spoken(lambda where: {"HTTP": f"http://{where}/"}, _say_http, None)


def https(folder: Path, certificate: Certificate) -> AbstractAsyncContextManager[Target]:
    fields = {"TLSSkipVerify": True}
    return _spoken(lambda where: {"HTTP": f"https://{where}/", **fields}, _say_http, certificate.context())


async def _say_http2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mood: str, text: str) -> None:
    """Answers pings, or speaks HTTP/1."""
    if mood != WELL:
        await _say_http(reader, writer, mood, text)
        return
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    while data := await reader.read(4096):
        connection.receive_data(data)
        writer.write(connection.data_to_send())


def h2ping(folder: Path, certificate: Certificate) -> AbstractAsyncContextManager[Target]:
    return _spoken(lambda where: {"H2PING": where, "H2PingUseTLS": False}, _say_http2, None)


def h2ping_tls(folder: Path, certificate: Certificate) -> AbstractAsyncContextManager[Target]:
    return _spoken(lambda where: {"H2PING": where, "TLSSkipVerify": True}, _say_http2, certificate.context("h2"))


@asynccontextmanager
async def _open_or_closed(fields: Callable[[str], Fields], tls: ssl.SSLContext | None) -> AsyncIterator[Target]:
    """A port: unwell is one that nobody listens on any more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _to_the_end(reader)

    async def become(mood: str) -> None:
        await (listener.open() if mood == WELL else listener.close())

    listener = Listener(talk, tls)
    await listener.open()
    try:
        async with _networked(fields, become, listener.address) as target:
            yield target
    finally:
        await listener.close()


@asynccontextmanager
async def tcp(folder: Path, certificate: Certificate) -> AsyncIterator[Target]:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # and nobody else gets in
            async with _open_or_closed(lambda where: {"TCP": where}, None) as target:
                target.hung = {"TCP": f"127.0.0.1:{full.getsockname()[1]}"}
                yield target


def tcp_tls(folder: Path, certificate: Certificate) -> AbstractAsyncContextManager[Target]:
    fields = {"TCPUseTLS": True, "TLSSkipVerify": True}
    return _open_or_closed(lambda where: {"TCP": where, **fields}, certificate.context())


class _Echo(asyncio.DatagramProtocol):
    """Answers each datagram, or only notes that it came."""

    def __init__(self, reached: asyncio.Event | None = None) -> None:
        self._reached = reached

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._reached is None:
            self._transport.sendto(b"pong", addr)
        else:
            self._reached.set()


@asynccontextmanager
async def udp(folder: Path, certificate: Certificate) -> AsyncIterator[Target]:
    loop = asyncio.get_running_loop()
    open_now: list[asyncio.DatagramTransport] = []

    async def opened(port: int = 0, reached: asyncio.Event | None = None) -> str:
        transport, _ = await loop.create_datagram_endpoint(lambda: _Echo(reached), local_addr=("127.0.0.1", port))
        open_now.append(transport)
        return "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])

    async def become(mood: str) -> None:
        if mood == WELL:
            await opened(int(address.rpartition(":")[2]))
        else:
            open_now.pop().close()
            await asyncio.sleep(0)  # the socket is closed in the next round of the loop

    silent: list[asyncio.DatagramTransport] = []
    reached = asyncio.Event()
    hung = await opened(reached=reached)
    silent.append(open_now.pop())
    address = await opened()
    try:
        with socket.socket(type=socket.SOCK_DGRAM) as held:
            target = Target({"UDP": address}, become, {"UDP": hung}, {"UDP": _nobody(held)}, reached)
            held.close()  # one that is bound would take the datagram
            yield target
    finally:
        for transport in open_now + silent:
            transport.close()


@asynccontextmanager
async def _grpc(certificate: Certificate | None, fields: Callable[[str], Fields]) -> AsyncIterator[Target]:
    server, servicer = grpc_library.server(ThreadPoolExecutor(2)), health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        key, chain = (Path(name).read_bytes() for name in (certificate.key, certificate.file))  # noqa: ASYNC240
        port = server.add_secure_port("127.0.0.1:0", grpc_library.ssl_server_credentials([(key, chain)]))

    async def become(mood: str) -> None:
        status = health_pb2.HealthCheckResponse
        servicer.set("web", status.SERVING if mood == WELL else status.NOT_SERVING)

    await become(WELL)
    server.start()
    try:
        async with _networked(fields, become, f"127.0.0.1:{port}") as target:
            yield target
    finally:
        await asyncio.to_thread(server.stop(None).wait)


def grpc(folder: Path, certificate: Certificate) -> AbstractAsyncContextManager[Target]:
    return _grpc(None, lambda where: {"GRPC": f"{where}/web"})


def grpc_tls(folder: Path, certificate: Certificate) -> AbstractAsyncContextManager[Target]:
    fields = {"GRPCUseTLS": True, "TLSSkipVerify": True}
    return _grpc(certificate, lambda where: {"GRPC": f"{where}/web", **fields})


@asynccontextmanager
async def script(folder: Path, certificate: Certificate) -> AsyncIterator[Target]:
    said, waiting = folder / "said", folder / "waiting"

    async def become(mood: str) -> None:
        said.write_text(f"printf %s '{target.text}'\nexit {_EXIT_CODES[mood]}\n")

    async def look() -> None:
        """Reached when the program has written its number, left when there is no process of this number."""
        while not (waiting.exists() and (number := waiting.read_text().strip())):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        target.reached.set()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while " Z " not in Path(f"/proc/{number}/stat").read_text():  # noqa: ASYNC110, ASYNC240
                await asyncio.sleep(0.005)
        target.left.set()

    hung = {"Args": ["/bin/sh", "-c", f"echo $$ > {waiting}; exec sleep 60"]}
    target = Target({"Args": ["/bin/sh", str(said)]}, become, hung, {"Args": [str(folder / "nowhere")]})
    await become(WELL)
    looking = asyncio.create_task(look())
    try:
        yield target
    finally:
        looking.cancel()
        await asyncio.wait([looking])


@asynccontextmanager
async def docker(folder: Path, certificate: Certificate) -> AsyncIterator[Target]:
    """The daemon's side of an exec, on the socket that $DOCKER_HOST has to name; its containers are `up` and `hung`."""
    mood = WELL

    async def become(wanted: str) -> None:
        nonlocal mood
        mood = wanted

    async def create(request: web.Request) -> web.Response:
        known = request.match_info["id"] in ("up", "hung")
        return web.json_response({"Id": request.match_info["id"]}, status=201 if known else 404)

    async def start(request: web.Request) -> web.Response:
        if request.match_info["id"] == "hung":
            target.reached.set()
            try:
                await asyncio.Event().wait()
            finally:
                target.left.set()
        return web.Response(text=target.text, content_type="application/vnd.docker.raw-stream")

    async def inspect(request: web.Request) -> web.Response:
        return web.json_response({"Running": False, "ExitCode": _EXIT_CODES[mood]})

    def fields(container: str) -> Fields:
        return {"Args": ["probe"], "DockerContainerID": container}

    target = Target(fields("up"), become, fields("hung"), fields("nowhere"))
    app = web.Application()
    app.add_routes([web.post("/containers/{id}/exec", create), web.post("/exec/{id}/start", start),
                    web.get("/exec/{id}/json", inspect)])  # fmt: skip
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, docker_socket(folder)).start()
    try:
        yield target
    finally:
        await runner.cleanup()


def docker_socket(folder: Path) -> str:
    """Where the daemon of a test listens."""
    return str(folder / "docker.sock")


KINDS: dict[str, Kind] = {
    "http": http, "https": https, "tcp": tcp, "tcp+tls": tcp_tls, "udp": udp, "grpc": grpc, "grpc+tls": grpc_tls,
    "h2ping": h2ping, "h2ping+tls": h2ping_tls, "script": script, "docker": docker,
}  # fmt: skip
