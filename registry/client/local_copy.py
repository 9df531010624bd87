"""What is known of one service, and who wants to hear of changes.

Owns the local copy. Where it comes from is `discovery.py`. All but reading `instances` belongs to one event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from registry.client.errors import ClientError
from registry.client.instance import Change, Instance

Told = Callable[[Change], object]


class LocalCopy:
    """The instances of the last answer, whether the server is there, and a bell that rings when either changes."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        """failed: told what a callback has raised."""
        self.instances: tuple[Instance, ...] = ()
        self.known = False  # whether there was an answer
        self.closed = False
        self.error: ClientError | None = None  # of the last query
        self.moved = asyncio.Event()  # set at the next change of anything here; each is used once
        self._told: list[Told] = []
        self._failed = failed

    def take(self, instances: tuple[Instance, ...]) -> None:
        """An answer."""
        first, before = not self.known, self.instances
        self.instances, self.known, self.error = instances, True, None
        if first or before != instances:
            change = Change.between(before, instances)
            for told in list(self._told):
                self._tell(told, change)
        self._ring()

    def fail(self, error: ClientError) -> None:
        """There was no answer; what is known stays."""
        self.error = error
        self._ring()

    def close(self) -> None:
        """Nothing will change any more."""
        self.closed = True
        self._ring()

    def tell(self, told: Told) -> Callable[[], None]:
        """Call this at each change, the present state being the first; returns what ends that."""
        self._told.append(told)
        if self.known:
            self._tell(told, Change.between((), self.instances))

        def end() -> None:
            if told in self._told:
                self._told.remove(told)

        return end

    async def changes(self) -> AsyncIterator[Change]:
        """Each change, the present state being the first. Who is slow gets several as one."""
        seen: tuple[Instance, ...] | None = None
        while True:
            moved = self.moved
            if self.known and self.instances != seen:
                change = Change.between(seen or (), self.instances)
                seen = self.instances
                yield change
            elif self.closed:
                return
            else:
                await moved.wait()

    def _ring(self) -> None:
        bell, self.moved = self.moved, asyncio.Event()
        bell.set()

    def _tell(self, told: Told, change: Change) -> None:
        try:
            told(change)
        except Exception as error:  # somebody else's code
            self._failed(error)
