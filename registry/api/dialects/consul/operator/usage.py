"""How much is registered: services, instances of each kind, nodes.

The state counts as it changes, so the question costs the same with any number of rows.
Source: status_operator_snapshot_ui.md part B.4; api-docs/operator/usage.
"""

from msgspec import Raw
from msgspec.structs import replace

from registry.api.call import Call
from registry.api.dialects.consul.go.encode import encoded, in_order
from registry.api.dialects.consul.params import read_options, refuse_enterprise
from registry.api.dialects.consul.reads import answer
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.core.reading import State
from registry.model.topic import USAGE
from registry.model.views import Usage

_COUNTED = (
    "api-gateway", "connect-native", "connect-proxy", "ingress-gateway", "mesh-gateway", "terminating-gateway",
)  # fmt: skip
_TYPICAL = ""  # the kind of services that are neither proxies nor gateways


@endpoint("GET", "/v1/operator/usage", source="api-docs/operator/usage#operator-usage")
async def show_usage(call: Call) -> Reply:
    """The counts; 200 and a JSON object.

    Query: global (all datacenters: ours), read mode, blocking. Woken when there are more or fewer instances.
    """
    options = read_options(call)
    refuse_enterprise(call)

    def query(state: State) -> tuple[str, Usage, int]:
        return state.server.datacenter, state.usage(), state.index(USAGE)

    reply = await answer(call, USAGE, query, _counts, options=replace(options, cached=False), as_it_is=True)
    contact = call.engine.contact()
    reply.body = reply.body + b"," + _without_brace({
        "LastContact": int(contact.silent_seconds * 1e9) if contact.away else 0, "KnownLeader": not contact.away,
        "ConsistencyLevel": options.mode, "NotModified": False, "Backend": 0, "ResultsFilteredByACLs": False,
    }) + b"}"  # fmt: skip
    reply.ready = None  # how it was read is part of the bytes
    return reply


def _counts(found: tuple[str, Usage, int]) -> bytes:
    """The part of the answer that every mode of reading has, without the brace that closes it."""
    datacenter, usage, index = found
    kinds = {kind: usage.by_kind.get(kind, 0) for kind in _COUNTED}
    shown = in_order({
        "Services": usage.services, "ServiceInstances": usage.instances, "ConnectServiceInstances": kinds,
        "BillableServiceInstances": usage.by_kind.get(_TYPICAL, 0) - usage.servers, "Nodes": usage.nodes,
    })  # fmt: skip
    return b"{" + _without_brace({"Usage": {datacenter: shown}, "Index": index})


def _without_brace(fields: dict[str, object]) -> bytes:
    whole: Raw = in_order(fields)
    return encoded(whole)[1:-1]
