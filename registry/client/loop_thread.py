"""A thread with an event loop of its own, for the classes that need no loop where they are used.

Owns its beginning, its end, and what is sent to it. Who lives on it is told by a context manager.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from registry.client.errors import NotReady

Result = TypeVar("Result")

_END_SECONDS = 10.0  # for what was cancelled to come to its end, as giving back a lock does in 5


class LoopThread:
    """The thread; begun and closed any number of times, from any thread.

    Args:
        name: what lives on it, e.g. `discovery of web`.
        resident: is entered when the thread begins, and left when it ends.
    """

    def __init__(self, name: str, resident: AbstractAsyncContextManager[object] | None = None) -> None:
        self._name = name
        self._resident = nullcontext() if resident is None else resident
        self._thread: threading.Thread | None = None
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None  # the event ends it
        self._gate = threading.Lock()  # nothing is sent to a loop that has been told to end

    @property
    def is_ours(self) -> bool:
        """Whether the caller runs on it."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Begin; does nothing when it has begun.

        Raises:
            OSError: this machine has no file left to open, of which a loop needs some.
        """
        with self._gate:
            if self._running is not None:
                return
            runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
            loop, end, started = runner.get_loop(), asyncio.Event(), threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(runner, end, started), name=self._name, daemon=True
            )  # fmt: skip
            self._thread.start()
            started.wait()
            self._running = loop, end

    def close(self) -> None:
        """End it, and wait for that; what still waits on it ends with `NotReady`."""
        with self._gate:
            if self._running is not None:
                loop, end = self._running
                loop.call_soon_threadsafe(end.set)
                self._running = None
        if self._thread is not None and not self.is_ours:
            self._thread.join()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` returns or raises there; whoever is interrupted meanwhile cancels it.

        Raises:
            NotReady: it does not run, or was closed. RuntimeError: the caller is this thread itself.
        """
        if self.is_ours:
            work.close()
            raise RuntimeError("a callback cannot wait for the thread that calls it")
        with self._gate:
            if self._running is None:
                work.close()
                raise NotReady(f"the {self._name} is not running")
            ended = threading.Event()
            sent = asyncio.run_coroutine_threadsafe(_told(work, ended), self._running[0])
        try:
            return sent.result()
        except CancelledError:
            raise NotReady(f"the {self._name} was closed") from None
        except BaseException:
            if sent.cancel():  # else it has raised that itself
                ended.wait(_END_SECONDS)
            raise

    def called(self, call: Callable[[], Result]) -> Result:
        """What `call` returns there; it may be called from that thread too."""

        async def later() -> Result:
            return call()

        return call() if self.is_ours else self.call(later())

    def _run(self, runner: asyncio.Runner, end: asyncio.Event, started: threading.Event) -> None:
        async def live() -> None:
            async with self._resident:
                started.set()
                await end.wait()

        with runner:
            runner.run(live())


async def _told(work: Coroutine[Any, Any, Result], ended: threading.Event) -> Result:
    try:
        return await work
    finally:
        ended.set()
