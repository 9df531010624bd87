"""The ways to spoil a request: its path, method, query, headers, body.

Owns what is done to any request, and how much of it. What is odd about a value is `words.py` and `trees.py`.
"""

import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import words
from tests.fuzz.drafts import NO_METHODS, Draft
from tests.fuzz.trees import Members, encoded, spoil

METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", *NO_METHODS)
PARAMETERS = (
    "index", "wait", "dc", "datacenter", "ns", "partition", "near", "node-meta", "tag", "filter", "passing",
    "stale", "consistent", "cached", "max_stale", "pretty", "token", "hash", "format", "note", "reason", "enable",
    "peer", "sg", "merge-central-config", "replace-existing-checks", "wan", "segment", "prune", "loglevel",
    "logjson",
)  # fmt: skip
INSERTS = (
    "%", "%zz", "%2F", "%00", "%0a", "%ff", "%C3%A9", "/", "//", "/./", "/../", "é", "%e2%80%8b", "?", "&", "#",
    "+", ";", "%20", "\\", "[", "{", "%25", "*", "://x/", "a" * 3000,
)  # fmt: skip
HEADERS = (
    ("Accept-Encoding", ("gzip", "gzip;q=0", "GZIP ; q=0.5", "*", "gzip;q=x", "br, gzip", ",")),
    ("Cache-Control", ("max-age=0", "max-age=x", "stale-if-error=", "must-revalidate", "no-cache, max-age=10")),
    ("X-Consul-Namespace", ("default", "")),
    ("X-Consul-Partition", ("default", " ")),
    ("X-Consul-Token", ("", "a" * 9000)),
    ("Authorization", ("Bearer x", "Basic =", "Bearer")),
    (
        "Content-Type",
        ("text/plain", "application/x-www-form-urlencoded", "a/b\tc", "application/json; charset=latin-1"),
    ),
    ("Accept", ("text/plain", "text/plain;version=0.4.0", "application/openmetrics-text", "*/*;q=0")),
    ("X-Request-Id", ("mine", "a" * 64, "a" * 65, "\xe9", "")),
    ("Host", ("", "a:b:c", "[::1]")),
    ("Expect", ("100-continue", "200-ok")),
    ("Connection", ("close", "keep-alive", "upgrade", "TE, close")),
    ("Upgrade", ("websocket", "h2c")),
    ("Range", ("bytes=0-1",)),
    ("If-None-Match", ("*",)),
    ("X-Forwarded-For", ("::1",)),
    ("Cookie", ("a" * 4000,)),
    ("Content-Encoding", ("gzip", "deflate", "identity")),
    ("X-" + "a" * 300, ("b" * 300,)),
)


def spoil_method(draft: Draft, chance: random.Random) -> None:
    draft.method = chance.choice(METHODS)


def spoil_argument(draft: Draft, chance: random.Random) -> None:
    """Ask for something else. Where nothing is asked for, the route has something behind it."""
    draft.argument = draft.argument + words.text(chance) if chance.random() < 0.2 else words.text(chance)


def spoil_path(draft: Draft, chance: random.Random) -> None:
    """Another spelling of the path, or another path."""
    path = draft.target().partition("?")[0]
    at = chance.randrange(1, len(path) + 1)
    insert = chance.choice(INSERTS)
    ways = (
        path[:at] + insert + path[at:],
        path[:at],
        path.upper(),
        path + "/",
        path.rstrip("/") + "?",
        path.replace("/v1/", "/v1//", 1),
        "/" + path,
        path.lstrip("/"),
        "http://registry" + path,
        path.replace("e", "%65"),
    )
    draft.raw_path = chance.choice(ways) or "*"


def spoil_query(draft: Draft, chance: random.Random) -> None:
    """One parameter more, less, twice, or with another value."""
    way = chance.randrange(4)
    if draft.query and way == 0:
        at = chance.randrange(len(draft.query))
        draft.query[at] = (draft.query[at][0], _value(draft.query[at][0], chance))
    elif draft.query and way == 1:
        draft.query.append((chance.choice(draft.query)[0], words.text(chance)))
    else:
        name = chance.choice(PARAMETERS)
        draft.query.insert(chance.randrange(len(draft.query) + 1), (name, _value(name, chance)))


def _value(name: str, chance: random.Random) -> str:
    if name == "filter" and chance.random() < 0.8:
        return words.filter_text(chance)
    if chance.random() < 0.3:
        return chance.choice(
            ("1", "0", "true", "T", "false", "web", "test-node", "v:1", "_agent", "passing", "text", "dc1")
        )
    if name in ("index", "wait", "max_stale"):
        return chance.choice((*words.DURATIONS, *words.ODD_NUMBERS))
    return words.text(chance)


def spoil_raw_query(draft: Draft, chance: random.Random) -> None:
    whole = draft.target().partition("?")[2]
    at = chance.randrange(len(whole) + 1)
    odd = (
        "%",
        "%zz",
        ";",
        "&&&",
        "=",
        "==",
        "&=x",
        "%00",
        "\xe9",
        "?",
        "+",
        "%ff%fe",
        "a" * 5000,
        "&index=1;wait=1s",
        "#x",
        "[]",
        "\t",
    )
    draft.raw_query = whole[:at] + chance.choice(odd) + whole[at:]


def spoil_headers(draft: Draft, chance: random.Random) -> None:
    name, values = chance.choice(HEADERS)
    draft.headers.insert(chance.randrange(len(draft.headers) + 1), (name, chance.choice(values)))


def spoil_version(draft: Draft, chance: random.Random) -> None:
    draft.version = "1.0"


def spoil_body(draft: Draft, chance: random.Random) -> None:
    """One value of it; a request without a body gets one."""
    draft.tree = spoil(draft.tree if draft.tree is not None else Members(), chance)


def spoil_bytes(draft: Draft, chance: random.Random) -> None:
    """The body as bytes: cut, with something in it, in front of it or behind it."""
    whole = draft.raw_body if draft.raw_body is not None else encoded(draft.tree)
    at = chance.randrange(len(whole) + 1)
    junk = chance.choice(
        (b"\xff", b"\x00", b"\xef\xbb\xbf", b"}", b"{", b'"', b",", b"\\", b"/*x*/", b" ", b"nul", b"\xc3", b"\n" * 999)
    )
    ways = (
        whole[:at],
        whole[:at] + junk + whole[at:],
        whole[:at] + whole[at + 1 :],
        junk + whole,
        whole + junk,
        b"",
        whole * 2,
    )
    draft.raw_body = chance.choice(ways)


def send_chunked(draft: Draft, chance: random.Random) -> None:
    draft.chunked = True


Spoiler = Callable[[Draft, random.Random], Any]
_OF_ALL: dict[Spoiler, int] = {
    spoil_argument: 5,
    spoil_path: 3,
    spoil_method: 2,
    spoil_query: 5,
    spoil_raw_query: 1,
    spoil_headers: 4,
    spoil_version: 1,
}
_OF_BODIES: dict[Spoiler, int] = {**_OF_ALL, spoil_argument: 2, spoil_body: 22, spoil_bytes: 6, send_chunked: 1}
_HOW_MANY = (0, 1, 1, 1, 2, 3, 5)


def spoiled(draft: Draft, chance: random.Random) -> Draft:
    """The request with nothing to five things changed."""
    table = _OF_ALL if draft.tree is None else _OF_BODIES
    for spoiler in chance.choices(list(table), weights=list(table.values()), k=chance.choice(_HOW_MANY)):
        if not (draft.fixed_path and spoiler in (spoil_argument, spoil_path)):
            spoiler(draft, chance)
    return draft
