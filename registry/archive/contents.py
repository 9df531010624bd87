"""What of a state goes into a backup: all that is the same wherever the state stands.

Owns that choice and the digest that follows from it. Index, time and command level belong to the log that a state
was in, the members and lock-delays to its processes: the first three are noted beside (`Summary`), the others are
left out.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from registry.archive import state_bin
from registry.state.snapshot import Frozen
from registry.state.store import State


class Summary(NamedTuple):
    """A backup in figures. `digest` is the SHA-256 (hex) of its `state.bin`, which has `size` bytes.

    Two stores with the same digest hold the same, from nodes to keys, written at the same indexes, and are the same
    server; they may differ in their log, and in who serves them.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index
    time: float
    level: int
    nodes: int
    services: int
    checks: int
    size: int
    digest: str


def for_a_log(state: State) -> Iterator[bytes]:
    """The chunks of a snapshot of a state for the log that it is put into: nobody serves it yet."""
    frozen = Frozen(state)
    frozen.header = replace(frozen.header, members=(), holder="")
    return filter(None, frozen.chunks())


class Contents:
    """A state as it is now, to be written down while it goes on changing."""

    def __init__(self, state: State) -> None:
        self.server = state.server
        self._state = (state.applied, state.time, state.level)
        self._rows = (
            len(state.node_rows),
            sum(map(len, state.instances.values())),
            sum(map(len, state.checks.values())),
        )
        self._frozen = Frozen(state)
        header = self._frozen.header
        indexes = replace(header.indexes, floor=0)
        self._frozen.header = replace(
            header, applied=0, time=0.0, level=1, members=(), holder="", delays=(), indexes=indexes
        )

    def chunks(self) -> Iterator[bytes]:
        """The records in chunks of at most 1 MiB; the same ones each time."""
        return filter(None, self._frozen.chunks())

    def summary(self) -> Summary:
        """The figures, for which everything is encoded once."""
        size, found = 0, hashlib.sha256()
        for piece in state_bin.written(self.chunks()):
            found.update(piece)
            size += len(piece)
        return Summary(*self._state, *self._rows, size, found.hexdigest())
