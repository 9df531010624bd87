"""The pages of the interface: nodes and services as its lists show them.

Source: status_operator_snapshot_ui.md part D. Not a stable interface of Consul's, but tools use it.
"""

from collections.abc import Callable
from typing import Any

from registry.api.call import Call
from registry.api.dialects.consul.params import read_options, refuse_enterprise, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import answer, failing_with_index, local_answer, newest_wanted, predicate
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.selectors import ENTRY, UI_NODE
from registry.api.dialects.consul.ui import wire as wire_ui
from registry.api.http import accepts_gzip
from registry.api.reply import Reply
from registry.core.reading import State
from registry.errors import InvalidRequest, RequestError
from registry.model import topic as topics
from registry.model.filter import Selectors
from registry.model.names import fold
from registry.model.views import Entry, NodeView

_SOURCE = "https://github.com/hashicorp/consul/blob/v1.21.4/agent/ui_endpoint.go"


@endpoint("GET", "/v1/internal/ui/nodes", source=_SOURCE)
async def list_ui_nodes(call: Call) -> Reply:
    """All nodes with their services and checks; 200 and a JSON array.

    Query: dc, filter (fields of a node), blocking. Woken by every change of the catalog.
    """
    refuse_enterprise(call)
    options = read_options(call)
    matching = _prepared(call, UI_NODE)

    def query(state: State) -> list[NodeView]:
        views = (state.node_view(node.name) for node in state.nodes())
        return [view for view in views if view is not None and (matching is None or matching(view))]

    versions = _versions(call)
    return await answer(
        call, topics.CATALOG, query, lambda views: wire_ui.ui_nodes(views, versions), options=options, consistency=False
    )


@endpoint("GET", "/v1/internal/ui/node/{node}", source=_SOURCE)
async def show_ui_node(call: Call) -> Reply:
    """One node, given by name, with its services and checks; 200 and a JSON object, or an empty 404.

    Query: dc, blocking. Errors: InvalidRequest without a name.
    """
    refuse_enterprise(call)
    options = read_options(call)
    if not call.argument:
        raise InvalidRequest("node-name")
    _prepared(call, {})

    def query(state: State) -> NodeView | None:
        node = state.node(call.argument)
        return state.node_view(node.name) if node is not None else None

    versions = _versions(call)
    topic = (topics.NODE_PAGE, fold(call.argument))
    reply = await answer(
        call, topic, query, lambda view: wire_ui.ui_node(view, versions), options=options, consistency=False
    )
    if reply.body:
        return reply
    # Consul's writer of packed answers lets the index headers through, the plain one does not
    packing = accepts_gzip(call.headers.get("Accept-Encoding", ""))
    return Reply(status=404, content_type=None, headers=reply.headers if packing else b"", waited=reply.waited)


@endpoint("GET", "/v1/internal/ui/services", source=_SOURCE)
async def list_ui_services(call: Call) -> Reply:
    """All services, summed up over their instances; 200 and a JSON array.

    Query: dc, filter (fields of a health entry, applied before summing up), peer, blocking. Woken by every
    change of the catalog.
    """
    refuse_enterprise(call)
    options = read_options(call)
    matching = _prepared(call, ENTRY)
    imported = bool(call.query.value("peer"))

    def query(state: State) -> list[Entry]:
        if imported:  # nothing is imported from any peer
            return []
        entries = state.all_entries()
        return entries if matching is None else [entry for entry in entries if matching(entry)]

    return await answer(call, topics.CATALOG, query, wire_ui.ui_services, options=options, consistency=False)


@endpoint("GET", "/v1/internal/ui/catalog-overview", source=_SOURCE)
async def show_overview(call: Call) -> Reply:
    """Nodes, instances and checks counted by status; 200 and a JSON object, without an index.

    Query: dc. Errors: InvalidRequest for a datacenter that is not ours.
    """
    refuse_foreign_datacenter(call)
    await newest_wanted(call)

    def query(state: State) -> tuple[Any, Any, Any]:
        return state.nodes(), state.all_entries(), state.all_checks()

    return local_answer(call, topics.CATALOG, query, lambda rows: wire_ui.ui_overview(*rows))


def _prepared(call: Call, selectors: Selectors) -> Callable[[Any], bool] | None:
    """The datacenter checked and the filter read; an error has index headers, since it comes after the parameters."""
    try:
        refuse_foreign_datacenter(call)
        return predicate(call, selectors) if selectors else None
    except RequestError as error:
        raise failing_with_index(error) from None


def _versions(call: Call) -> dict[str, str]:
    """The version of each member of the gossip pool by its address: ours alone."""
    server = call.engine.state.server
    return {server.address: server.service_meta.get("version", "")}
