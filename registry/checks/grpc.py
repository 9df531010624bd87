"""gRPC checks: the target's own health service says that it is serving.

Owns the one call of grpc.health.v1 and its texts. It is made over frames of HTTP/2, since a whole gRPC
library costs more memory and threads than thousands of such calls a minute are worth.
Source: agent.md §8.3; grpc.health.v1; gRPC over HTTP2.
"""

import asyncio
import struct
from urllib.parse import unquote

from registry.checks import dial, gotext
from registry.checks.base import Result, critical, passing, timeout_seconds
from registry.checks.http2 import Conversation, PeerError
from registry.checks.means import Means
from registry.checks.streams import Stream, stream
from registry.model.check import CheckDefinition

_SERVING = 1
_STATUSES = {0: "UNKNOWN", _SERVING: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
_UNAVAILABLE = "rpc error: code = Unavailable desc = connection error: desc = "
_NOT_READY = "received context error while waiting for new LB policy update: "


class GrpcProbe:
    """Asks the health service of the target, about one service or about all of it."""

    def __init__(self, definition: CheckDefinition, means: Means) -> None:
        self._definition = definition
        self._means = means
        self._seconds = timeout_seconds(definition)
        self._server, _, self._service = definition.grpc.partition("/")

    async def run(self) -> Result:
        """Ask once."""
        self._connected = False
        try:
            async with asyncio.timeout(self._seconds):
                return await self._ask()
        except TimeoutError:
            waiting = "" if self._connected else _NOT_READY
            return critical(f"rpc error: code = DeadlineExceeded desc = {waiting}{gotext.DEADLINE}")

    async def _ask(self) -> Result:
        tls = self._definition.grpc_use_tls
        try:
            address = dial.split(self._server)
            async with stream(address, self._means, self._definition, tls=tls, protocols=("h2",)) as streams:
                return await self._call(streams)
        except dial.DialError as error:
            doing = "authentication handshake failed" if error.handshake else "Error while dialing"
            return critical(_UNAVAILABLE + gotext.quoted(f"transport: {doing}: {error}"))

    async def _call(self, streams: Stream) -> Result:
        conversation = Conversation(*streams)
        try:
            await conversation.open()
        except PeerError as error:
            return critical(_UNAVAILABLE + gotext.quoted(f"error reading server preface: {error}"))
        self._connected = True
        try:
            return self._judged(*await self._answer(conversation))
        except PeerError as error:
            return critical(_UNAVAILABLE + gotext.quoted(str(error)))

    async def _answer(self, conversation: Conversation) -> tuple[dict[str, str], bytes]:
        """The headers of the answer, with its trailers, and its body."""
        from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

        name = self._service.encode()
        request = b"\x0a" + _varint(len(name)) + name if name else b""  # field 1, a string
        headers: dict[str, str] = {}
        body = bytearray()
        sent = conversation.request(self._headers(), b"\0" + struct.pack(">I", len(request)) + request)
        async for event in sent:
            if isinstance(event, ResponseReceived | TrailersReceived):
                headers.update((_text(name), _text(value)) for name, value in event.headers or ())
            elif isinstance(event, DataReceived):
                body += event.data or b""
            elif isinstance(event, StreamReset):
                raise PeerError(f"stream terminated by RST_STREAM with error code: {event.error_code!s}")
            elif isinstance(event, StreamEnded):
                break
        return headers, bytes(body)

    def _headers(self) -> list[tuple[str, str]]:
        definition = self._definition
        return [
            (":method", "POST"),
            (":scheme", "https" if definition.grpc_use_tls else "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", (definition.grpc_use_tls and definition.tls_server_name) or self._server),
            ("content-type", "application/grpc"),
            ("user-agent", "Consul Health Check"),
            ("te", "trailers"),
            ("grpc-timeout", f"{max(1, min(round(self._seconds * 1000), 99_999_999))}m"),
        ]

    def _judged(self, headers: dict[str, str], body: bytes) -> Result:
        target = self._definition.grpc
        code = headers.get("grpc-status", "")
        if code != "0":
            return critical(_rpc_error(code, headers))
        status = _serving_status(body)
        if status == _SERVING:
            return passing(f"gRPC check {target}: success")
        return critical(f"gRPC {target} serving status: {_STATUSES.get(status, status)}")


def _rpc_error(code: str, headers: dict[str, str]) -> str:
    if not code.isascii() or not code.isdigit():
        http = headers.get(":status", "")
        said = f"unexpected HTTP status code received from server: {http}"
        return f"rpc error: code = {'Unavailable' if http in ('429', '502', '503', '504') else 'Unknown'} desc = {said}"
    name = _CODES[int(code)] if int(code) < len(_CODES) else f"Code({code})"
    return f"rpc error: code = {name} desc = {unquote(headers.get('grpc-message', ''))}"


def _serving_status(body: bytes) -> int:
    """Field 1 of the message; 0 (unknown) when it is not there. Other fields would be of a later version."""
    message = body[5:]
    return message[1] if len(message) > 1 and message[0] == 0x08 else 0


def _text(of: str | bytes) -> str:
    """A header as text, which those of a target need not be."""
    return of if isinstance(of, str) else of.decode("utf-8", "replace")


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
