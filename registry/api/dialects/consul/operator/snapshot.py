"""Snapshots: everything the registry knows as one file, and back.

The file has the form of Consul's, with a state that is ours; that of a real Consul is refused. What a restore means
is `registry/core/restoring.py`.
Source: status_operator_snapshot_ui.md part C; api-docs/snapshot.
"""

from registry.api.call import Call
from registry.api.dialects.consul.params import ReadOptions, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import asked_first, index_headers, no_leader
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.archive import online
from registry.errors import ArchiveDamaged, InvalidRequest

_ARCHIVE = "application/x-gzip"
_BYTES = "application/octet-stream"


@endpoint("GET", "/v1/snapshot", source="api-docs/snapshot#generate-snapshot")
async def save(call: Call) -> Reply:
    """The state of this moment; 200 and an archive, sent as it is read.

    Query: dc, stale (what this replica knows, also while the store is away). Its index is the last one it holds.
    Errors: `datacenter`, `no-leader`.
    """
    options = _options(call)
    refuse_foreign_datacenter(call)
    if options.mode != "stale":
        await asked_first(call, options, failing_index=False, newest=True)
    contact = call.engine.contact()
    if contact.away and options.mode != "stale":
        raise no_leader(contact.reason)
    saved = await online.save(call.engine)
    return Reply(stream=saved.pieces, content_type=_ARCHIVE, headers=index_headers(saved.index, "", contact))


@endpoint("PUT", "/v1/snapshot", source="api-docs/snapshot#restore-snapshot")
async def restore(call: Call) -> Reply:
    """Replace everything by the archive in the body, of any size; 200 and nothing, once reads show it.

    Query: dc. Errors: `datacenter`, `snapshot-stale`, `snapshot`: the archive is not what it should be.
    """
    refuse_foreign_datacenter(call)
    if _options(call).mode == "stale":
        raise InvalidRequest("snapshot-stale")
    try:
        await online.restore(call.engine, call.body_pieces())
    except ArchiveDamaged as error:
        raise InvalidRequest("snapshot", problem=str(error)) from None
    return Reply(content_type=_BYTES)


def _options(call: Call) -> ReadOptions:
    """The read mode, which is all that Consul looks at here: neither a wait nor a contradiction is an error."""
    return ReadOptions(mode="stale" if "stale" in call.query else "leader")
