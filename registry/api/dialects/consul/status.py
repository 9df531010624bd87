"""Who leads, who the peers are, and which datacenters there are.

Source: status_operator_snapshot_ui.md part A; catalog.md §3; api-docs/status.
"""

from registry.api.call import Call
from registry.api.dialects.consul.errors import reply_for
from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.params import ReadOptions, read_options, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import local_answer
from registry.api.dialects.consul.replicas import host_port, leader, replicas
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import TEXT, Reply
from registry.errors import InvalidRequest
from registry.model import topic as topics

# Errors of the parameters that this one endpoint goes on after; it never looks at the others.
_WRITTEN_FIRST = frozenset({"consistency-conflict", "cached-conflict", "max-stale", "cache-control"})


@endpoint("GET", "/v1/status/leader", source="api-docs/status#get-raft-leader")
async def show_leader(call: Call) -> Reply:
    """The address of the leader, which is the replica that keeps house; 200 and a JSON text.

    Empty while the store does not answer: nobody can write then. Query: dc. Errors: InvalidRequest for a
    datacenter that is not ours.
    """
    refuse_foreign_datacenter(call)
    if call.engine.contact().away:
        return Reply(body=encoded(""))
    return local_answer(call, topics.MEMBERS, leader, encoded)


@endpoint("GET", "/v1/status/peers", source="api-docs/status#list-raft-peers")
async def list_peers(call: Call) -> Reply:
    """The addresses of all replicas, with a leader or without; 200 and a JSON array. As for the leader."""
    refuse_foreign_datacenter(call)
    return local_answer(
        call, topics.MEMBERS, replicas, lambda found: encoded([host_port(one.address, one.port) for one in found])
    )


@endpoint("GET", "/v1/catalog/datacenters", source="api-docs/catalog#list-datacenters")
async def list_datacenters(call: Call) -> Reply:
    """The known datacenters; 200 and a JSON array. Neither blocks nor has an index.

    Query: cached. Contradicting read modes are answered with status 400, their text and the list.
    """
    body = encoded([call.engine.state.server.datacenter])
    try:
        options = read_options(call)
    except InvalidRequest as error:
        if error.reason in _WRITTEN_FIRST:
            return Reply(status=400, body=reply_for(error).body + body, content_type=TEXT)
        options = ReadOptions()
    return Reply(body=body, headers=_cache_headers(call, options) if options.cached else b"")


def _cache_headers(call: Call, options: ReadOptions) -> bytes:
    """HIT from the second time on, unless asked to look again; the list is always fresh, hence its age."""
    seen, key = call.server.seen_cached, (call.route,)
    if key in seen and not options.revalidate:
        return b"X-Cache: HIT\r\nAge: 0\r\n"
    seen[key] = None
    return b"X-Cache: MISS\r\n"
