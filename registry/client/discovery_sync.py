"""`SyncDiscovery`: a `Discovery` for programs without an event loop.

Owns a thread with a loop of its own, on which the discovery lives. Every method may be called from any thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Self, TypeVar

from registry.client.discovery import READY_SECONDS, Discovery
from registry.client.errors import NotReady
from registry.client.instance import Change, Instance

Result = TypeVar("Result")


class SyncDiscovery:
    """A discovery that lives on a thread; it is started and closed with this one.

    with SyncDiscovery(Discovery("http://localhost:8500", "web")) as web:
        web.wait_ready()
        instance = web.pick()
    """

    def __init__(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self._thread: threading.Thread | None = None
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None  # the event ends it
        self._gate = threading.Lock()  # nothing is sent to a loop that has been told to end

    @property
    def instances(self) -> tuple[Instance, ...]:
        """As of the discovery."""
        return self.discovery.instances

    @property
    def fresh(self) -> bool:
        """As of the discovery."""
        return self.discovery.fresh

    def pick(self, exclude: Iterable[Instance] = ()) -> Instance:
        """As of the discovery."""
        return self.discovery.pick(exclude)

    def start(self) -> None:
        """Begin to ask.

        Raises:
            OSError: this machine has no file left to open, of which a loop needs some.
        """
        with self._gate:
            if self._running is not None:
                return
            runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
            loop, end, started = runner.get_loop(), asyncio.Event(), threading.Event()
            name = f"discovery of {self.discovery.service}"
            self._thread = threading.Thread(target=self._run, args=(runner, end, started), name=name, daemon=True)
            self._thread.start()
            started.wait()
            self._running = loop, end

    def close(self) -> None:
        """Ask no more, and wait for the thread to end."""
        with self._gate:
            if self._running is not None:
                loop, end = self._running
                loop.call_soon_threadsafe(end.set)
                self._running = None
        if self._thread is not None and not self._is_ours():
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_ready(self, timeout: float | None = READY_SECONDS, *, least: int = 1) -> None:
        """As of the discovery.

        Raises:
            NotReady: also where it is not started, or closed. Refused.
        """
        self._on_loop(self.discovery.wait_ready(timeout, least=least))

    def watch(self) -> Iterator[Change]:
        """Each change, what is known being the first; waits for them, and ends with `close`."""
        changes = self.discovery.watch()
        while True:
            try:
                change = self._on_loop(_next(changes))
            except NotReady:
                return
            if change is None:
                return
            yield change

    def on_change(self, told: Callable[[Change], object]) -> Callable[[], None]:
        """Call `told` on the discovery's thread at each change; returns what ends that.

        `told` must not wait: neither for `wait_ready` nor in `watch`.
        """
        end = self._called(lambda: self.discovery.on_change(told))
        return lambda: self._called(end)

    def _run(self, runner: asyncio.Runner, end: asyncio.Event, started: threading.Event) -> None:
        async def live() -> None:
            async with self.discovery:
                started.set()
                await end.wait()

        with runner:
            runner.run(live())

    def _on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        if self._is_ours():
            work.close()
            raise RuntimeError("a callback cannot wait for the thread that calls it")
        with self._gate:
            if self._running is None:
                work.close()
                raise NotReady(f"the discovery of {self.discovery.service} is not running")
            sent = asyncio.run_coroutine_threadsafe(work, self._running[0])
        try:
            return sent.result()
        except CancelledError:
            raise NotReady(f"the discovery of {self.discovery.service} was closed") from None

    def _called(self, call: Callable[[], Result]) -> Result:
        async def called() -> Result:
            return call()

        return call() if self._is_ours() else self._on_loop(called())

    def _is_ours(self) -> bool:
        return threading.current_thread() is self._thread


async def _next(changes: Any) -> Change | None:
    change: Change | None = await anext(changes, None)
    return change
