"""One conversation in HTTP/2 with a target: enough for a ping and for one request.

Owns the connection's preface, flow of bytes and errors, over the frames of the h2 package. What is asked
is in h2ping.py and grpc.py. h2 is imported when the first such check runs.
Source: RFC 9113.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from registry.checks import dial, gotext

_READ_BYTES = 65536
_MOST_BYTES = 1 << 20  # of an answer whose useful part is a few bytes
_LENGTH_BYTES = 3  # at the beginning of each frame
_LONGEST_FRAME = 16384  # that we have said we take


class PeerError(Exception):
    """The target does not hold up its end; the text is the one Go has for it."""


class Conversation:
    """The client's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._reader, self._writer = reader, writer
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._pending: list[Any] = []
        self._path = dial.path_of(writer.get_extra_info("socket"))

    async def open(self) -> None:
        """Exchange settings with the target.

        Raises:
            PeerError: it does not speak HTTP/2.
        """
        from h2.events import RemoteSettingsChanged

        self._h2.initiate_connection()
        self._writer.write(self._h2.data_to_send())
        try:
            begun = await self._reader.readexactly(_LENGTH_BYTES)
        except (EOFError, OSError) as error:
            raise PeerError(gotext.peer_text(error, self._path)) from None
        if int.from_bytes(begun) > _LONGEST_FRAME:  # it speaks something else; h2 would wait for the whole frame
            raise PeerError("http2: frame too large")
        self._h2.receive_data(begun)
        while not any(isinstance(event, RemoteSettingsChanged) for event in self._pending):
            self._pending += await self._read()

    async def ping(self) -> None:
        """Send a PING and wait for its acknowledgement.

        Raises:
            PeerError: the connection ends before it comes.
        """
        from h2.events import PingAckReceived

        self._send(lambda: self._h2.ping(b"registry"))
        async for event in self._events():
            if isinstance(event, PingAckReceived):
                return

    async def request(self, headers: Iterable[tuple[str, str]], body: bytes) -> AsyncIterator[Any]:
        """Send a request; the events of its stream, in their order, with headers as bytes. The caller stops when it
        has enough.

        Raises:
            PeerError: the connection ends before that.
        """
        number = self._h2.get_next_available_stream_id()
        self._send(lambda: self._h2.send_headers(number, list(headers)))
        self._send(lambda: self._h2.send_data(number, body, end_stream=True))
        async for event in self._events():
            if getattr(event, "stream_id", None) == number:
                yield event

    def _send(self, said: Callable[[], None]) -> None:
        """Say something, unless the target has said already that it will not hear it."""
        from h2.exceptions import ProtocolError

        for event in self._pending:
            _refuse_goodbye(event)
        try:
            said()
        except ProtocolError as error:
            raise PeerError(f"connection error: {error}") from None
        self._writer.write(self._h2.data_to_send())

    async def _events(self) -> AsyncIterator[Any]:
        from h2.events import DataReceived

        received = 0
        while True:
            pending, self._pending = self._pending, []
            for event in pending:
                _refuse_goodbye(event)
                if isinstance(event, DataReceived):
                    received += len(event.data)
                    if received > _MOST_BYTES:
                        raise PeerError("http2: response body too large")
                yield event
            self._pending += await self._read()

    async def _read(self) -> list[Any]:
        from h2.exceptions import FrameTooLargeError, ProtocolError

        try:
            data = await self._reader.read(_READ_BYTES)
            if not data:
                raise PeerError("EOF")
            events = list(self._h2.receive_data(data))
        except FrameTooLargeError:
            raise PeerError("http2: frame too large") from None
        except ProtocolError as error:
            raise PeerError(f"connection error: {error}") from None
        except OSError as error:
            raise PeerError(gotext.peer_text(error, self._path)) from None
        if reply := self._h2.data_to_send():
            self._writer.write(reply)
        return events


def _refuse_goodbye(event: Any) -> None:
    """Raises the error of Go when the event is that the target will not go on."""
    from h2.errors import ErrorCodes
    from h2.events import ConnectionTerminated

    if isinstance(event, ConnectionTerminated):
        code = event.error_code
        name = code.name if isinstance(code, ErrorCodes) else f"unknown error code 0x{int(code or 0):x}"
        debug = gotext.quoted((event.additional_data or b"").decode("utf-8", "replace"))
        what = f"LastStreamID={event.last_stream_id}, ErrCode={name}, debug={debug}"
        raise PeerError(f"http2: server sent GOAWAY and closed the connection; {what}")
