"""Sessions as their holders see them: created, renewed, and which locks they have to wait for.

What ends a session is decided by the state and the housekeeper. A renewal moves a deadline that the log keeps, so
it costs no entry, no index and no wake-up. Source: session.md §3 and §4.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from registry.commands import CreateSession
from registry.commands.transaction import Op
from registry.core.deadlines import session_member
from registry.core.writes import Writes
from registry.errors import NotFound, RequestError
from registry.log.base import Log
from registry.model.names import fold
from registry.model.session import Session
from registry.state.transactions import delayed_locks


class Sessions:
    """The sessions of the engine."""

    def __init__(self, log: Log, writes: Writes, *, expiry_factor: float) -> None:
        """Args:
        expiry_factor: a session that is not renewed ends after this many times its TTL.
        """
        self._log = log
        self._writes = writes
        self.expiry_factor = expiry_factor

    async def create(self, session: Session, ttl_ns: int) -> None:
        """Create a session; if it is not renewed, it ends after `ttl_ns` (0: never) times the expiry factor.

        Raises:
            InvalidRequest: `session-node`, `session-check-missing`, `session-check-critical`, `session-check-empty`.
            LogUnavailable, TooManyRequests: as for `Engine.propose`.
        """
        await self._writes.propose(CreateSession(replace(session, expires_ns=int(ttl_ns * self.expiry_factor))))

    async def renew(self, session_id: str) -> Session:
        """Give a session its whole time again, and return it.

        A renewal that succeeds came before the expiry: the log decides which of the two was first.

        Raises:
            NotFound: `session`, there is none with this id.
            LogUnavailable: the store does not answer.
        """
        session = self._writes.state.sessions.rows.get(fold(session_id))
        if session is None or not session.expires_ns:
            await self._writes.confirm()
            session = self._writes.state.sessions.rows.get(fold(session_id))
        if session is not None and session.expires_ns:
            member = session_member(session.id)
            beat = await self._log.deadlines.beat([(member, session.expires_ns / 1e9)])
            await self._writes.caught_up(beat.index)
            session = self._writes.state.sessions.rows.get(session.id)
        if session is None:
            raise NotFound("session", id=session_id)
        return session

    async def delayed_locks(self, ops: Sequence[tuple[int, Op]]) -> tuple[tuple[int, RequestError], ...]:
        """Which of these operations, each with its position, lock a key whose lock-delay runs; asks the log the time.

        Raises:
            LogUnavailable: nobody can tell.
        """
        if not delayed_locks(self._writes.state, 0.0, ops):
            return ()
        time, _ = await self._log.deadlines.left(())
        return delayed_locks(self._writes.state, time, ops)
