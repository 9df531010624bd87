"""The time of a log in Redis, moved along with the clock of a test.

Owns the offset that the log's scripts add to Redis's own time, and the count of calls under way: a clock that stands
still must not go on while the log is being asked. Between two moves Redis's time passes by itself; the next one takes
that back.
"""

import time
from collections.abc import Callable
from typing import Any

import redis.asyncio

from registry.log.base import Log
from registry.log.redis.url import target_of

_CALLS = ("append", "newest", "sync", "publish_outputs", "publish_snapshot", "restore", "skip")
_DEADLINES = ("beat", "left", "tick", "disarm", "rearm")


class MovedTime:
    """Moves one log's time; `busy` while somebody waits for the log."""

    def __init__(self, url: str, log: Log) -> None:
        target = target_of(url)
        (host, port), *_ = target.hosts
        self._client = redis.asyncio.Redis(host=host, port=port)
        self._key = f"{{{target.namespace}}}:meta"
        self._under_way = 0
        self._seconds = 0.0  # moved so far
        self._began = 0.0  # when the first move was made
        _watch(log, _CALLS, self._counted)
        _watch(log.deadlines, _DEADLINES, self._counted)

    @property
    def busy(self) -> bool:
        """Whether a call of the log has not come back yet."""
        return self._under_way > 0

    async def move(self, seconds: float) -> None:
        """Let this much time go by for the log."""
        self._began = self._began or time.time()
        self._seconds += seconds
        offset = self._seconds - (time.time() - self._began)
        await self._client.hset(self._key, "offset", str(round(offset * 1000)))

    async def close(self) -> None:
        """Let go of Redis."""
        await self._client.aclose()

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*arguments: Any) -> Any:
            self._under_way += 1
            try:
                return await call(*arguments)
            finally:
                self._under_way -= 1

        return counted


def _watch(whose: Any, names: tuple[str, ...], counted: Callable[[Any], Any]) -> None:
    for name in names:
        setattr(whose, name, counted(getattr(whose, name)))
