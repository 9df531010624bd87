"""Which processes are on the log, and whether this one keeps house: as the last answer of the store has it.

Owns no task: the session is present for us, the engine's ticks keep the lease.
"""

import asyncio

from registry.log.base import Peer

LEASE_SECONDS = 3.0  # as in `guard.lua`; counted from before the question, so that we give up first


class Membership:
    """`Group` over a store."""

    def __init__(self, writer: str) -> None:
        self.about = b""
        self._writer = writer
        self._tenure = 0
        self._until = 0.0  # loop time until which the lease is ours for certain
        self._peers: tuple[Peer, ...] = ()

    def announce(self, about: bytes) -> None:
        """Goes out with the next presence, within a second."""
        self.about = about

    def is_housekeeper(self) -> bool:
        """Whether the lease is ours and has not run out by our own clock."""
        return self._tenure > 0 and asyncio.get_running_loop().time() < self._until

    def tenure(self) -> int:
        """The number of our lease; 0 when it is not ours."""
        return self._tenure if self.is_housekeeper() else 0

    def members(self) -> tuple[Peer, ...]:
        """Those whom the last tick found alive."""
        return self._peers

    def heard(self, holder: str, tenure: int, asked: float) -> None:
        """The store said who keeps house; `asked` is the loop's time of the question."""
        if holder == self._writer:
            self._tenure, self._until = tenure, asked + LEASE_SECONDS
        else:
            self.lost()

    def ticked(self, peers: tuple[Peer, ...], asked: float) -> None:
        """A tick was taken: the lease is ours for its length."""
        self._peers = peers
        self._until = asked + LEASE_SECONDS

    def lost(self) -> None:
        """The lease is not ours."""
        self._tenure, self._until = 0, 0.0
