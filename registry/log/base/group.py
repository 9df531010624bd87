"""The writers that share a log, and the one among them that does what must be done once.

What that work is belongs to `core/housekeeping.py`.
"""

from typing import NamedTuple, Protocol


class Tenure(NamedTuple):
    """Holds while the appending writer has been the housekeeper ever since `Group.tenure` returned `number`."""

    number: int


class Peer(NamedTuple):
    """A writer that is alive, and what it announced about itself (opaque to the log)."""

    writer: str
    about: bytes


class Group(Protocol):
    """The processes that share the log, and which of them is the housekeeper."""

    def announce(self, about: bytes) -> None:
        """Tell the other writers about this one; they see it within a second or two."""

    def is_housekeeper(self) -> bool:
        """Whether this process expires, reaps, snapshots and trims at the moment, as far as it knows."""

    def tenure(self) -> int:
        """The number of this writer's current term as housekeeper, for `Tenure`; 0 when it is not."""

    def members(self) -> tuple[Peer, ...]:
        """The writers that are alive, sorted by name. Only up to date on the housekeeper."""
