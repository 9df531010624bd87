"""The group of the writers that share a log within one process, usually one.

Owns who is the housekeeper and who owns an item. It does not see other processes.
"""

from collections.abc import MutableMapping
from hashlib import blake2b


class LocalGroup:
    """`Group` in process, over the writers that have the log open, in the order they opened it."""

    def __init__(self, writer: str, alive: MutableMapping[str, None]) -> None:
        self._writer = writer
        self._alive = alive

    def is_housekeeper(self) -> bool:
        """Whether this writer is the one that has had the log open for longest."""
        return next(iter(self._alive), None) == self._writer

    def owner(self, item: str) -> str:
        """The writer with the highest hash for `item` (rendezvous): few items move when one leaves."""
        if len(self._alive) < 2:
            return next(iter(self._alive), self._writer)
        return max(self._alive, key=lambda writer: blake2b(f"{writer}\0{item}".encode(), digest_size=8).digest())

    def members(self) -> tuple[str, ...]:
        """The writers that have the log open, sorted."""
        return tuple(sorted(self._alive))

    def join(self) -> None:
        """Count this writer among the living."""
        self._alive[self._writer] = None

    def leave(self) -> None:
        """Count this writer out; leaving twice is fine."""
        self._alive.pop(self._writer, None)
