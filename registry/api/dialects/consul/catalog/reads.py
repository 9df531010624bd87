"""Reads of the catalog: nodes, services, and which service runs where.

Writes are `writes.py`. Source: catalog.md; api-docs/catalog.
"""

from collections.abc import Callable

from registry.api.call import Call
from registry.api.dialects.consul.catalog.nearness import nearest_first
from registry.api.dialects.consul.params import (
    read_options,
    refuse_enterprise,
    refuse_foreign_datacenter,
    refuse_partition,
)
from registry.api.dialects.consul.reads import (
    answer,
    asked_first,
    failing_with_index,
    nodes_matching,
    predicate,
    selected,
)
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.selectors import NODE, SERVICE, SERVICE_NODE
from registry.api.dialects.consul.wire import catalog as wire
from registry.api.reply import Reply
from registry.core.reading import State, tags_by_service
from registry.errors import InvalidRequest, RequestError
from registry.model import topic as topics
from registry.model.filter import Selectors
from registry.model.names import fold
from registry.model.topic import Topic
from registry.model.views import NodeView, Placed


def _filter_after_parameters(call: Call, selectors: Selectors) -> Callable[[object], bool] | None:
    """Datacenter and filter, whose errors carry index headers in the catalog."""
    _refuse_elsewhere(call)
    try:
        return predicate(call, selectors)
    except RequestError as error:
        raise failing_with_index(error) from None


def _refuse_elsewhere(call: Call) -> None:
    try:
        refuse_foreign_datacenter(call)
    except RequestError as error:
        raise failing_with_index(error) from None


@endpoint("GET", "/v1/catalog/nodes", source="api-docs/catalog#list-nodes")
async def list_nodes(call: Call) -> Reply:
    """All nodes; 200 and a JSON array, maybe empty.

    Query: dc, near, node-meta, filter (over nodes), read mode, blocking. Woken by node rows.
    """
    refuse_partition(call)
    options = read_options(call)
    matching, fits = _filter_after_parameters(call, NODE), nodes_matching(call)
    return await answer(
        call,
        topics.NODES,
        lambda state: nearest_first(call, state, selected(state.nodes(), fits, matching), lambda node: node.name),
        wire.nodes,
        options=options,
    )


@endpoint("GET", "/v1/catalog/services", source="api-docs/catalog#list-services")
async def list_services(call: Call) -> Reply:
    """Every service name with the tags of its instances; 200 and a JSON object.

    Query: dc, node-meta, filter (over instances: names without a match vanish), read mode, blocking,
    cached. Woken by service rows; with node-meta or a filter by node rows as well.
    """
    refuse_enterprise(call)
    options = read_options(call)
    matching, fits = _filter_after_parameters(call, SERVICE_NODE), nodes_matching(call)
    if matching is None and fits is None:
        return await answer(
            call, topics.SERVICES, State.service_tags, wire.service_names, options=options, cacheable=True
        )

    def query(state: State) -> dict[str, tuple[str, ...]]:
        return tags_by_service(_placed_matching(list(state.all_placed()), fits, matching))

    topic = topics.SERVICES_BY_NODE if fits is not None else topics.SERVICES_FILTERED
    return await answer(call, topic, query, wire.service_names, options=options, cacheable=True)


def _placed_matching(
    rows: list[Placed], fits: Callable[..., bool] | None, matching: Callable[[object], bool] | None
) -> list[Placed]:
    return [
        row for row in rows if (fits is None or fits(row.node)) and (matching is None or matching(row))
    ]  # fmt: skip


@endpoint("GET", "/v1/catalog/service/{service}", source="api-docs/catalog#list-nodes-for-service")
async def list_service_nodes(call: Call) -> Reply:
    """The instances of a service with their nodes; 200 and a JSON array, maybe empty.

    Query: dc, tag (repeatable: all must match, in any case), near, node-meta, filter, peer,
    merge-central-config, read mode, blocking, cached. Woken by service rows of the name and by the node
    rows under them. Errors: InvalidRequest without a name.
    """
    tags = frozenset(tag.lower() for tag in call.query.values("tag"))
    topic = (topics.SERVICE, fold(call.argument))
    return await _service_nodes(call, topic, lambda state: with_tags(state.placed(call.argument), tags))


@endpoint("GET", "/v1/catalog/connect/{service}", source="api-docs/catalog#list-nodes-for-mesh-capable-service")
async def list_connect_nodes(call: Call) -> Reply:
    """The instances a service is reached through in the mesh; as `catalog/service`, but tags are ignored."""
    topic = (topics.CONNECT, fold(call.argument))
    return await _service_nodes(call, topic, lambda state: state.connect_placed(call.argument))


async def _service_nodes(call: Call, topic: Topic, query: Callable[[State], list[Placed]]) -> Reply:
    refuse_enterprise(call)
    options = read_options(call)
    if not call.argument:
        raise InvalidRequest("service-name")
    matching, fits = _filter_after_parameters(call, SERVICE_NODE), nodes_matching(call)
    merged = "merge-central-config" in call.query
    if call.query.value("peer"):
        return await imported(call)

    def rows(state: State) -> list[Placed]:
        found = _placed_matching(query(state), fits, matching)
        return nearest_first(call, state, found, lambda row: row.node.name)

    encode = wire.merged_service_nodes if merged else wire.service_nodes
    return await answer(
        call, topic, rows, encode, options=options, cacheable=True, only_if_different=merged
    )  # fmt: skip


def with_tags(rows: list[Placed], tags: frozenset[str]) -> list[Placed]:
    """The rows whose instance has every one of the tags, given in lower case."""
    if not tags:
        return rows
    return [row for row in rows if tags <= {tag.lower() for tag in row.instance.tags or ()}]


async def imported(call: Call) -> Reply:
    """What a peer has exported to us: no peering, so nothing, under index 1."""
    return await answer(call, topics.PEERS, lambda state: (), lambda rows: b"[]", cacheable=True)


@endpoint("GET", "/v1/catalog/node/{node}", source="api-docs/catalog#retrieve-map-of-services-for-a-node")
async def read_node(call: Call) -> Reply:
    """A node with its instances by id; 200 with `null` for a node that is not there.

    The node is given by name or by a unique prefix of its id. Query: dc, filter (over instances), read
    mode, blocking. Woken by the node row and its service rows. Errors: InvalidRequest without a name.
    """
    refuse_enterprise(call)
    return await _node(call, wire.node_services)


@endpoint("GET", "/v1/catalog/node-services/{node}", source="api-docs/catalog#list-services-for-node")
async def list_node_services(call: Call) -> Reply:
    """A node with a list of its instances; as `catalog/node`, other form."""
    refuse_enterprise(call)
    filtered = bool(call.query.value("filter"))
    return await _node(call, lambda view: wire.node_service_list(view, filtered=filtered))


async def _node(call: Call, encode: Callable[[NodeView | None], bytes]) -> Reply:
    options = read_options(call)
    if not call.argument:
        raise InvalidRequest("node-name")
    matching = _filter_after_parameters(call, SERVICE)
    once = await asked_first(call, options)

    def query(state: State) -> NodeView | None:
        view = state.node_view(call.argument)
        return view if view is None else view._replace(instances=tuple(selected(view.instances, matching)))

    key = call.engine.state.node_key(call.argument)
    topic = (topics.MISSING_NODE, fold(call.argument)) if key is None else (topics.NODE, key)
    by_name = key == fold(call.argument)  # what a prefix of an id means may change without a change of that node
    return await answer(call, topic, query, encode, options=options, keep=by_name, once=once)


@endpoint("GET", "/v1/catalog/gateway-services/{gateway}", source="api-docs/catalog#list-services-for-gateway")
async def list_gateway_services(call: Call) -> Reply:
    """The services linked to a gateway by config entries; none, as in a Consul without gateways."""
    refuse_enterprise(call)
    options = read_options(call)
    if not call.argument:
        raise InvalidRequest("gateway-name")
    _refuse_elsewhere(call)
    return await answer(call, topics.GATEWAYS, lambda state: (), lambda rows: b"[]", options=options)
