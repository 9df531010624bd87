"""One connection to the master, made when it is needed and dropped when in doubt.

Owns what became of a command: answered, refused, not sent, or sent without an answer. That difference is
what a log needs and a client library hides, so the library's own retries are off.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import Connection
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from registry.log.redis.place import Place, Unfindable, connection_to
from registry.log.redis.url import Target

CALL_SECONDS = 0.9  # a master that takes longer for an answer is away; our callers are promised one second
_ELSEWHERE = ("MASTERDOWN", "CLUSTERDOWN", "READONLY", "MOVED", "ASK", "LOADING", "NOREPLICAS")


class Refused(Exception):
    """The server answered with an error: it did nothing."""


class NotSent(Exception):
    """There is no connection: the command never left."""


class NoAnswer(Exception):
    """The command was sent and no answer came: it may have been carried out, or may still be.

    `silent_seconds` is how long the server had by then to answer.
    """

    def __init__(self, reason: str, silent_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.silent_seconds = silent_seconds


class Link:
    """Calls go one after the other, whoever makes them."""

    def __init__(self, target: Target, place: Place) -> None:
        self._target = target
        self._place = place
        self._connection: Connection | None = None
        self._doubtful = False
        self._closed = False
        self._turn = asyncio.Lock()

    async def call(self, *commands: Sequence[Any], seconds: float = CALL_SECONDS) -> list[Any]:
        """Send the commands in one go and return their answers.

        Raises:
            Refused: the first one that answered with an error; those after it were carried out all the same.
            NotSent, NoAnswer: as they say. The connection is dropped.
        """
        async with self._turn:
            if self._closed:
                raise NotSent("the log is closed")
            deadline = asyncio.get_running_loop().time() + seconds
            connection = await self._connected(seconds)
            whole = False
            try:
                async with asyncio.timeout_at(deadline):
                    await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
                    answers = [await _answer(connection) for _ in commands]
                whole = True
            except TimeoutError:
                raise NoAnswer(f"no answer within {seconds:.1f} s", seconds) from None
            except (RedisError, OSError) as error:
                raise NoAnswer(str(error) or type(error).__name__) from None
            finally:
                if not whole:
                    await self.drop()
            for answer in answers:
                if isinstance(answer, ResponseError | RedisError):
                    await self._refused(answer)
            return answers

    async def _connected(self, seconds: float) -> Connection:
        if self._doubtful:
            await self.drop()
        if self._connection is not None:
            return self._connection
        connection = None
        try:
            async with asyncio.timeout(seconds):
                address = await self._place.address()
                connection = connection_to(self._target, address, seconds)
                await connection.connect()  # type: ignore[no-untyped-call]
                # a large command without a password that is asked for is a "protocol error": ask with a small one
                await connection.send_command("PING")
                await connection.read_response()
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)
            if isinstance(error, AuthenticationError | AuthorizationError | BusyLoadingError | NoPermissionError):
                raise Refused(_worded(error)) from None
            if isinstance(error, RedisError | OSError | Unfindable | TimeoutError):
                raise NotSent(str(error) or "no connection in time") from None
            raise
        self._connection = connection
        return connection

    async def _refused(self, error: Exception) -> None:
        text = _worded(error)
        if isinstance(error, ReadOnlyError | MovedError) or text.startswith(_ELSEWHERE):
            await self.drop()  # the master is somewhere else, or will be: look again
        raise Refused(text)

    def doubt(self) -> None:
        """The master was away: its end of the connection may be gone, so the next call makes a new one."""
        self._doubtful = True

    async def close(self) -> None:
        """Drop the connection for good."""
        self._closed = True
        await self.drop()
        async with self._turn:  # a call that was connecting
            await self.drop()

    async def drop(self) -> None:
        """Close the connection; the next call makes a new one."""
        self._doubtful = False
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


async def _answer(connection: Connection) -> Any:
    try:
        return await connection.read_response(disconnect_on_error=False)
    except (ResponseError, AuthenticationError, AuthorizationError, BusyLoadingError) as error:
        return error  # an answer, though the library counts some of them among broken connections


_CODES = {
    "AuthenticationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "NoPermissionError": "NOPERM",
    "ReadOnlyError": "READONLY",
    "NoScriptError": "NOSCRIPT",
}


def _worded(error: Exception) -> str:
    """The error as the server wrote it: the library takes the code away from those it has a class for."""
    code, text = _CODES.get(type(error).__name__, "MOVED" if isinstance(error, MovedError) else ""), str(error)
    return text if not code or text.startswith(code) else f"{code} {text}"
