"""`Lease`: a session of the registry, kept alive, and known to be over before the server ends it.

Owns when it counts as lost. The holder's clock starts with the *sending* of a renewal and runs for one TTL; the
server's starts later and runs for as long or longer. So whoever acts only while `alive` acts before anybody else can
have the locks, whatever becomes of the network. Source: consul/session.md §4.
"""

import asyncio
import json
import logging

from registry.client.api import Api
from registry.client.errors import ClientError, Refused, ServerAway
from registry.client.timing import Timing

_RENEWALS = 3.0  # in a TTL: two may fail before the third is too late
_TRIES = 10.0  # in a TTL while the server is away
_MISSING = 404

log = logging.getLogger("registry.client")


class Lease:
    """One session with its renewals.

    Attributes:
        id: "" before it has begun.
        lost: set once it is over, or may be for all that can be known.
    """

    def __init__(self, api: Api, name: str, *, ttl_seconds: float, lock_delay_seconds: float, timing: Timing) -> None:
        """Args:
        lock_delay_seconds: for so long nobody gets what was held when the session was lost; at most 60.
        """
        self.id = ""
        self.lost = asyncio.Event()
        self._api = api
        self._body = {
            "Name": name,
            "TTL": f"{round(ttl_seconds * 1000)}ms",
            "LockDelay": f"{round(lock_delay_seconds * 1000)}ms",
            "Behavior": "release",
            "NodeChecks": [],  # its TTL alone: it outlives the replica it was made at
        }
        self._ttl_seconds = ttl_seconds
        self._timing = timing
        self._good_until = 0.0
        self._renewing: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether the session is certainly still there; asks nobody, and is true for less long than it may be."""
        return bool(self.id) and not self.lost.is_set() and self._timing.elapsed() < self._good_until

    async def begin(self) -> None:
        """Begin it, and renew it from now on.

        Raises:
            Refused, ServerAway: it has not begun, or nobody can tell; one nobody knows of ends by its TTL.
        """
        sent = self._timing.elapsed()
        found = await self._api.ask("PUT", "/v1/session/create", body=json.dumps(self._body).encode())
        match found.value:
            case {"ID": str(id)} if id:
                self.id, self._good_until = id, sent + self._ttl_seconds
            case _:
                raise ServerAway(f"an answer that is no session: {found.value!r}")
        self._renewing = asyncio.create_task(self._renew(), name=f"renewals of session {self.id}")

    def stop(self) -> None:
        """Renew it no more: from now on it lives for a TTL at most."""
        if self._renewing is not None:
            self._renewing.cancel()

    async def end(self) -> None:
        """End it: what it holds is free after the lock-delay. Never raises; a server that is away does it later."""
        self.stop()
        self.lost.set()
        task, self._renewing = self._renewing, None
        if task is not None:
            await asyncio.wait({task})
        if self.id:
            try:
                await self._api.ask("PUT", f"/v1/session/destroy/{self.id}")
            except ClientError as error:
                log.warning("session %s could not be ended, its TTL will do that: %s", self.id, error)

    async def _renew(self) -> None:
        seconds = self._ttl_seconds / _RENEWALS
        try:
            while not self.lost.is_set() and (left := self._good_until - self._timing.elapsed()) > 0:
                await self._timing.sleep(min(seconds * (0.9 + 0.1 * self._timing.chance()), left))
                seconds = self._ttl_seconds / (_RENEWALS if await self._renewed() else _TRIES)
            log.warning("session %s is lost: the server has ended it, or was not heard for its TTL", self.id)
        finally:
            self.lost.set()  # however renewing ends: nobody may take it for alive

    async def _renewed(self) -> bool:
        sent = self._timing.elapsed()
        left = min(self._good_until - sent, self._ttl_seconds / _RENEWALS)  # one try of several
        if left <= 0:
            return False
        try:
            async with asyncio.timeout(left):
                found = await self._api.ask("PUT", f"/v1/session/renew/{self.id}")
        except Refused as error:
            if error.status == _MISSING:
                self.lost.set()
            return False
        except (ServerAway, TimeoutError):
            return False
        if not found.value:
            self.lost.set()
            return False
        self._good_until = sent + self._ttl_seconds
        return True
