"""`Election`: one leader among all programs that campaign for the same key.

Owns terms and who leads. That there is one leader at a time is the lock's promise (`lock.py`).
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from registry.client.access import Access
from registry.client.api import Api
from registry.client.backoff import Backoff
from registry.client.claim import Held
from registry.client.errors import ClientError, LockLost
from registry.client.key import Key, Pair
from registry.client.lock import LOCK_DELAY_SECONDS, TTL_SECONDS, Lock
from registry.client.timing import REAL, Timing

Result = TypeVar("Result")


class Election:
    """Campaigning for a key under a name.

        election = Election("http://localhost:8500", "service/reports/leader", name="worker-7")
        await election.campaign(lead)  # lead(held) runs while we lead, and is cancelled when we no longer do

    Args:
        url: of the registry, or of a Consul agent.
        name: what others are told of who leads.
        ttl_seconds, lock_delay_seconds, access, timing: as for `Lock`.
    """

    def __init__(
        self,
        url: str,
        key: str,
        name: str,
        *,
        ttl_seconds: float = TTL_SECONDS,
        lock_delay_seconds: float = LOCK_DELAY_SECONDS,
        access: Access | None = None,
        timing: Timing = REAL,
    ) -> None:
        self.key = key
        self.name = name
        self._url, self._access, self._timing = url, access, timing
        self._ttl_seconds, self._lock_delay_seconds = ttl_seconds, lock_delay_seconds
        self.term()  # what cannot be locked is told at once

    def term(self) -> Lock:
        """The lock of one term; whoever holds it leads."""
        return Lock(
            self._url, self.key, value=self.name.encode(), access=self._access, timing=self._timing,
            ttl_seconds=self._ttl_seconds, lock_delay_seconds=self._lock_delay_seconds,
        )  # fmt: skip

    async def campaign(self, lead: Callable[[Held], Awaitable[Result]]) -> Result:
        """Lead as often as it takes until `lead` returns while we lead; resign, and return its result.

        When the leadership is lost `lead` is cancelled, and the campaign begins again. What it raises itself ends the
        campaign.

        Raises:
            Refused: the server will not have it.
        """
        while True:
            try:
                async with self.term() as held:
                    return await lead(held)
            except LockLost as error:
                if error.key != self.key:
                    raise

    async def leader(self) -> str | None:
        """The name of who leads now; None while nobody does.

        Raises:
            Refused, ServerAway: nobody can tell.
        """
        api = Api(self._url, self._access)
        try:
            return _leader(await Key(api, self.key, self._timing).now())
        finally:
            await api.close()

    async def leaders(self) -> AsyncGenerator[str | None, None]:
        """Who leads, now and after each change; goes on while the server is away.

        Close it, or end the task that reads it, to end it.
        """
        api, backoff = Api(self._url, self._access), Backoff(chance=self._timing.chance)
        key, told, last = Key(api, self.key, self._timing), False, None
        try:
            while True:
                try:
                    leader = _leader(await key.next())
                except ClientError:
                    await self._timing.sleep(backoff.next())
                    continue
                backoff.reset()
                if not told or leader != last:
                    told, last = True, leader
                    yield leader
        finally:
            await api.close()


def _leader(pair: Pair | None) -> str | None:
    return pair.value.decode(errors="replace") if pair is not None and pair.session else None
