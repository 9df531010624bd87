"""What each client was told, and so what must be there after a crash.

Owns the rows of one client as they were acknowledged, the write that is under way, and the comparison with
what a server shows. Every row belongs to one client, whose requests go out one after the other: so after a
crash its rows are those acknowledged, or those with the one write under way done, whole or not at all. Only the
rows of a `Contest` are written by all.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

# ("service", id), ("check", id) of the agent; ("node", name), ("instance", node, id), ("node-check", node, id).
Key = tuple[str, ...]


class Row(NamedTuple):
    """What is known of one row: `number` stands in every field that a write sets, so that it names the write.

    Of a check also the status, and the texts it may have: one that came without a new status may be lost, a
    status never (`DESIGN.md` §4).
    """

    number: int
    status: str = ""
    outputs: frozenset[str] = frozenset({""})
    service: str = ""


World = Mapping[Key, Row]


def differences(expected: World, observed: World) -> list[str]:
    """What is not as expected, a line for each row."""
    lines = []
    for key in sorted(expected.keys() | observed.keys()):
        mine, found = expected.get(key), observed.get(key)
        if mine is None or found is None:
            lines.append(f"{'/'.join(key)}: {'gone' if found is None else 'there again'} ({mine or found})")
        elif mine._replace(outputs=found.outputs) != found or not found.outputs <= mine.outputs:
            lines.append(f"{'/'.join(key)}: {mine} has become {found}")
    return lines


class Ledger:
    """The rows of one client."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.certain: World = {}
        self.possible: World | None = None  # with the write under way done
        self.acknowledged = 0
        self.in_doubt = 0
        self.done_in_doubt = 0

    def begin(self, after: World) -> None:
        """A write goes out that would lead to `after`."""
        self.possible = after

    def acknowledge(self) -> None:
        """The write under way is done."""
        assert self.possible is not None
        self.certain, self.possible = self.possible, None
        self.acknowledged += 1

    def refuse(self) -> None:
        """The write under way is not done and never will be."""
        self.possible = None

    def settle(self, observed: World) -> list[str]:
        """Compare with what a server shows after a crash, and go on from there; what is wrong, if anything."""
        problems = differences(self.certain, observed)
        if self.possible is not None:
            self.in_doubt += 1
            if problems and not differences(self.possible, observed):
                self.done_in_doubt += 1
                problems = []
            elif problems:
                nearer = min(problems, differences(self.possible, observed), key=len)
                problems = ["neither done nor not done:", *nearer]
        self.certain, self.possible = dict(observed), None
        return [f"{self.owner}: {problem}" for problem in problems]


class Write(NamedTuple):
    """One write of a contest: when it went out, and when its acknowledgement came in, if it did."""

    number: int
    begun: int
    ended: int | None


class Contest:
    """A row that all clients write at the same time: the last writer wins, and the clients cannot say who it was.

    What they can say: a write that went out after another was acknowledged comes after it.
    """

    def __init__(self) -> None:
        self._time = 0
        self._writes: dict[int, Write] = {0: Write(0, 0, 0)}  # number 0: there is no row yet

    def begin(self, number: int) -> None:
        """A write goes out."""
        self._writes[number] = Write(number, self._next(), None)

    def refuse(self, number: int) -> None:
        """The write is not done and never will be."""
        del self._writes[number]

    def end(self, number: int) -> None:
        """The write is acknowledged."""
        write = self._writes[number] = self._writes[number]._replace(ended=self._next())
        self._writes = {
            one.number: one for one in self._writes.values() if one.ended is None or one.ended >= write.begun
        }

    def candidates(self) -> set[int]:
        """The writes that may have been the last one."""
        acknowledged = [write.begun for write in self._writes.values() if write.ended is not None]
        newest = max(acknowledged, default=0)
        return {write.number for write in self._writes.values() if write.ended is None or write.ended >= newest}

    def settle(self, numbers: Iterable[int]) -> list[str]:
        """Compare with the numbers that stand in all fields of the row after a crash, and go on from there."""
        found, possible = set(numbers) or {0}, self.candidates()
        number = max(found)
        self._writes = {number: Write(number, self._next(), self._next())}
        if len(found) > 1:
            return [f"contest: half of one write and half of another: {sorted(found)}"]
        if found <= possible:
            return []
        return [f"contest: {number} stands there, but one of {sorted(possible)} came later"]

    def _next(self) -> int:
        self._time += 1
        return self._time
