"""What the text of a setting means: one function for each sort of value.

Owns what is allowed and what is wrong with a text that is not. Each function raises ValueError with words
that follow the name of a setting in one line. Which setting takes which sort is `settings/table.py`.
"""

import ipaddress
import math
import re
from collections.abc import Iterable, Mapping

from registry.errors import InvalidRequest
from registry.model import duration
from registry.model.meta import meta_problem

Pairs = Mapping[str, str]

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
TRUE = frozenset({"1", "t", "true", "yes", "on"})
FALSE = frozenset({"0", "f", "false", "no", "off"})
LEVELS = ("debug", "info", "warn", "error")
# Consul's and everybody's other words for the same levels.
LEVEL_WORDS = {"trace": "debug", "warning": "warn", "err": "error"}
DATACENTER = re.compile(r"[a-z0-9_-]+")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def printable(text: str) -> str:
    """A text that is not empty and has no control characters."""
    if not text or not text.isprintable():
        raise ValueError(f"{text!r} is not a printable text")
    return text


def store_url(text: str) -> str:
    """The URL of a store. What is wrong with it is said without its text, which may hold a password."""
    if not text.isprintable():
        raise ValueError("the URL holds a character that cannot be printed")
    return text


def boolean(text: str) -> bool:
    """Yes or no, in the words people use."""
    if text.lower() not in TRUE | FALSE:
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() in TRUE


def integer(text: str) -> int:
    """A whole number."""
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def port(text: str) -> int:
    """A port; 0 stands for any free one."""
    number = integer(text)
    if not 0 <= number <= 65535:
        raise ValueError(f"{text} is not a port (0 to 65535)")
    return number


def rule(text: str) -> str:
    """`<method>=<caller>`, both patterns."""
    method, mark, caller = text.partition("=")
    if not (method.strip() and mark and caller.strip()):
        raise ValueError(f"{text!r} is not METHOD=CALLER")
    return f"{method.strip()}={caller.strip()}"


def count(text: str) -> int:
    """A whole number above 0."""
    number = integer(text)
    if number < 1:
        raise ValueError(f"{text} is less than 1")
    return number


def limit(text: str) -> int:
    """A whole number; 0 for no limit."""
    number = integer(text)
    if number < 0:
        raise ValueError(f"{text} is less than 0")
    return number


def size_bytes(text: str) -> int:
    """Bytes, given as such or in KiB, MiB or GiB; above 0."""
    match = re.fullmatch(r"\s*([0-9]{1,15})\s*(KiB|MiB|GiB)?\s*", text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a size: bytes, or a number followed by KiB, MiB or GiB")
    return int(match[1]) * UNITS.get(match[2], 1)


def seconds(text: str) -> float:
    """Seconds, given as such or as a Go duration such as 90s or 1h30m."""
    if re.fullmatch(r"\s*[0-9]{1,9}(\.[0-9]{1,9})?\s*", text):
        return float(text)
    try:
        nanoseconds = duration.nanoseconds(text)
    except InvalidRequest:
        raise ValueError(f"{text!r} is not a duration such as 300, 90s or 5m") from None
    if nanoseconds < 0:
        raise ValueError(f"{text!r} is less than 0")
    return nanoseconds / 1e9


def positive_seconds(text: str) -> float:
    """The same, and not 0."""
    found = seconds(text)
    if found == 0:
        raise ValueError("0 is not allowed")
    return found


def factor(text: str) -> float:
    """A number that is 1 or more, for a time that may be longer but not shorter."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 1 <= found < math.inf:
        raise ValueError(f"{text!r} is not a number of 1 or more")
    return found


def address(text: str) -> str:
    """An IP address, in its shortest spelling."""
    if "{{" in text:
        raise ValueError(f"{text!r} is a template, which is not evaluated here: write the address")
    if text.startswith("unix:"):
        raise ValueError(f"{text!r} is a socket in the file system, which is not served: write an IP address")
    if len(text.split()) > 1:
        raise ValueError(f"{text!r} is more than one address")
    try:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


def network(text: str) -> str:
    """A network in CIDR notation; a single address is one too."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8") from None


def level(text: str) -> str:
    """A log level, in our word for it."""
    return one_of(LEVEL_WORDS.get(text.lower(), text.lower()), LEVELS)


def one_of(text: str, words: Iterable[str]) -> str:
    """One of these words."""
    if text not in words:
        raise ValueError(f"{text!r} is none of {', '.join(words)}")
    return text


def datacenter(text: str) -> str:
    """The name of a datacenter, in lower case as Consul keeps it."""
    if not DATACENTER.fullmatch(text.lower()):
        raise ValueError(f"{text!r} may hold only letters, digits, - and _")
    return text.lower()


def node_meta(pairs: Pairs) -> Pairs:
    """Metadata of a node within Consul's limits."""
    problem = meta_problem(pairs, kind="")
    if problem:
        raise ValueError(problem)
    return pairs


def headers(pairs: Pairs) -> Pairs:
    """Headers that can be written as they are."""
    for name, value in pairs.items():
        if not HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise ValueError(f"{name!r} or its value cannot stand in a header")
    return pairs


def path_prefix(text: str) -> str:
    """The beginning of a path."""
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not a path: it does not begin with /")
    return text
