"""Deadlines of one process: the scores of all members, and a heap that finds the earliest.

A beat only writes a number into a dictionary. The heap holds, for each member, at least one entry that
is not later than its score, and is put right when such an entry comes to the top. Scores are moments of
the monotonic clock. What a passed deadline means is not decided here.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Sequence

from registry.log.base import Beat, Due, Left, Record, Tenure, Tick

SPARE_ENTRIES = 64  # heap entries allowed beyond two a member before the heap is built anew


class LocalDeadlines:
    """`Deadlines` in process. The sequencer judges conditions and applies arms; everybody else beats."""

    def __init__(
        self, elapsed: Callable[[], float], time: Callable[[], float], newest_index: Callable[[], int]
    ) -> None:
        """`time` is the log's, `elapsed` that of the scores."""
        self._elapsed = elapsed
        self._time = time
        self._armed_at = 0.0
        self._newest_index = newest_index
        self._scores: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._judged: set[str] = set()
        self._verdict = asyncio.Event()

    async def beat(self, members: Iterable[tuple[str, float]]) -> Beat:
        """Move each armed member's deadline to its seconds from now. Costs no index.

        A member whose condition is being stored waits for the outcome, so that the index of the answer
        covers it: else a sign of life taken after the verdict would be judged on the state before it.
        """
        if self._judged:
            members = list(members)
            while any(member in self._judged for member, _ in members):
                await self._verdict.wait()
        now, scores = self._elapsed(), self._scores
        unknown = []
        for member, seconds in members:
            old = scores.get(member)
            if old is None:
                if self._armed_at:
                    unknown.append(member)
                continue
            scores[member] = score = now + seconds
            if score < old:
                self._push(score, member)
        return Beat(self._newest_index(), tuple(unknown))

    async def left(self, members: Sequence[str]) -> Left:
        """How long these deadlines have still to go."""
        now, found = self._elapsed(), (self._scores.get(member) for member in members)
        return Left(self._time(), tuple(None if score is None else score - now for score in found))

    async def tick(self, limit: int) -> Tick:
        """The time, and up to `limit` members whose deadline has passed; none before the first `rearm`."""
        now = self._elapsed()
        due = self._passed(limit, now) if self._armed_at else []
        return Tick(self._time(), self._armed_at, tuple(due), tuple(now - one.score for one in due))

    def _passed(self, limit: int, now: float) -> list[Due]:
        found: dict[str, float] = {}
        while len(found) < limit and (earliest := self._earliest(now)) is not None and earliest[0] <= now:
            score, member = heapq.heappop(self._heap)
            found[member] = score
        for member, score in found.items():
            heapq.heappush(self._heap, (score, member))
        return [Due(member, score) for member, score in found.items()]

    async def disarm(self) -> int:
        """Forget all deadlines."""
        self._armed_at = 0.0
        self._scores.clear()
        self._rebuild()
        return self._newest_index()

    async def rearm(self, members: Iterable[tuple[str, float]]) -> None:
        """Arm these, each a full period from now, beside what records have armed since `disarm`."""
        now = self._elapsed()
        self._scores = {**{member: now + seconds for member, seconds in members}, **self._scores}
        self._rebuild()
        self._armed_at = self._time()

    def lose(self) -> None:
        """From now on the deadlines are not to be trusted: nothing passes before they are armed anew."""
        self._armed_at = 0.0

    def judge(self, records: Sequence[Record], tenure: int = 0) -> tuple[int, ...]:
        """Positions whose condition does not hold, each judged after the arms of the records before it.

        Args:
            tenure: the number of the writer's present time as housekeeper, 0 when it is not.

        Beats of the members whose condition held wait until `settle`.
        """
        void = []
        touched: set[str] = set()
        for position, record in enumerate(records):
            condition = record.condition
            if isinstance(condition, Tenure):
                if condition.number != tenure:
                    void.append(position)
                    continue
            elif condition is not None:
                member = condition.member
                if member in touched or self._scores.get(member) != condition.score:
                    void.append(position)
                    continue
                self._judged.add(member)
            for arm in record.arms:
                touched.add(arm.member)
        return tuple(void)

    def apply(self, records: Sequence[Record], void: Sequence[int]) -> None:
        """Carry out the arms of the records that were stored."""
        for position, record in enumerate(records):
            if not record.arms or position in void:
                continue
            for member, seconds in record.arms:
                self._arm(member, seconds)

    def settle(self) -> None:
        """The batch that was judged has its outcome: beats go on."""
        if self._judged:
            self._judged.clear()
            verdict, self._verdict = self._verdict, asyncio.Event()
            verdict.set()

    def _arm(self, member: str, seconds: float | None) -> None:
        if seconds is None:
            self._scores.pop(member, None)
            return
        old = self._scores.get(member)
        self._scores[member] = score = self._elapsed() + seconds
        if old is None or score < old:
            self._push(score, member)

    def _push(self, score: float, member: str) -> None:
        heapq.heappush(self._heap, (score, member))
        if len(self._heap) > 2 * len(self._scores) + SPARE_ENTRIES:
            self._rebuild()

    def _rebuild(self) -> None:
        self._heap = [(score, member) for member, score in self._scores.items()]
        heapq.heapify(self._heap)

    def _earliest(self, until: float) -> tuple[float, str] | None:
        """The top of the heap, and the truth if it is not after `until`: members that moved on are put right."""
        while self._heap:
            score, member = self._heap[0]
            if score > until:
                return self._heap[0]
            actual = self._scores.get(member)
            if actual is None:
                heapq.heappop(self._heap)
            elif actual > score:
                heapq.heapreplace(self._heap, (actual, member))
            else:
                return self._heap[0]
        return None
