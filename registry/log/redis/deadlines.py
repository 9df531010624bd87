"""Deadlines in the store: beats of this process in batches, and the housekeeper's ticks.

Owns one beat batch under way at a time. Scores are milliseconds of the log's time.
"""

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from registry.errors import LogUnavailable
from registry.log.base import Beat, Due, Left, Peer, Tick
from registry.log.redis.link import CALL_SECONDS, Link, NoAnswer, NotSent, Refused
from registry.log.redis.membership import Membership
from registry.log.redis.session import Interrupted, Session

BATCH_MEMBERS = 1000

Members = Sequence[tuple[str, float]]


class RedisDeadlines:
    """`Deadlines` over a store."""

    def __init__(self, session: Session, membership: Membership, beats: Link, ticks: Link, writer: str) -> None:
        self._session = session
        self._membership = membership
        self._beats = beats
        self._ticks = ticks
        self._writer = writer
        self._generation = ""
        self._waiting: list[tuple[Members, asyncio.Future[Beat]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def beat(self, members: Iterable[tuple[str, float]]) -> Beat:
        """Move each armed member's deadline; callers that come together share one call."""
        answer: asyncio.Future[Beat] = asyncio.get_running_loop().create_future()
        self._waiting.append((list(members), answer))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._send())
        return await answer

    async def left(self, members: Sequence[str]) -> Left:
        """How long these deadlines have still to go."""
        time = 0
        found: list[float | None] = []
        for begin in range(0, len(members) or 1, BATCH_MEMBERS):  # the time is told without any too
            try:
                await self._session.standing(CALL_SECONDS)
                answer = await self._session.call(self._beats, "left", *members[begin : begin + BATCH_MEMBERS])
            except (Interrupted, Refused, NotSent, NoAnswer) as problem:
                raise LogUnavailable(str(problem)) from None
            time = int(answer[1])
            found += [None if one == b"" else int(one) / 1000 for one in answer[2]]
        return Left(time / 1000, tuple(found))

    async def close(self) -> None:
        """Give up what waits."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait({self._sender})
        _fail(self._waiting, "the log is closed")

    async def _send(self) -> None:
        while self._waiting:
            batch: list[tuple[Members, asyncio.Future[Beat]]] = []
            size = 0
            while self._waiting and (not batch or size + len(self._waiting[0][0]) <= BATCH_MEMBERS):
                batch.append(self._waiting.pop(0))
                size += len(batch[-1][0])
            try:
                await self._session.standing(CALL_SECONDS)
                values = [part for members, _ in batch for pair in members for part in _armed(pair)]
                _, index, positions = await self._session.call(self._beats, "beat", *values)
            except (Interrupted, Refused, NotSent, NoAnswer, LogUnavailable) as problem:
                _fail(batch, str(problem))
                continue
            except BaseException:  # cancelled, or a fault of ours: nobody waits for ever
                _fail(batch, "the log is closed")
                raise
            _settle(batch, int(index), set(map(int, positions)))

    async def tick(self, limit: int) -> Tick:
        """Look at the time; only the housekeeper may."""
        asked = asyncio.get_running_loop().time()
        answer = await self._called("tick", limit)
        _, time, armed, _, due, alive = answer
        peers = tuple(sorted(Peer(name.decode(), about) for name, about in _pairs(alive)))
        self._membership.ticked(peers, asked)
        passed = tuple(Due(member.decode(), float(score)) for member, score in _pairs(due))
        late = tuple((int(time) - one.score) / 1000 for one in passed)
        return Tick(int(time) / 1000, int(armed) / 1000, passed, late)

    async def disarm(self) -> int:
        """Forget all deadlines."""
        _, index, generation = await self._called("disarm")
        self._generation = generation.decode()
        return int(index)

    async def rearm(self, members: Iterable[tuple[str, float]]) -> None:
        """Arm these in parts; from the last one on deadlines pass again."""
        pairs = iter(members)
        part = list(itertools.islice(pairs, BATCH_MEMBERS))
        while True:
            coming = list(itertools.islice(pairs, BATCH_MEMBERS))
            values = [one for pair in part for one in _armed(pair)]
            await self._called("rearm", self._generation, "" if coming else "1", *values)
            if not coming:
                return
            part = coming

    async def _called(self, name: str, *values: Any) -> list[Any]:
        try:
            await self._session.standing(CALL_SECONDS)
            tenure = self._membership.tenure()
            answer = await self._session.call(self._ticks, name, self._writer, tenure, *values)
        except (Interrupted, Refused, NotSent, NoAnswer) as problem:
            raise LogUnavailable(str(problem)) from None
        if answer[0] == "FENCED":
            self._membership.lost()
            raise LogUnavailable("somebody else keeps house")
        return answer


def _armed(pair: tuple[str, float]) -> tuple[str, int]:
    return pair[0], round(pair[1] * 1000)


def _pairs(flat: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _settle(batch: list[tuple[Members, "asyncio.Future[Beat]"]], index: int, unknown: set[int]) -> None:
    position = 0
    for members, answer in batch:
        missing = tuple(one for at, (one, _) in enumerate(members, position) if at in unknown)
        position += len(members)
        if not answer.done():
            answer.set_result(Beat(index, missing))


def _fail(batch: list[tuple[Members, "asyncio.Future[Beat]"]], reason: str) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(LogUnavailable(reason))
    batch.clear()
