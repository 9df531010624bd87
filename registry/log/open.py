"""From the url of a store to its log; a backend is imported when it is chosen.

Owns the table of schemes. It opens nothing: that is `Log.open`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from registry.errors import SettingsError
from registry.log.base import Log
from registry.log.role import Role


class Backend(Protocol):
    """What the table holds for a scheme."""

    def __call__(
        self, rest: str, *, now: Callable[[], float], elapsed: Callable[[], float], writer: str, role: Role
    ) -> Log:
        """The log for what follows the scheme and its colon in a url."""


def open_log(
    url: str, *, now: Callable[[], float], elapsed: Callable[[], float], writer: str, role: Role = Role.SERVER
) -> Log:
    """The log at `url`, not yet opened.

    Args:
        url: `memory:`, or `sqlite:///` and a path, taken literally: relative, or absolute when it begins
            with a slash of its own (four in all); or one of Redis' (`log/redis/url.py`).
        now: Unix time, from which a log in process stamps its entries; Redis has its own.
        elapsed: monotonic time, for deadlines; the same.
        writer: this process's name among the writers; new for every run of a process.
        role: as what.
    Raises:
        SettingsError: no backend for such a url, or none for this role.
    """
    scheme, _, rest = url.partition(":")
    backend = BACKENDS.get(scheme)
    if backend is None:
        raise SettingsError("store", f"no backend for {url!r}; known are {', '.join(f'{name}:' for name in BACKENDS)}")
    return backend(rest, now=now, elapsed=elapsed, writer=writer, role=role)


def _memory(rest: str, *, now: Callable[[], float], elapsed: Callable[[], float], writer: str, role: Role) -> Log:
    from registry.log.memory import MemoryLog, MemoryStore

    if rest:
        raise SettingsError("store", f"'memory:' takes nothing behind it, got {rest!r}")
    if role is not Role.SERVER:
        raise SettingsError("store", "memory: holds nothing that another process could reach; name a store that lasts")
    return MemoryLog(MemoryStore(now=now, elapsed=elapsed), writer=writer)


def _sqlite(rest: str, *, now: Callable[[], float], elapsed: Callable[[], float], writer: str, role: Role) -> Log:
    from registry.log.sqlite import SqliteLog, SqliteReadingLog

    prefix, path = rest[:3], rest[3:]
    if prefix != "///" or not path or path.endswith("/"):
        raise SettingsError("store", f"a SQLite store is written 'sqlite:///path/to/file', got 'sqlite:{rest}'")
    if role is Role.READER:
        return SqliteReadingLog(Path(path), now=now, elapsed=elapsed, writer=writer)
    return SqliteLog(Path(path), now=now, elapsed=elapsed, writer=writer, create=role.founds)


def _redis(scheme: str) -> Backend:
    def backend(rest: str, *, now: Callable[[], float], elapsed: Callable[[], float], writer: str, role: Role) -> Log:
        from registry.log.redis.log import RedisLog
        from registry.log.redis.url import target_of

        return RedisLog(target_of(f"{scheme}:{rest}"), writer=writer, role=role)

    return backend


BACKENDS: dict[str, Backend] = {
    "memory": _memory,
    "sqlite": _sqlite,
    **{base + kind: _redis(base + kind) for base in ("redis", "rediss") for kind in ("", "+sentinel", "+cluster")},
}

__all__ = ["BACKENDS", "Role", "open_log"]
