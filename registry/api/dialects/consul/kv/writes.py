"""Writes of the KV store, which is also how locks are taken and given back.

Owns the parameters and the order in which their mistakes are told. What an operation means and when it is not
carried out is the state's.
Source: kv.md §4, §5; api-docs/kv.
"""

from registry.api.call import Call
from registry.api.dialects.consul.kv.params import key_in_path, refuse_both, unsigned
from registry.api.dialects.consul.params import read_options, refuse_enterprise, refuse_foreign_datacenter
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.commands import ChangeKey, KeyOp
from registry.errors import InvalidRequest, TooLarge

_DONE, _NOT_DONE = b"true", b"false"


@endpoint("PUT", "/v1/kv/{key}", source="api-docs/kv#create-update-key")
async def write(call: Call) -> Reply:
    """Store the body under a key; 200 and whether it was done.

    Query: flags (a number of the caller's), and at most one of cas (only over this index; 0: only if there is
    none), acquire (and lock it for a session), release (and unlock it). Errors: `key-name`, `key-flags`,
    `unsigned`, `key-value` (the body is too large), `session-missing`, `session-invalid`.
    """
    read_options(call)
    refuse_enterprise(call)
    query, key = call.query, key_in_path(call)
    if not key:
        raise InvalidRequest("key-name")
    if not query:
        _refuse_large(call)
        return await _changed(call, KeyOp("set", key, await call.body()))
    refuse_both(call, "cas", "acquire", "release")
    flags = unsigned(query.value("flags")) if "flags" in query else 0
    index = unsigned(query.value("cas")) if "cas" in query else None
    _refuse_large(call)
    refuse_foreign_datacenter(call)
    value = await call.body()
    if index is not None:
        return await _changed(call, KeyOp("cas", key, value, flags, index))
    if "acquire" in query:
        return await _changed(call, KeyOp("lock", key, value, flags, session=query.value("acquire")))
    if "release" in query:
        return await _changed(call, KeyOp("unlock", key, value, flags, session=query.value("release")))
    return await _changed(call, KeyOp("set", key, value, flags))


@endpoint("DELETE", "/v1/kv/{key}", source="api-docs/kv#delete-key")
async def delete(call: Call) -> Reply:
    """Delete a key, whoever holds it, or with recurse all that begin so; 200 and whether it was done.

    Query: recurse, cas (only if the index is this one). Errors: `key-name`, `key-flags`, `unsigned`.
    """
    read_options(call)
    refuse_enterprise(call)
    query, key = call.query, key_in_path(call)
    refuse_both(call, "recurse", "cas")
    tree = "recurse" in query
    if not key and not tree:
        raise InvalidRequest("key-name")
    index = unsigned(query.value("cas")) if "cas" in query else None
    refuse_foreign_datacenter(call)
    if index is not None:
        return await _changed(call, KeyOp("delete-cas", key, index=index))
    return await _changed(call, KeyOp("delete-tree" if tree else "delete", key))


def _refuse_large(call: Call) -> None:
    """Refuse a body that says to be over the limit of a value; one of unknown length is not judged.

    Raises:
        TooLarge: `key-value`.
    """
    length, limit = call.headers.get("Content-Length", ""), call.server.settings.kv_max_value_bytes
    if length.isdecimal() and int(length) > limit:
        raise TooLarge("key-value", size=int(length), limit=limit)


async def _changed(call: Call, op: KeyOp) -> Reply:
    return Reply(body=_DONE if await call.engine.propose(ChangeKey(op)) else _NOT_DONE)
