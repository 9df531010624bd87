"""The server in this process, asked through a real connection, and watched from inside.

Owns the exchange of one request for one answer: the clock is moved when the request turns out to wait, a
silence is a failure, and a state that a refusal or a read has changed is one too.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from registry import testing
from registry.commands import Command, UpdateCheck
from registry.core.reading import State
from registry.errors import RequestError
from registry.log.memory import MemoryLog, MemoryStore
from registry.state.snapshot import Frozen
from tests.fuzz.findings import Findings
from tests.fuzz.wire import Answer, Connection, Malformed

LONGEST_WAIT_SECONDS = 2.0  # of a blocking read: moving the clock costs real time
LONGER_SECONDS = 3.0
SILENCE_SECONDS = 2.0  # of real time: nothing that a request asks for takes a tenth of it
TURNS = 50  # of the loop in which most answers come
_STILL_THERE = b"GET /v1/status/leader HTTP/1.1\r\nHost: registry\r\n\r\n"
SNAPSHOT_BYTES = 20_000  # so small that odd rows are written to snapshots and read from them

_WRITES = frozenset({"PUT", "POST", "DELETE"})


def digest(state: State) -> bytes:
    """A hash of all that the state holds: equal before and after whatever changes nothing.

    The index and time of the newest entry are left out, since a refused command may be one.
    """
    frozen = Frozen(state)
    frozen.header = replace(frozen.header, applied=0, time=0.0)
    found = hashlib.blake2b(repr(sorted(state.outputs.items())).encode("utf-8", "backslashreplace"))
    for chunk in frozen.chunks():
        found.update(chunk)
    return found.digest()


class Target:
    """One server's life under odd requests."""

    def __init__(self, server: testing.TestServer) -> None:
        self.server = server
        self.complaints: list[str] = []  # what was said outside of any request
        self._connection: Connection | None = None
        self._last = b""
        self._digest = digest(server.engine.state)
        self._checks_ran = False  # a check has run, which takes real time and ends when it likes
        self._listen()

    async def exchange(self, method: str, raw: bytes, *, may_be_cut: bool = False) -> tuple[Answer | None, list[str]]:
        """The answer to one whole request, None when there is none; and what was wrong with the exchange.

        Args:
            may_be_cut: whether the kernel may take the answer away, since the server need not read the rest.
        """
        connection = self._connection or await self.connected()
        self._connection = connection
        before, self._last = self._last, raw
        connection.send(raw)
        try:
            answer, waited = await self._answer(connection, method)
            found = await self._end(connection, answer)
        except (Malformed, EOFError, OSError, TimeoutError) as error:
            await self._hang_up(connection)
            if may_be_cut and isinstance(error, ConnectionError):
                return None, self._changes(None, waited=False)
            return None, [f"no answer: {error!r}, after {before[:200]!r}", *self._changes(None, waited=True)]
        if waited:
            await self.server.advance(0)  # what time has brought is stored now, not after the next request
        return answer, [*found, *self._changes(answer if method in _WRITES else None, waited=waited)]

    async def pour(self, pieces: list[bytes], *, half_close: bool) -> tuple[list[Answer], list[str]]:
        """The answers to bytes that may be anything, sent on a connection of their own, until there come no more.

        Afterwards the server has to answer others as before.
        """
        connection = await self.connected()
        answers: list[Answer] = []
        found: list[str] = []
        cut_off = half_close  # a client that has gone may not hear of what it asked for
        try:
            for piece in pieces:
                if connection.gone:
                    break
                connection.send(piece)
                await asyncio.sleep(0)
            if half_close and not connection.gone:
                connection.writer.write_eof()
            while not (answers and answers[-1].closes):
                reading = asyncio.ensure_future(connection.answer("GET"))
                if not await settled(reading):
                    reading.cancel()
                    break
                answers.append(reading.result())
        except Malformed as error:
            found.append(str(error))
        except asyncio.IncompleteReadError as end:
            found += [f"half an answer: {end.partial!r}"] if end.partial else []
        except OSError:
            cut_off = True  # more came than the server wanted to read: what it said may be lost on the way
        await connection.close()
        accepted = next((answer for answer in answers if answer.status == 200), None)
        found += self._changes(accepted, waited=cut_off)
        leader, more = await self.exchange("GET", _STILL_THERE)
        if leader is None or leader.status != 200:
            found.append("the server answers nobody any more")
        return answers, [*found, *more]

    async def connected(self) -> Connection:
        """A new connection."""
        return await Connection.opened(self.server.host, self.server.port)

    async def _answer(self, connection: Connection, method: str) -> tuple[Answer, bool]:
        """The answer, and whether time had to pass for it."""
        reading, waited, begun = asyncio.ensure_future(connection.answer(method)), False, _now()
        try:
            while not reading.done():
                if self.server.engine.topics.parked:
                    await self.server.advance(LONGER_SECONDS)
                    waited = True
                if not await settled(reading):
                    await asyncio.wait({reading}, timeout=0.02)  # a handler is on a thread
                if _now() - begun > SILENCE_SECONDS:
                    raise TimeoutError("silence")
            return reading.result(), waited
        finally:
            reading.cancel()

    async def _end(self, connection: Connection, answer: Answer) -> list[str]:
        """What comes after the answer: nothing, or the end of the connection where that was announced."""
        if not answer.closes:
            return []
        found = []
        if not answer.endless:
            async with asyncio.timeout(SILENCE_SECONDS):
                if rest := await connection.reader.read(1000):
                    found.append(f"after the last answer comes {rest!r}")
        await self._hang_up(connection)
        return found

    async def _hang_up(self, connection: Connection) -> None:
        await connection.close()
        self._connection = None

    def _listen(self) -> None:
        observer = self.server.engine.observer
        told = observer.applied

        def applied(index: int, command: Command, refusal: RequestError | None) -> None:
            self._checks_ran = self._checks_ran or (isinstance(command, UpdateCheck) and command.create_index > 0)
            told(index, command, refusal)

        observer.applied = applied  # type: ignore[method-assign]

    def _changes(self, answer: Answer | None, *, waited: bool) -> list[str]:
        """What moved inside, although only a write that was accepted may move anything; and time."""
        engine = self.server.engine
        before, self._digest = self._digest, digest(engine.state)
        found, self.complaints = self.complaints, []
        if engine.failed is not None and engine.failed.done():
            found.append(f"the engine has given up: {engine.failed.result()!r}")
        accepted = answer is not None and answer.status == 200
        ran, self._checks_ran = self._checks_ran, False
        if self._digest != before and not (accepted or waited or ran):
            found.append("the state has changed")
        return found

    async def pass_time(self, seconds: float) -> None:
        """Let TTLs run out and critical services be reaped."""
        await self.server.advance(seconds)
        self._digest = digest(self.server.engine.state)

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._hang_up(self._connection)


async def settled(reading: "asyncio.Future[Any]") -> bool:
    """Whether it is done within some turns of the loop."""
    for _ in range(TURNS):
        if reading.done():
            return True
        await asyncio.sleep(0)
    return reading.done()


def _now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def target(findings: Findings) -> AsyncIterator[Target]:
    """A server for some requests. At its end it is recovered from its own log, which has to give the same state."""
    clock = testing.FakeClock()
    store = MemoryStore(now=clock.now, elapsed=clock.elapsed)
    loop = asyncio.get_running_loop()
    settings: dict[str, Any] = {
        "snapshot_min_bytes": SNAPSHOT_BYTES,
        "default_query_seconds": LONGEST_WAIT_SECONDS,
        "max_query_seconds": LONGEST_WAIT_SECONDS,
    }
    async with testing.server(log=MemoryLog(store, writer="first"), clock=clock, **settings) as server:
        asked = Target(server)
        tasks = len(asyncio.all_tasks())
        loop.set_exception_handler(lambda _, context: asked.complaints.append(repr(context)))
        try:
            yield asked
        finally:
            await asked.close()
            await server.clock.settle()
            loop.set_exception_handler(None)
            for complaint in asked.complaints:
                findings.add(complaint)
            if len(asyncio.all_tasks()) > tasks:
                findings.add(f"tasks are left: {asyncio.all_tasks()}")
    async with testing.server(log=MemoryLog(store, writer="second"), clock=clock, **settings) as again:
        if digest(again.engine.state) != digest(server.engine.state):
            findings.add(f"recovery gives another state: {_difference(server.engine.state, again.engine.state)}")


def _difference(before: State, after: State) -> str:
    """Which rows are not the same, as far as a person can take it in."""
    tables = ("node_rows", "instances", "checks", "outputs")
    rows = {name: (getattr(before, name), getattr(after, name)) for name in tables}
    return json.dumps({name: [repr(one)[:2000] for one in pair] for name, pair in rows.items() if pair[0] != pair[1]})
