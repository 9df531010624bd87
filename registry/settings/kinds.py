"""The kinds of settings: how a value comes from flags, a variable or a file, and how it is shown.

Owns the shapes (one value, a list, names with values). What a text means is `settings/values.py`, the
table of settings `settings/table.py`. A value that cannot be used raises ValueError with its problem.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from registry.settings import values
from registry.settings.values import UNITS, Pairs

T = TypeVar("T")


class Kind(NamedTuple, Generic[T]):
    """How one type of setting is read and shown.

    `from_texts` takes what flags or an environment variable give, `from_file` a decoded TOML or JSON
    value; `shown` words a value for the documentation. A `repeatable` kind takes several texts.
    """

    metavar: str
    from_texts: Callable[[Sequence[str]], T]
    from_file: Callable[[Any], T]
    shown: Callable[[T], str]
    repeatable: bool = False
    unit: str = ""


def _one(metavar: str, parsed: Callable[[str], T], accepts: type | tuple[type, ...], unit: str = "") -> Kind[T]:
    """A kind whose value is one text; a file may give any of `accepts` in its place."""

    def from_file(value: Any) -> T:
        if not isinstance(value, accepts):
            raise ValueError(f"{_json(value)} is not {_article(metavar.lower())}")
        return parsed(_json(value) if isinstance(value, bool) else str(value))

    return Kind(metavar, lambda texts: parsed(texts[-1]), from_file, lambda value: _shown(value, unit), unit=unit)


def _many(metavar: str, parsed: Callable[[str], T]) -> Kind[tuple[T, ...]]:
    """A list of such texts; in an environment variable they are separated by commas."""

    def from_file(value: Any) -> tuple[T, ...]:
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
            raise ValueError(f"{_json(value)} is not a list of {metavar.lower()}s")
        return tuple(parsed(str(item)) for item in items)

    def from_texts(texts: Sequence[str]) -> tuple[T, ...]:
        return tuple(parsed(text) for text in texts)

    return Kind(metavar, from_texts, from_file, lambda items: ", ".join(map(str, items)), repeatable=True)


def _pairs(metavar: str, checked: Callable[[dict[str, str]], Pairs]) -> Kind[Pairs]:
    """Names with values, written NAME:VALUE in a text and as a table in a file."""

    def from_texts(texts: Sequence[str]) -> Pairs:
        found = {}
        for text in texts:
            name, colon, value = text.partition(":")
            if not colon:
                raise ValueError(f"{text!r} is not {metavar}")
            found[name.strip()] = value.strip()
        return checked(found)

    def from_file(value: Any) -> Pairs:
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise ValueError(f"{_json(value)} is not a table of texts")
        return checked(value)

    def shown(value: Pairs) -> str:
        return ", ".join(f"{name}:{text}" for name, text in value.items())

    return Kind(metavar, from_texts, from_file, shown, repeatable=True)


def _json(value: Any) -> str:
    text: str = json.dumps(value, default=str, ensure_ascii=False)
    return text


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _shown(value: object, unit: str) -> str:
    """How the documentation writes a value: 300 s, 64 MiB, true."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _json(value)
    if unit == "seconds" and isinstance(value, float):
        return f"{value:g} s"
    if unit == "bytes" and isinstance(value, int):
        for name, size in reversed(UNITS.items()):
            if value and value % size == 0:
                return f"{value // size} {name}"
    return str(value)


TEXT = _one("TEXT", values.printable, str)
STORE_URL = _one("URL", values.store_url, str)
PATH = _one("PATH", values.printable, str)
PATHS = _many("PATH", values.printable)
BOOLEAN = _one("BOOLEAN", values.boolean, bool)
PORT = _one("PORT", values.port, int)
OPTIONAL_PORT: Kind[int | None] = _one("PORT", values.port, int)
PORTS = _many("PORT", values.port)
RULES = _many("RULE", values.rule)
COUNT = _one("NUMBER", values.count, int)
OPTIONAL_LIMIT: Kind[int | None] = _one("NUMBER", values.limit, int)
LIMIT = _one("NUMBER", values.limit, int)
SCOPE = _one("SCOPE", lambda text: values.one_of(text, ("all", "own")), str)
SHAPE = _one("SHAPE", lambda text: values.one_of(text, ("consul", "fr0g")), str)
BYTES = _one("SIZE", values.size_bytes, (int, str), unit="bytes")
SECONDS = _one("DURATION", values.seconds, (int, float, str), unit="seconds")
POSITIVE_SECONDS = _one("DURATION", values.positive_seconds, (int, float, str), unit="seconds")
FACTOR = _one("FACTOR", values.factor, (int, float, str))
ADDRESS = _one("ADDRESS", values.address, str)
NETWORKS = _many("NETWORK", values.network)
PREFIXES = _many("PREFIX", values.path_prefix)
LEVEL = _one("LEVEL", values.level, str)
LOG_FORMAT = _one("FORMAT", lambda text: values.one_of(text, ("console", "json")), str)
DATACENTER_NAME = _one("NAME", values.datacenter, str)
NODE_META = _pairs("KEY:VALUE", values.node_meta)
HEADERS = _pairs("NAME:VALUE", values.headers)
