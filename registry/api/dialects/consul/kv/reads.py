"""Reads of the KV store: one key, all under a prefix, or their names.

A lock is decided by such a read, so on a shared log one without a mode asks the log first. Bytes of answers are
`wire.py`, writes `writes.py`.
Source: kv.md §3; api-docs/kv.
"""

from collections.abc import Callable
from typing import Any

from registry.api.call import Call
from registry.api.dialects.consul.kv import wire
from registry.api.dialects.consul.kv.params import key_in_path
from registry.api.dialects.consul.params import ReadOptions, read_options, refuse_enterprise, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import answer
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.core.reading import State
from registry.errors import InvalidRequest
from registry.model.pair import Pair
from registry.model.topic import Topic, of_key, of_prefix

_PLAIN = "text/plain"
_SANDBOXED = b"X-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n"


@endpoint("GET", "/v1/kv/{key}", source="api-docs/kv#read-key")
async def read(call: Call) -> Reply:
    """One key, or all keys that begin so; 200 and a JSON array, or the plain value, or 404 and nothing.

    Query: recurse (entries under a prefix), keys (names only) with separator, raw, dc, read mode, blocking.
    Woken by the key alone, or by what is under the prefix; the end of a lock is a change of its key.
    Errors: `key-name` where one key is asked for, and none named.
    """
    options = read_options(call)
    refuse_enterprise(call)
    query, key = call.query, key_in_path(call)
    if "keys" in query:
        return await _names(call, options, key)
    if "recurse" in query:
        return await _answer(call, options, of_prefix(key), lambda state: state.kv.under(key), wire.entries)
    if not key:
        raise InvalidRequest("key-name")
    if "raw" in query:
        return await _answer(call, options, of_key(key), lambda state: state.kv.pairs.get(key), wire.value, raw=True)
    return await _answer(call, options, of_key(key), lambda state: _pair(state, key), wire.entries)


def _pair(state: State, key: bytes) -> tuple[Pair, ...]:
    pair = state.kv.pairs.get(key)
    return () if pair is None else (pair,)


async def _names(call: Call, options: ReadOptions, prefix: bytes) -> Reply:
    """The keys; none at all is an empty list where everything was asked for."""
    query = call.query
    separator = query.value("separator" if "separator" in query else "seperator").encode("utf-8", "replace")

    def encode(found: list[bytes]) -> bytes:
        return wire.keys(found) if found or not prefix else b""

    return await _answer(
        call, options, of_prefix(prefix), lambda state: wire.cut_keys(state.kv.under(prefix), prefix, separator), encode
    )


async def _answer(
    call: Call,
    options: ReadOptions,
    topic: Topic,
    query: Callable[[State], Any],
    encode: Callable[[Any], bytes],
    *,
    raw: bool = False,
) -> Reply:
    """200, or 404 for an empty body; a plain value may be empty."""
    refuse_foreign_datacenter(call)
    reply = await answer(
        call, topic, query, encode,
        options=options, consistency=False, failing_index=False, newest=True, as_it_is=raw,
    )  # fmt: skip
    if reply.body is wire.NOTHING or not (reply.body or raw):
        reply.status, reply.body, reply.content_type = 404, b"", None
    elif raw:
        reply.content_type = _PLAIN
        reply.headers += _SANDBOXED
    return reply
