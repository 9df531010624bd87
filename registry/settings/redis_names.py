"""The address of a Redis as other programs spell it in the environment, as the URL of a store.

Owns the names and what is wrong with their texts, which are never shown: they may hold a password.
Source: dialects.md §5.7, §6.4 and §7.3.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from registry.errors import SettingsError

REDIS_NAMES = frozenset({"REDIS_ADDR", "REDIS_PASSWORD", "REDIS_DB", "ETCD_ENDPOINTS"})
_PORT = "6379"


class RedisStore(NamedTuple):
    """A store, and the variables that it was put together from."""

    url: str
    variables: tuple[str, ...]


def redis_store(environment: Mapping[str, str]) -> RedisStore | None:
    """The store that `REDIS_ADDR` names, else the first of `ETCD_ENDPOINTS`; None where neither is set.

    Raises:
        SettingsError: names the variable whose text is no such thing.
    """
    for variable in ("REDIS_ADDR", "ETCD_ENDPOINTS"):
        if text := environment.get(variable, "").strip():
            address = _with_port(variable, _first(variable, text) if variable == "ETCD_ENDPOINTS" else text)
            break
    else:
        return None
    used = [variable]
    password, database = environment.get("REDIS_PASSWORD", ""), environment.get("REDIS_DB", "").strip()
    if password:
        used.append("REDIS_PASSWORD")
    if database:
        if not (database.isascii() and database.isdigit()):
            raise SettingsError("REDIS_DB, for store", "it is not a whole number")
        used.append("REDIS_DB")
    login = f":{quote(password, safe='')}@" if password else ""
    return RedisStore(f"redis://{login}{address}/{database or 0}", tuple(used))


def _first(variable: str, text: str) -> str:
    """The first of several addresses: a JSON list, or with commas between."""
    if not text.startswith("["):
        return text.partition(",")[0].strip()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not (isinstance(found, list) and found and isinstance(found[0], str)):
        raise SettingsError(f"{variable}, for store", "it is neither host:port nor a JSON list of such texts")
    return found[0].strip()


def _with_port(variable: str, text: str) -> str:
    address = text.rpartition("://")[2].rstrip("/")
    host, mark, port = address.rpartition(":")
    if not mark or address.endswith("]"):
        host, port = address, _PORT
    if not host or any(character in "/@?# " for character in host) or not (port.isascii() and port.isdigit()):
        raise SettingsError(f"{variable}, for store", "it is not host:port")
    return f"{host}:{port}"
