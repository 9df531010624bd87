"""`SyncDiscovery`: a `Discovery` for programs without an event loop.

Owns nothing but the way to the thread on which the discovery lives. Every method may be called from any thread.
"""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from registry.client.discovery import READY_SECONDS, Discovery
from registry.client.errors import NotReady
from registry.client.instance import Change, Instance
from registry.client.loop_thread import LoopThread


class SyncDiscovery:
    """A discovery that lives on a thread; it is started and closed with this one.

    with SyncDiscovery(Discovery("http://localhost:8500", "web")) as web:
        web.wait_ready()
        instance = web.pick()
    """

    def __init__(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self._thread = LoopThread(f"discovery of {discovery.service}", discovery)

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
        self._thread.start()

    def close(self) -> None:
        """Ask no more, and wait for the thread to end."""
        self._thread.close()

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
        self._thread.call(self.discovery.wait_ready(timeout, least=least))

    def watch(self) -> Iterator[Change]:
        """Each change, what is known being the first; waits for them, and ends with `close`."""
        changes = self.discovery.watch()
        while True:
            try:
                change = self._thread.call(_next(changes))
            except NotReady:
                return
            if change is None:
                return
            yield change

    def on_change(self, told: Callable[[Change], object]) -> Callable[[], None]:
        """Call `told` on the discovery's thread at each change; returns what ends that.

        `told` must not wait: neither for `wait_ready` nor in `watch`.
        """
        end = self._thread.called(lambda: self.discovery.on_change(told))
        return lambda: self._thread.called(end)


async def _next(changes: Any) -> Change | None:
    change: Change | None = await anext(changes, None)
    return change
