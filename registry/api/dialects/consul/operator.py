"""What operators ask about the servers: who takes part in the log.

Source: status_operator_snapshot_ui.md part B.1; api-docs/operator/raft.
"""

from registry.api.call import Call
from registry.api.dialects.consul.json import encoded, in_order
from registry.api.dialects.consul.params import read_options, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import asked_first, no_leader
from registry.api.dialects.consul.replicas import Replica, host_port, replicas
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply


@endpoint("GET", "/v1/operator/raft/configuration", source="api-docs/operator/raft#read-configuration")
async def show_raft_configuration(call: Call) -> Reply:
    """The servers and which of them leads; 200 and a JSON object.

    Query: dc, stale (what this replica knows, also while there is no leader), consistent. It does not block.
    Errors: those of `read_options`, InvalidRequest `datacenter`, RequestError `no-leader`.
    """
    options = read_options(call)
    refuse_foreign_datacenter(call)
    await asked_first(call, options, failing_index=False)
    contact = call.engine.contact()
    if contact.away and options.mode != "stale":
        raise no_leader(contact.reason)
    state = call.engine.state
    servers = [_server(one, state.applied, led=not contact.away) for one in replicas(state)]
    return Reply(body=encoded(in_order({"Servers": servers, "Index": 0})))


def _server(one: Replica, index: int, *, led: bool) -> object:
    return in_order({
        "ID": one.id, "Node": one.name, "Address": host_port(one.address, one.port), "Leader": one.leads and led,
        "ProtocolVersion": "3", "Voter": True, "LastIndex": index,
    })  # fmt: skip
