"""Locks and semaphores as HashiCorp's Go library takes them, request by request. Source: kv.md §7.

Each of these is a party of its own, with its session; what the library does in a loop with a timer (renewing, the
five seconds after a lost race) is the test's to do by moving the clock.
"""

import asyncio
import json

from tests.contract.consul.exchange import Answer, Client
from tests.contract.consul.keys import delete, end, entry, put, session

LOCK_FLAGS = 0x2DDCCBC058A50C18
SEMAPHORE_FLAGS = 0xE0F69A2BAA414DE0
RETRY_SECONDS = 5  # after an attempt that failed though nobody holds the lock: there must be a lock-delay


class Foreign(Exception):
    """The key is used for something else."""


class Lock:
    """One contender for a lock."""

    def __init__(self, consul: Client, key: str, session_id: str) -> None:
        self.consul = consul
        self.key = key
        self.session_id = session_id

    @classmethod
    async def contender(cls, consul: Client, key: str) -> "Lock":
        return cls(consul, key, await session(consul, TTL="15s"))

    async def attempt(self) -> Answer | None:
        """One round: None once the lock is held, else the answer by which somebody else holds it."""
        answer = await self.consul.get(f"/v1/kv/{self.key}")
        for _ in range(2):
            if answer.status == 200:
                (pair,) = answer.json
                if pair["Flags"] != LOCK_FLAGS:
                    raise Foreign
                if "Session" in pair:
                    return None if pair["Session"] == self.session_id else answer
            if await put(self.consul, f"{self.key}?acquire={self.session_id}&flags={LOCK_FLAGS}", b"mine"):
                return None
            answer = await self.consul.get(f"/v1/kv/{self.key}")
            if not (answer.status == 200 and "Session" in answer.json[0]):
                await self.consul.server.advance(RETRY_SECONDS)
                answer = await self.consul.get(f"/v1/kv/{self.key}")
        raise AssertionError("neither held nor to be had")

    async def wait(self, since: Answer) -> "asyncio.Task[Answer]":
        """Wait for the holder to go."""
        return await self.consul.watch(f"/v1/kv/{self.key}?index={since.index}&wait=15000ms")

    async def monitor(self) -> "asyncio.Task[Answer]":
        """What the holder watches its lock with."""
        index = await self.consul.index(f"/v1/kv/{self.key}?consistent")
        return await self.consul.watch(f"/v1/kv/{self.key}?consistent&index={index}")

    def lost(self, answer: Answer) -> bool:
        """Whether what the monitor has seen means that the lock is gone."""
        return answer.status != 200 or answer.json[0].get("Session") != self.session_id

    async def unlock(self) -> None:
        assert await put(self.consul, f"{self.key}?release={self.session_id}&flags={LOCK_FLAGS}", b"mine")

    async def destroy(self) -> bool:
        """Remove the key; False while somebody uses it."""
        pair = await entry(self.consul, self.key)
        assert pair["Flags"] == LOCK_FLAGS
        return "Session" not in pair and await delete(self.consul, f"{self.key}?cas={pair['ModifyIndex']}")


class Semaphore:
    """One contender for one of several places."""

    def __init__(self, consul: Client, prefix: str, limit: int, session_id: str) -> None:
        self.consul = consul
        self.prefix = prefix
        self.limit = limit
        self.session_id = session_id

    @classmethod
    async def contender(cls, consul: Client, prefix: str, limit: int) -> "Semaphore":
        one = cls(consul, prefix, limit, await session(consul, TTL="15s", Behavior="delete", LockDelay="0s"))
        target = f"{prefix}/{one.session_id}?acquire={one.session_id}&flags={SEMAPHORE_FLAGS}"
        assert await put(consul, target, b"")
        return one

    async def attempt(self) -> Answer | None:
        """None once a place is held, else the list by which there is none."""
        while True:
            answer = await self.consul.get(f"/v1/kv/{self.prefix}/?recurse")
            pairs = {one["Key"]: one for one in answer.json}
            lock = pairs.pop(f"{self.prefix}/.lock", None)
            held = await self._holders() if lock else {}
            alive = {key.rpartition("/")[2] for key, one in pairs.items() if "Session" in one}
            holders = {one: True for one in held if one in alive}
            if len(holders) >= self.limit:
                return answer
            holders[self.session_id] = True
            if await self._write(holders, lock["ModifyIndex"] if lock else 0):
                return None

    async def release(self) -> None:
        while True:
            lock = await entry(self.consul, f"{self.prefix}/.lock")
            holders = json.loads(lock["Value"])["Holders"]
            del holders[self.session_id]
            if await self._write(holders, lock["ModifyIndex"]):
                break
        assert await delete(self.consul, f"{self.prefix}/{self.session_id}")

    async def _holders(self) -> dict[str, bool]:
        found: dict[str, bool] = json.loads((await entry(self.consul, f"{self.prefix}/.lock"))["Value"])["Holders"]
        return found

    async def _write(self, holders: dict[str, bool], index: int) -> bool:
        value = json.dumps({"Limit": self.limit, "Holders": holders}).encode()
        return await put(self.consul, f"{self.prefix}/.lock?cas={index}&flags={SEMAPHORE_FLAGS}", value)

    async def die(self) -> None:
        """The end without a release."""
        await end(self.consul, self.session_id)
