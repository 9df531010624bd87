"""What other systems keep in the Redis that holds the log: keys to read, copies for their eyes, messages.

Owns a client of its own that waits for nobody: what cannot be read is absent, what cannot be written is left. Nothing
here is ever read back as ours. Source: dialects.md §3.6, §5.4 (pheromones) and §5.7.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from registry.log.redis.place import Unfindable, place_of
from registry.log.redis.url import Target, target_of

CALL_SECONDS = 0.5  # it is only good to have

_Faults = (RedisError, OSError, Unfindable, ValueError)


class Neighbours:
    """A client for keys that are not the log's, on its master. In a cluster only the node of the log is reached."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._place = place_of(target)
        self._client: Redis | None = None

    async def floats(self, keys: Sequence[str]) -> list[float | None]:
        """The numbers under these keys; None for each that is not there, is none or cannot be read."""
        if not keys:
            return []
        try:
            async with asyncio.timeout(CALL_SECONDS):
                values = await (await self._connected()).mget(list(keys))
        except (*_Faults, TimeoutError):
            await self._lost()
            return [None] * len(keys)
        return [_number(value) for value in values]

    async def keep(self, texts: Mapping[str, str], seconds: int, index: str, members: Sequence[str]) -> None:
        """Write texts that last so long, and the set of what there is, which replaces the one before."""

        def commands(pipe: Any) -> None:
            for key, text in texts.items():
                pipe.set(key, text, ex=seconds)
            pipe.delete(index)
            if members:
                pipe.sadd(index, *members)

        await self._run(commands)

    async def forget(self, keys: Sequence[str]) -> None:
        """Remove keys."""
        if keys:
            await self._run(lambda pipe: pipe.delete(*keys))

    async def publish(self, channel: str, text: str) -> None:
        """Tell whoever listens on a channel."""
        await self._run(lambda pipe: pipe.publish(channel, text))

    async def _run(self, commands: Any) -> None:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                pipe = (await self._connected()).pipeline(transaction=False)
                commands(pipe)
                await pipe.execute()
        except (*_Faults, TimeoutError):
            await self._lost()

    async def _connected(self) -> Redis:
        if self._client is None:
            host, port = await self._place.address()
            options: dict[str, Any] = {**self._target.connection, "socket_connect_timeout": CALL_SECONDS}
            self._client = Redis(host=host, port=port, ssl=self._target.tls, **options)
        return self._client

    async def _lost(self) -> None:
        """Look for the master anew the next time."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def close(self) -> None:
        """Let go of connections. Idempotent."""
        await self._lost()
        await self._place.close()


def _number(value: bytes | str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def neighbours_at(url: str) -> Neighbours:
    """Those of the Redis at this url."""
    return Neighbours(target_of(url))
