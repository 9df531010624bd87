"""Reads of the agent's own services and checks, and how they are.

Ids and names are matched exactly here. Source: agent.md §4 and §5; api-docs/agent/service, agent/check.
"""

from collections.abc import Callable, Iterable

from registry.api.call import Call
from registry.api.dialects.consul.agent.content_hash import content_hash
from registry.api.dialects.consul.go.encode import encoded
from registry.api.dialects.consul.params import blocking, refuse_enterprise
from registry.api.dialects.consul.reads import local_answer, newest_wanted, predicate
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.consul.selectors import AGENT_SERVICE, CHECK
from registry.api.dialects.consul.wire import agent as wire_agent
from registry.api.reply import Reply, header_lines
from registry.core.reading import State
from registry.errors import InvalidRequest, NotFound
from registry.model import topic as topics
from registry.model.check import CRITICAL, NODE_MAINTENANCE, PASSING, SERVICE_MAINTENANCE_PREFIX, WARNING, Check
from registry.model.filter import compiled, parsed
from registry.model.service import Instance

MAINTENANCE = "maintenance"
_STATUSES = {PASSING: 200, WARNING: 429, CRITICAL: 503, MAINTENANCE: 503}
_TEXT = "text/plain"  # exactly: the text form of local health names no character set


@endpoint("GET", "/v1/agent/services", source="api-docs/agent/service#list-services")
async def list_agent_services(call: Call) -> Reply:
    """The services registered here, by id; 200 and a JSON object.

    Query: filter. Errors: InvalidRequest for a filter that cannot be used.
    """
    refuse_enterprise(call)
    matching = predicate(call, AGENT_SERVICE)
    await newest_wanted(call)

    def query(state: State) -> list[Instance]:
        rows = state.local_services()
        return rows if matching is None else [row for row in rows if matching(row)]

    datacenter = call.engine.state.server.datacenter
    return local_answer(call, topics.LOCAL_SERVICES, query, lambda rows: wire_agent.agent_services(rows, datacenter))


@endpoint("GET", "/v1/agent/service/{service_id}", source="api-docs/agent/service#get-service-configuration")
async def show_agent_service(call: Call) -> Reply:
    """One service registered here with the hash of its definition; 200 and a JSON object.

    Query: hash, wait. Blocks while the definition's hash is the one given; registering the same again does not
    end the wait. Errors: NotFound, also when the service goes while the request waits.
    """
    refuse_enterprise(call)
    seconds, _ = blocking(call)
    known = call.query.value("hash")
    await newest_wanted(call)
    row, found = _hashed(call)
    waited = known != "" and known == found
    if waited:
        await call.engine.park((topics.LOCAL_SERVICE, call.argument), _differs(call.argument, row, known), seconds)
        row, found = _hashed(call)
    datacenter = call.engine.state.server.datacenter
    reply = local_answer(
        call,
        (topics.LOCAL_SERVICE, call.argument),
        lambda _: row,
        lambda one: encoded(wire_agent.agent_service(one, datacenter, found)),
    )
    reply.headers = header_lines(("X-Consul-Contenthash", found))
    reply.waited = waited
    if known:  # asked the same again it may have to wait
        reply.ready = None
    return reply


def _hashed(call: Call) -> tuple[Instance, str]:
    row = call.engine.state.local_service(call.argument)
    if row is None:
        raise NotFound("agent-service", id=call.argument)
    return row, content_hash(row)


def _differs(service_id: str, seen: Instance, known: str) -> Callable[[State], bool]:
    """Whether the service is gone or has another definition than the one seen, whose hash is known."""

    def differs(state: State) -> bool:
        row = state.local_service(service_id)
        return row is None or (row is not seen and content_hash(row) != known)

    return differs


@endpoint("GET", "/v1/agent/checks", source="api-docs/agent/check#list-checks")
async def list_agent_checks(call: Call) -> Reply:
    """The checks registered here, by id; 200 and a JSON object.

    Query: filter, whose names are looked at only when there is a check.
    """
    refuse_enterprise(call)
    text = call.query.value("filter")
    if text:
        parsed(text)
    await newest_wanted(call)
    matching = _check_filter(text) if text and call.engine.state.local_check_ids else None

    def query(state: State) -> list[Check]:
        rows = state.local_checks()
        return rows if matching is None else [row for row in rows if matching(row)]

    return local_answer(call, topics.LOCAL_CHECKS, query, wire_agent.agent_checks)


def _check_filter(text: str) -> Callable[[Check], bool]:
    try:
        return compiled(text, CHECK)
    except InvalidRequest as error:
        raise InvalidRequest("agent-check-filter", **error.values) from None


@endpoint(
    "GET", "/v1/agent/health/service/id/{service_id}", source="api-docs/agent/service#get-local-service-health-by-id"
)
async def show_health_by_id(call: Call) -> Reply:
    """How one instance is, by its checks and those of the whole node; the status code says it too.

    200 passing, 429 warning, 503 critical or in maintenance, 404 unknown. Query: format (`text` or JSON).
    """
    if not call.argument:
        raise InvalidRequest("health-service-id")
    refuse_enterprise(call)
    await newest_wanted(call)
    state = call.engine.state
    row = state.local_service(call.argument)
    if row is None:
        reason = f"ServiceId {call.argument} not found"
        return _health_reply(call, 404, reason, encoded(wire_agent.unknown_health()))
    status, health = _health(state, row, state.local_node_checks())
    return _health_reply(call, _STATUSES[status], status, encoded(health))


@endpoint("GET", "/v1/agent/health/service/name/{service}", source="api-docs/agent/service#get-local-service-health")
async def show_health_by_name(call: Call) -> Reply:
    """How the instances of a name are, each as by id; the status code is that of the worst.

    404 without any. Query: format (`text` or JSON).
    """
    if not call.argument:
        raise InvalidRequest("health-service-name")
    refuse_enterprise(call)
    await newest_wanted(call)
    state = call.engine.state
    node_checks = state.local_node_checks()
    found = [_health(state, row, node_checks) for row in state.local_services_named(call.argument)]
    if not found:
        return _health_reply(call, 404, f"ServiceName {call.argument} Not Found", b"[]")
    worst = max((status for status, _ in found), key=_STATUSES.__getitem__)
    return _health_reply(call, _STATUSES[worst], worst, encoded([health for _, health in found]))


def _health(state: State, row: Instance, node_checks: list[Check]) -> tuple[str, wire_agent.LocalHealthShape]:
    checks = [*state.local_checks_of(row.id), *node_checks]
    status = aggregated(checks)
    return status, wire_agent.local_health(status, row, checks, state.server.datacenter)


def aggregated(checks: Iterable[Check]) -> str:
    """What checks come to together; one that stands for maintenance says it for all."""
    worst = PASSING
    for check in checks:
        if check.id == NODE_MAINTENANCE or check.id.startswith(SERVICE_MAINTENANCE_PREFIX):
            return MAINTENANCE
        if check.status == CRITICAL or (check.status == WARNING and worst == PASSING):
            worst = check.status
    return worst


def _health_reply(call: Call, status: int, reason: str, body: bytes) -> Reply:
    as_text = call.headers.get("Accept", "").startswith(_TEXT) or call.query.value("format") == "text"
    headers = header_lines(("X-Consul-Reason", reason))
    if as_text:
        return Reply(status=status, body=reason.encode("utf-8", "replace"), content_type=_TEXT, headers=headers)
    return Reply(status=status, body=body, headers=headers)
