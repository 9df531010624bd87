"""What operators ask about the servers, and tell them: who takes part in the log, and who leads.

All processes on one log are servers here, alive as long as they run: they join by starting and leave by stopping,
and the store says which of them keeps house. So nobody can be removed, and the lead cannot be handed over.
Source: status_operator_snapshot_ui.md part B.1; api-docs/operator/raft; `DESIGN.md` §3.
"""

from registry.api.call import Call
from registry.api.dialects.consul.go.encode import encoded, in_order
from registry.api.dialects.consul.params import read_options, refuse_foreign_datacenter, refuse_partition
from registry.api.dialects.consul.reads import asked_first, no_leader
from registry.api.dialects.consul.replicas import Replica, host_port, replicas
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.errors import InvalidRequest


@endpoint("GET", "/v1/operator/raft/configuration", source="api-docs/operator/raft#read-configuration")
async def show_raft_configuration(call: Call) -> Reply:
    """The servers and which of them leads; 200 and a JSON object.

    Query: dc, stale (what this replica knows, also while there is no leader), consistent. It does not block.
    Errors: those of `read_options`, InvalidRequest `datacenter`, RequestError `no-leader`.
    """
    away = await servers_known(call)
    state = call.engine.state
    servers = [_server(one, state.applied, led=not away) for one in replicas(state)]
    return Reply(body=encoded(in_order({"Servers": servers, "Index": 0})))


async def servers_known(call: Call) -> bool:
    """Get ready for an answer about the servers, which has no index; whether the store is away.

    Raises:
        InvalidRequest: those of `read_options`, and `datacenter`. RequestError: `no-leader`, unless it may be stale.
    """
    options = read_options(call)
    refuse_foreign_datacenter(call)
    await asked_first(call, options, failing_index=False)
    contact = call.engine.contact()
    if contact.away and options.mode != "stale":
        raise no_leader(contact.reason)
    return contact.away


def _server(one: Replica, index: int, *, led: bool) -> object:
    return in_order({
        "ID": one.id, "Node": one.name, "Address": host_port(one.address, one.port), "Leader": one.leads and led,
        "ProtocolVersion": "3", "Voter": True, "LastIndex": index,
    })  # fmt: skip


@endpoint("DELETE", "/v1/operator/raft/peer", source="api-docs/operator/raft#delete-raft-peer")
async def remove_raft_peer(call: Call) -> Reply:
    """Refused, since a server leaves by stopping; a status of 500 and why.

    Query: id or address, which of them is there decides. Errors: `raft-peer-missing`, `raft-peer-both`,
    `raft-peer-unknown`; of a server that is there `raft-peer-last` or `raft-peer-alive`.
    """
    query = call.query
    by_id, by_address = "id" in query, "address" in query
    if by_id == by_address:
        raise InvalidRequest("raft-peer-both" if by_id else "raft-peer-missing")
    refuse_foreign_datacenter(call)
    what = "id" if by_id else "address"
    wanted, servers = query.value(what), replicas(call.engine.state)
    for one in servers:
        if wanted == (one.id if by_id else host_port(one.address, one.port)):
            raise InvalidRequest("raft-peer-alive" if len(servers) > 1 else "raft-peer-last", name=one.name)
    raise InvalidRequest("raft-peer-unknown", what=what, value=wanted)


@endpoint("POST", "/v1/operator/raft/transfer-leader", source="api-docs/operator/raft#transfer-raft-leadership")
async def transfer_leader(call: Call) -> Reply:
    """Refused, since the store chooses who leads; a status of 500 and why.

    Query: id, of the server that is to lead. Errors: `enterprise`, `raft-transfer-alone` (there is one server),
    `raft-transfer-unknown`, `raft-transfer`.
    """
    refuse_partition(call)
    wanted, servers = call.query.value("id"), replicas(call.engine.state)
    if wanted and wanted not in {one.id for one in servers}:
        raise InvalidRequest("raft-transfer-unknown", id=wanted)
    raise InvalidRequest("raft-transfer" if len(servers) > 1 else "raft-transfer-alone")
