"""A worker's end of the line to the supervisor, on the worker's event loop.

Owns the questions that this worker has put to all, its answers to theirs, and the events that pass between them. It
is the `Processes` of the worker's pages, and turns a client's `stop` and `reload` into those of the whole server.
"""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from registry.api.processes import Processes, Report
from registry.errors import LogError, LogUnavailable, SettingsError
from registry.events import Events
from registry.events.bridge import Bridge, decoded
from registry.supervisor import sums
from registry.supervisor.messages import (
    RELOAD,
    REPORT,
    Answer,
    Ask,
    Failure,
    Frames,
    Leave,
    Message,
    Ready,
    Said,
    Stop,
    Told,
    Watch,
    framed,
)
from registry.supervisor.place import Place

_WAIT_SECONDS = 15.0  # longer than the supervisor needs for any question
_EVENTS_BYTES = 256 << 10  # that may wait for a supervisor that does not read; further events are lost


class Worker(Protocol):
    """The parts of this process that the line acts on."""

    events: Events

    def stop(self) -> None:
        """Begin to shut this process down."""

    async def reload(self) -> None:
        """Read this process's files again; raises SettingsError, LogError."""


class Link(asyncio.Protocol):
    """The worker's end of the line, from `open` to `close`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Told]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._lost_events = 0

    # Life

    async def open(self, worker: Worker, own: Processes) -> None:
        """Begin to listen to the supervisor.

        Args:
            own: the figures of this process alone.
        """
        self._worker, self._own = worker, own
        self._loop = asyncio.get_running_loop()
        await self._loop.create_unix_connection(lambda: self, sock=self.place.line)
        worker.events.span(Bridge(self._cross, lambda level: self._send(Watch(level))))

    def ready(self) -> None:
        """Tell the supervisor that this worker is listening."""
        self._send(Ready())

    def close(self) -> None:
        """Neither ask nor answer any more; the line itself ends with the process."""
        for task in self._answering:
            task.cancel()
        for future in self._asked.values():
            future.cancel()

    # What clients want of the whole server

    def stop(self) -> None:
        """Begin to shut down all workers."""
        self._send(Leave())

    async def reload(self) -> None:
        """Have all workers read their files again.

        Raises:
            SettingsError, LogError: one of them could not.
        """
        told = await self._ask(RELOAD)
        if told is None:
            raise LogUnavailable("the supervisor does not answer")
        if told.failure is not None:
            raise told.failure.error

    async def report(self) -> Report:
        """The figures of all workers, added up; if the supervisor does not answer, those of this one."""
        own = await self._own.report()
        told = await self._ask(REPORT, sums.encoded(own))
        if told is None:
            return sums.merged([own])
        others = [sums.decoded(one) for one in told.answers]
        past = [sums.decoded(one).figures for one in told.past]
        return sums.merged([own, *others], past, told.silent, told.restarts)

    async def _ask(self, what: str, own: bytes = b"") -> Told | None:
        """Put a question to all workers; None if the supervisor does not answer."""
        number = next(self._ids)
        self._asked[number] = self._loop.create_future()
        self._send(Ask(number, what, own))
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await self._asked[number]
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    # The line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to write to."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take in what the supervisor says. Both ends run the same program, so it is always well formed."""
        for message in self._frames.feed(data):
            self._take(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Shut down in good order, because the supervisor is gone."""
        self._transport = None
        self._worker.events.agent.warning("The supervisor is gone")
        self._worker.stop()

    def _send(self, message: Message) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(message))

    def _take(self, message: Message) -> None:
        match message:
            case Stop():
                self._worker.stop()
            case Ask():
                self._begin(self._answer(message))
            case Told():
                future = self._asked.get(message.id)
                if future is not None and not future.done():
                    future.set_result(message)
            case Watch(level):
                self._worker.events.forward_from(level)
            case Said(event):
                self._worker.events.hear(decoded(event))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, question: Ask) -> None:
        if question.what == REPORT:
            self._send(Answer(question.id, sums.encoded(await self._own.report())))
            return
        try:
            await self._worker.reload()
        except (SettingsError, LogError) as error:
            self._send(Answer(question.id, failure=Failure.of(error)))
        else:
            self._send(Answer(question.id))

    # Events

    def _cross(self, event: bytes) -> None:
        """Send an event to listeners in other processes; may be called on any thread."""
        try:
            self._loop.call_soon_threadsafe(self._say, event)
        except RuntimeError:  # the loop is closed: so are the listeners
            return

    def _say(self, event: bytes) -> None:
        """Send an event, or drop it if the supervisor does not read: nothing waits for a log line."""
        if self._transport is None or self._transport.get_write_buffer_size() > _EVENTS_BYTES:
            self._lost_events += 1
            return
        self._send(Said(event))
        if self._lost_events:
            lost, self._lost_events = self._lost_events, 0
            self._worker.events.agent.warning("Lines for the monitor of another worker were lost", lost=lost)
