"""Reads of health: checks by node, service and state, and instances with the checks that speak for them.

Source: health.md; api-docs/health.
"""

from collections.abc import Callable

from registry.api.call import Call
from registry.api.dialects.consul.catalog.nearness import nearest_first
from registry.api.dialects.consul.catalog.reads import imported
from registry.api.dialects.consul.params import boolean, read_options, refuse_enterprise, refuse_foreign_datacenter
from registry.api.dialects.consul.reads import answer, failing_with_index, nodes_matching, predicate
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.selectors import CHECK, ENTRY
from registry.api.dialects.consul.wire import catalog as wire
from registry.api.reply import Reply
from registry.core.reading import State
from registry.errors import InvalidRequest, RequestError
from registry.model import topic as topics
from registry.model.check import PASSING, Check
from registry.model.names import fold
from registry.model.topic import Topic
from registry.model.views import Entry


@endpoint("GET", "/v1/health/node/{node}", source="api-docs/health#list-checks-for-node")
async def list_node_checks(call: Call) -> Reply:
    """All checks on a node, given by name; 200 and a JSON array, maybe empty.

    Query: dc, filter, read mode, blocking. Woken by checks of the node. Errors: InvalidRequest without a name.
    """
    topic = (topics.NODE_CHECKS, fold(call.argument))
    return await _checks(call, "node-name", topic, lambda state: state.checks_of_node(call.argument), by_node=False)


@endpoint("GET", "/v1/health/checks/{service}", source="api-docs/health#list-checks-for-service")
async def list_service_checks(call: Call) -> Reply:
    """The checks of all instances of a service; 200 and a JSON array, maybe empty.

    Query: dc, near, node-meta, filter, read mode, blocking. Woken by checks of the service, with node-meta
    by node rows as well. Errors: InvalidRequest without a name.
    """
    kind = topics.SERVICE_CHECKS_BY_NODE if call.query.values("node-meta") else topics.SERVICE_CHECKS
    topic = (kind, fold(call.argument))
    return await _checks(call, "service-name", topic, lambda state: state.checks_of_service(call.argument))


@endpoint("GET", "/v1/health/state/{state}", source="api-docs/health#list-checks-in-state")
async def list_checks_in_state(call: Call) -> Reply:
    """The checks in a state, or with `any` all of them; 200 and a JSON array, maybe empty.

    Query: dc, near, node-meta, filter, read mode, blocking. Woken by checks that enter, leave or change in
    the state. Errors: InvalidRequest without a state.
    """
    by_node = bool(call.query.values("node-meta"))
    if call.argument == "any":
        topic = topics.CHECKS_BY_NODE if by_node else topics.CHECKS
        return await _checks(call, "check-state", topic, State.all_checks)
    topic = (topics.STATE_BY_NODE if by_node else topics.STATE, fold(call.argument))
    return await _checks(call, "check-state", topic, lambda state: state.checks_in_state(call.argument))


async def _checks(
    call: Call, missing: str, topic: Topic, query: Callable[[State], list[Check]], *, by_node: bool = True
) -> Reply:
    refuse_enterprise(call)
    options = read_options(call)
    if not call.argument:
        raise InvalidRequest(missing)
    try:
        refuse_foreign_datacenter(call)
        matching = predicate(call, CHECK)
    except RequestError as error:
        raise failing_with_index(error) from None
    fits = nodes_matching(call) if by_node else None

    def rows(state: State) -> list[Check]:
        found = query(state)
        if fits is not None:
            found = [row for row in found if (node := state.node(row.node)) is not None and fits(node)]
        if matching is not None:
            found = [row for row in found if matching(row)]
        return nearest_first(call, state, found, lambda row: row.node) if by_node else found

    return await answer(call, topic, rows, wire.checks, options=options)


@endpoint("GET", "/v1/health/service/{service}", source="api-docs/health#list-service-instances-for-service")
async def list_instances(call: Call) -> Reply:
    """The instances of a service with the checks that speak for each; 200 and a JSON array, maybe empty.

    Query: dc, tag (repeatable: all must match), passing (Go boolean), near, node-meta, filter, peer,
    merge-central-config, read mode, blocking, cached. Woken when an instance of the name, one of its
    checks, or the node or a node's check under it changes. Errors: InvalidRequest without a name or for a
    `passing` that is no boolean.
    """
    tags = frozenset(tag.lower() for tag in call.query.values("tag"))

    def query(state: State) -> list[Entry]:
        found = state.entries(call.argument)
        if not tags:
            return found
        return [row for row in found if tags <= {tag.lower() for tag in row.instance.tags or ()}]

    return await _entries(call, (topics.HEALTH, fold(call.argument)), query)


@endpoint("GET", "/v1/health/connect/{service}", source="api-docs/health#list-service-instances-for-connect")
async def list_connect_instances(call: Call) -> Reply:
    """The instances a service is reached through in the mesh; as `health/service`, but tags are ignored."""
    topic = (topics.CONNECT_HEALTH, fold(call.argument))
    return await _entries(call, topic, lambda state: state.connect_entries(call.argument))


@endpoint("GET", "/v1/health/ingress/{service}", source="api-docs/health#list-service-instances-for-ingress-gateways")
async def list_ingress_instances(call: Call) -> Reply:
    """The ingress gateways that expose a service; none, as where no config entry names one."""
    return await _entries(call, topics.GATEWAYS, lambda state: [])


async def _entries(call: Call, topic: Topic, query: Callable[[State], list[Entry]]) -> Reply:
    refuse_enterprise(call)
    options = read_options(call)
    peer, group = call.query.value("peer"), call.query.value("sg") or call.query.value("sameness-group")
    if peer and group:
        raise InvalidRequest("peer-and-group")
    if not call.argument:
        raise InvalidRequest("service-name")
    passing_only = _passing(call)
    if group:
        raise InvalidRequest("sameness-group")
    refuse_foreign_datacenter(call)
    matching, fits = predicate(call, ENTRY), nodes_matching(call)
    if peer:
        return await imported(call)

    def rows(state: State) -> list[Entry]:
        found = query(state)
        if fits is not None:
            found = [row for row in found if fits(row.node)]
        if matching is not None:
            found = [row for row in found if matching(row)]
        if passing_only:
            found = [row for row in found if all(check.status == PASSING for check in row.checks)]
        return nearest_first(call, state, found, lambda row: row.node.name)

    return await answer(
        call,
        topic,
        rows,
        wire.entries,
        options=options,
        cacheable=True,
        only_if_different="merge-central-config" in call.query,
        failing_index=False,
    )


def _passing(call: Call) -> bool:
    """Whether only healthy instances are wanted: present and empty is yes."""
    if "passing" not in call.query:
        return False
    text = call.query.value("passing")
    wanted = boolean(text) if text else True
    if wanted is None:
        raise InvalidRequest("passing")
    return wanted
