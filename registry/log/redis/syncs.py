"""What is the newest index? One question at a time, shared by all who ask before it is sent.

Source: the read index of Raft (Ongaro, dissertation, section 6.4), with Redis in the leader's place.
"""

import asyncio
from typing import Any

from registry.errors import LogUnavailable
from registry.log.base import Newest
from registry.log.redis.link import CALL_SECONDS, Link, NoAnswer, NotSent, Refused
from registry.log.redis.session import Interrupted, Session


class Syncs:
    """Shared round trips."""

    def __init__(self, session: Session, link: Link, writer: str, copies: int) -> None:
        self._session = session
        self._link = link
        self._mark = writer if copies else ""
        self._copies = copies
        self._next: asyncio.Task[Newest] | None = None
        self._turn = asyncio.Lock()

    async def newest(self) -> Newest:
        """The newest entry as of a moment after this call.

        Raises:
            LogUnavailable: the store does not answer within a second.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._ask())
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Give up the question under way."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait({self._next})

    async def _ask(self) -> Newest:
        async with self._turn:
            self._next = None  # who comes from here on waits for the question after this one
            try:
                await self._session.standing(CALL_SECONDS)
                _, index, milliseconds = await self._call()
            except (Interrupted, Refused, NotSent, NoAnswer) as problem:
                raise LogUnavailable(f"the store does not say what is newest: {problem}") from None
            return Newest(int(index), int(milliseconds) / 1000)

    async def _call(self) -> list[Any]:
        wait = [("WAIT", self._copies, round(CALL_SECONDS * 500))] if self._copies else []
        answer = await self._session.call(self._link, "sync", self._mark, after=wait)
        if wait and answer.pop() < self._copies:
            raise NoAnswer(f"fewer than {self._copies} copies are there")
        return answer
