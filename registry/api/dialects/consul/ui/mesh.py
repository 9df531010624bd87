"""The interface's pages of gateways, peers and metrics: nothing is linked to a gateway, exported or proxied here.

What links them are configuration entries, peerings and the settings of a metrics provider, none of which there is.
Source: status_operator_snapshot_ui.md D.3, D.6 and D.7; api-docs/exported-services.
"""

from registry.api.call import Call
from registry.api.dialects.consul.params import read_options, refuse_enterprise, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import answer, failing_with_index
from registry.api.dialects.consul.routes import endpoint
from registry.api.reply import Reply
from registry.errors import InvalidRequest, RequestError
from registry.model.topic import GATEWAYS, PEERS, Topic

_SOURCE = "https://github.com/hashicorp/consul/blob/v1.21.4/agent/ui_endpoint.go"
_NOTHING = b"[]"


@endpoint("GET", "/v1/internal/ui/gateway-services-nodes/{gateway}", source=_SOURCE)
async def list_gateway_services(call: Call) -> Reply:
    """The services linked to a gateway: none; 200 and a JSON array. Query: dc, blocking. Errors: `gateway-name`."""
    return await _nothing(call, GATEWAYS, missing="gateway-name")


@endpoint("GET", "/v1/internal/ui/gateway-intentions/{gateway}", source=_SOURCE)
async def list_gateway_intentions(call: Call) -> Reply:
    """The intentions of those services: none; 200 and a JSON array. As for the services."""
    return await _nothing(call, GATEWAYS, missing="gateway-name")


@endpoint("GET", "/v1/internal/ui/exported-services", source=_SOURCE)
async def list_exported_to_peer(call: Call) -> Reply:
    """The services exported to a peer, of which there is none; 200 and a JSON array.

    Query: peer, dc, blocking. Errors: `peer-name`, it is not given.
    """
    refuse_enterprise(call)
    options = read_options(call)
    try:
        refuse_foreign_datacenter(call)
        if not call.query.value("peer"):
            raise InvalidRequest("peer-name")
    except RequestError as error:
        raise failing_with_index(error) from None
    return await answer(call, PEERS, lambda state: (), lambda rows: _NOTHING, options=options, consistency=False)


@endpoint("GET", "/v1/exported-services", source="api-docs/exported-services#list-exported-services")
async def list_exported(call: Call) -> Reply:
    """The services exported to anybody: none; 200 and a JSON array. Query: dc, blocking."""
    return await _nothing(call, PEERS)


@endpoint("GET", "/v1/internal/ui/metrics-proxy/{path}", source=_SOURCE)
async def ask_metrics(call: Call) -> Reply:
    """What a metrics provider says: none is configured. Errors: `metrics-proxy`."""
    raise InvalidRequest("metrics-proxy")


async def _nothing(call: Call, topic: Topic, *, missing: str = "") -> Reply:
    refuse_enterprise(call)
    options = read_options(call)
    if missing and not call.argument:
        raise InvalidRequest(missing)
    try:
        refuse_foreign_datacenter(call)
    except RequestError as error:
        raise failing_with_index(error) from None
    return await answer(call, topic, lambda state: (), lambda rows: _NOTHING, options=options, consistency=False)
