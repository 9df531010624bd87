"""One key of the registry as locks and elections see it: who holds it, and how it is taken and given back.

Owns the requests and how their answers are read. Every read is a consistent one: what it says was true after it was
asked. Source: consul/kv.md §2 to §5 and §7.
"""

import base64
from typing import Any, NamedTuple
from urllib.parse import quote

from registry.client.api import Api
from registry.client.backoff import Pace
from registry.client.errors import ServerAway
from registry.client.timing import Timing

LOCK_FLAGS = 0x2DDCCBC058A50C18  # of a key that is a lock, for Consul's own clients too
_WAIT_SECONDS = 30.0
_BURST, _PER_SECOND = 20, 20.0  # answers at once, and for long: a lock may go from hand to hand quickly


class Pair(NamedTuple):
    """A key as the server shows it; `session` is "" while nobody holds it."""

    value: bytes
    session: str
    flags: int
    lock_index: int
    modify_index: int

    @classmethod
    def of(cls, found: Any) -> "Pair | None":
        """The one pair of an answer; None where there is none.

        Raises:
            ServerAway: it is what no registry says.
        """
        if not found:
            return None
        try:
            pair = found[0]
            value = base64.b64decode(pair["Value"] or "")
            session = pair.get("Session") or ""
            return cls(value, session, int(pair["Flags"]), int(pair["LockIndex"]), int(pair["ModifyIndex"]))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ServerAway(f"an answer that is no key: {error!r}") from None


class Key:
    """A key that one task reads again and again."""

    def __init__(self, api: Api, name: str, timing: Timing) -> None:
        self.name = name
        self._api = api
        self._path = "/v1/kv/" + quote(name, safe="")
        self._timing = timing
        self._pace = Pace(_BURST, _PER_SECOND, timing.elapsed)
        self._index = 0  # of the last answer; 0 asks for one at once

    async def now(self) -> Pair | None:
        """What it is now; None where there is no such key.

        Raises:
            ClientError: as `Api.ask`.
        """
        self._index = 0
        return await self.next()

    async def next(self) -> Pair | None:
        """What it is once that is newer than the last answer, or half a minute later; at once after a failure.

        Raises:
            ClientError: as `Api.ask`.
        """
        if pause := self._pace.next():
            await self._timing.sleep(pause)
        index, self._index = self._index, 0
        question = {"consistent": ""}
        if index:
            question |= {"index": str(index), "wait": f"{_WAIT_SECONDS:.0f}s"}
        found = await self._api.ask("GET", self._path, question, seconds=_WAIT_SECONDS)
        pair = Pair.of(found.value)
        self._index = found.at if found.at >= index else 0  # a server that goes back has another state
        return pair

    async def take(self, session: str, value: bytes) -> bool:
        """Whether it is the session's now. Asked again with the same session the answer is the same.

        Raises:
            ClientError: as `Api.ask`.
        """
        return (await self._put("acquire", session, value)) is True

    async def give_back(self, session: str, value: bytes) -> None:
        """Let the next one have it at once; does nothing when it is not the session's.

        Raises:
            ClientError: as `Api.ask`.
        """
        await self._put("release", session, value)

    async def _put(self, verb: str, session: str, value: bytes) -> Any:
        question = {verb: session, "flags": str(LOCK_FLAGS)}
        return (await self._api.ask("PUT", self._path, question, value)).value
