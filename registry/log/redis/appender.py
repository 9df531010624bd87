"""Appending: one batch under way, and the truth about each when something goes wrong on the way.

Owns what an append answers. A batch whose answer was lost is never sent again in its session: a new session is
begun, in which the old batch can land no more, and which says whether it had landed before.
"""

import asyncio
from typing import Any

from registry.errors import LogUnavailable
from registry.log.base import Condition, NotStored, Outcome, Record, Stored, Tenure, Unknown
from registry.log.redis.link import CALL_SECONDS, Link, NoAnswer, NotSent, Refused
from registry.log.redis.scripts import Value
from registry.log.redis.session import Interrupted, Session


class Appender:
    """Stores the batches of one writer."""

    def __init__(self, session: Session, link: Link, writer: str, copies: int) -> None:
        self.newest = 0  # index of the newest entry of ours
        self._session = session
        self._link = link
        self._writer = writer
        self._copies = copies
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Outcome]] = set()

    async def append(self, batch: int, records: list[Record]) -> Outcome:
        """Store the records, whatever becomes of the caller."""
        task = asyncio.get_running_loop().create_task(self._append(batch, records))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def idle(self) -> None:
        """Return once nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _append(self, batch: int, records: list[Record]) -> Outcome:
        """Within a second, or say what became of them."""
        async with self._turn:
            deadline = asyncio.get_running_loop().time() + CALL_SECONDS
            values = [value for record in records for value in _values(record)]
            reason = ""
            while (left := deadline - asyncio.get_running_loop().time()) > 0:
                try:
                    await self._session.standing(left)
                except LogUnavailable as problem:
                    return NotStored(str(problem))
                number = self._session.number
                try:
                    answer = await self._send(number, batch, len(records), values, deadline)
                except (Refused, NotSent, Interrupted) as problem:
                    reason = str(problem)
                    if not isinstance(problem, Interrupted):
                        self._session.interrupt(reason)
                    continue
                except NoAnswer as problem:
                    self._session.interrupt(str(problem), problem.silent_seconds)
                    outcome = await self._found_out(number, batch, len(records), str(problem), deadline)
                    if outcome is not None:
                        return outcome
                    reason = str(problem)
                    continue
                if answer[0] == "OK":
                    return self._stored(answer[1].decode())
                reason = "another session of this process has begun"
                if number == self._session.number:
                    self._session.interrupt(reason)
            return NotStored(reason)

    async def _send(self, number: int, batch: int, count: int, values: list[Value], deadline: float) -> list[Any]:
        left = max(deadline - asyncio.get_running_loop().time(), 0.01)
        wait = [("WAIT", self._copies, max(round(left * 500), 1))] if self._copies else []
        answer = await self._session.call(
            self._link, "append", self._writer, number, batch, count, *values, after=wait, seconds=left
        )
        if wait and answer[0] == "OK" and answer.pop() < self._copies:
            raise NoAnswer(f"fewer than {self._copies} copies have confirmed the write")
        return answer

    async def _found_out(self, number: int, batch: int, count: int, reason: str, deadline: float) -> Outcome | None:
        """What the next session says of a batch without an answer; None when it is not stored and time is left."""
        try:
            await self._session.standing(deadline - asyncio.get_running_loop().time())
        except LogUnavailable:
            return Unknown(f"{reason}; whether the write was stored will be known when the store is back")
        row = self._session.row.split(" ")
        if len(row) < 6:
            return Unknown(f"{reason}; the store does not remember the write")
        if (row[0], row[1]) != (str(number), str(batch)):
            return None
        if self._copies:
            return Unknown(f"{reason}; it is stored, but not on {self._copies} copies")
        if row[5] == "?" and int(row[3]) < count:
            return Unknown(f"{reason}; it is stored, but which of its parts is not known")
        return self._stored(self._session.row)

    def _stored(self, row: str) -> Stored:
        _, _, first, stored, milliseconds, void = row.split(" ")
        if int(stored):
            self.newest = int(first) + int(stored) - 1
        positions = () if void in ("", "?") else tuple(map(int, void.split(",")))
        return Stored(int(first), int(milliseconds) / 1000, positions)


def _values(record: Record) -> list[Value]:
    """A record as `append.lua` takes it."""
    match record.condition:
        case None:
            condition: tuple[Value, ...] = ("", "", "")
        case Condition(member, score):
            condition = ("d", member, f"{score:.0f}")
        case Tenure(number):
            condition = ("t", number, "")
    found: list[Value] = [record.payload, len(record.arms), *condition]
    for member, seconds in record.arms:
        found += (member, "-" if seconds is None else round(seconds * 1000))
    return found
