"""What the url of a Redis store says.

Owns the forms of the url and its parameters; connects to nothing. A password never appears in an error.

    redis://[user:password@]host[:port][/database][?parameters]       rediss:// with TLS
    redis+sentinel://[user:password@]host[:port],host…/master[/database]
    redis+cluster://[user:password@]host[:port],host…

Source: the IANA registrations of `redis` and `rediss`; the forms with a plus are ours.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from registry.errors import SettingsError

PORT = 6379
SENTINEL_PORT = 26379
_NAMESPACE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?")


class Target(NamedTuple):
    """Where the log is, and how to speak with it.

    `kind` is `redis`, `sentinel` or `cluster`; `hosts` are one server, the sentinels, or some nodes of the
    cluster. `copies` is how many copies of the master must have a write before it counts as stored.
    """

    kind: str
    hosts: tuple[tuple[str, int], ...]
    master: str
    connection: Mapping[str, Any]
    sentinel: Mapping[str, Any]
    tls: bool
    namespace: str
    copies: int
    window_seconds: float
    shown: str  # the url without its secrets


class _Wrong(Exception):
    pass


def target_of(url: str) -> Target:
    """Read a url.

    Raises:
        SettingsError: `store`, with what is wrong in one line.
    """
    try:
        return _target(url)
    except _Wrong as problem:
        raise SettingsError("store", f"{problem} in {shown(url)!r}") from None


def shown(url: str) -> str:
    """The url as it may be shown: no password, not even where parameters carry one."""
    without = re.sub(r"(//[^/@?#]*?:)[^/?#]*@", r"\1***@", url)
    return re.sub(r"((?:^|[?&])[a-z_]*password=)[^&#]*", r"\1***", without)


def _target(url: str) -> Target:
    scheme, _, rest = url.partition(":")
    base, _, kind = scheme.partition("+")
    if not rest.startswith("//"):
        raise _Wrong("'//' is missing behind the scheme")
    before_query, _, query = rest[2:].partition("?")
    authority, _, path = before_query.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    parameters = _parameters(query)
    tls = base == "rediss"
    master, database = _master_and_database(kind, path)
    connection = {**_credentials(credentials), **_tls(tls, parameters)}
    if database:
        connection["db"] = database
    sentinel = {**_tls(tls, parameters)}
    for name in ("username", "password"):
        if f"sentinel_{name}" in parameters:
            sentinel[name] = parameters[f"sentinel_{name}"]
    return Target(
        kind=kind or "redis",
        hosts=tuple(_host(one, SENTINEL_PORT if kind == "sentinel" else PORT) for one in hosts.split(",")),
        master=master,
        connection=connection,
        sentinel=sentinel,
        tls=tls,
        namespace=parameters.get("namespace", "registry"),
        copies=parameters.get("wait", 0),
        window_seconds=parameters.get("window", 2.0),
        shown=shown(url),
    )


def _host(text: str, default_port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None:
        raise _Wrong(f"{text!r} is no host and port" if text else "a host is missing")
    port = int(match["port"] or default_port)
    if not 0 < port < 65536:
        raise _Wrong(f"{port} is no port")
    return match["v6"] or match["host"], port


def _credentials(text: str) -> dict[str, str]:
    if not text:
        return {}
    user, _, password = text.partition(":")
    found = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in found.items() if value}


def _master_and_database(kind: str, path: str) -> tuple[str, int]:
    parts = [unquote(part) for part in path.split("/") if part]
    master = ""
    if kind == "sentinel":
        if not parts:
            raise _Wrong("the name of the master is missing (…/mymaster)")
        master = parts.pop(0)
    if kind == "cluster" and parts and parts != ["0"]:
        raise _Wrong("a cluster has no databases")
    if len(parts) > 1 or (parts and not parts[0].isdecimal()):
        raise _Wrong(f"{'/'.join(parts)!r} is no number of a database")
    return master, int(parts[0]) if parts else 0


def _tls(tls: bool, parameters: Mapping[str, Any]) -> dict[str, Any]:
    given = {f"ssl_{name}": parameters[name] for name in _TLS if name in parameters}
    if given and not tls:
        raise _Wrong("TLS parameters need the scheme rediss")
    return given


def _parameters(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        kind = _PARAMETERS.get(name)
        if kind is None:
            raise _Wrong(f"{name!r} is no parameter (known are {', '.join(_PARAMETERS)})")
        try:
            found[name] = kind(text)
        except ValueError as problem:
            raise _Wrong(f"{name}: {problem}") from None
    return found


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise ValueError(f"{text!r} may hold up to 64 letters, digits and _ . : -")
    return text


def _copies(text: str) -> int:
    if not text.isdecimal() or int(text) > 16:
        raise ValueError(f"{text!r} is no number from 0 to 16")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) or not 0 < float(text) <= 60:
        raise ValueError(f"{text!r} is no number of seconds up to 60")
    return float(text)


def _file(text: str) -> str:
    if not Path(text).is_file():
        raise ValueError(f"there is no file {text!r}")
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


_TLS: dict[str, Callable[[str], Any]] = {
    "ca_certs": _file,
    "certfile": _file,
    "keyfile": _file,
    "check_hostname": _boolean,
}
_PARAMETERS: dict[str, Callable[[str], Any]] = {
    "namespace": _namespace,
    "wait": _copies,
    "window": _seconds,
    "sentinel_username": str,
    "sentinel_password": str,
    **_TLS,
}
