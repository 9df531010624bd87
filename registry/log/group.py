"""The writers that share a log within one process, usually one.

Owns who is among them and which keeps house: the one that has had the log open for longest. It does not see
other processes.
"""

import itertools
from dataclasses import dataclass

from registry.log.base import Peer


@dataclass(slots=True)
class _Seat:
    number: int
    about: bytes = b""


class Seats:
    """The writers that have a log open, in the order they opened it."""

    def __init__(self) -> None:
        self._seats: dict[str, _Seat] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._seats)

    def join(self, writer: str) -> None:
        """Count a writer among the living."""
        self._seats[writer] = _Seat(next(self._numbers))

    def leave(self, writer: str) -> None:
        """Count it out; leaving twice is fine."""
        self._seats.pop(writer, None)

    def announce(self, writer: str, about: bytes) -> None:
        """What it says of itself, while it is there."""
        if writer in self._seats:
            self._seats[writer].about = about

    def tenure(self, writer: str) -> int:
        """The number of the writer's time as housekeeper; 0 when it is not."""
        first = next(iter(self._seats), None)
        return self._seats[writer].number if first == writer else 0

    def peers(self) -> tuple[Peer, ...]:
        """All of them, sorted."""
        return tuple(sorted(Peer(writer, seat.about) for writer, seat in self._seats.items()))


class LocalGroup:
    """`Group` of one writer."""

    def __init__(self, writer: str, seats: Seats) -> None:
        self._writer = writer
        self._seats = seats

    def announce(self, about: bytes) -> None:
        """The others see it at once."""
        self._seats.announce(self._writer, about)

    def is_housekeeper(self) -> bool:
        """Whether this writer has had the log open for longest."""
        return self.tenure() > 0

    def tenure(self) -> int:
        """The number of its time as housekeeper; 0 when it is not."""
        return self._seats.tenure(self._writer)

    def members(self) -> tuple[Peer, ...]:
        """The writers that have the log open, sorted."""
        return self._seats.peers()
