"""What kind of Redis this is, looked at once at the start.

Owns what is refused and what an operator is warned of. Settings that a managed Redis does not show are passed over.
"""

import logging

from registry.errors import LogUnavailable, SettingsError
from registry.log.redis.link import Link, NoAnswer, NotSent, Refused
from registry.log.redis.url import Target

OLDEST = (6, 2)
_log = logging.getLogger("registry.store")
_ASKED = ("maxmemory-policy", "appendonly", "appendfsync", "no-appendfsync-on-rewrite", "min-replicas-to-write")


async def look_at_server(link: Link, target: Target) -> None:
    """Check version and configuration.

    Raises:
        SettingsError: too old, or it evicts keys. LogUnavailable: it does not answer.
    """
    try:
        (info,) = await link.call(("INFO", "server"))
        config = await _config(link)
    except (Refused, NotSent, NoAnswer) as problem:
        raise LogUnavailable(f"the store at {target.shown} does not say what it is: {problem}") from None
    lines = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    version = lines.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise SettingsError("store", f"{target.shown} is Redis {version}; 6.2 or newer is needed")
    policy = config.get("maxmemory-policy", "")
    if policy.startswith("allkeys-"):
        raise SettingsError("store", f"{target.shown} evicts keys (maxmemory-policy {policy}); it has to be noeviction")
    for weakness in _weaknesses(target, config):
        _log.warning("The store may lose what was acknowledged: %s", weakness)


async def _config(link: Link) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _ASKED:
        try:
            (pair,) = await link.call(("CONFIG", "GET", name))
        except Refused:
            return {}  # a managed Redis keeps its configuration to itself
        found |= {key.decode(): value.decode() for key, value in zip(pair[::2], pair[1::2], strict=True)}
    return found


def _weaknesses(target: Target, config: dict[str, str]) -> list[str]:
    if not config:
        return []
    found = []
    if config.get("appendonly") != "yes":
        found.append("appendonly is off")
    elif config.get("appendfsync") != "always":
        found.append(f"appendfsync is {config.get('appendfsync')}, not always")
    if config.get("no-appendfsync-on-rewrite") == "yes":
        found.append("no-appendfsync-on-rewrite is on")
    if target.kind != "redis" and config.get("min-replicas-to-write") == "0":
        found.append("min-replicas-to-write is 0, so a master that was cut off goes on for a while")
    return found
