"""Clients that are slow, or stop in the midst of something, now and then.

Owns the ways of it. What the server must do: serve a slow one as long as it keeps to the limits, and end the others.
"""

import asyncio
import random

from tests.fuzz.wire import Connection
from tests.processes import ServerProcess
from tests.soak.tally import Tally

HEAD_SECONDS = 2  # the server's limit in a soak
FLAGS = ("--request-head-seconds", str(HEAD_SECONDS), "--request-body-seconds", str(HEAD_SECONDS))
SLOW_CLIENTS, BETWEEN_SECONDS = 3, 0.5
_PIPELINED = 200


class SlowClients:
    """So many at a time, each of which comes again and again in another way."""

    def __init__(self, server: ServerProcess, tally: Tally, chance: random.Random) -> None:
        self.came = 0
        self._server, self._tally, self._chance = server, tally, chance

    async def come(self) -> None:
        """One of them, until it is cancelled."""
        ways = (self._dribble, self._never_end, self._no_body, self._half_a_head, self._read_nothing, self._say_nothing)
        while True:
            await asyncio.sleep(self._chance.uniform(0, 2 * BETWEEN_SECONDS))
            connection = await self._server.connected()
            self.came += 1
            try:
                async with asyncio.timeout(HEAD_SECONDS + 20):
                    await self._chance.choice(ways)(connection)
            except (OSError, EOFError, TimeoutError) as error:
                self._tally.wrong("slow clients", repr(error))
            finally:
                connection.writer.transport.abort()

    async def _dribble(self, connection: Connection) -> None:
        """A head in pieces, in time."""
        for piece in (b"GET /v1/status/", b"leader HTTP/1.1\r\nHo", b"st: registry\r\n\r", b"\n"):
            connection.send(piece)
            await asyncio.sleep(HEAD_SECONDS / 10)
        answer = await connection.answer("GET")
        self._tally.judge("slow clients", answer.status == 200, f"a head in pieces is answered {answer}")

    async def _never_end(self, connection: Connection) -> None:
        """A head that does not end."""
        connection.send(b"GET /v1/status/leader HTTP/1.1\r\nHost: registry\r\n")
        answer = await connection.answer("GET")
        self._tally.judge("slow clients", answer.status == 408, f"half a head is answered {answer}")
        assert await connection.reader.read() == b""

    async def _no_body(self, connection: Connection) -> None:
        """A body that does not come."""
        connection.send(b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: registry\r\nContent-Length: 90\r\n\r\n{")
        answer = await connection.answer("PUT")
        self._tally.judge("slow clients", answer.status == 408, f"half a body is answered {answer}")

    async def _half_a_head(self, connection: Connection) -> None:
        """Gone in the midst of the head."""
        connection.send(b"PUT /v1/agent/ser")
        await asyncio.sleep(self._chance.uniform(0, 1))

    async def _read_nothing(self, connection: Connection) -> None:
        """Gone before it has read what it asked for, which is more than fits between the two."""
        connection.writer.transport.set_write_buffer_limits(1 << 20)
        connection.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream would read ahead
        connection.send(b"GET /v1/health/state/any HTTP/1.1\r\nHost: registry\r\n\r\n" * _PIPELINED)
        await asyncio.sleep(self._chance.uniform(0, 2))

    async def _say_nothing(self, connection: Connection) -> None:
        """Connected, and then nothing."""
        await asyncio.sleep(self._chance.uniform(0, 3))
