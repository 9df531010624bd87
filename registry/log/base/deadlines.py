"""Times by which a sign of life must arrive, which a log keeps beside its entries but does not record.

What follows when one passes is not decided here: a log knows members by name only.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol


class Arm(NamedTuple):
    """Set the deadline of `member` to `seconds` after the record is stored; None removes the deadline."""

    member: str
    seconds: float | None


class Condition(NamedTuple):
    """Holds while the deadline of `member` still has exactly the `score` that `Deadlines.tick` showed.

    Judged while the batch is stored, after the arms of the records before it in the batch: of two records
    with the same condition, of which the first removes the deadline, only the first is stored.
    """

    member: str
    score: float


class Due(NamedTuple):
    """A deadline that has passed, with the score a `Condition` needs."""

    member: str
    score: float


class Beat(NamedTuple):
    """The answer to `Deadlines.beat`: the newest index at that moment, and the members that were not armed."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls on it
    unknown: tuple[str, ...]


class Left(NamedTuple):
    """The log's time (Unix seconds), and the seconds until the deadline of each member that was asked for.

    Negative for a deadline that has passed, None for one that is not armed.
    """

    time: float
    seconds: tuple[float | None, ...]


class Tick(NamedTuple):
    """The deadlines that have passed by now.

    `time` is the log's (Unix seconds), and `armed_at` when by that clock the last `rearm` was: 0.0 when the
    deadlines cannot be trusted, and nothing is due before a `disarm` and a `rearm`. `due` is earliest first;
    its members stay armed. `late_seconds` says for each of them how long ago it passed.
    """

    time: float
    armed_at: float
    due: tuple[Due, ...]
    late_seconds: tuple[float, ...] = ()


class Deadlines(Protocol):
    """Times by which a sign of life must arrive: soft state, which the log keeps but does not record."""

    async def beat(self, members: Iterable[tuple[str, float]]) -> Beat:
        """Move the deadline of each armed member to so many seconds from now. Costs no index.

        A beat comes either before a `Condition` on its member is judged, which then does not hold, or after
        it, and then `Beat.index` covers the record it decided. Between `disarm` and the end of `rearm` no
        member is reported as unknown: each of them gets a full period anyway.

        Args:
            members: names, each with its period in seconds.
        Raises:
            LogUnavailable: the store does not answer; every deadline is armed anew before any can pass.
        """

    async def left(self, members: Sequence[str]) -> Left:
        """How many seconds remain until these deadlines; where none is named, the time of the log alone.

        Raises:
            LogUnavailable: the store does not answer.
        """

    async def tick(self, limit: int) -> Tick:
        """Up to `limit` deadlines that have passed. Only the housekeeper asks.

        Raises:
            LogUnavailable: the store does not answer, or another writer is the housekeeper now.
        """

    async def disarm(self) -> int:
        """Forget all deadlines and return the newest index, up to which `rearm` must know what is stored.

        Raises:
            LogUnavailable: as for `tick`.
        """

    async def rearm(self, members: Iterable[tuple[str, float]]) -> None:
        """Arm these for a full period from now, in addition to what records have armed since `disarm`.

        Args:
            members: names, each with its period in seconds.
        Raises:
            LogUnavailable: as for `tick`; start again with `disarm`.
        """
